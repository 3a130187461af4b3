//! Opens the files that [`proxydhcpd_core::fetch`] names, inside the served directory only.

mod openat_beneath;
pub mod path_errors;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use proxydhcpd_core::fetch::Refusal;
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// An opened file or a text to send. The size is determined when the file is opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The file or the text.
    pub content: ServedContent,
    /// The number of octets to send, even if the file changes meanwhile.
    pub size: u64,
    /// The modification time, for `Last-Modified` and the entity tag. `None` for text that was rendered for this
    /// request.
    pub modified: Option<SystemTime>,
    /// The inode number, for the entity tag: it differs if the file was replaced by another of the same size and time.
    /// 0 for text.
    pub inode: u64,
    /// The device number of the file system that contains the inode. 0 for text.
    pub device: u64,
}

/// The source of the octets to send.
#[derive(Clone, Debug)]
pub enum ServedContent {
    /// A text in memory.
    Text(Arc<[u8]>),
    /// An open file.
    File(Arc<File>),
}

impl Opened {
    /// Makes a text to send.
    pub fn text(text: impl Into<Arc<[u8]>>) -> Opened {
        let text = text.into();
        Opened { size: text.len() as u64, content: ServedContent::Text(text), modified: None, inode: 0, device: 0 }
    }

    /// Reads at `offset` into `buffer`, and returns the number of octets read. It is smaller than the buffer only at
    /// the end. Returns an error if the file was modified since it was opened, rather than padding or a mixture of old
    /// and new content.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        match &self.content {
            ServedContent::Text(text) => buffer[..wanted].copy_from_slice(&text[text.len() - left..][..wanted]),
            ServedContent::File(file) => {
                let read = file.read_exact_at(&mut buffer[..wanted], offset);
                self.check_unchanged()?;
                read?;
            }
        }
        Ok(wanted)
    }

    /// Checks after reading that the file is still the one that was opened. A write changes the modification time of
    /// the open file. Replacing the file by rename does not change the open file.
    pub fn check_unchanged(&self) -> io::Result<()> {
        let ServedContent::File(file) = &self.content else { return Ok(()) };
        let metadata = file.metadata()?;
        if metadata.len() == self.size && metadata.modified().ok() == self.modified {
            return Ok(());
        }
        let is_truncated = metadata.len() < self.size;
        let kind = if is_truncated { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, CHANGED))
    }
}

const CHANGED: &str = "the file was modified during the transfer, which was aborted; write the new file under \
                       another name and rename it over the old one (mv and rsync do that, cp does not)";

/// A served directory, opened once. It remains the same directory if another one is renamed to its path, until a reload
/// opens the path anew.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
    ignore_case: bool,
}

impl Directory {
    /// Opens the directory. `ignore_case`: if a name does not exist, the search is repeated ignoring ASCII case
    /// (Windows loaders request both `\Boot\BCD` and `\boot\bcd`).
    pub fn from_path(path: &Path, ignore_case: bool) -> io::Result<Directory> {
        let root = File::options().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(path)?;
        Ok(Directory { root: root.into(), ignore_case })
    }

    /// Opens a regular file by its path relative to the directory. Follows symbolic links only if they stay inside of
    /// the directory.
    pub fn open(&self, relative: &str) -> Result<Opened, Refusal> {
        match openat_beneath::open(self.root.as_fd(), relative, OFlag::empty()) {
            Err(Errno::ENOENT) if self.ignore_case => {
                let found = self.find_ignoring_case(relative).ok_or(Refusal::NotFound)?;
                admit(
                    openat_beneath::open(self.root.as_fd(), &found, OFlag::empty())
                        .map_err(|errno| refusal(relative, errno))?,
                )
            }
            Err(errno) => Err(refusal(relative, errno)),
            Ok(descriptor) => admit(descriptor),
        }
    }

    /// The existing name that differs from `relative` only in case; `None` if there is no such name. The search is
    /// limited, because any client can request names that do not exist.
    fn find_ignoring_case(&self, relative: &str) -> Option<String> {
        const MAX_DEPTH: usize = 16;
        const MAX_ENTRIES: usize = 10_000;
        if relative.split('/').count() > MAX_DEPTH {
            return None;
        }
        let mut found = String::new();
        for (depth, part) in relative.split('/').enumerate() {
            let above = if depth == 0 { "." } else { &found };
            let listing =
                Dir::from_fd(openat_beneath::open(self.root.as_fd(), above, OFlag::O_DIRECTORY).ok()?).ok()?;
            let entry = listing
                .into_iter()
                .take(MAX_ENTRIES)
                .filter_map(Result::ok)
                .find(|entry| entry.file_name().to_bytes().eq_ignore_ascii_case(part.as_bytes()))?;
            if depth > 0 {
                found.push('/');
            }
            found.push_str(entry.file_name().to_str().ok()?);
        }
        Some(found)
    }
}

/// Opens a loader that the server found or the operator named. The loader may be a symbolic link to anywhere (as Debian
/// 12's `ipxe.efi`), because no client chooses this path.
pub fn open_loader(path: &Path) -> Result<Opened, Refusal> {
    let file =
        File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path).map_err(
            |error| refusal(&path.to_string_lossy(), error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)),
        )?;
    admit(file.into())
}

/// Opens a file of the operator to read it as a whole. Returns an error unless it is a regular file of at most
/// `max_size` octets: reading any other file may block, or never end.
pub fn open_regular(path: &Path, max_size: u64) -> io::Result<File> {
    let open_without_blocking =
        || File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path);
    let file = match open_without_blocking() {
        // Another process (such as Samba) holds a lease on the file, and releases it when this process waits in
        // open(2).
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && path.metadata()?.is_file() => File::open(path)?,
        // A socket, or a device without a driver.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return Err(irregular_error(path.metadata()?.file_type()));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(irregular_error(metadata.file_type()));
    }
    if metadata.len() > max_size { Err(too_long(max_size)) } else { Ok(file) }
}

/// Reads a file as a whole, with the limits of [`open_regular`]. The file may grow meanwhile.
pub fn read_regular(path: &Path, max_size: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open_regular(path, max_size)?.take(max_size + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > max_size { Err(too_long(max_size)) } else { Ok(octets) }
}

/// Creates a file. First removes an existing file, link or named pipe with that name, so that writing neither changes
/// another file nor blocks.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(mode).open(path)
}

/// Replaces the content of a file atomically. The new content is on disk when the function returns. Meanwhile, a file
/// whose name begins with an additional dot contains it.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut new = OsString::from(".");
    new.push(path.file_name().unwrap_or_default());
    let new = directory.join(new);
    let mut file = create_new(&new, mode)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_directory(directory)
}

/// Writes a directory to disk, so that renamed and removed names in it are permanent.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The error for a file that is not regular.
pub fn irregular_error(kind: FileType) -> io::Error {
    let what = match kind {
        kind if kind.is_dir() => return io::ErrorKind::IsADirectory.into(),
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))
}

fn too_long(max_size: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {} MiB", max_size >> 20))
}

fn admit(descriptor: OwnedFd) -> Result<Opened, Refusal> {
    let file = File::from(descriptor);
    let metadata = file.metadata().map_err(|error| {
        tracing::debug!(%error, "cannot get the metadata of an open file");
        Refusal::Failed
    })?;
    if !metadata.is_file() {
        return Err(Refusal::Denied);
    }
    Ok(Opened {
        size: metadata.len(),
        modified: metadata.modified().ok(),
        inode: metadata.ino(),
        device: metadata.dev(),
        content: ServedContent::File(Arc::new(file)),
    })
}

fn refusal(name: &str, errno: Errno) -> Refusal {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => Refusal::NotFound,
        // EXDEV: the path leads out of the directory. ENXIO: the file is a socket, or a device without a driver.
        Errno::EACCES | Errno::EPERM | Errno::EXDEV | Errno::ELOOP | Errno::ENXIO => Refusal::Denied,
        // The name contains a NUL.
        Errno::EINVAL => Refusal::BadName,
        errno => {
            tracing::debug!(name, %errno, "cannot open a file");
            Refusal::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// Creates `outside.txt`, and the directory `boot` with `here.txt` and `sub/Deep.efi`.
    fn directories() -> (tempfile::TempDir, Directory) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("outside.txt"), "secret").unwrap();
        std::fs::create_dir_all(dir.path().join("boot/sub")).unwrap();
        std::fs::write(dir.path().join("boot/here.txt"), "hello").unwrap();
        std::fs::write(dir.path().join("boot/sub/Deep.efi"), "MZ").unwrap();
        let directory = Directory::from_path(&dir.path().join("boot"), false).unwrap();
        (dir, directory)
    }

    fn read(opened: &Opened) -> Vec<u8> {
        let mut buffer = vec![0; 100];
        let count = opened.read_at(&mut buffer, 0).unwrap();
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn a_file_is_opened_with_its_size_and_time() {
        let (_dir, directory) = directories();
        let opened = directory.open("here.txt").unwrap();
        assert_eq!((opened.size, read(&opened)), (5, b"hello".to_vec()));
        assert!(opened.modified.is_some() && opened.inode != 0);
        assert_eq!(read(&directory.open("sub/Deep.efi").unwrap()), b"MZ");
    }

    #[test]
    fn links_are_followed_inside_the_directory_and_refused_out_of_it() {
        let (dir, directory) = directories();
        let boot = dir.path().join("boot");
        symlink("../here.txt", boot.join("sub/up.txt")).unwrap();
        symlink("sub", boot.join("other")).unwrap();
        assert_eq!(read(&directory.open("sub/up.txt").unwrap()), b"hello");
        assert_eq!(read(&directory.open("other/Deep.efi").unwrap()), b"MZ");

        symlink("../outside.txt", boot.join("out.txt")).unwrap();
        symlink(dir.path().join("outside.txt"), boot.join("absolute.txt")).unwrap();
        symlink("..", boot.join("parent")).unwrap();
        symlink("loop", boot.join("loop")).unwrap();
        for name in ["out.txt", "absolute.txt", "parent/outside.txt", "loop"] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::Denied, "{name}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let (dir, directory) = directories();
        let absolute = dir.path().join("outside.txt");
        for name in ["../outside.txt", "sub/../../outside.txt", "..", "/etc/passwd", absolute.to_str().unwrap()] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::Denied, "{name}");
        }
    }

    #[test]
    fn a_descriptor_link_cannot_lead_out() {
        let (dir, directory) = directories();
        symlink("/proc/self/fd/0", dir.path().join("boot/magic")).unwrap();
        assert_eq!(directory.open("magic").unwrap_err(), Refusal::Denied);
        // A magic link whose target is inside of the directory.
        let open = File::open("/proc/self/status").unwrap();
        let proc = Directory::from_path(Path::new("/proc/self"), false).unwrap();
        let name = format!("fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        assert!(proc.open("status").is_ok());
        assert_eq!(proc.open(&name).unwrap_err(), Refusal::Denied);
    }

    #[test]
    fn a_file_that_is_not_regular_is_denied_at_once() {
        let (dir, directory) = directories();
        let boot = dir.path().join("boot");
        nix::unistd::mkfifo(&boot.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(boot.join("socket")).unwrap();
        for name in ["fifo", "socket", "sub", "sub/", "."] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::Denied, "{name}");
        }
        assert_eq!(open_loader(&boot.join("fifo")).unwrap_err(), Refusal::Denied);
        assert_eq!(open_loader(&boot).unwrap_err(), Refusal::Denied);
    }

    #[test]
    fn a_file_to_be_read_whole_is_regular_and_has_an_end() {
        let (dir, _directory) = directories();
        let boot = dir.path().join("boot");
        nix::unistd::mkfifo(&boot.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(boot.join("socket")).unwrap();
        let refused = |path: &Path| read_regular(path, 1 << 20).unwrap_err().to_string();
        assert_eq!(refused(&boot.join("fifo")), "it is a named pipe, not a regular file");
        assert_eq!(refused(&boot.join("socket")), "it is a socket, not a regular file");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, not a regular file");
        assert_eq!(refused(&boot), "is a directory");
        File::create(boot.join("long")).unwrap().set_len((1 << 20) + 1).unwrap();
        assert_eq!(refused(&boot.join("long")), "it is longer than 1 MiB");
        assert_eq!(read_regular(&boot.join("here.txt"), 5).unwrap(), b"hello");
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let (_dir, directory) = directories();
        for name in ["gone", "here.txt/below", "sub/gone", &"x".repeat(300)] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::NotFound, "{name}");
        }
        assert_eq!(directory.open("").unwrap_err(), Refusal::NotFound);
        assert_eq!(directory.open("here\0.txt").unwrap_err(), Refusal::BadName);
        assert_eq!(open_loader(Path::new("/nowhere/ipxe.efi")).unwrap_err(), Refusal::NotFound);
    }

    #[test]
    fn a_removed_file_is_still_read_and_a_truncated_one_is_an_error() {
        let (dir, directory) = directories();
        let path = dir.path().join("boot/here.txt");
        let opened = directory.open("here.txt").unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&opened), b"hello");
        assert_eq!(directory.open("here.txt").unwrap_err(), Refusal::NotFound);

        std::fs::write(&path, "longer text").unwrap();
        let opened = directory.open("here.txt").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(3).unwrap();
        assert_eq!(opened.read_at(&mut [0; 100], 0).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_modified_file_is_an_error_and_a_replaced_one_is_read_unchanged() {
        let (dir, directory) = directories();
        let path = dir.path().join("boot/here.txt");
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        };
        for (after, kind) in [
            ("hullo", io::ErrorKind::Other),
            ("hello, and more", io::ErrorKind::Other),
            ("h", io::ErrorKind::UnexpectedEof),
        ] {
            write("hello");
            let opened = directory.open("here.txt").unwrap();
            assert_eq!(read(&opened), b"hello");
            std::fs::write(&path, after).unwrap();
            let error = opened.read_at(&mut [0; 100], 0).unwrap_err();
            assert_eq!(error.kind(), kind, "{after}");
            assert!(error.to_string().contains("rename"), "{error}");
        }
        write("hello");
        let opened = directory.open("here.txt").unwrap();
        std::fs::write(dir.path().join("boot/new"), "hullo").unwrap();
        std::fs::rename(dir.path().join("boot/new"), &path).unwrap();
        assert_eq!(read(&opened), b"hello");
        assert_eq!(read(&directory.open("here.txt").unwrap()), b"hullo");
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let (_dir, directory) = directories();
        let opened = directory.open("here.txt").unwrap();
        assert_eq!(opened.read_at(&mut [0; 100], 3).unwrap(), 2);
        assert_eq!(opened.read_at(&mut [0; 100], 5).unwrap(), 0);
        assert_eq!(opened.read_at(&mut [0; 100], u64::MAX).unwrap(), 0);
    }

    #[test]
    fn text_is_read_like_a_file() {
        let opened = Opened::text(*b"#!ipxe\n");
        let mut buffer = [0; 4];
        assert_eq!((opened.read_at(&mut buffer, 0).unwrap(), &buffer), (4, b"#!ip"));
        assert_eq!((opened.read_at(&mut buffer, 4).unwrap(), &buffer[..3]), (3, &b"xe\n"[..]));
        assert_eq!(opened.read_at(&mut buffer, 8).unwrap(), 0);
    }

    #[test]
    fn case_is_ignored_only_on_request_and_after_an_exact_search() {
        let (dir, directory) = directories();
        assert_eq!(directory.open("SUB/deep.EFI").unwrap_err(), Refusal::NotFound);
        let directory = Directory::from_path(&dir.path().join("boot"), true).unwrap();
        assert_eq!(read(&directory.open("SUB/deep.EFI").unwrap()), b"MZ");
        assert_eq!(directory.open("SUB/gone").unwrap_err(), Refusal::NotFound);
        std::fs::write(dir.path().join("boot/HERE.TXT"), "exact").unwrap();
        assert_eq!(read(&directory.open("HERE.TXT").unwrap()), b"exact", "the exact name takes precedence");
        symlink("..", dir.path().join("boot/Parent")).unwrap();
        assert_eq!(
            directory.open("parent/outside.txt").unwrap_err(),
            Refusal::NotFound,
            "no listing outside of the directory"
        );
        symlink("../outside.txt", dir.path().join("boot/Out")).unwrap();
        assert_eq!(directory.open("out").unwrap_err(), Refusal::Denied);
    }

    #[test]
    fn a_loader_may_be_a_link_to_anywhere() {
        let (dir, _directory) = directories();
        let link = dir.path().join("ipxe.efi");
        symlink(dir.path().join("boot/sub/Deep.efi"), &link).unwrap();
        assert_eq!(read(&open_loader(&link).unwrap()), b"MZ");
    }
}
