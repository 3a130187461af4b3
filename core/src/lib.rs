//! The decisions of a proxyDHCP server. Nothing in here opens, waits, or reads a clock: packets, names and time come
//! in as arguments, replies and verdicts go out as values.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod wire;

pub mod arch;
pub mod link;
pub mod recent;
pub mod show;
pub mod url;

pub mod arrival;
pub mod client;

pub mod plan;

pub mod route;
pub mod route6;

pub mod memory;

pub mod decide;

pub mod choose;
pub mod needs;
pub mod reply4;
pub mod reply6;
pub mod shape;
pub mod shape6;

pub mod answer;

pub mod name;
pub mod request;

pub mod caller;

pub mod script;
pub mod shim;

pub mod fetch;

pub mod transfer;
