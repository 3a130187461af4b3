//! The daemon's rooms. They are a library so that tests and tools reach them; the program is `main.rs`.

pub mod probable;

pub mod daemonize;
pub mod duid;
pub mod files;
pub mod journal;
pub mod log;
pub mod net;
pub mod shared_uuids;
pub mod systemd;
pub mod used;

pub mod boot;
pub mod config;
pub mod import;

pub mod templates;

pub mod report;
pub mod site;
pub mod state;

pub mod serve;

pub mod cli;
