//! The daemon's modules, in the order of their dependencies. They are a library, so that tests and tools can use them.
//! The program is `main.rs`.

pub mod boot_once;
pub mod daemonize;
pub mod duid;
pub mod files;
pub mod log;
pub mod menu_passwords;
pub mod net;
pub mod shared_uuids;
pub mod vendors;

pub mod boot_files;
pub mod loaders;

pub mod boot_dir;
pub mod settings;
pub mod uefi_programs;

pub mod machine_files;

pub mod edits;
pub mod heard_traffic;
pub mod kept_packets;

pub mod events;
pub mod history;
pub mod story;
pub mod systemd;

pub mod config;

pub mod sandbox;
pub mod templates;

pub mod site;
pub mod state;

pub mod preview;

pub mod explain;

pub mod check;

pub mod access;
pub mod api;
pub mod web;
pub mod webhooks;

pub mod serve;

pub mod cli;
