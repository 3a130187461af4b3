//! What is booted with no configuration: loaders found on this machine, a menu made of the boot directory, and our
//! programs for UEFI. Everything here reads files when asked, at start and at SIGHUP; nothing is kept.

pub mod content;
pub mod scan;
pub mod image;
pub mod loaders;
pub mod local_disk;
pub mod unusable_loader;
mod pe;
pub mod script;
pub mod second_stage;
pub mod signature;
pub mod loader_table;
pub mod uefi_programs;
pub mod ipxe_wrapper;
