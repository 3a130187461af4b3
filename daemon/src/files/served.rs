//! Opens the files that clients request: below a served directory, or a loader at any path.

use super::openat_beneath;
use super::opened::Opened;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use proxydhcpd_core::fetch::Refusal;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
                admit(openat_beneath::open(self.root.as_fd(), &found, OFlag::empty()).map_err(refusal)?)
            }
            Err(errno) => Err(refusal(errno)),
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
    let file = File::options()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .map_err(|error| refusal(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)))?;
    admit(file.into())
}

fn admit(descriptor: OwnedFd) -> Result<Opened, Refusal> {
    Opened::file(descriptor.into()).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Refusal::Denied,
        _ => Refusal::Failed(error.raw_os_error().unwrap_or_default()),
    })
}

fn refusal(errno: Errno) -> Refusal {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => Refusal::NotFound,
        // EXDEV: the path leads out of the directory. ENXIO: the file is a socket, or a device without a driver.
        Errno::EACCES | Errno::EPERM | Errno::EXDEV | Errno::ELOOP | Errno::ENXIO => Refusal::Denied,
        // The name contains a NUL.
        Errno::EINVAL => Refusal::BadName,
        errno => Refusal::Failed(errno as i32),
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
        assert_eq!((opened.size(), read(&opened)), (5, b"hello".to_vec()));
        assert!(opened.modified().is_some());
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
}
