//! An open file with its state at the opening. It is sent as it was then, or not at all.

use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::uio::preadv;
use rustix::fs::sendfile;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::AsFd;
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

    /// Sends octets of this range to a socket that does not block, without copying them (sendfile(2)). Returns their
    /// number, or `WouldBlock`. Until the client has acknowledged the octets, a change of the file changes them: only
    /// then [`OpenFile::check_unchanged`] proves that they are those of the opened file.
    pub fn send(&self, socket: impl AsFd, range: Range<u64>) -> io::Result<usize> {
        let (mut offset, count) = (range.start, usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        match sendfile(socket, &self.file, Some(&mut offset), count)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, CHANGED)),
            sent => Ok(sent),
        }
    }

    /// Whether [`OpenFile::is_cached`] knows which octets are in memory. It does not know that of a file of another
    /// host, or of a program (FUSE): even the question whether such a file has changed may block.
    pub fn knows_cache(&self) -> bool {
        !matches!(self.peek(0), Err(Errno::OPNOTSUPP)) || self.is_in_tmpfs()
    }

    /// Whether the octets of this range are in memory, as far as samples show. The kernel reads ahead at least
    /// `SAMPLE_DISTANCE` octets.
    pub fn is_cached(&self, range: Range<u64>) -> bool {
        const SAMPLE_DISTANCE: usize = 128 << 10;
        for offset in range.clone().step_by(SAMPLE_DISTANCE).chain(range.end.checked_sub(1)) {
            match self.peek(offset) {
                Ok(1..) => {}
                Err(Errno::OPNOTSUPP) => return self.is_in_tmpfs(),
                Ok(0) | Err(_) => return false,
            }
        }
        true
    }

    /// Reads an octet, if that does not block.
    fn peek(&self, offset: u64) -> rustix::io::Result<usize> {
        preadv2(&self.file, &mut [IoSliceMut::new(&mut [0])], offset, ReadWriteFlags::NOWAIT)
    }

    /// Whether the file has no disk: tmpfs does not answer [`OpenFile::peek`].
    fn is_in_tmpfs(&self) -> bool {
        fstatfs(&self.file).is_ok_and(|system| system.filesystem_type() == TMPFS_MAGIC)
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

    /// Checks that the file is still the one that was opened. A write changes the modification
    /// time of the open file. Replacing the file by rename does not change the open file.
    pub fn check_unchanged(&self) -> io::Result<()> {
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
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// A file of this content, and a second descriptor to change it.
    fn open(directory: &std::path::Path, content: &[u8]) -> (OpenFile, File) {
        let path = directory.join("file");
        std::fs::write(&path, content).unwrap();
        (OpenFile::new(File::open(&path).unwrap()).unwrap(), File::options().write(true).open(&path).unwrap())
    }

    #[test]
    fn a_range_is_sent_until_the_socket_is_full_or_the_file_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let (file, writable) = open(directory.path(), b"0123456789");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut received, _) = listener.accept().unwrap();
        assert_eq!((file.send(&socket, 2..7).unwrap(), file.send(&socket, 9..10).unwrap()), (5, 1));
        let mut octets = [0; 6];
        received.read_exact(&mut octets).unwrap();
        assert_eq!(&octets, b"234569");
        writable.set_len(5).unwrap();
        assert_eq!(file.send(&socket, 4..10).unwrap(), 1);
        assert_eq!(file.send(&socket, 5..10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

        let (file, _) = open(directory.path(), &vec![0; 32 << 20]);
        socket.set_nonblocking(true).unwrap();
        let full = std::iter::repeat_with(|| file.send(&socket, 0..32 << 20)).take(100).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_range_is_cached_once_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let (file, writable) = open(directory.path(), &vec![1; 4 << 20]);
        assert!(file.knows_cache() && file.is_cached(0..4 << 20));
        writable.sync_all().unwrap();
        posix_fadvise(&file.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        assert_eq!(file.is_cached(1 << 20..2 << 20), file.is_in_tmpfs());
        file.read(&mut vec![0; 1 << 20], 1 << 20).unwrap();
        assert!(file.is_cached(1 << 20..2 << 20));
        assert!(
            file.is_cached(0..0) && file.is_cached(4 << 20..5 << 20) == file.is_in_tmpfs(),
            "nothing is after the end"
        );
    }

    #[test]
    fn a_file_in_tmpfs_is_in_memory() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let (file, _) = open(directory.path(), &vec![1; 1 << 20]);
        assert!(file.is_in_tmpfs() && file.knows_cache() && file.is_cached(0..1 << 20));
    }

    #[test]
    fn the_tag_contains_inode_time_and_size() {
        let tag = |modified| FileIdentity { device: 1, inode: 7, modified, size: 0x1b }.tag();
        assert_eq!(tag(SystemTime::UNIX_EPOCH + Duration::from_nanos(255)), "7-ff-1b");
        assert_eq!(tag(SystemTime::UNIX_EPOCH - Duration::from_nanos(1)), "7--1-1b");
    }
}
