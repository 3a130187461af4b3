//! What is booted with no configuration: loaders found on this machine, a menu made of the boot directory, and our
//! programs for UEFI. Everything here reads files when asked, at start and at SIGHUP; nothing is kept.

pub mod content;
pub mod directory;
pub mod image;
pub mod loaders;
pub mod local_disk;
pub mod misfit;
mod pe;
pub mod script;
pub mod second_stage;
pub mod signature;
pub mod table;
pub mod uefi;
pub mod with_script;
