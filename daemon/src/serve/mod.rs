//! The doors: each receives, asks the core, and sends.

pub mod http;
pub mod tftp;
