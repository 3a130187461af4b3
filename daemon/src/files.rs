//! The files of the server: those that it sends, opened safely; those that it reads as a whole; those that it writes.

mod openat_beneath;
mod opened;
pub mod path_errors;
mod regular;
mod served;
mod write;

pub use opened::{Opened, ServedContent};
pub use regular::{irregular_error, open_regular, read_regular};
pub use served::{Directory, open_loader};
pub use write::{create_new, replace, sync_directory};
