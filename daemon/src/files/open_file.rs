//! An open file with its state at the opening. It is sent as it was then, or not at all.

use nix::sys::uio::preadv;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

/// An open regular file. Several transfers can read from one descriptor, because each read states its offset.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    identity: FileIdentity,
}

/// The identity of an open file, and of its state at the opening. While the file is open, its device and inode belong
/// to no other file. Time and size are added for overlayfs, where a changed file keeps its inode but is not the open
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    modified: SystemTime,
    size: u64,
}

impl OpenFile {
    /// Takes the state of the file. Returns an error if it is not a regular file.
    pub fn new(file: File) -> io::Result<OpenFile> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (device, inode, size) = (metadata.dev(), metadata.ino(), metadata.len());
        Ok(OpenFile { file, identity: FileIdentity { device, inode, modified: metadata.modified()?, size } })
    }

    /// The identity of the file.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// The size at the opening.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// The modification time at the opening.
    pub fn modified(&self) -> SystemTime {
        self.identity.modified
    }

    /// Fills the buffer with the octets from `offset` on. Returns an error if the file was modified since it was
    /// opened, rather than padding or a mixture of old and new content.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.file.read_exact_at(buffer, offset);
        self.check_unchanged()?;
        read
    }

    /// Fills all pieces, as [`OpenFile::read`] does, with one system call if possible.
    pub fn read_pieces(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        let read = self.read_each(pieces, offset);
        self.check_unchanged()?;
        read
    }

    fn read_each(&self, pieces: &mut [IoSliceMut<'_>], mut offset: u64) -> io::Result<()> {
        let expected: usize = pieces.iter().map(|piece| piece.len()).sum();
        let start = i64::try_from(offset).map_err(io::Error::other)?;
        if preadv(&self.file, pieces, start)? == expected {
            return Ok(());
        }
        // The file is too short, or the file system returns fewer octets in one call. Reading piece by piece fails only
        // if the file is too short.
        for piece in pieces {
            self.file.read_exact_at(piece, offset)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// Checks after reading that the file is still the one that was opened. A write changes the modification time of
    /// the open file. Replacing the file by rename does not change the open file.
    fn check_unchanged(&self) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if metadata.len() == self.identity.size && metadata.modified()? == self.identity.modified {
            return Ok(());
        }
        let is_truncated = metadata.len() < self.identity.size;
        let kind = if is_truncated { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, CHANGED))
    }
}

impl FileIdentity {
    /// A tag of this state of the file. It differs if the file was replaced by another of the same size and time.
    pub fn tag(&self) -> String {
        let (sign, since) = match self.modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => ("", since),
            Err(before) => ("-", before.duration()),
        };
        format!("{:x}-{sign}{:x}-{:x}", self.inode, since.as_nanos(), self.size)
    }
}

const CHANGED: &str = "the file was modified during the transfer, which was aborted; write the new file under \
                       another name and rename it over the old one (mv and rsync do that, cp does not)";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_tag_contains_inode_time_and_size() {
        let tag = |modified| FileIdentity { device: 1, inode: 7, modified, size: 0x1b }.tag();
        assert_eq!(tag(SystemTime::UNIX_EPOCH + Duration::from_nanos(255)), "7-ff-1b");
        assert_eq!(tag(SystemTime::UNIX_EPOCH - Duration::from_nanos(1)), "7--1-1b");
    }
}
