//! Opens a path below a directory. Never opens anything outside of the directory, regardless of symbolic links and of
//! renames that happen meanwhile.
//!
//! Each step of the path is one `openat` that does not follow a link. If a step is a link, its target is read, and the
//! walk continues with the target's steps. Every directory on the way stays open, and `..` returns to the previous
//! directory, so a rename cannot change the result of a step. The kernel could do all this in one call (openat2(2),
//! `RESOLVE_BENEATH`). But systemd denies that call to every unit with `DynamicUser=`, which implies
//! `RestrictSUIDSGID=`: the flags of the call are in memory, where the system call filter cannot read them.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Opens a file for reading. The error is `EXDEV` if the path leads out of the directory, and `ELOOP` if it contains
/// too many links.
pub fn open(root: BorrowedFd<'_>, relative: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    // The kernel has the same limit.
    const MAX_LINKS: usize = 40;

    // The names are in reverse order: the last element is the next step.
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
            // `.` does not descend, so a following `..` must not return to the current directory.
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

/// Without `O_NONBLOCK`, opening a FIFO would block until a writer opens it.
const FILE: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);
/// With `O_PATH`, passing through a directory does not require permission to list it.
const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

enum PathStep {
    Opened(OwnedFd),
    Link(OsString),
}

fn open_step(current: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> nix::Result<PathStep> {
    match openat(current, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(opened) => Ok(PathStep::Opened(opened)),
        // A link causes ELOOP with O_NOFOLLOW, or ENOTDIR with O_DIRECTORY.
        Err(errno @ (Errno::ELOOP | Errno::ENOTDIR)) => {
            readlinkat(current, name).map(PathStep::Link).map_err(|_| errno)
        }
        Err(errno) => Err(errno),
    }
}

/// Puts the names of `path` in front of the remaining names. Returns `EXDEV` for an absolute path, which leads out of
/// the directory.
fn prepend(remaining: &mut Vec<OsString>, path: &[u8]) -> nix::Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    if path.starts_with(b"/") {
        return Err(Errno::EXDEV);
    }
    // A doubled slash has no meaning, and a slash at the end requires a directory. Replacing the empty name with `.`
    // has the right effect in both cases.
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

    /// Creates the directory `boot`, and `outside` next to it.
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

    /// The result of openat2(2), for comparison. The call returns EAGAIN while anything is being renamed.
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
        // Moves `sub` out of the boot directory and back, thousands of times. So its parent is the boot directory or
        // the directory above.
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
