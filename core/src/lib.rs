//! The decisions of a proxyDHCP server. Nothing in here opens, waits, or reads a clock: packets, names and time come
//! in as arguments, replies and verdicts go out as values.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod wire;

pub mod arch;
pub mod link;
pub mod bounded_cache;
pub mod dissect;
pub mod url;

pub mod arrival;
pub mod client;

pub mod plan;

pub mod route;
pub mod route6;

pub mod observations;

pub mod decide;

pub mod choose;
pub mod required_features;
pub mod reply4;
pub mod reply6;
pub mod shape;
pub mod shape6;

pub mod answer;

pub mod file_name;
pub mod request;

pub mod claimed_identity;

pub mod script;
pub mod shim;

pub mod fetch;

pub mod transfer;
