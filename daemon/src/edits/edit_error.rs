//! The reasons why an edit is refused or lost, and the limit of their number.

use std::io;
use std::path::PathBuf;

/// The maximum number of entries that the server keeps, and of boot orders. Larger sites have machine files.
pub const MAX_EDITS: usize = 10_000;

/// A file that cannot be read: its path, and the error.
#[derive(Debug)]
pub struct UnreadableEdit {
    /// The path of the file.
    pub path: PathBuf,
    /// The error, in one line.
    pub error: String,
}

/// Why an edit is refused.
#[derive(Debug)]
pub enum EditError {
    /// There are [`MAX_EDITS`] already.
    Full,
    /// The file cannot be written or removed.
    Io(PathBuf, io::Error),
}

impl EditError {
    /// The same error, for another edit.
    pub fn again(&self) -> EditError {
        match self {
            EditError::Full => EditError::Full,
            EditError::Io(path, error) => EditError::Io(path.clone(), io::Error::new(error.kind(), error.to_string())),
        }
    }
}
