//! Notices that files of the configuration have changed, so that nobody has to send a signal.
//!
//! They are looked at every two seconds, by what the file system says of them. That needs no more than what every file
//! system has: a file renamed over another, a directory behind a link that was turned (as Kubernetes does), and NFS are
//! seen alike.

use crate::config::{self, Loaded};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often we look. A change is taken over when it has stood still from one look to the next.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A machine file that is still being written after so many looks is told of.
const MOST_LOOKS: usize = 10;

/// Directories in each other, and files in all, that are looked at; what is beyond takes a signal.
const DEEPEST: usize = 8;
const MOST: usize = 20_000;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedFiles {
    /// Files, and directories with all that is in them.
    whole: Vec<PathBuf>,
    /// The same of machine files.
    machines: Vec<PathBuf>,
    /// Of the boot directory only what was added or taken away, at its top and one floor below: it may be somebody's
    /// archive.
    boot_dir: PathBuf,
}

impl WatchedFiles {
    pub fn from_config(loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let mut whole = vec![loaded.directory.join("conf.d"), loaded.template_dir()];
        match &loaded.file {
            Some(file) => whole.push(file.clone()),
            // One of them may appear.
            None => whole.extend(config::default_paths(&loaded.directory)),
        }
        let machines = settings.machine_files.clone().unwrap_or_else(|| vec![loaded.directory.join("machines")]);
        WatchedFiles { whole, machines, boot_dir: settings.boot_dir.clone() }
    }

    /// What the file system says of them. An error: they cannot be looked at now, which is no change.
    pub fn fingerprint(&self) -> io::Result<Fingerprint> {
        let mut seen = Seen::default();
        for path in &self.machines {
            seen.look(path, DEEPEST)?;
        }
        let (machines, changed) = (seen.hasher.finish(), seen.newest);
        for path in &self.whole {
            seen.look(path, DEEPEST)?;
        }
        seen.look_shallow(&self.boot_dir)?;
        Ok(Fingerprint { all: seen.hasher.finish(), machines, changed, newest: seen.newest })
    }

    /// Waits until no machine file is being written any more, as far as two looks can tell. `false`: some still is.
    pub fn wait_until_stable(&self) -> bool {
        for _ in 0..MOST_LOOKS {
            let Ok(before) = self.fingerprint() else { return true };
            let is_old = |changed: SystemTime| changed.elapsed().is_ok_and(|age| age >= POLL_INTERVAL);
            if before.changed.is_none_or(is_old) {
                return true;
            }
            std::thread::sleep(POLL_INTERVAL);
            if self.fingerprint().is_ok_and(|after| after.machines == before.machines) {
                return true;
            }
        }
        false
    }
}

/// A state of the files: another number for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    pub all: u64,
    pub machines: u64,
    /// When a machine file, or anything that is watched, was changed last.
    changed: Option<SystemTime>,
    newest: Option<SystemTime>,
}

impl Fingerprint {
    /// Whether nothing has changed since then.
    pub fn is_older_than(&self, moment: SystemTime) -> bool {
        self.newest.is_none_or(|newest| newest < moment)
    }
}

/// When a change is worth a reload.
#[derive(Debug, Default)]
pub struct ChangeDetector {
    /// The state that was read last; `None`: nobody knows which that was.
    taken: Option<u64>,
    /// The state at the last look.
    last: Option<u64>,
}

impl ChangeDetector {
    /// Whether this state is another than the one that was read, and the same as two seconds ago.
    pub fn is_due(&mut self, stamp: u64) -> bool {
        let still = self.last.replace(stamp) == Some(stamp);
        let due = still && self.taken != Some(stamp);
        if due {
            self.taken = Some(stamp);
        }
        due
    }

    /// This state was read, if it is known which it was.
    pub fn set_loaded(&mut self, stamp: Option<u64>) {
        self.taken = stamp;
    }
}

/// What was seen of files so far.
struct Seen {
    hasher: DefaultHasher,
    newest: Option<SystemTime>,
    left: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { hasher: DefaultHasher::new(), newest: None, left: MOST }
    }
}

impl Seen {
    fn look(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let Some(found) = self.note(path)? else { return Ok(()) };
        if !found.is_dir() || depth == 0 {
            return Ok(());
        }
        self.sorted(path)?.iter().try_for_each(|entry| self.look(entry, depth - 1))
    }

    fn look_shallow(&mut self, directory: &Path) -> io::Result<()> {
        self.note(directory)?;
        for entry in self.sorted(directory)? {
            if self.left == 0 {
                break;
            }
            // Files of the top are loaders and scripts, and what is read of them matters.
            self.note(&entry)?;
        }
        Ok(())
    }

    /// Follows links: what they lead to is what is read.
    fn note(&mut self, path: &Path) -> io::Result<Option<Metadata>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        path.hash(&mut self.hasher);
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) => return self.absent(error).map(|()| None),
        };
        (found.ino(), found.size(), found.mtime(), found.mtime_nsec()).hash(&mut self.hasher);
        self.newest = self.newest.max(found.modified().ok());
        Ok(Some(found))
    }

    fn sorted(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let listed = fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut entries: Vec<PathBuf> = match listed {
            Ok(entries) => entries,
            Err(error) => return self.absent(error).map(|()| Vec::new()),
        };
        entries.sort();
        Ok(entries)
    }

    /// What is not there, or may not be looked at, is a state like any other. Everything else may be over in a moment.
    fn absent(&mut self, error: io::Error) -> io::Result<()> {
        const STATES: [i32; 6] =
            [libc::ENOENT, libc::ENOTDIR, libc::EACCES, libc::EPERM, libc::ELOOP, libc::ENAMETOOLONG];
        match error.raw_os_error().filter(|number| STATES.contains(number)) {
            Some(number) => {
                number.hash(&mut self.hasher);
                Ok(())
            }
            None => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_is_due_once_when_it_stands_still() {
        let mut changes = ChangeDetector::default();
        changes.set_loaded(Some(1));
        let due: Vec<bool> = [1, 1, 2, 3, 3, 3, 1, 1].into_iter().map(|stamp| changes.is_due(stamp)).collect();
        assert_eq!(due, [false, false, false, false, true, false, false, true]);
        changes.set_loaded(Some(9));
        assert!(!changes.is_due(9) && !changes.is_due(9), "read for another reason");
        changes.set_loaded(None);
        assert!(changes.is_due(9) && !changes.is_due(9), "it may be another than the one that was read");
    }

    #[test]
    fn what_cannot_be_looked_at_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let watched = WatchedFiles { whole: vec!["/proc/self/mem/x".into()], ..WatchedFiles::default() };
        watched.fingerprint().expect("what is not there is a state");
        let mut seen = Seen::default();
        for (number, is_state) in
            [(libc::ENOENT, true), (libc::EACCES, true), (libc::EMFILE, false), (libc::ESTALE, false)]
        {
            assert_eq!(seen.absent(io::Error::from_raw_os_error(number)).is_ok(), is_state);
        }
        drop(dir);
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
        let watched = WatchedFiles { whole, machines: vec![at("machines")], boot_dir: at("boot") };
        let stamp = || watched.fingerprint().unwrap().all;
        let mut before = stamp();
        assert_eq!(before, stamp());
        let steps: [(&str, &dyn Fn()); 7] = [
            ("a machine file", &|| fs::write(at("machines"), "name,mac").unwrap()),
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
            ("a directory of the boot directory", &|| fs::write(at("boot/debian/linux"), "").unwrap()),
            ("a file vanishes", &|| fs::remove_file(at("proxydhcpd.toml")).unwrap()),
        ];
        for (what, step) in steps {
            step();
            let after = stamp();
            assert_ne!(before, after, "{what}");
            before = after;
        }
        fs::create_dir(at("boot/debian/deep")).unwrap();
        let before = stamp();
        fs::write(at("boot/debian/deep/file"), "").unwrap();
        assert_eq!(before, stamp(), "an archive is not looked through");
    }
}
