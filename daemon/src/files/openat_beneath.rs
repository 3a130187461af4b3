//! Opens a path below a directory, and never anything outside of it, whatever symbolic links exist there and whatever
//! is renamed meanwhile.
//!
//! It walks the path, each step one `openat` that follows no link; the target of a link is read and walked instead.
//! Every directory on the way stays open, and `..` returns to the previous one: no rename can change the result of a
//! step. The kernel could do all this in one call (openat2(2), `RESOLVE_BENEATH`), but systemd denies that call to
//! every unit with `DynamicUser=`: its flags are in memory, where the filter of the implied `RestrictSUIDSGID=` cannot
//! see them.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Opens a file for reading. `EXDEV`: the path leads out of the directory; `ELOOP`: it has too many links.
pub fn open(root: BorrowedFd<'_>, relative: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    // The kernel's limit.
    const MAX_LINKS: usize = 40;

    // In reverse order: the last name is the next one.
    let mut remaining = Vec::new();
    prepend(&mut remaining, relative.as_bytes())?;
    let mut parents: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    loop {
        let name = remaining.pop().ok_or(Errno::ENOENT)?;
        if name == ".." {
            parents.pop().ok_or(Errno::EXDEV)?;
            if remaining.is_empty() {
                remaining.push(".".into());
            }
            continue;
        }
        let current = parents.last().map_or(root, AsFd::as_fd);
        match open_step(current, &name, if remaining.is_empty() { FILE | flags } else { DIRECTORY })? {
            PathStep::Opened(opened) if remaining.is_empty() => return Ok(opened),
            // "." does not descend, so a `..` after it must not return to it.
            PathStep::Opened(_) if name == "." => {}
            PathStep::Opened(directory) => parents.push(directory),
            PathStep::Link(_) if links == MAX_LINKS => return Err(Errno::ELOOP),
            PathStep::Link(target) => {
                links += 1;
                prepend(&mut remaining, target.as_bytes())?;
            }
        }
    }
}

/// `O_NONBLOCK`: opening a FIFO would block until a writer opens it.
const FILE: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);
/// Walking through a directory does not need the right to list it.
const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

enum PathStep {
    Opened(OwnedFd),
    Link(OsString),
}

fn open_step(current: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> nix::Result<PathStep> {
    match openat(current, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(opened) => Ok(PathStep::Opened(opened)),
        // The error for a link with O_NOFOLLOW, or with O_DIRECTORY.
        Err(errno @ (Errno::ELOOP | Errno::ENOTDIR)) => {
            readlinkat(current, name).map(PathStep::Link).map_err(|_| errno)
        }
        Err(errno) => Err(errno),
    }
}

/// Puts the names of `path` in front of the remaining ones. An absolute path leads out.
fn prepend(remaining: &mut Vec<OsString>, path: &[u8]) -> nix::Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    if path.starts_with(b"/") {
        return Err(Errno::EXDEV);
    }
    // A doubled slash means nothing, and one at the end means a directory: "." means both.
    let names = path.rsplit(|octet| *octet == b'/').map(|name| if name.is_empty() { b"." } else { name });
    remaining.extend(names.map(|name| OsString::from_vec(name.to_vec())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};
    use nix::sys::stat::fstat;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    /// The directory `boot`, and `outside` next to it.
    fn directories() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let boot = dir.path().join("boot");
        fs::write(dir.path().join("outside"), "secret").unwrap();
        fs::create_dir_all(boot.join("sub/low")).unwrap();
        fs::write(boot.join("file"), "").unwrap();
        fs::write(boot.join("sub/low/file"), "").unwrap();
        for (link, target) in [
            ("low", "sub/low"),
            ("sub/up", "../file"),
            ("sub/low/high", "../../sub//"),
            ("out", "../outside"),
            ("back", "../boot/file"),
            ("parent", ".."),
            ("sub/here", "."),
            ("sub/slash", "../file/"),
            ("dangling", "gone"),
            ("loop", "loop"),
        ] {
            symlink(target, boot.join(link)).unwrap();
        }
        symlink(boot.join("file"), boot.join("absolute")).unwrap();
        dir
    }

    /// The result of the kernel's call. It returns EAGAIN as long as anything is being renamed.
    fn kernel_open(root: &File, relative: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(FILE | OFlag::O_CLOEXEC | flags).resolve(resolve);
        let mut tries = std::iter::repeat_with(|| openat2(root, relative, how));
        tries.find(|result| !matches!(result, Err(Errno::EAGAIN))).unwrap()
    }

    fn inode(opened: nix::Result<OwnedFd>) -> Result<u64, Errno> {
        opened.map(|descriptor| fstat(descriptor).unwrap().st_ino)
    }

    #[test]
    fn every_path_leads_where_the_kernel_leads() {
        let directories = directories();
        let root = File::open(directories.path().join("boot")).unwrap();
        let names = [
            "", ".", "..", "file", "sub", "low", "up", "high", "out", "back", "parent", "here", "slash", "dangling",
            "loop", "absolute", "gone",
        ];
        let mut paths: Vec<String> = names.map(String::from).into();
        for _ in 0..3 {
            let longer = paths.iter().flat_map(|path| names.map(|name| format!("{path}/{name}")));
            paths = paths.iter().cloned().chain(longer).collect();
            paths.sort();
            paths.dedup();
        }
        assert!(paths.len() > 80_000);
        for path in paths {
            for flags in [OFlag::empty(), OFlag::O_DIRECTORY] {
                let result = inode(open(root.as_fd(), &path, flags));
                assert_eq!(result, inode(kernel_open(&root, &path, flags)), "{path:?} with {flags:?}");
            }
        }
    }

    #[test]
    fn as_many_links_are_followed_as_by_the_kernel() {
        let directories = directories();
        let boot = directories.path().join("boot");
        let root = File::open(&boot).unwrap();
        symlink("file", boot.join("1")).unwrap();
        for link in 2..=41 {
            symlink((link - 1).to_string(), boot.join(link.to_string())).unwrap();
        }
        assert!(open(root.as_fd(), "40", OFlag::empty()).is_ok());
        assert_eq!(inode(open(root.as_fd(), "41", OFlag::empty())), Err(Errno::ELOOP));
        assert_eq!(inode(kernel_open(&root, "41", OFlag::empty())), Err(Errno::ELOOP));
    }

    #[test]
    fn a_directory_that_is_moved_during_the_walk_cannot_lead_out() {
        let directories = directories();
        let root = File::open(directories.path().join("boot")).unwrap();
        // `sub` in and out, thousands of times: its parent is the boot directory or the one above.
        let mover = std::thread::spawn(move || {
            for (from, to) in [("boot/sub", "away"), ("away", "boot/sub")].iter().cycle().take(20_000) {
                fs::rename(directories.path().join(from), directories.path().join(to)).unwrap();
            }
        });
        while !mover.is_finished() {
            assert_eq!(inode(open(root.as_fd(), "sub/../outside", OFlag::empty())), Err(Errno::ENOENT));
        }
        mover.join().unwrap();
    }
}
