//! A watch: the events of the stream, one after the other.

use super::shared::Shared;
use super::streamed::StreamedEvent;
use std::sync::Arc;
use tokio::sync::watch::Receiver;

/// A watch of the stream. A watcher that is slow misses events; it takes no memory.
#[derive(Debug)]
pub struct EventWatch {
    shared: Arc<Shared>,
    notified: Receiver<()>,
    /// The number of the next event.
    next: u64,
}

/// An event, as a watch returns it.
#[derive(Clone, Debug)]
pub struct WatchedEvent {
    /// The event.
    pub event: Arc<StreamedEvent>,
    /// The number of events directly before it that the watch did not return.
    pub missed: u64,
}

impl EventWatch {
    /// A watch that begins with this event.
    pub(super) fn new(shared: Arc<Shared>, next: u64) -> EventWatch {
        let notified = shared.notifications();
        EventWatch { shared, notified, next }
    }

    /// Waits for the next event. If the returned future is dropped, no event is lost.
    pub async fn next(&mut self) -> WatchedEvent {
        loop {
            self.notified.borrow_and_update();
            if let Some(event) = self.shared.starting_at(self.next) {
                let missed = event.number - self.next;
                self.next = event.number + 1;
                return WatchedEvent { event, missed };
            }
            // The stream exists as long as this watch, so its sender does, too.
            let _ = self.notified.changed().await;
        }
    }
}

impl Drop for EventWatch {
    fn drop(&mut self) {
        self.shared.leave();
    }
}
