//! The files that transfers have open. Each file is open only once, however many machines load it.

use crate::files::{Opened, ServedContent};
use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// The open files by their identity. The table itself keeps no file open.
#[derive(Debug, Default)]
pub struct OpenFiles(HashMap<FileIdentity, Weak<File>>);

/// The identity of an open file. While it is open, its device and inode belong to no other file. Time and size are
/// added for overlayfs, where a changed file keeps its inode but is not the open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    modified: Option<SystemTime>,
    size: u64,
}

impl OpenFiles {
    /// Replaces the descriptor with that of another transfer of the same file, if there is one. Transfers can share a
    /// descriptor, because each read states its offset. The identity is `None` for rendered text.
    pub fn share(&mut self, opened: Opened) -> (Opened, Option<FileIdentity>) {
        let ServedContent::File(file) = &opened.content else { return (opened, None) };
        let Opened { device, inode, modified, size, .. } = opened;
        let identity = FileIdentity { device, inode, modified, size };
        let known = self.0.entry(identity).or_default();
        match known.upgrade() {
            Some(shared) => (Opened { content: ServedContent::File(shared), ..opened }, Some(identity)),
            None => {
                *known = Arc::downgrade(file);
                (opened, Some(identity))
            }
        }
    }

    /// Forgets the file if no transfer has it open. Call this after a transfer has dropped the file.
    pub fn release(&mut self, identity: FileIdentity) {
        if self.0.get(&identity).is_some_and(|file| file.strong_count() == 0) {
            self.0.remove(&identity);
        }
    }

    /// The number of open descriptors.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
