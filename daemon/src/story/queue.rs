//! The queue of the events that wait for the thread of the stories. It is bounded, and only events that wait need
//! memory.

use proxydhcpd_core::story::StoryEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// The number of events that may wait. A storm of 10,000 answers a second queues 250 between two looks of the thread.
pub const QUEUE: usize = 8192;

/// The end that queues events.
#[derive(Debug)]
pub struct QueueSender {
    sender: Sender<StoryEvent>,
    waiting: Arc<AtomicUsize>,
}

/// The end that takes them.
#[derive(Debug)]
pub struct QueueReceiver {
    receiver: Receiver<StoryEvent>,
    waiting: Arc<AtomicUsize>,
}

/// A queue without events.
pub fn queue() -> (QueueSender, QueueReceiver) {
    let ((sender, receiver), waiting) = (channel(), Arc::new(AtomicUsize::new(0)));
    (QueueSender { sender, waiting: Arc::clone(&waiting) }, QueueReceiver { receiver, waiting })
}

impl QueueSender {
    /// Queues an event, and returns whether there was room. Only one thread at a time sends.
    pub fn send(&self, event: StoryEvent) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= QUEUE {
            return false;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(event).is_ok()
    }
}

impl QueueReceiver {
    /// Takes an event. Waits at most this long, or not at all. `Ok(None)`: there is none; an error: there will be none.
    pub fn take(&self, timeout: Option<Duration>) -> Result<Option<StoryEvent>, Closed> {
        let received = match timeout {
            Some(timeout) => self.receiver.recv_timeout(timeout).map_err(|error| error == RecvTimeoutError::Timeout),
            None => self.receiver.try_recv().map_err(|error| error == TryRecvError::Empty),
        };
        match received {
            Ok(event) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(Some(event))
            }
            Err(true) => Ok(None),
            Err(false) => Err(Closed),
        }
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

    #[test]
    fn the_queue_is_bounded_and_has_room_again_when_events_are_taken() {
        let event = || StoryEvent {
            at: 0,
            key: MachineKey::default(),
            hardware: None,
            address: None,
            relay: None,
            machine_id: None,
            entry: ShortText::default(),
            link: ShortText::default(),
            what: StoryWhat::SystemRequest,
        };
        let (sender, receiver) = queue();
        assert!((0..QUEUE).all(|_| sender.send(event())));
        assert!(!sender.send(event()));
        assert!(receiver.take(None).unwrap().is_some());
        assert!(sender.send(event()) && !sender.send(event()));
        assert!((0..QUEUE).all(|_| receiver.take(Some(Duration::ZERO)).unwrap().is_some()));
        assert!(receiver.take(Some(Duration::ZERO)).unwrap().is_none());
        drop(sender);
        assert_eq!(receiver.take(None).unwrap_err(), Closed);
    }
}
