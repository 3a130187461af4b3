//! Machines that were to boot once and have: a file for each in a folder, so that once is once after a restart too, and
//! whoever removes the file lets the machine boot again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

/// Marks that may wait for the disk; of a site that boots more machines at once than this, some are written later.
const WAITING: usize = 65_536;

/// The folder. Marks are written by a thread of its own: a disk that is slow holds up no transfer.
#[derive(Debug)]
pub struct Used {
    folder: PathBuf,
    writer: SyncSender<Mark>,
    waiting: Arc<AtomicUsize>,
    unwritten: Arc<Unwritten>,
    /// When the folder was changed last, as far as it was read.
    seen: Option<SystemTime>,
}

#[derive(Debug)]
struct Mark {
    machine: String,
    by: String,
}

/// Marks that could not be written, by machine: they hold until the server ends, and are tried again with the next one.
#[derive(Debug, Default)]
struct Unwritten(Mutex<BTreeMap<String, String>>);

impl Used {
    /// `state_dir`: where the folder is, or will be when there is something to put into it.
    pub fn below(state_dir: &Path) -> io::Result<Used> {
        let folder = folder_below(state_dir);
        let (writer, marks) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let unwritten = Arc::new(Unwritten::default());
        let (at, left, kept) = (folder.clone(), Arc::clone(&waiting), Arc::clone(&unwritten));
        thread::Builder::new().name("used-up".to_owned()).spawn(move || write_all(&at, &marks, &left, &kept))?;
        Ok(Used { folder, writer, waiting, unwritten, seen: None })
    }

    /// The machines that have used up their boot, if that has changed since it was read last.
    pub fn changed(&mut self) -> Option<BTreeSet<String>> {
        // What still waits is in memory only.
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        let modified = fs::metadata(&self.folder).and_then(|folder| folder.modified()).ok();
        if modified.is_some() && modified == self.seen {
            return None;
        }
        let before = std::mem::replace(&mut self.seen, modified);
        if modified.is_none() && before.is_none() {
            return None;
        }
        let mut machines = marks(&self.folder);
        machines.extend(self.unwritten.marks().keys().cloned());
        Some(machines)
    }

    /// The machine has used up its boot by fetching this.
    pub fn mark(&self, machine: &str, by: &str) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let mark = Mark { machine: machine.to_owned(), by: by.to_owned() };
        if let Err(TrySendError::Full(mark) | TrySendError::Disconnected(mark)) = self.writer.try_send(mark) {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.unwritten.keep(mark, &format_args!("{}: too much to write", self.folder.display()));
        }
    }

    /// Whether marks can be written: asked at the start where the plan needs it.
    pub fn is_writable(&self) -> Result<(), String> {
        let probe = self.folder.join(".probe");
        let tried = fs::create_dir_all(&self.folder).and_then(|()| File::create(&probe)).map(drop);
        let tried = tried.and_then(|()| fs::remove_file(&probe));
        tried.map_err(|error| {
            format!(
                "{} cannot be written ({error}): machines that boot once boot again after a restart of the server",
                self.folder.display()
            )
        })
    }

    /// Waits until what was marked is on the disk.
    pub fn settle(&self, most: std::time::Duration) {
        let until = std::time::Instant::now() + most;
        while self.waiting.load(Ordering::Acquire) > 0 && std::time::Instant::now() < until {
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// The machine may boot again.
    pub fn forget(&self, machine: &str) {
        self.unwritten.marks().remove(machine);
        if let Err(error) = forget(&self.folder, machine) {
            tracing::error!("{}: {error}", self.folder.join(machine).display());
        }
    }
}

pub fn folder_below(state_dir: &Path) -> PathBuf {
    state_dir.join("used-up")
}

/// The machines that have a mark. A folder that is not there holds none.
pub fn marks(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.starts_with('.')).collect()
}

/// Whether there was a mark.
pub fn forget(folder: &Path, machine: &str) -> io::Result<bool> {
    match fs::remove_file(folder.join(machine)) {
        Ok(()) => sync(folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_all(folder: &Path, marks: &Receiver<Mark>, waiting: &AtomicUsize, unwritten: &Unwritten) {
    for mark in marks {
        match write(folder, &mark) {
            Ok(()) => unwritten.try_again(folder),
            Err(error) => unwritten.keep(mark, &format_args!("{}: {error}", folder.display())),
        }
        waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Unwritten {
    /// Told once, for every machine of a site may come this way.
    fn keep(&self, mark: Mark, why: &dyn fmt::Display) {
        let mut marks = self.marks();
        if marks.is_empty() {
            tracing::error!(
                "{why}; {} has used up its boot, which is forgotten at a restart, as it will be of other machines until \
                 that is mended",
                mark.machine
            );
        }
        marks.insert(mark.machine, mark.by);
    }

    fn try_again(&self, folder: &Path) {
        // Nobody waits for the disk.
        let marks = self.marks().clone();
        for (machine, by) in marks {
            let mark = Mark { machine, by };
            if write(folder, &mark).is_err() {
                return;
            }
            self.marks().remove(&mark.machine);
        }
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole or not at all, and on the disk when it returns.
fn write(folder: &Path, mark: &Mark) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".{}", mark.machine));
    let mut file = File::create(&new)?;
    let when = httpdate::fmt_http_date(SystemTime::now());
    writeln!(
        file,
        "{when}\n{}\n\nRemove this file, or say `proxydhcpd rearm {}`, to let it boot again.",
        mark.by, mark.machine
    )?;
    file.sync_all()?;
    fs::rename(&new, folder.join(&mark.machine))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_mark_is_there_for_who_reads_next_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut used = Used::below(dir.path()).unwrap();
        assert_eq!(used.changed(), None, "no folder, no marks");
        used.mark("web1", "debian/linux");
        used.settle(Duration::from_secs(10));
        assert_eq!(used.changed(), Some(["web1".to_owned()].into()));
        assert_eq!(used.changed(), None);
        let text = fs::read_to_string(dir.path().join("used-up/web1")).unwrap();
        assert!(text.contains("\ndebian/linux\n") && text.contains("proxydhcpd rearm web1"), "{text}");

        let again = Used::below(dir.path()).unwrap().changed();
        assert_eq!(again, Some(["web1".to_owned()].into()), "after a restart");
        assert!(forget(&folder_below(dir.path()), "web1").unwrap());
        assert!(!forget(&folder_below(dir.path()), "web1").unwrap());
        assert_eq!(used.changed(), Some(BTreeSet::new()));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let told = Used::below(&dir.path().join("file")).unwrap().is_writable().unwrap_err();
        assert!(told.contains("file/used-up cannot be written (Not a directory"), "{told}");
    }

    #[test]
    fn a_mark_that_cannot_be_written_holds_and_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("used-up");
        fs::write(&folder, "in the way").unwrap();
        let mut used = Used::below(dir.path()).unwrap();
        used.mark("web1", "debian/linux");
        used.mark("web2", "debian/linux");
        used.settle(Duration::from_secs(10));
        assert_eq!(used.changed(), Some(["web1".to_owned(), "web2".to_owned()].into()));
        used.forget("web2");

        fs::remove_file(&folder).unwrap();
        used.mark("web3", "debian/linux");
        used.settle(Duration::from_secs(10));
        assert_eq!(marks(&folder), ["web1".to_owned(), "web3".to_owned()].into());
        assert_eq!(used.changed(), Some(marks(&folder)));
    }
}
