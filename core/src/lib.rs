//! The decisions of a proxyDHCP server, without I/O: packets, names and the time are arguments; replies and verdicts
//! are results. The crate opens no file and no socket, and reads no clock.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

// In the order of ARCHITECTURE.md: a module names only modules of its group and of the groups above.

pub mod wire;

pub mod arch;
pub mod bounded_cache;
pub mod dissect;
pub mod ipxe_error;
pub mod link;
pub mod url;

pub mod arrival;
pub mod relay;

pub mod identity;

pub mod client;

pub mod plan;

pub mod route;
pub mod route6;
pub mod wake;

pub mod observations;

pub mod decide;

pub mod choose;
pub mod reply4;
pub mod reply6;
pub mod required_features;
pub mod shape;
pub mod shape6;

pub mod quirks;

pub mod ambiguous_identity;
pub mod answer;

pub mod file_name;
pub mod request;

pub mod claimed_identity;

pub mod render_context;

pub mod file_ticket;
pub mod script;
pub mod shim;

pub mod fetch;
pub mod report_request;

pub mod round_trip;

pub mod transfer;

pub mod event;
pub mod story;

pub mod capture;
pub mod replay;
