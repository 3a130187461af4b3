//! The files that transfers have open. Each file is open only once, however many machines load it.

use super::open_file::{FileIdentity, OpenFile};
use super::opened::Opened;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The open files by their identity. The table itself keeps no file open.
#[derive(Debug, Default)]
pub struct OpenFiles {
    files: HashMap<FileIdentity, Weak<OpenFile>>,
    /// With this number of files, those are forgotten that no transfer has open.
    next_sweep: usize,
}

/// The least number of files with which the table forgets those that no transfer has open.
const MIN_SWEEP: usize = 64;

impl OpenFiles {
    /// Replaces the descriptor with that of another transfer of the same file, if there is one. Returns the identity of
    /// the file, or `None` for a text.
    pub fn share(&mut self, opened: &mut Opened) -> Option<FileIdentity> {
        let file = opened.file_mut()?;
        let identity = file.identity();
        if self.files.len() >= self.next_sweep {
            self.files.retain(|_, file| file.strong_count() > 0);
            self.next_sweep = MIN_SWEEP.max(2 * self.files.len());
        }
        let known = self.files.entry(identity).or_default();
        match known.upgrade() {
            Some(shared) => *file = shared,
            None => *known = Arc::downgrade(file),
        }
        Some(identity)
    }

    /// Forgets the file at once if no transfer has it open. Call this after a transfer has dropped the file, if the
    /// number of open descriptors matters.
    pub fn release(&mut self, identity: FileIdentity) {
        if self.files.get(&identity).is_some_and(|file| file.strong_count() == 0) {
            self.files.remove(&identity);
        }
    }

    /// The number of open descriptors.
    pub fn count(&self) -> usize {
        self.files.len()
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

    #[test]
    fn files_that_no_transfer_has_open_are_forgotten_before_there_are_many() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = OpenFiles::default();
        for index in 0..10 * MIN_SWEEP {
            let path = directory.path().join(index.to_string());
            fs::write(&path, "kernel").unwrap();
            files.share(&mut Opened::file(File::open(path).unwrap()).unwrap());
            assert!(files.count() <= MIN_SWEEP + 1, "{index}");
        }
    }
}
