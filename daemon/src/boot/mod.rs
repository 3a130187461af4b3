//! Boots without configuration: finds the loaders on this machine, builds the menu from the boot directory, and holds
//! the built-in programs for UEFI. Everything here reads files at start and at SIGHUP, and keeps nothing.

pub mod content;
pub mod image;
pub mod ipxe_wrapper;
pub mod loader_table;
pub mod loaders;
pub mod local_disk;
mod pe;
pub mod scan;
pub mod script;
pub mod second_stage;
pub mod signature;
pub mod uefi_programs;
pub mod unusable_loader;
