//! The queue of the thread that writes the history.

use super::stored::StoredReport;
use crate::settings::HistoryConfig;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The number of jobs that may wait. Boots wait in the memory of the stories.
const QUEUE: usize = 1024;

/// A thing to do for the thread that writes.
#[derive(Debug)]
pub enum Job {
    /// Writes the boots that changed.
    Boots,
    /// Adds a report.
    Report(Box<StoredReport>),
    /// The file is damaged, as a reader saw. The value is the error.
    Damaged(String),
    /// Writes everything, and ends the thread.
    Stop(SyncSender<()>),
}

/// The parts of the history that threads share.
#[derive(Debug)]
pub struct Shared {
    /// The path of the file.
    pub path: PathBuf,
    /// The limits of age and size.
    pub config: HistoryConfig,
    sender: SyncSender<Job>,
    /// The end of the queue, until the thread takes it.
    receiver: Mutex<Option<Receiver<Job>>>,
    is_open: AtomicBool,
    lost_reports: AtomicU64,
}

impl Shared {
    /// A queue for this file.
    pub fn new(path: PathBuf, config: HistoryConfig) -> Shared {
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Mutex::new(Some(receiver));
        Shared { path, config, sender, receiver, is_open: AtomicBool::new(false), lost_reports: AtomicU64::new(0) }
    }

    /// The end of the queue, once.
    pub fn take_receiver(&self) -> Option<Receiver<Job>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the file is open.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Sets whether the file is open.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// Queues a job, and returns whether there was room.
    pub fn send(&self, job: Job) -> bool {
        self.sender.try_send(job).is_ok()
    }

    /// Counts a report that is not in the history.
    pub fn lose_report(&self) {
        self.lost_reports.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of reports that are not in the history.
    pub fn lost_reports(&self) -> u64 {
        self.lost_reports.load(Ordering::Relaxed)
    }

    /// Ends the thread, and waits at most this long.
    pub fn stop(&self, timeout: Duration) {
        let (done, ended) = sync_channel(1);
        if self.send(Job::Stop(done)) {
            ended.recv_timeout(timeout).ok();
        }
    }
}
