//! Keeps the completions of boot-once machines across restarts: a directory has a file for each of these machines. A
//! completion ends by `rearm`, by removal of its file while the directory is readable, or by an entry with
//! `boot = "always"` or `"never"`.

pub mod completions;
mod event_receiver;
mod known_completions;
mod refresh;
pub mod token;

use crate::files::create_new;
pub use completions::list_machines;
pub use event_receiver::EventReceiver;
use known_completions::KnownCompletions;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
pub use refresh::CompletionChanges;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use token::TokenKey;

/// How many completions may wait for the writer thread. If more machines complete at once, the others' completions are
/// written by a later retry.
const QUEUE_LENGTH: usize = 65_536;

/// How many completions reach the disk together at most.
const BATCH: usize = 1024;

/// The state files that the server renames at its start: the name until November 2026, and the present name. Without
/// the rename, completions would be lost, and their machines would boot their installers again.
const RENAMED_FILES: [(&str, &str); 3] =
    [("used-up", "boot-once"), ("armings", token::COUNTS_FILE), ("done-key", token::KEY_FILE)];

/// Advice for a machine with a completed boot-once whose entry has no `boot`: how to let it boot its profile again.
pub const RESET_HELP: &str = "`proxydhcpd rearm NAME`, or `boot = \"always\"`, lets a machine boot its profile again";

/// The completions on the disk. A separate thread writes them, so that a slow disk delays no transfer.
#[derive(Debug)]
pub struct BootOnceState {
    state_dir: PathBuf,
    directory: PathBuf,
    /// At most [`QUEUE_LENGTH`] jobs wait; those that do not wait need no memory.
    writer: Sender<WriterJob>,
    shared: Arc<WriterState>,
    /// The completions at the last refresh. A refresh locks this while it reads the disk, so only a refresh may lock
    /// it.
    known: Mutex<KnownCompletions>,
    key: OnceLock<TokenKey>,
    /// Set when the directory was checked and created.
    is_prepared: OnceLock<()>,
}

/// A job of the writer thread.
#[derive(Debug)]
enum WriterJob {
    Write(Completion),
    /// Counts a completion that was found in the directory.
    Count(String),
    /// Writes the completions whose earlier write failed.
    RetryWrites,
}

#[derive(Debug)]
struct Completion {
    machine: String,
    /// The text of the file: the download that completed the boot-once, and the machine's identities.
    text: String,
    /// How often the machine has completed its boot-once.
    count: u64,
}

/// The state that the writer thread shares with other threads.
#[derive(Debug, Default)]
struct WriterState {
    /// The number of jobs that the writer thread has not finished.
    waiting: AtomicUsize,
    /// The text of each completion whose write failed, by machine. These completions remain valid until the server
    /// ends, and the server tries to write them again.
    unwritten: Mutex<BTreeMap<String, String>>,
    /// Machines whose completions were written since the last refresh.
    written: Mutex<BTreeSet<String>>,
    events: EventReceiver,
}

impl BootOnceState {
    /// Renames the state files of earlier builds, and starts the writer thread. The first completion creates the
    /// directory below `state_dir`. Fails if a file cannot be renamed, or the thread cannot start. `events` receives
    /// what happens later.
    pub fn new(state_dir: &Path, events: EventReceiver) -> io::Result<BootOnceState> {
        rename_old_files(state_dir, &events)?;
        let (writer, jobs) = channel();
        let shared = Arc::new(WriterState { events, ..WriterState::default() });
        let (writer_dir, writer_state) = (state_dir.to_owned(), Arc::clone(&shared));
        thread::Builder::new()
            .name("boot-once".to_owned())
            .spawn(move || write_all(&writer_dir, &jobs, &writer_state))
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        let (state_dir, directory) = (state_dir.to_owned(), completions::path_in(state_dir));
        Ok(BootOnceState {
            state_dir,
            directory,
            writer,
            shared,
            known: Mutex::default(),
            key: OnceLock::new(),
            is_prepared: OnceLock::new(),
        })
    }

    /// How often each machine completed its boot-once before this start. Also rewrites the file of counts, so that it
    /// has only one line per machine.
    pub fn completion_counts(&self) -> BTreeMap<String, u64> {
        let counts = token::read_counts(&self.state_dir).unwrap_or_else(|error| {
            let file = token::counts_file(&self.state_dir);
            self.shared.events.record(StateFile::CountsUnreadable(FileFailure {
                path: format_args!("{}", file.display()),
                error: format_args!("{error}"),
            }));
            BTreeMap::new()
        });
        if !counts.is_empty()
            && let Err(error) = token::write_counts(&self.state_dir, &counts)
        {
            self.shared.events.record(StateFile::CountsUnwritable(FileFailure {
                path: format_args!("{}", token::counts_file(&self.state_dir).display()),
                error: format_args!("{error}"),
            }));
        }
        counts
    }

    /// Prepares for boot-once machines: creates the directory and the key, and warns if completions would be lost.
    pub fn prepare(&self) {
        if self.is_prepared.set(()).is_ok() {
            self.prepare_directory();
        }
        self.prepare_key();
    }

    fn prepare_directory(&self) {
        self.check_directory();
        let probe = self.directory.join(".probe");
        let created = fs::create_dir_all(&self.directory).and_then(|()| create_new(&probe, 0o600)).map(drop);
        if let Err(error) = created.and_then(|()| fs::remove_file(&probe)) {
            let are_readable = completions::list(&self.directory).is_ok();
            self.shared.events.record(StateFile::CompletionsUnwritable {
                failure: FileFailure {
                    path: format_args!("{}", self.directory.display()),
                    error: format_args!("{error}"),
                },
                are_readable,
            });
        }
    }

    /// Creates the key, if there is none. Call it for a site without boot-once machines whose templates use tokens.
    pub fn prepare_key(&self) {
        if self.key.get().is_some() {
            return;
        }
        match self.find_key() {
            Ok(key) => drop(self.key.set(key)),
            Err(error) => self.shared.events.record(StateFile::NoRandomNumbers(format_args!("{error}"))),
        }
    }

    /// Records if the directory is missing although machines completed their boot-onces before, because the
    /// directory may have been lost.
    fn check_directory(&self) {
        let is_gone = fs::symlink_metadata(&self.directory).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if let Ok(counts) = token::read_counts(&self.state_dir)
            && is_gone
            && !counts.is_empty()
        {
            self.shared.events.record(StateFile::CompletionsMissing {
                path: format_args!("{}", self.directory.display()),
                machines: &counts.into_keys().collect::<Vec<_>>(),
            });
        }
    }

    fn find_key(&self) -> io::Result<TokenKey> {
        let warn = |error: io::Error| {
            self.shared.events.record(StateFile::KeyUnavailable(FileFailure {
                path: format_args!("{}", token::key_file(&self.state_dir).display()),
                error: format_args!("{error}"),
            }));
        };
        match TokenKey::load(&self.state_dir) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => TokenKey::generate().inspect(|key| key.save(&self.state_dir).unwrap_or_else(warn)),
            // The file is not replaced: its key may be valid, and only this process cannot read it.
            Err(error) => {
                warn(error);
                TokenKey::generate()
            }
        }
    }

    /// The directory of completions.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The token for a machine's next boot-once, after `count` completed ones. `None` if [`BootOnceState::prepare`] was
    /// not called or found no key.
    pub fn token(&self, machine: &str, count: u64) -> Option<String> {
        self.key.get().map(|key| key.token(machine, count))
    }

    /// Whether `token` is the one that [`BootOnceState::token`] returns for this machine and count.
    pub fn is_valid_token(&self, token: &str, machine: &str, count: u64) -> bool {
        self.key.get().is_some_and(|key| key.is_valid_token(token, machine, count))
    }

    /// Records that the machine completed its boot-once. `text` contains the name of the downloaded file, and the
    /// machine's identities. `count` is how often the machine has completed its boot-once.
    pub fn complete(&self, machine: &str, text: &str, count: u64) {
        self.send(WriterJob::Write(Completion { machine: machine.to_owned(), text: text.to_owned(), count }));
    }

    /// Counts a completion that a refresh found in the directory, and that was not known, as the machine's first.
    pub fn count_found_completion(&self, machine: &str) {
        self.send(WriterJob::Count(machine.to_owned()));
    }

    fn send(&self, job: WriterJob) {
        let has_room = self.shared.waiting.fetch_add(1, Ordering::AcqRel) < QUEUE_LENGTH;
        let sent = if has_room { self.writer.send(job) } else { Err(SendError(job)) };
        if let Err(SendError(job)) = sent {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            if let WriterJob::Write(completion) = job {
                let Completion { machine, text, .. } = completion;
                self.shared.keep(machine, text, format_args!("{}: too many files to write", self.directory.display()));
            }
        }
    }

    /// Whether all completions are on the disk.
    pub fn is_idle(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) == 0
    }

    /// Tries again to write the completions whose write failed. Call it every few seconds.
    pub fn retry_writes(&self) {
        if self.is_idle() && !lock(&self.shared.unwritten).is_empty() {
            self.send(WriterJob::RetryWrites);
        }
    }

    /// Waits until the writer thread has handled all completions, but not longer than `timeout`.
    pub fn flush(&self, timeout: Duration) {
        self.retry_writes();
        let deadline = std::time::Instant::now() + timeout;
        while !self.is_idle() && std::time::Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Renames the state files that have their old names. After a failed rename the completions would seem to be missing,
/// so the server must not start.
fn rename_old_files(state_dir: &Path, events: &EventReceiver) -> io::Result<()> {
    for (old, new) in RENAMED_FILES.map(|(old, new)| (state_dir.join(old), state_dir.join(new))) {
        if fs::symlink_metadata(&old).is_err() || fs::symlink_metadata(&new).is_ok() {
            continue;
        }
        let (from, to) = (old.display(), new.display());
        fs::rename(&old, &new).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot rename {from}: {error}; rename it to {to}, then start again"))
        })?;
        events.record(StateFile::Renamed { from: format_args!("{from}"), to: format_args!("{to}") });
    }
    Ok(())
}

/// The main function of the writer thread. Completions that wait reach the disk together: in a storm, one after the
/// other would take so long that a kill loses many.
fn write_all(state_dir: &Path, jobs: &Receiver<WriterJob>, shared: &WriterState) {
    while let Ok(job) = jobs.recv() {
        let batch: Vec<WriterJob> = iter::once(job).chain(jobs.try_iter().take(BATCH - 1)).collect();
        let length = batch.len();
        shared.write(state_dir, batch);
        shared.waiting.fetch_sub(length, Ordering::AcqRel);
    }
}

impl WriterState {
    /// Does the jobs of a batch: the counts first, so that no token of a completed boot-once is valid again.
    fn write(&self, state_dir: &Path, batch: Vec<WriterJob>) {
        let (mut counts, mut completed, mut tries_again) = (Vec::new(), BTreeMap::new(), false);
        for job in batch {
            match job {
                WriterJob::Write(completion) => {
                    counts.push((completion.machine.clone(), completion.count));
                    // Of several completions of a machine, the last counts.
                    completed.insert(completion.machine, completion.text);
                }
                WriterJob::Count(machine) => counts.push((machine, 1)),
                WriterJob::RetryWrites => tries_again = true,
            }
        }
        if !counts.is_empty()
            && let Err(error) = token::append_counts(state_dir, &counts)
        {
            self.events.record(StateFile::CountNotAppended(FileFailure {
                path: format_args!("{}", token::counts_file(state_dir).display()),
                error: format_args!("{error}"),
            }));
        }
        let directory = completions::path_in(state_dir);
        let results = completions::write_many(&directory, &completed);
        for ((machine, text), result) in completed.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    lock(&self.written).insert(machine);
                    tries_again = true;
                }
                Err(error) => {
                    self.keep(machine, text, format_args!("cannot write to {}: {error}", directory.display()));
                }
            }
        }
        if tries_again {
            self.try_again(&directory);
        }
    }

    /// Keeps a completion to write it later. Records only the first of them, because every machine of a site may cause
    /// one.
    fn keep(&self, machine: String, text: String, reason: fmt::Arguments<'_>) {
        let mut unwritten = lock(&self.unwritten);
        if unwritten.is_empty() {
            self.events.record(StateFile::CompletionUnwritten { machine: &machine, reason });
        }
        unwritten.insert(machine, text);
    }

    fn try_again(&self, directory: &Path) {
        // The write uses a copy, so that no thread that needs the lock waits for the disk.
        let unwritten = lock(&self.unwritten).clone();
        if unwritten.is_empty() {
            return;
        }
        let results = completions::write_many(directory, &unwritten);
        let are_written = results.iter().all(Result::is_ok);
        let count = unwritten.len();
        for ((machine, _), result) in unwritten.into_iter().zip(results) {
            if result.is_ok() {
                lock(&self.unwritten).remove(&machine);
                lock(&self.written).insert(machine);
            }
        }
        if !are_written {
            return;
        }
        let path = directory.display();
        self.events.record(StateFile::CompletionsWritten { path: format_args!("{path}"), count });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
