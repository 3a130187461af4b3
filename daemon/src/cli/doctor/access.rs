//! Whether the user that the server runs as can read the boot directory and write the state directory.

use super::service::Unit;
use crate::cli::found_fault::FoundFault;
use crate::preview::Preview;
use crate::preview::ports;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

/// The number of files to open. A larger boot directory is examined in part.
const MAX_FILES: usize = 20_000;
/// The number of unreadable files to name.
const MAX_NAMED: usize = 5;
/// The user of a unit with DynamicUser that does not run: a user without rights.
const UNPRIVILEGED: u32 = 65_534;

/// The user of the server: its file system user ID and its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    groups: Vec<u32>,
}

/// The faults, and a line that says for which user the files were opened.
pub fn examine(context: &Preview, unit: &Unit) -> (Vec<FoundFault>, Option<String>) {
    let settings = &context.loaded.settings;
    let running = ports::server_process().and_then(|pid| User::of_process(pid).map(|user| (pid, user)));
    let user = match running {
        Some((_, user)) => Some(user),
        None if unit.has_dynamic_user() => Some(User { uid: UNPRIVILEGED, groups: vec![UNPRIVILEGED] }),
        None => None,
    };
    let Some(user) = user.filter(|user| user.uid != 0 && Uid::effective().is_root()) else {
        return (Vec::new(), None);
    };
    let mut faults: Vec<FoundFault> = Vec::new();
    let unreadable = unreadable(&settings.boot_dir, &user);
    for (path, error) in unreadable.iter().take(MAX_NAMED) {
        let path = path.display();
        faults.push(FoundFault::new(
            "unreadable-file",
            path.to_string(),
            format!("the server (user {}) cannot read {path}: {error}", user.uid),
            format!("run `chmod -R a+rX {}`, and look at the directories above it", settings.boot_dir.display()),
        ));
    }
    if let Some(more) = unreadable.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        faults.push(FoundFault::new(
            "unreadable-file",
            settings.boot_dir.display().to_string(),
            format!("the server cannot read {more} more files of {}", settings.boot_dir.display()),
            format!("run `chmod -R a+rX {}`", settings.boot_dir.display()),
        ));
    }
    faults.extend(unwritable(&settings.state_dir, &user));
    (faults, Some(format!("files: opened as user {}, as the server does", user.uid)))
}

/// The state directory of a unit belongs to the user, and only the unit sees the directory above it, so that only its
/// owner and its permissions count.
fn unwritable(directory: &Path, user: &User) -> Option<FoundFault> {
    let metadata = fs::metadata(directory).ok()?;
    let mode = metadata.mode();
    let bits = if metadata.uid() == user.uid {
        mode >> 6
    } else if user.groups.contains(&metadata.gid()) {
        mode >> 3
    } else {
        mode
    };
    let path = directory.display();
    (bits & 0o3 != 0o3).then(|| {
        FoundFault::new(
            "unwritable-state",
            path.to_string(),
            format!("the server (user {}) cannot write to its state directory {path}", user.uid),
            format!("run `chown -R {} {path}`; until then a completed boot-once is lost at a restart", user.uid),
        )
    })
}

/// The files and directories that the user cannot open.
fn unreadable(directory: &Path, user: &User) -> Vec<(PathBuf, io::Error)> {
    // The file system user belongs to a thread (setfsuid(2)). With another user than root, the kernel ignores the
    // rights of root, and applies access control lists.
    let walk = || {
        setfsgid(Gid::from_raw(user.groups.first().copied().unwrap_or(UNPRIVILEGED)));
        setfsuid(Uid::from_raw(user.uid));
        let (mut found, mut left, mut seen) = (Vec::new(), vec![directory.to_owned()], 0);
        while let Some(path) = left.pop() {
            seen += 1;
            if seen > MAX_FILES {
                break;
            }
            let entries = match open(&path, user) {
                Ok(true) => fs::read_dir(&path).map(|entries| entries.flatten().map(|entry| entry.path()).collect()),
                Ok(false) => Ok(Vec::new()),
                // A missing boot directory, and a link to nothing, are no matter of permissions.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            match entries {
                Ok(entries) => left.extend(entries),
                Err(error) => found.push((path, error)),
            }
        }
        found
    };
    thread::scope(|scope| scope.spawn(walk).join()).unwrap_or_default()
}

/// Opens a file or a directory as the user, with each of its groups. Returns whether it is a directory. Links are not
/// followed into directories, which could form a circle.
fn open(path: &Path, user: &User) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() && !fs::metadata(path)?.is_file() || !metadata.is_symlink() && is_special(&metadata) {
        return Ok(false);
    }
    let mut result = File::open(path);
    for group in user.groups.iter().skip(1).filter(|group| **group == metadata.gid()) {
        if result.is_ok() {
            break;
        }
        let previous = setfsgid(Gid::from_raw(*group));
        result = File::open(path);
        setfsgid(previous);
    }
    result.map(|_| metadata.is_dir())
}

/// Whether the file is a pipe, a socket or a device, whose opening would wait or act.
fn is_special(metadata: &fs::Metadata) -> bool {
    !metadata.is_file() && !metadata.is_dir()
}

impl User {
    /// The user of a process. Its file system user is the fourth number of a line.
    fn of_process(pid: u32) -> Option<User> {
        User::parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    fn parse(status: &str) -> Option<User> {
        let numbers = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
        };
        let mut groups = vec![*numbers("Gid:")?.get(3)?];
        groups.extend(numbers("Groups:").unwrap_or_default());
        // A server that may read every file needs no permissions (CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH).
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        let reads_all = u64::from_str_radix(effective.trim(), 16).ok()? & 0b110 != 0;
        Some(User { uid: if reads_all { 0 } else { *numbers("Uid:")?.get(3)? }, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_process_is_that_of_its_file_accesses() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nCapEff:\t0000000000000400\n";
        assert_eq!(User::parse(status), Some(User { uid: 4, groups: vec![8, 9, 10] }));
        assert_eq!(User::parse(&status.replace("400", "402")).map(|user| user.uid), Some(0));
        assert_eq!(User::parse(""), None);
    }
}
