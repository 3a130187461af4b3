//! The recent events and the number of watchers, which the reader of events and the watchers share.

use super::recent::RecentEvents;
use super::streamed::StreamedEvent;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch::{Receiver, Sender};

/// How long the events are kept after the last watcher has left, so that it can continue.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The recent events, and who watches.
#[derive(Debug)]
pub struct Shared {
    started: Instant,
    /// The start of the server, in milliseconds since 1970.
    pub start: u64,
    watchers: AtomicUsize,
    /// The time since the start, in milliseconds, until which events are kept without a watcher.
    kept_until: AtomicU64,
    /// The number of the last event, also of one that is not kept.
    last: AtomicU64,
    recent: Mutex<RecentEvents>,
    /// Notifies the watchers of a new event.
    notify: Sender<()>,
}

impl Shared {
    /// No events and no watchers. Both times are the start of the server.
    pub fn new(started: Instant, started_at: SystemTime) -> Shared {
        Shared {
            started,
            start: started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
            watchers: AtomicUsize::new(0),
            kept_until: AtomicU64::new(0),
            last: AtomicU64::new(0),
            recent: Mutex::default(),
            notify: Sender::new(()),
        }
    }

    /// Adds a watcher. Returns the number of the last event before.
    pub fn enter(&self) -> u64 {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        self.last.load(Ordering::SeqCst)
    }

    /// Removes a watcher.
    pub fn leave(&self) {
        let until = self.started.elapsed() + KEPT_FOR;
        self.kept_until.store(until.as_millis() as u64, Ordering::SeqCst);
        self.watchers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether events at this time, in milliseconds since the start, are kept.
    pub fn is_watched(&self, at: u64) -> bool {
        self.watchers.load(Ordering::SeqCst) > 0 || at < self.kept_until.load(Ordering::SeqCst)
    }

    /// Counts an event, and returns its number.
    pub fn count(&self) -> u64 {
        self.last.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Keeps an event, and notifies the watchers.
    pub fn push(&self, event: StreamedEvent) {
        self.recent().push(event);
        self.notify.send_replace(());
    }

    /// Frees all events.
    pub fn clear(&self) {
        self.recent().clear();
    }

    /// The recent events, at most this number, the latest first.
    pub fn latest(&self, limit: usize) -> Vec<Arc<StreamedEvent>> {
        self.recent().latest(limit)
    }

    /// The first kept event with this number or a higher one.
    pub fn starting_at(&self, number: u64) -> Option<Arc<StreamedEvent>> {
        self.recent().starting_at(number)
    }

    /// Notifies of new events.
    pub fn notifications(&self) -> Receiver<()> {
        self.notify.subscribe()
    }

    fn recent(&self) -> MutexGuard<'_, RecentEvents> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
