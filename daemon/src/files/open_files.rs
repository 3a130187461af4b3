//! The files that transfers have open. Each file is open only once, however many machines load it.

use super::open_file::{FileIdentity, OpenFile};
use super::opened::Opened;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The open files by their identity. The table itself keeps no file open.
#[derive(Debug, Default)]
pub struct OpenFiles(HashMap<FileIdentity, Weak<OpenFile>>);

impl OpenFiles {
    /// Replaces the descriptor with that of another transfer of the same file, if there is one. Returns the identity of
    /// the file, or `None` for a text.
    pub fn share(&mut self, opened: &mut Opened) -> Option<FileIdentity> {
        let file = opened.file_mut()?;
        let identity = file.identity();
        let known = self.0.entry(identity).or_default();
        match known.upgrade() {
            Some(shared) => *file = shared,
            None => *known = Arc::downgrade(file),
        }
        Some(identity)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn transfers_of_one_file_share_its_descriptor_until_the_last_ends() {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| Opened::file(File::open(directory.path().join(name)).unwrap()).unwrap();
        fs::write(directory.path().join("linux"), "kernel").unwrap();
        fs::write(directory.path().join("initrd"), "kernel").unwrap();
        let mut files = OpenFiles::default();
        let (mut first, mut second, mut other) = (open("linux"), open("linux"), open("initrd"));
        let identity = files.share(&mut first).unwrap();
        assert_eq!(files.share(&mut second), Some(identity));
        assert!(Arc::ptr_eq(first.file_mut().unwrap(), second.file_mut().unwrap()));
        assert_ne!(files.share(&mut other), Some(identity));
        assert_eq!((files.count(), files.share(&mut Opened::text("text"))), (2, None));

        drop(first);
        files.release(identity);
        assert_eq!(files.count(), 2, "the second still has it open");
        drop(second);
        files.release(identity);
        assert_eq!(files.count(), 1);
    }
}
