//! The loaders of this server: finds them in the boot directory and where distributions install iPXE, checks that
//! machines can start them, and lists them in a table.

pub mod distribution;
pub mod second_stage;
mod unusable_loader;

mod find;

pub mod table;

pub use find::{DISTRIBUTION_DIRECTORIES, FoundLoaders, find, incompatibility, is_arch_directory, is_loader_name};
pub use table::LoaderRow;
pub use unusable_loader::UnusableLoader;
