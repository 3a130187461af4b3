//! Notices changes of the configuration files, so that a reload needs no signal.
//!
//! Compares the metadata of the files every two seconds. This works on every file system, NFS included. It also notices
//! a file that is renamed over another, and a symbolic link to a directory that is replaced (as Kubernetes does).

use crate::config::{self, Loaded};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Interval of the checks. A change causes a reload once two checks in a row find the same state.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The number of checks for which a reload waits while a machine file is still being written. Then the reload fails.
const MAX_CHECKS: usize = 10;

/// Maximum depth of nested directories, and maximum number of files, that are watched. A change beyond these limits
/// causes a reload only after SIGHUP.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 20_000;

/// The watched paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedFiles {
    /// Files, and directories whose whole content is watched.
    files: Vec<PathBuf>,
    /// Machine files, and directories that contain machine files.
    machines: Vec<PathBuf>,
    /// The boot directory. It may be a large archive, so only its top-level entries are watched. The metadata of a
    /// top-level directory changes when a file is added to that directory or removed from it.
    boot_dir: PathBuf,
}

impl WatchedFiles {
    /// The files of a configuration, including those that do not exist yet.
    pub fn from_config(loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let mut files = vec![loaded.directory.join("conf.d"), loaded.template_dir()];
        match &loaded.file {
            Some(file) => files.push(file.clone()),
            // One of these may be created later.
            None => files.extend(config::default_paths(&loaded.directory)),
        }
        let machines = settings.machine_files.clone().unwrap_or_else(|| vec![loaded.directory.join("machines")]);
        WatchedFiles { files, machines, boot_dir: settings.boot_dir.clone() }
    }

    /// The current state of the files. An error means that the state cannot be read at the moment, which does not count
    /// as a change.
    pub fn fingerprint(&self) -> io::Result<Fingerprint> {
        let mut scan = FileScan::default();
        for path in &self.machines {
            scan.add_tree(path, MAX_DEPTH)?;
        }
        let (machines, changed) = (scan.hasher.finish(), scan.newest);
        for path in &self.files {
            scan.add_tree(path, MAX_DEPTH)?;
        }
        scan.add_top_level(&self.boot_dir)?;
        Ok(Fingerprint { all: scan.hasher.finish(), machines, changed, newest: scan.newest })
    }

    /// Waits until no machine file changes between two checks. Returns `false` if a machine file is still being written
    /// after all checks.
    pub fn wait_until_stable(&self) -> bool {
        for _ in 0..MAX_CHECKS {
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

/// Hashes that identify a state of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash of everything that is watched.
    pub all: u64,
    /// Hash of the machine files alone.
    pub machines: u64,
    /// The latest modification of a machine file.
    changed: Option<SystemTime>,
    /// The latest modification of anything that is watched.
    newest: Option<SystemTime>,
}

impl Fingerprint {
    /// Whether every modification is older than `moment`.
    pub fn is_older_than(&self, moment: SystemTime) -> bool {
        self.newest.is_none_or(|newest| newest < moment)
    }
}

/// Decides when a change causes a reload.
#[derive(Debug, Default)]
pub struct ChangeDetector {
    /// The state that was loaded last; `None` if unknown, because the files changed during the load.
    loaded_state: Option<u64>,
    /// The state at the last check.
    last: Option<u64>,
}

impl ChangeDetector {
    /// Whether a reload is due: this state differs from the loaded one, and is the same as at the last check.
    pub fn is_due(&mut self, stamp: u64) -> bool {
        let still = self.last.replace(stamp) == Some(stamp);
        let due = still && self.loaded_state != Some(stamp);
        if due {
            self.loaded_state = Some(stamp);
        }
        due
    }

    /// Records the state that was loaded; `None` if unknown.
    pub fn set_loaded(&mut self, stamp: Option<u64>) {
        self.loaded_state = stamp;
    }
}

/// Collects the metadata of files.
struct FileScan {
    hasher: DefaultHasher,
    newest: Option<SystemTime>,
    left: usize,
}

impl Default for FileScan {
    fn default() -> Self {
        FileScan { hasher: DefaultHasher::new(), newest: None, left: MAX_FILES }
    }
}

impl FileScan {
    fn add_tree(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let Some(metadata) = self.add(path)? else { return Ok(()) };
        if !metadata.is_dir() || depth == 0 {
            return Ok(());
        }
        self.sorted(path)?.iter().try_for_each(|entry| self.add_tree(entry, depth - 1))
    }

    fn add_top_level(&mut self, directory: &Path) -> io::Result<()> {
        self.add(directory)?;
        for entry in self.sorted(directory)? {
            if self.left == 0 {
                break;
            }
            // Files at the top are loaders and scripts, which the server reads.
            self.add(&entry)?;
        }
        Ok(())
    }

    /// Hashes a path and its metadata. Follows symbolic links, as reading the file does. Returns `None` if the file is
    /// missing or not accessible, or if the maximum number of files is reached.
    fn add(&mut self, path: &Path) -> io::Result<Option<Metadata>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        path.hash(&mut self.hasher);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.add_error(error).map(|()| None),
        };
        (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut self.hasher);
        self.newest = self.newest.max(metadata.modified().ok());
        Ok(Some(metadata))
    }

    fn sorted(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let listed = fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut entries: Vec<PathBuf> = match listed {
            Ok(entries) => entries,
            Err(error) => return self.add_error(error).map(|()| Vec::new()),
        };
        entries.sort();
        Ok(entries)
    }

    /// Hashes an error which shows that a file is missing or not accessible: that is a state like any other. Returns
    /// any other error, because it may be temporary.
    fn add_error(&mut self, error: io::Error) -> io::Result<()> {
        const EXPECTED: [i32; 6] =
            [libc::ENOENT, libc::ENOTDIR, libc::EACCES, libc::EPERM, libc::ELOOP, libc::ENAMETOOLONG];
        match error.raw_os_error().filter(|number| EXPECTED.contains(number)) {
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
    fn a_change_is_due_once_two_checks_agree() {
        let mut changes = ChangeDetector::default();
        changes.set_loaded(Some(1));
        let due: Vec<bool> = [1, 1, 2, 3, 3, 3, 1, 1].into_iter().map(|stamp| changes.is_due(stamp)).collect();
        assert_eq!(due, [false, false, false, false, true, false, false, true]);
        changes.set_loaded(Some(9));
        assert!(!changes.is_due(9) && !changes.is_due(9), "loaded for another reason");
        changes.set_loaded(None);
        assert!(changes.is_due(9) && !changes.is_due(9), "it may differ from the loaded state");
    }

    #[test]
    fn temporary_errors_are_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let watched = WatchedFiles { files: vec!["/proc/self/mem/x".into()], ..WatchedFiles::default() };
        watched.fingerprint().expect("a missing file is a state");
        let mut scan = FileScan::default();
        for (number, is_state) in
            [(libc::ENOENT, true), (libc::EACCES, true), (libc::EMFILE, false), (libc::ESTALE, false)]
        {
            assert_eq!(scan.add_error(io::Error::from_raw_os_error(number)).is_ok(), is_state);
        }
        drop(dir);
    }

    #[test]
    fn every_way_to_change_a_file_changes_the_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("templates/debian")).unwrap();
        fs::create_dir_all(at("boot/debian")).unwrap();
        fs::create_dir_all(at("one")).unwrap();
        fs::create_dir_all(at("two")).unwrap();
        symlink("one", at("conf.d")).unwrap();
        let files = vec![at("conf.d"), at("templates"), at("proxydhcpd.toml")];
        let watched = WatchedFiles { files, machines: vec![at("machines")], boot_dir: at("boot") };
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
            ("a symbolic link is replaced", &|| {
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
        assert_eq!(before, stamp(), "deeper directories are not watched");
    }
}
