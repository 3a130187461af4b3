//! Machines that were to boot once and have: a mark for each in a directory, so that once is once after a restart too. A
//! mark goes by `rearm`, or by removing its file while the directory can be read; nothing else lets a machine boot again.

pub mod completions;
mod refresh;
pub mod token;

use crate::files::create_new;
use refresh::KnownCompletions;
pub use refresh::{CompletionChanges, list_machines};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use token::TokenKey;

/// Marks that may wait for the disk; of a site that boots more machines at once than this, some are written later.
const WAITING: usize = 65_536;

/// How a machine comes to boot its profile that has a mark, and whose entry does not say `boot`.
pub const UNSAID_HELP: &str = "`proxydhcpd rearm NAME`, or `boot = \"always\"`, has one boot its profile again";

/// Marks are written by a thread of its own: a disk that is slow holds up no transfer.
#[derive(Debug)]
pub struct BootOnceState {
    state_dir: PathBuf,
    directory: PathBuf,
    writer: SyncSender<WriterJob>,
    shared: Arc<Shared>,
    /// Held while the directory is read, so only who looks may wait for it.
    known: Mutex<KnownCompletions>,
    key: OnceLock<TokenKey>,
}

/// What the writer does.
#[derive(Debug)]
enum WriterJob {
    Mark(Mark),
    /// A mark that was found and not counted yet.
    Count(String),
    /// Tries again to write what could not be written.
    RetryWrites,
}

#[derive(Debug)]
struct Mark {
    machine: String,
    by: String,
    /// How often its boot has been used up by now.
    times: u64,
}

/// Between the writer and the others.
#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    /// Marks that could not be written, by machine: they hold until the server ends, and are tried again.
    unwritten: Mutex<BTreeMap<String, String>>,
    /// Marks that were written since somebody looked last.
    written: Mutex<BTreeSet<String>>,
}

impl BootOnceState {
    /// `state_dir`: where the directory is, or will be when there is something to put into it.
    pub fn new(state_dir: &Path) -> io::Result<BootOnceState> {
        let (writer, jobs) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let (at, with) = (state_dir.to_owned(), Arc::clone(&shared));
        thread::Builder::new().name("used-up".to_owned()).spawn(move || write_all(&at, &jobs, &with))?;
        let (state_dir, directory) = (state_dir.to_owned(), completions::path_in(state_dir));
        Ok(BootOnceState { state_dir, directory, writer, shared, known: Mutex::default(), key: OnceLock::new() })
    }

    /// How often boots were used up before this start. One line for each machine is left of the file.
    pub fn completion_counts(&self) -> BTreeMap<String, u64> {
        let armings = token::read_counts(&self.state_dir).unwrap_or_else(|error| {
            let file = token::counts_file(&self.state_dir);
            tracing::error!(
                "{} cannot be read ({error}): tokens of earlier installations are valid again",
                file.display()
            );
            BTreeMap::new()
        });
        if !armings.is_empty()
            && let Err(error) = token::write_counts(&self.state_dir, &armings)
        {
            tracing::debug!("{} stays as it is: {error}", token::counts_file(&self.state_dir).display());
        }
        armings
    }

    /// Gets ready for machines that boot once, and says what does not work: what is written now would be lost.
    pub fn prepare(&self) {
        if self.key.get().is_some() {
            return;
        }
        self.miss_marks();
        let probe = self.directory.join(".probe");
        let tried = fs::create_dir_all(&self.directory).and_then(|()| create_new(&probe, 0o600)).map(drop);
        if let Err(error) = tried.and_then(|()| fs::remove_file(&probe)) {
            let then = match completions::list(&self.directory) {
                Ok(_) => "machines that boot once from now on boot again after a restart of the server",
                Err(_) => "machines that boot once boot their disks after a restart, until the directory can be read",
            };
            tracing::warn!("{} cannot be written ({error}): {then}", self.directory.display());
        }
        match self.find_key() {
            Ok(key) => drop(self.key.set(key)),
            Err(error) => tracing::error!("/dev/urandom cannot be read ({error}): done_url has no token"),
        }
    }

    /// Where the directory is gone, but boots were used up before, its marks may have been taken from it by nobody's will.
    fn miss_marks(&self) {
        let is_gone = fs::symlink_metadata(&self.directory).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if let Ok(armings) = token::read_counts(&self.state_dir)
            && is_gone
            && !armings.is_empty()
        {
            tracing::error!(
                "{} is missing, though boots were used up before, by {}: they may boot once more; \
                 stop the server and bring the directory back if that is not what you want",
                self.directory.display(),
                list_machines(armings.len(), armings.keys().map(String::as_str))
            );
        }
    }

    fn find_key(&self) -> io::Result<TokenKey> {
        let told = |error: io::Error| {
            tracing::warn!(
                "{}: {error}; after a restart of the server, an installer that runs by then cannot say that it is done",
                token::key_file(&self.state_dir).display()
            );
        };
        match TokenKey::load(&self.state_dir) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => TokenKey::generate().inspect(|key| key.save(&self.state_dir).unwrap_or_else(told)),
            // It may be right for whoever can read it, so it stays where it is.
            Err(error) => {
                told(error);
                TokenKey::generate()
            }
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn token(&self, machine: &str, arming: u64) -> Option<String> {
        self.key.get().map(|key| key.token(machine, arming))
    }

    pub fn is_valid_token(&self, shown: &str, machine: &str, arming: u64) -> bool {
        self.key.get().is_some_and(|key| key.is_valid_token(shown, machine, arming))
    }

    /// The machine has used up its boot by fetching this, for this time.
    pub fn complete(&self, machine: &str, by: &str, times: u64) {
        self.send(WriterJob::Mark(Mark { machine: machine.to_owned(), by: by.to_owned(), times }));
    }

    /// A mark was found of which nobody knew: that counts as one boot.
    pub fn count_found_completion(&self, machine: &str) {
        self.send(WriterJob::Count(machine.to_owned()));
    }

    fn send(&self, job: WriterJob) {
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = self.writer.try_send(job) {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            if let WriterJob::Mark(mark) = job {
                self.shared.keep(mark, &format_args!("{}: too much to write", self.directory.display()));
            }
        }
    }

    /// Whether all that was marked is on the disk.
    pub fn is_idle(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) == 0
    }

    /// Tries again to write what could not be written. To be called every few seconds.
    pub fn retry_writes(&self) {
        if self.is_idle() && !lock(&self.shared.unwritten).is_empty() {
            self.send(WriterJob::RetryWrites);
        }
    }

    /// Waits until what was marked is on the disk.
    pub fn flush(&self, most: Duration) {
        self.retry_writes();
        let until = std::time::Instant::now() + most;
        while !self.is_idle() && std::time::Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn write_all(state_dir: &Path, jobs: &Receiver<WriterJob>, shared: &Shared) {
    let directory = completions::path_in(state_dir);
    let count = |machine: &str, times| {
        if let Err(error) = token::append_count(state_dir, machine, times) {
            tracing::debug!("{}: {error}", token::counts_file(state_dir).display());
        }
    };
    for job in jobs {
        match job {
            WriterJob::Mark(mark) => {
                count(&mark.machine, mark.times);
                match completions::write(&directory, &mark.machine, &mark.by) {
                    Ok(()) => {
                        lock(&shared.written).insert(mark.machine);
                        shared.try_again(&directory);
                    }
                    Err(error) => shared.keep(mark, &format_args!("{}: {error}", directory.display())),
                }
            }
            WriterJob::Count(machine) => count(&machine, 1),
            WriterJob::RetryWrites => shared.try_again(&directory),
        }
        shared.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Told once, for every machine of a site may come this way.
    fn keep(&self, mark: Mark, why: &dyn fmt::Display) {
        let mut unwritten = lock(&self.unwritten);
        if unwritten.is_empty() {
            tracing::error!(
                "{why}; {} has used up its boot, which is forgotten at a restart, as it will be of other machines \
                 until \
                 that is mended",
                mark.machine
            );
        }
        unwritten.insert(mark.machine, mark.by);
    }

    fn try_again(&self, directory: &Path) {
        // Nobody waits for the disk.
        let unwritten = lock(&self.unwritten).clone();
        if unwritten.is_empty() {
            return;
        }
        let count = unwritten.len();
        for (machine, by) in unwritten {
            if completions::write(directory, &machine, &by).is_err() {
                return;
            }
            lock(&self.written).insert(machine.clone());
            lock(&self.unwritten).remove(&machine);
        }
        tracing::info!("{} can be written: marks that it lacked are in it now, {count} of them", directory.display());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
