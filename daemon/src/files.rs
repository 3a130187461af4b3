//! The files of the server: those that it sends, opened safely, and those that it writes.

mod open_file;
mod open_files;
mod openat_beneath;
mod opened;
pub mod path_errors;
mod resolved_file;
mod served;
mod write;

pub use open_file::{FileIdentity, OpenFile};
pub use open_files::OpenFiles;
pub use opened::Opened;
pub use resolved_file::ResolvedFile;
pub use served::{Directory, open_loader};
pub use write::{create_new, replace, replace_many, sync_directory};
