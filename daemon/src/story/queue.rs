//! The queue of the events that wait for the thread of the stories. It is bounded. The two ends exchange two lists,
//! which keep their memory, so that to queue an event allocates nothing.

use proxydhcpd_core::story::StoryEvent;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The number of events that may wait. A storm of 10,000 answers a second queues 250 between two looks of the thread.
pub const QUEUE: usize = 8192;
/// The number of events for which each list always has room. The kernel provides the memory when it is first written.
const ROOM: usize = 1024;

/// The end that queues events.
#[derive(Debug)]
pub struct QueueSender(Arc<Shared>);

/// The end that takes them.
#[derive(Debug)]
pub struct QueueReceiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Wakes the receiver, if it sleeps until there is an event.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<StoryEvent>,
    /// Whether the receiver sleeps until there is an event.
    is_awaited: bool,
    /// Whether one of the ends is gone.
    is_closed: bool,
}

/// A queue without events.
pub fn queue() -> (QueueSender, QueueReceiver) {
    let waiting = Waiting { events: Vec::with_capacity(ROOM), ..Waiting::default() };
    let shared = Arc::new(Shared { waiting: Mutex::new(waiting), arrived: Condvar::new() });
    (QueueSender(Arc::clone(&shared)), QueueReceiver(shared))
}

impl QueueSender {
    /// Queues an event, and returns whether there was room.
    pub fn send(&self, event: StoryEvent) -> bool {
        let mut waiting = self.0.waiting();
        if waiting.events.len() >= QUEUE || waiting.is_closed {
            return false;
        }
        waiting.events.push(event);
        if std::mem::take(&mut waiting.is_awaited) {
            self.0.arrived.notify_one();
        }
        true
    }
}

impl QueueReceiver {
    /// Takes all events, which replace those in `events`. If there is none, waits at most this long for one, or not at
    /// all. An error: there will be none.
    pub fn take(&self, events: &mut Vec<StoryEvent>, timeout: Option<Duration>) -> Result<(), Closed> {
        events.clear();
        events.reserve(ROOM);
        let mut waiting = self.0.waiting();
        if let Some(timeout) = timeout.filter(|_| waiting.events.is_empty() && !waiting.is_closed) {
            waiting.events.shrink_to(ROOM);
            events.shrink_to(ROOM);
            waiting.is_awaited = true;
            let wait = self.0.arrived.wait_timeout_while(waiting, timeout, |waiting| waiting.is_awaited);
            waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
            waiting.is_awaited = false;
        }
        std::mem::swap(events, &mut waiting.events);
        if events.is_empty() && waiting.is_closed { Err(Closed) } else { Ok(()) }
    }
}

impl Shared {
    /// Locks the events. No code that can panic runs under this lock, so that its poison can be ignored.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut waiting = self.waiting();
        (waiting.is_closed, waiting.is_awaited) = (true, false);
        self.arrived.notify_one();
    }
}

impl Drop for QueueSender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for QueueReceiver {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The other end is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::identity::MachineKey;
    use proxydhcpd_core::story::{ShortText, StoryWhat};

    fn event() -> StoryEvent {
        StoryEvent {
            at: 0,
            key: MachineKey::default(),
            hardware: None,
            address: None,
            relay: None,
            machine_id: None,
            entry: ShortText::default(),
            link: ShortText::default(),
            what: StoryWhat::SystemRequest,
        }
    }

    #[test]
    fn the_queue_is_bounded_and_has_room_again_when_events_are_taken() {
        let ((sender, receiver), mut events) = (queue(), Vec::new());
        assert!((0..QUEUE).all(|_| sender.send(event())));
        assert!(!sender.send(event()));
        let mut taken = |timeout| receiver.take(&mut events, timeout).map(|()| events.len());
        assert_eq!(taken(None), Ok(QUEUE));
        assert!(sender.send(event()));
        assert_eq!((taken(Some(Duration::ZERO)), taken(Some(Duration::ZERO)), taken(None)), (Ok(1), Ok(0), Ok(0)));
        assert!(sender.send(event()));
        drop(sender);
        assert_eq!((taken(None), taken(None)), (Ok(1), Err(Closed)));
    }

    #[test]
    fn an_event_wakes_the_receiver_and_so_does_the_end_of_the_sender() {
        let (sender, receiver) = queue();
        let waits = std::thread::spawn(move || {
            let mut events = Vec::new();
            let mut take = || receiver.take(&mut events, Some(Duration::from_secs(60))).map(|()| events.len());
            (take(), take())
        });
        while !sender.0.waiting().is_awaited {
            std::thread::yield_now();
        }
        assert!(sender.send(event()));
        while !sender.0.waiting().is_awaited {
            std::thread::yield_now();
        }
        drop(sender);
        assert_eq!(waits.join().unwrap(), (Ok(1), Err(Closed)));
    }
}
