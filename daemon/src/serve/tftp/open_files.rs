//! The files that transfers have open: each once, however many machines load it.

use crate::files::{ServedContent, Opened};
use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// Holds nothing open itself.
#[derive(Debug, Default)]
pub struct OpenFiles(HashMap<FileIdentity, Weak<File>>);

/// As long as a file is open, its device and inode are no other file's. Time and size stand beside them for overlayfs,
/// where a file that was changed has its old inode and is nevertheless another one than that which is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    modified: Option<SystemTime>,
    size: u64,
}

impl OpenFiles {
    /// The same, by the descriptor that another transfer has, if one has. Reading names its place in the file each
    /// time, so that they do not get into each other's way.
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

    /// To be called when a transfer of this file has let go of it.
    pub fn release(&mut self, identity: FileIdentity) {
        if self.0.get(&identity).is_some_and(|file| file.strong_count() == 0) {
            self.0.remove(&identity);
        }
    }

    /// How many descriptors that is.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
