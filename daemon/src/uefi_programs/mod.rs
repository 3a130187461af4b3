//! The built-in programs for UEFI, which the server sends and never runs, and the operator's programs that replace
//! them.

mod built;

pub mod ipxe_wrapper;
pub mod local_disk;
