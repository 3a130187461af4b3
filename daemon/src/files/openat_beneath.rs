//! Opens a path below a directory, and never anything outside of it, whatever links lie there and whatever is renamed
//! meanwhile.
//!
//! It goes step by step, each step one `openat` that follows no link; a link is read and its text walked in its place.
//! Every directory on the way stays open, and `..` goes back to the one that was come from: nothing is asked of the file
//! system that a rename could answer differently. The kernel could do all this in one call (openat2(2),
//! `RESOLVE_BENEATH`), but systemd takes that call away from every unit with `DynamicUser=`: its flags lie in memory,
//! where the filter of `RestrictSUIDSGID=`, which is implied, cannot see them.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Opens for reading. `EXDEV` is a path that leads out of the directory, `ELOOP` one with too many links.
pub fn open(root: BorrowedFd<'_>, relative: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    // As the kernel has it.
    const MOST_LINKS: usize = 40;

    // The last is the next.
    let mut ahead = Vec::new();
    prepend(&mut ahead, relative.as_bytes())?;
    let mut behind: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    loop {
        let name = ahead.pop().ok_or(Errno::ENOENT)?;
        if name == ".." {
            behind.pop().ok_or(Errno::EXDEV)?;
            if ahead.is_empty() {
                ahead.push(".".into());
            }
            continue;
        }
        let here = behind.last().map_or(root, AsFd::as_fd);
        match step(here, &name, if ahead.is_empty() { FILE | flags } else { FOLDER })? {
            Step::Opened(opened) if ahead.is_empty() => return Ok(opened),
            // "." is no way forward, so `..` after it must not come back to it.
            Step::Opened(_) if name == "." => {}
            Step::Opened(directory) => behind.push(directory),
            Step::Link(_) if links == MOST_LINKS => return Err(Errno::ELOOP),
            Step::Link(target) => {
                links += 1;
                prepend(&mut ahead, target.as_bytes())?;
            }
        }
    }
}

/// `O_NONBLOCK`: opening a FIFO would wait for a writer, for ever.
const FILE: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);
/// Passing through takes no right to list a directory.
const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

enum Step {
    Opened(OwnedFd),
    Link(OsString),
}

fn step(here: BorrowedFd<'_>, name: &OsStr, flags: OFlag) -> nix::Result<Step> {
    match openat(here, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(opened) => Ok(Step::Opened(opened)),
        // What a link says to O_NOFOLLOW, and to O_DIRECTORY.
        Err(errno @ (Errno::ELOOP | Errno::ENOTDIR)) => readlinkat(here, name).map(Step::Link).map_err(|_| errno),
        Err(errno) => Err(errno),
    }
}

/// Puts the names of `path` before what lies ahead. One that begins anew at the root of the system leads out.
fn prepend(ahead: &mut Vec<OsString>, path: &[u8]) -> nix::Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    if path.starts_with(b"/") {
        return Err(Errno::EXDEV);
    }
    // A doubled slash means nothing, and one at the end that there is a directory before it: "." is both.
    let names = path.rsplit(|octet| *octet == b'/').map(|name| if name.is_empty() { b"." } else { name });
    ahead.extend(names.map(|name| OsString::from_vec(name.to_vec())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};
    use nix::sys::stat::fstat;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    /// The directory `boot`, and `outside` beside it.
    fn house() -> tempfile::TempDir {
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

    /// What the kernel says, whose call systemd takes from us. It says EAGAIN as long as something is renamed
    /// somewhere.
    fn by_the_kernel(root: &File, relative: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(FILE | OFlag::O_CLOEXEC | flags).resolve(resolve);
        let mut tries = std::iter::repeat_with(|| openat2(root, relative, how));
        tries.find(|result| !matches!(result, Err(Errno::EAGAIN))).unwrap()
    }

    fn inode(opened: nix::Result<OwnedFd>) -> Result<u64, Errno> {
        opened.map(|descriptor| fstat(descriptor).unwrap().st_ino)
    }

    #[test]
    fn every_path_leads_where_the_kernel_says() {
        let house = house();
        let root = File::open(house.path().join("boot")).unwrap();
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
                let ours = inode(open(root.as_fd(), &path, flags));
                assert_eq!(ours, inode(by_the_kernel(&root, &path, flags)), "{path:?} with {flags:?}");
            }
        }
    }

    #[test]
    fn as_many_links_are_followed_as_the_kernel_does() {
        let house = house();
        let boot = house.path().join("boot");
        let root = File::open(&boot).unwrap();
        symlink("file", boot.join("1")).unwrap();
        for link in 2..=41 {
            symlink((link - 1).to_string(), boot.join(link.to_string())).unwrap();
        }
        assert!(open(root.as_fd(), "40", OFlag::empty()).is_ok());
        assert_eq!(inode(open(root.as_fd(), "41", OFlag::empty())), Err(Errno::ELOOP));
        assert_eq!(inode(by_the_kernel(&root, "41", OFlag::empty())), Err(Errno::ELOOP));
    }

    #[test]
    fn a_directory_that_is_moved_away_while_it_is_walked_is_no_way_out() {
        let house = house();
        let root = File::open(house.path().join("boot")).unwrap();
        // `sub` in and out, thousands of times: its parent is the boot directory or what is beside it.
        let mover = std::thread::spawn(move || {
            for (from, to) in [("boot/sub", "away"), ("away", "boot/sub")].iter().cycle().take(20_000) {
                fs::rename(house.path().join(from), house.path().join(to)).unwrap();
            }
        });
        while !mover.is_finished() {
            assert_eq!(inode(open(root.as_fd(), "sub/../outside", OFlag::empty())), Err(Errno::ENOENT));
        }
        mover.join().unwrap();
    }
}
