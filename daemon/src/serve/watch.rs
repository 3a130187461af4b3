//! Notices that files of the configuration have changed, so that nobody has to send a signal.
//!
//! They are looked at every two seconds, by what the file system says of them. That needs no more than what every file
//! system has: a file renamed over another, a folder behind a link that was turned (as Kubernetes does), and NFS are seen alike.

use crate::config::Loaded;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often we look. A change is taken over when it has stood still from one look to the next.
pub const LOOK: Duration = Duration::from_secs(2);

/// Folders in each other, and files in all, that are looked at; what is beyond takes a signal.
const DEEPEST: usize = 8;
const MOST: usize = 20_000;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Files, and folders with all that is in them.
    whole: Vec<PathBuf>,
    /// Of the boot folder only what was added or taken away, at its top and one floor below: it may be somebody's archive.
    boot_dir: PathBuf,
}

impl Watched {
    pub fn of(loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let mut whole = vec![loaded.folder.join("conf.d"), loaded.template_dir()];
        match &loaded.file {
            Some(file) => whole.push(file.clone()),
            // One of them may appear.
            None => whole.extend(["proxydhcpd.toml", "proxy.ini"].map(|name| loaded.folder.join(name))),
        }
        match &settings.machine_files {
            Some(files) => whole.extend(files.iter().cloned()),
            None => whole.push(loaded.folder.join("machines")),
        }
        Watched { whole, boot_dir: settings.boot_dir.clone() }
    }

    /// Another number for another state of the files.
    pub fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut left = MOST;
        for path in &self.whole {
            look(path, DEEPEST, &mut left, &mut hasher);
        }
        look_shallow(&self.boot_dir, &mut left, &mut hasher);
        hasher.finish()
    }
}

/// When a change is worth a reload.
#[derive(Debug, Default)]
pub struct Changes {
    /// The state that was read last.
    taken: Option<u64>,
    /// The state at the last look.
    last: u64,
}

impl Changes {
    /// Whether this state is another than the one that was read, and the same as two seconds ago.
    pub fn is_due(&mut self, stamp: u64) -> bool {
        let still = std::mem::replace(&mut self.last, stamp) == stamp;
        match self.taken {
            None => {
                self.taken = Some(stamp);
                false
            }
            Some(taken) if still && taken != stamp => {
                self.taken = Some(stamp);
                true
            }
            Some(_) => false,
        }
    }

    /// All is read anew for another reason.
    pub fn are_read(&mut self) {
        self.taken = None;
    }
}

fn look(path: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    let Some(found) = note(path, left, hasher) else { return };
    if !found.is_dir() || depth == 0 {
        return;
    }
    for entry in sorted(path) {
        look(&entry, depth - 1, left, hasher);
    }
}

fn look_shallow(folder: &Path, left: &mut usize, hasher: &mut DefaultHasher) {
    note(folder, left, hasher);
    for entry in sorted(folder) {
        if *left == 0 {
            return;
        }
        // Files of the top are loaders and scripts, and what is read of them matters.
        note(&entry, left, hasher);
    }
}

/// Follows links: what they lead to is what is read.
fn note(path: &Path, left: &mut usize, hasher: &mut DefaultHasher) -> Option<Metadata> {
    *left = left.checked_sub(1)?;
    let found = fs::metadata(path).ok();
    path.hash(hasher);
    found.as_ref().map(|found| (found.ino(), found.size(), found.mtime(), found.mtime_nsec())).hash(hasher);
    found
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_is_due_once_when_it_stands_still() {
        let mut changes = Changes::default();
        let due: Vec<bool> = [1, 1, 2, 3, 3, 3, 1, 1].into_iter().map(|stamp| changes.is_due(stamp)).collect();
        assert_eq!(due, [false, false, false, false, true, false, false, true]);
        changes.are_read();
        assert!(!changes.is_due(9) && !changes.is_due(9), "read for another reason");
    }

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("templates/debian")).unwrap();
        fs::create_dir_all(at("boot/debian")).unwrap();
        fs::create_dir_all(at("one")).unwrap();
        fs::create_dir_all(at("two")).unwrap();
        symlink("one", at("conf.d")).unwrap();
        let whole = vec![at("conf.d"), at("templates"), at("proxydhcpd.toml")];
        let watched = Watched { whole, boot_dir: at("boot") };
        let mut before = watched.stamp();
        assert_eq!(before, watched.stamp());
        let steps: [(&str, &dyn Fn()); 6] = [
            ("a file appears", &|| fs::write(at("proxydhcpd.toml"), "a").unwrap()),
            ("it is renamed over", &|| {
                fs::write(at("new"), "b").unwrap();
                fs::rename(at("new"), at("proxydhcpd.toml")).unwrap();
            }),
            ("a link is turned", &|| {
                symlink("two", at("turned")).unwrap();
                fs::rename(at("turned"), at("conf.d")).unwrap();
            }),
            ("deep in the templates", &|| fs::write(at("templates/debian/preseed.cfg"), "").unwrap()),
            ("a folder of the boot folder", &|| fs::write(at("boot/debian/linux"), "").unwrap()),
            ("a file vanishes", &|| fs::remove_file(at("proxydhcpd.toml")).unwrap()),
        ];
        for (what, step) in steps {
            step();
            let after = watched.stamp();
            assert_ne!(before, after, "{what}");
            before = after;
        }
        fs::create_dir(at("boot/debian/deep")).unwrap();
        let before = watched.stamp();
        fs::write(at("boot/debian/deep/file"), "").unwrap();
        assert_eq!(before, watched.stamp(), "an archive is not looked through");
    }
}
