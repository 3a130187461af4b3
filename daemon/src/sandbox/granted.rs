//! The directories that the server may read.
//!
//! Landlock has no rule that closes a directory below an open one. So what stays closed is left out: instead of the
//! directory that contains it, the other directories in that are opened. A rule names an inode. A directory that
//! replaces another one is readable if the directory that contains it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Directories whose content is private to people or to devices. A configuration may name something in them.
const CLOSED: [&str; 3] = ["/root", "/home", "/dev"];

/// The directories, and files, that the server may read.
#[derive(Debug, Default)]
pub struct GrantedDirectories {
    /// The paths for the rules.
    pub paths: Vec<PathBuf>,
    /// The device and the inode of each path.
    inodes: Vec<(u64, u64)>,
}

impl GrantedDirectories {
    /// Everything outside of [`CLOSED`], and these paths.
    pub fn new(configured: impl IntoIterator<Item = PathBuf>) -> GrantedDirectories {
        let closed: Vec<PathBuf> = CLOSED.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        let mut granted = GrantedDirectories::default();
        granted.add_tree(Path::new("/"), &closed);
        for path in configured.into_iter().filter_map(|path| fs::canonicalize(path).ok()) {
            if !granted.contains(&path) {
                granted.add(replaceable(&path, &closed).to_owned());
            }
        }
        granted
    }

    /// Whether the kernel lets the server read this path. Follows the path to the root, as the kernel does. A path that
    /// leads nowhere is not closed by the sandbox.
    pub fn contains(&self, path: &Path) -> bool {
        let Ok(path) = fs::canonicalize(path) else { return true };
        let is_granted = |path: &Path| inode(path).is_some_and(|inode| self.inodes.contains(&inode));
        path.ancestors().any(is_granted)
    }

    /// Adds a directory, or instead, if something in it is closed, the other directories in it.
    fn add_tree(&mut self, directory: &Path, closed: &[PathBuf]) {
        if closed.iter().any(|closed| closed == directory) {
            return;
        }
        if !closed.iter().any(|closed| closed.starts_with(directory)) {
            return self.add(directory.to_owned());
        }
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        // A symbolic link leads to a directory that has its own rule.
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            self.add_tree(&entry.path(), closed);
        }
    }

    fn add(&mut self, path: PathBuf) {
        if let Some(inode) = inode(&path) {
            self.inodes.push(inode);
            self.paths.push(path);
        }
    }
}

/// The directory to open for this path in a closed directory: the one that contains the path, so that the path may be
/// replaced. A home directory as a whole stays closed unless the configuration names it.
fn replaceable<'a>(path: &'a Path, closed: &[PathBuf]) -> &'a Path {
    let private = |parent: &&Path| {
        closed.iter().any(|closed| {
            let depth = if closed.ends_with("home") { 1 } else { 0 };
            parent.strip_prefix(closed).is_ok_and(|inside| inside.components().count() > depth)
        })
    };
    path.parent().filter(private).unwrap_or(path)
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_a_closed_one_is_replaced_by_the_others_in_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in ["srv/boot", "var/home/joe", "var/lib"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("swapfile"), "").unwrap();
        std::os::unix::fs::symlink("var/home", at("home")).unwrap();
        let closed = [at("var/home").canonicalize().unwrap()];
        let mut granted = GrantedDirectories::default();
        granted.add_tree(&root.path().canonicalize().unwrap(), &closed);
        granted.paths.sort();
        let expected = ["srv", "var/lib"].map(|name| at(name).canonicalize().unwrap());
        assert_eq!(granted.paths, expected);
        assert!(granted.contains(&at("srv/boot")) && granted.contains(&at("nowhere")));
        assert!(!granted.contains(&at("home/joe")) && !granted.contains(&at("swapfile")));
        fs::rename(at("srv"), at("old")).unwrap();
        fs::create_dir(at("srv")).unwrap();
        assert!(granted.contains(&at("old")) && !granted.contains(&at("srv")), "a rule names an inode");
    }

    #[test]
    fn the_parent_of_a_configured_directory_is_opened_unless_it_is_a_home_directory() {
        let closed = ["/root", "/var/home", "/dev"].map(PathBuf::from);
        for (path, opened) in [
            ("/var/home/joe/pxe/boot", "/var/home/joe/pxe"),
            ("/var/home/joe/boot", "/var/home/joe/boot"),
            ("/root/pxe/boot", "/root/pxe"),
            ("/root/boot", "/root/boot"),
            ("/dev/shm/boot", "/dev/shm"),
        ] {
            assert_eq!(replaceable(Path::new(path), &closed), Path::new(opened));
        }
    }
}
