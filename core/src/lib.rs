//! The decisions of a proxyDHCP server. Nothing in here opens, waits, or reads a clock: packets, names and time come
//! in as arguments, replies and verdicts go out as values.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arch;
pub mod link;
pub mod plan;

pub mod fetch;
