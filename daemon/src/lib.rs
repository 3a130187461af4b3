//! The daemon's modules, in the order of their dependencies. They are a library, so that tests and tools can use them.
//! The program is `main.rs`.

pub mod boot_once;
pub mod daemonize;
pub mod duid;
pub mod files;
pub mod log;
pub mod log_limiter;
pub mod net;
pub mod shared_uuids;
pub mod systemd;

pub mod boot_files;
pub mod loaders;

pub mod boot_dir;
pub mod settings;
pub mod uefi_programs;

pub mod machine_files;

pub mod config;

pub mod templates;

pub mod report;
pub mod site;
pub mod state;

pub mod serve;

pub mod cli;
