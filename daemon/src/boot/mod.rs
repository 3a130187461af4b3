//! Boots without configuration: finds the loaders on this machine, builds the menu from the boot directory, and holds
//! the built-in programs for UEFI. Everything here reads files at start and at SIGHUP, and keeps nothing.

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
