//! Opens what [`proxydhcpd_core::fetch`] named, inside the served directory only.

pub mod path_errors;
mod openat_beneath;

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

/// Something that can be sent: its size is fixed when it is opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub content: ServedContent,
    /// Octets that will be sent, whatever happens to the file in the meantime.
    pub size: u64,
    /// For `Last-Modified` and the entity tag; `None` for text rendered for this request.
    pub modified: Option<SystemTime>,
    /// For the entity tag: a file that replaced another of the same size and time has another one. 0 for text.
    pub inode: u64,
    /// The file system that counts the inodes. 0 for text.
    pub device: u64,
}

#[derive(Clone, Debug)]
pub enum ServedContent {
    Text(Arc<[u8]>),
    File(Arc<File>),
}

impl Opened {
    pub fn text(text: impl Into<Arc<[u8]>>) -> Opened {
        let text = text.into();
        Opened { size: text.len() as u64, content: ServedContent::Text(text), modified: None, inode: 0, device: 0 }
    }

    /// Fills `buffer` with what stands at `offset` and says how much that was: less than asked only at the end. A
    /// file that was written to since it was opened is an error, never padding and never a mixture.
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

    /// To be called after reading: whether all of it was there when the file was opened. A write moves the time of its
    /// last change. Only replacing it by name leaves an open file as it is.
    pub fn check_unchanged(&self) -> io::Result<()> {
        let ServedContent::File(file) = &self.content else { return Ok(()) };
        let metadata = file.metadata()?;
        if metadata.len() == self.size && metadata.modified().ok() == self.modified {
            return Ok(());
        }
        let cut_short = metadata.len() < self.size;
        let kind = if cut_short { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, CHANGED))
    }
}

const CHANGED: &str = "the file was written to while it was being sent, so the transfer was broken off; put the new file \
                       beside it and rename it over the old one (mv and rsync do that, cp does not)";

/// The boot directory, opened once. It stays the same directory if another is renamed over it: a reload opens it anew.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
    any_case: bool,
}

impl Directory {
    /// `any_case`: a name that is not there is looked for a second time without regard to ASCII case (Windows loaders
    /// ask for `\Boot\BCD` and for `\boot\bcd`).
    pub fn from_path(path: &Path, any_case: bool) -> io::Result<Directory> {
        let root = File::options().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(path)?;
        Ok(Directory { root: root.into(), any_case })
    }

    /// Opens a regular file by its path from the root. Symbolic links are followed as long as they stay inside.
    pub fn open(&self, relative: &str) -> Result<Opened, Refusal> {
        match openat_beneath::open(self.root.as_fd(), relative, OFlag::empty()) {
            Err(Errno::ENOENT) if self.any_case => {
                let spelt = self.spelling(relative).ok_or(Refusal::NotFound)?;
                admit(
                    openat_beneath::open(self.root.as_fd(), &spelt, OFlag::empty())
                        .map_err(|errno| refusal(relative, errno))?,
                )
            }
            Err(errno) => Err(refusal(relative, errno)),
            Ok(descriptor) => admit(descriptor),
        }
    }

    /// How a name is spelt in the directory, if it is there but for case. Its cost is bounded, since any client can ask
    /// for names that do not exist.
    fn spelling(&self, relative: &str) -> Option<String> {
        const DEEPEST: usize = 16;
        const MOST_ENTRIES: usize = 10_000;
        if relative.split('/').count() > DEEPEST {
            return None;
        }
        let mut spelt = String::new();
        for (depth, part) in relative.split('/').enumerate() {
            let above = if depth == 0 { "." } else { &spelt };
            let listing = Dir::from_fd(openat_beneath::open(self.root.as_fd(), above, OFlag::O_DIRECTORY).ok()?).ok()?;
            let entry = listing
                .into_iter()
                .take(MOST_ENTRIES)
                .filter_map(Result::ok)
                .find(|entry| entry.file_name().to_bytes().eq_ignore_ascii_case(part.as_bytes()))?;
            if depth > 0 {
                spelt.push('/');
            }
            spelt.push_str(entry.file_name().to_str().ok()?);
        }
        Some(spelt)
    }
}

/// Opens a loader that the server found or the operator named. It may be a symbolic link to anywhere (Debian 12's
/// `ipxe.efi` is one): no client had a say in this path.
pub fn open_loader(path: &Path) -> Result<Opened, Refusal> {
    let file =
        File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path).map_err(
            |error| refusal(&path.to_string_lossy(), error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)),
        )?;
    admit(file.into())
}

/// Opens a file of the operator's that is going to be read whole: a regular one of at most so many octets. Anything
/// else may never come to its end, or never begin.
pub fn open_regular(path: &Path, most: u64) -> io::Result<File> {
    let waits_for_nobody =
        || File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path);
    let file = match waits_for_nobody() {
        // Somebody holds a lease on it, as Samba does, and gives it up when asked.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && path.metadata()?.is_file() => File::open(path)?,
        // A socket, or a device without a driver.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Err(irregular_error(path.metadata()?.file_type())),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(irregular_error(metadata.file_type()));
    }
    if metadata.len() > most { Err(too_long(most)) } else { Ok(file) }
}

/// Reads such a file, which may grow meanwhile.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open_regular(path, most)?.take(most + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > most { Err(too_long(most)) } else { Ok(octets) }
}

/// Makes a file that was not there before. What another left under its name, be it a link or a named pipe, is removed,
/// so that nothing is written elsewhere and nobody waits.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(mode).open(path)
}

/// Gives a file this content: whole or not at all, and on the disk when it returns. The name of the file with a dot
/// before it is for the time between.
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

/// Has what was renamed or removed in a directory on the disk.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Why something is not read as a file.
pub fn irregular_error(kind: FileType) -> io::Error {
    let what = match kind {
        kind if kind.is_dir() => return io::ErrorKind::IsADirectory.into(),
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and not a regular file"))
}

fn too_long(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {} MiB", most >> 20))
}

fn admit(descriptor: OwnedFd) -> Result<Opened, Refusal> {
    let file = File::from(descriptor);
    let metadata = file.metadata().map_err(|error| {
        tracing::debug!(%error, "an open file cannot be looked at");
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
        // EXDEV: out of the root. ENXIO: a socket, or a device without a driver.
        Errno::EACCES | Errno::EPERM | Errno::EXDEV | Errno::ELOOP | Errno::ENXIO => Refusal::Denied,
        // A NUL in the name.
        Errno::EINVAL => Refusal::BadName,
        errno => {
            tracing::debug!(name, %errno, "a file cannot be opened");
            Refusal::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// `outside.txt`, and the directory `boot` beside it with `here.txt`, `sub/Deep.efi`.
    fn house() -> (tempfile::TempDir, Directory) {
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
        let (_dir, directory) = house();
        let opened = directory.open("here.txt").unwrap();
        assert_eq!((opened.size, read(&opened)), (5, b"hello".to_vec()));
        assert!(opened.modified.is_some() && opened.inode != 0);
        assert_eq!(read(&directory.open("sub/Deep.efi").unwrap()), b"MZ");
    }

    #[test]
    fn links_are_followed_inside_the_directory_and_refused_out_of_it() {
        let (dir, directory) = house();
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
        let (dir, directory) = house();
        let absolute = dir.path().join("outside.txt");
        for name in ["../outside.txt", "sub/../../outside.txt", "..", "/etc/passwd", absolute.to_str().unwrap()] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::Denied, "{name}");
        }
    }

    #[test]
    fn a_descriptor_is_no_way_out() {
        let (dir, directory) = house();
        symlink("/proc/self/fd/0", dir.path().join("boot/magic")).unwrap();
        assert_eq!(directory.open("magic").unwrap_err(), Refusal::Denied);
        // A magic link that leads to a place inside.
        let open = File::open("/proc/self/status").unwrap();
        let proc = Directory::from_path(Path::new("/proc/self"), false).unwrap();
        let name = format!("fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        assert!(proc.open("status").is_ok());
        assert_eq!(proc.open(&name).unwrap_err(), Refusal::Denied);
    }

    #[test]
    fn what_is_no_regular_file_is_denied_at_once() {
        let (dir, directory) = house();
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
        let (dir, _directory) = house();
        let boot = dir.path().join("boot");
        nix::unistd::mkfifo(&boot.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(boot.join("socket")).unwrap();
        let refused = |path: &Path| read_regular(path, 1 << 20).unwrap_err().to_string();
        assert_eq!(refused(&boot.join("fifo")), "it is a named pipe, and not a regular file");
        assert_eq!(refused(&boot.join("socket")), "it is a socket, and not a regular file");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, and not a regular file");
        assert_eq!(refused(&boot), "is a directory");
        File::create(boot.join("long")).unwrap().set_len((1 << 20) + 1).unwrap();
        assert_eq!(refused(&boot.join("long")), "it is longer than 1 MiB");
        assert_eq!(read_regular(&boot.join("here.txt"), 5).unwrap(), b"hello");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let (_dir, directory) = house();
        for name in ["gone", "here.txt/below", "sub/gone", &"x".repeat(300)] {
            assert_eq!(directory.open(name).unwrap_err(), Refusal::NotFound, "{name}");
        }
        assert_eq!(directory.open("").unwrap_err(), Refusal::NotFound);
        assert_eq!(directory.open("here\0.txt").unwrap_err(), Refusal::BadName);
        assert_eq!(open_loader(Path::new("/nowhere/ipxe.efi")).unwrap_err(), Refusal::NotFound);
    }

    #[test]
    fn a_vanished_file_is_still_read_and_a_shortened_one_is_an_error() {
        let (dir, directory) = house();
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
    fn a_file_that_is_written_to_is_an_error_and_one_that_is_replaced_is_read_as_it_was() {
        let (dir, directory) = house();
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
        let (_dir, directory) = house();
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
    fn the_second_look_ignores_case_only_where_it_was_asked_for() {
        let (dir, directory) = house();
        assert_eq!(directory.open("SUB/deep.EFI").unwrap_err(), Refusal::NotFound);
        let directory = Directory::from_path(&dir.path().join("boot"), true).unwrap();
        assert_eq!(read(&directory.open("SUB/deep.EFI").unwrap()), b"MZ");
        assert_eq!(directory.open("SUB/gone").unwrap_err(), Refusal::NotFound);
        std::fs::write(dir.path().join("boot/HERE.TXT"), "exact").unwrap();
        assert_eq!(read(&directory.open("HERE.TXT").unwrap()), b"exact", "the exact name goes first");
        symlink("..", dir.path().join("boot/Parent")).unwrap();
        assert_eq!(
            directory.open("parent/outside.txt").unwrap_err(),
            Refusal::NotFound,
            "no listing of what is outside"
        );
        symlink("../outside.txt", dir.path().join("boot/Out")).unwrap();
        assert_eq!(directory.open("out").unwrap_err(), Refusal::Denied);
    }

    #[test]
    fn a_loader_may_be_a_link_to_anywhere() {
        let (dir, _directory) = house();
        let link = dir.path().join("ipxe.efi");
        symlink(dir.path().join("boot/sub/Deep.efi"), &link).unwrap();
        assert_eq!(read(&open_loader(&link).unwrap()), b"MZ");
    }
}
