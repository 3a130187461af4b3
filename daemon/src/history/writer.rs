//! The thread that writes the history. Whatever happens to the file, it records one event, drops nothing that can wait,
//! and tries again every minute.

use super::handover::{REPEATS, Written};
use super::queue::{Job, Shared};
use super::set_aside::set_aside;
use super::store::{Store, StoreError};
use super::stored::{StoredReport, Time};
use crate::events::Events;
use crate::story::{BootChanges, StoryBook};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use std::fmt::Display;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

/// The longest time for which a report waits until it is written.
const COMMIT: Duration = Duration::from_millis(500);
/// The time between two attempts to open the file.
const RETRY: Duration = Duration::from_secs(60);
/// The time between two looks for what is too old.
const SHRINK: Duration = Duration::from_secs(60);
/// The most machines whose boots are written at once, which is once a second. In a storm, the others wait: the processor
/// belongs to the machines that boot.
const MACHINES: usize = 256;
/// The number of reports of a transaction.
const BATCH: usize = 512;

/// The state of the thread.
struct Writer<'a> {
    shared: &'a Shared,
    events: &'a Events,
    stories: &'a StoryBook,
    store: Option<Store>,
    /// The latest boots, as the file has them.
    written: Written,
    /// The reports that are not written yet.
    waiting: Vec<StoredReport>,
    /// When the first of them arrived.
    waiting_since: Instant,
    next_open: Instant,
    next_shrink: Instant,
    /// Whether an event said that the file is unavailable, and none that it is available again.
    has_warned: bool,
}

/// Writes until it is stopped.
pub fn run(shared: &Shared, events: &Events, stories: &StoryBook) {
    let Some(receiver) = shared.take_receiver() else { return };
    let now = Instant::now();
    let mut writer = Writer {
        shared,
        events,
        stories,
        store: None,
        written: Written::default(),
        waiting: Vec::new(),
        waiting_since: now,
        next_open: now,
        next_shrink: now,
        has_warned: false,
    };
    writer.run(&receiver);
}

impl Writer<'_> {
    fn run(&mut self, receiver: &Receiver<Job>) {
        loop {
            if self.store.is_none() && Instant::now() >= self.next_open {
                self.open();
            }
            match receiver.recv_timeout(self.next_work().saturating_duration_since(Instant::now())) {
                Ok(Job::Boots) => self.write(Some(REPEATS)),
                Ok(Job::Damaged(error)) => self.replace_damaged(&error),
                Ok(Job::Stop(done)) => {
                    self.write(Some(0));
                    self.close();
                    done.send(()).ok();
                    return;
                }
                Ok(Job::Report(report)) => self.add(*report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.waiting_since.elapsed() >= COMMIT || self.waiting.len() >= BATCH {
                self.write(None);
            }
            if self.store.is_some() && Instant::now() >= self.next_shrink {
                self.shrink();
            }
        }
    }

    /// The time of the next work without a job.
    fn next_work(&self) -> Instant {
        match &self.store {
            None => self.next_open,
            Some(_) if self.waiting.is_empty() => self.next_shrink,
            Some(_) => self.next_shrink.min(self.waiting_since + COMMIT),
        }
    }

    fn add(&mut self, report: StoredReport) {
        if self.waiting.is_empty() {
            self.waiting_since = Instant::now();
        }
        self.waiting.push(report);
    }

    fn open(&mut self) {
        self.next_open = Instant::now() + RETRY;
        match Store::open(&self.shared.path) {
            Ok(store) => {
                self.store = Some(store);
                self.shared.set_open(true);
                self.write(Some(REPEATS));
                if self.store.is_some() && self.has_warned {
                    self.has_warned = false;
                    let path = self.shared.path.display();
                    self.record(StateFile::HistoryAvailable(format_args!("{path}")));
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Writes the reports that wait and, with the time in milliseconds for which repeats wait, the boots that changed: of
    /// all machines, if no repeats wait. If that fails, they wait until the file is open again.
    fn write(&mut self, repeats: Option<u64>) {
        let Some(store) = &mut self.store else { return };
        let most = |repeats| if repeats == 0 { usize::MAX } else { MACHINES };
        let changes = repeats.map(|repeats| self.stories.take_changed(most(repeats)));
        let BootChanges { machines, adopted } = changes.unwrap_or_default();
        if machines.is_empty() && adopted.is_empty() && self.waiting.is_empty() {
            return;
        }
        let (now, started) = (self.events.now(), Time::from_wall_clock(self.events.wall_clock(0)));
        let result = store.write(|rows| {
            self.waiting.iter().try_for_each(|report| rows.add_report(report))?;
            adopted.iter().try_for_each(|boot| rows.remove_boot(boot.key, started.plus(boot.began)))?;
            let times = (now, repeats.unwrap_or_default());
            self.written.write(machines.iter().copied(), self.stories, rows, times, started)
        });
        match result {
            Ok(round) => {
                self.waiting.clear();
                self.written.commit(round, now).into_iter().for_each(|machine| self.stories.note_changed(machine));
            }
            Err(error) => {
                machines.into_iter().for_each(|machine| self.stories.note_changed(machine));
                adopted.into_iter().for_each(|boot| self.stories.note_adopted(boot));
                self.fail(&error);
            }
        }
    }

    fn shrink(&mut self) {
        let Some(store) = &mut self.store else { return };
        let config = &self.shared.config;
        let age = Duration::from_secs(u64::from(config.days) * 24 * 60 * 60);
        let oldest = Time::from_wall_clock(SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
        match store.shrink(oldest, u64::from(config.max_size) << 20) {
            Ok(has_more) => self.next_shrink = Instant::now() + if has_more { COMMIT } else { SHRINK },
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &StoreError) {
        match error {
            StoreError::Damaged(error) => self.replace_damaged(error),
            StoreError::Newer(_) | StoreError::Foreign | StoreError::Sqlite(_) | StoreError::Io(_) => {
                self.be_unavailable(error);
            }
        }
    }

    /// Sets the damaged file aside, and begins a new one at once.
    fn replace_damaged(&mut self, error: &impl Display) {
        self.close();
        let path = self.shared.path.display();
        match set_aside(&self.shared.path, SystemTime::now()) {
            Ok(kept) => {
                let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
                let kept = kept.display();
                self.record(StateFile::HistoryDamaged { failure, kept: format_args!("{kept}") });
                self.next_open = Instant::now();
            }
            Err(obstacle) => {
                self.be_unavailable(&format_args!("{error}, and it cannot be renamed: {obstacle}"));
            }
        }
    }

    fn be_unavailable(&mut self, error: &impl Display) {
        self.close();
        self.next_open = Instant::now() + RETRY;
        if !self.has_warned {
            self.has_warned = true;
            let path = self.shared.path.display();
            let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
            self.record(StateFile::HistoryUnavailable(failure));
        }
    }

    fn close(&mut self) {
        self.shared.set_open(false);
        self.store = None;
        self.written = Written::default();
    }

    fn record(&self, event: StateFile<'_>) {
        self.events.record_host(What::StateFile(event));
    }
}
