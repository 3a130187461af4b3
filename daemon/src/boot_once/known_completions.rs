//! The completions that the last refresh found.

use super::completions::DirectoryStamp;
use std::collections::BTreeSet;

/// The content of the directory at the last refresh.
#[derive(Debug, Default)]
pub struct KnownCompletions {
    /// Whether the directory has been read, or was absent at the start.
    pub(super) is_known: bool,
    /// The version of the directory. `None` if the next refresh must read the directory even if it has not changed.
    pub(super) stamp: Option<DirectoryStamp>,
    pub(super) inode: Option<(u64, u64)>,
    pub(super) machines: BTreeSet<String>,
    /// The last error, which was logged.
    pub(super) error: Option<String>,
}
