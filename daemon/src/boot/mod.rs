//! Boots without configuration: finds the loaders on this host, builds the menu from the boot directory, and holds the
//! built-in programs for UEFI. These modules read files at the start, at a reload and in `check`, and hold no state
//! between calls.

pub mod content;
pub mod image;
pub mod ipxe_wrapper;
pub mod loader_table;
pub mod loaders;
pub mod local_disk;
pub mod scan;
pub mod script;
pub mod second_stage;
pub mod uefi_programs;
pub mod unusable_loader;
