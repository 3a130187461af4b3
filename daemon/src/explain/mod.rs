//! Explains what a machine would receive, and why: simulates its boot with the code that answers packets, and sends
//! nothing.

pub mod client;
pub mod client_packet;
pub mod client_packet6;
pub mod explanation;
mod ipv4;
mod ipv6;
pub mod observed_client;
mod packet;
pub mod question;
mod reasons;
mod script;
mod simulate;
pub mod simulation;
mod steps;

pub use simulate::{UnknownMachine, links_of, simulate};
