//! The reader of events that queues what stories need.

use super::queue::QueueSender;
use crate::events::reader::Reader;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::identity::MachineIdentity;
use proxydhcpd_core::story::StoryEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Queues the events of stories. If the queue is full, events are lost rather than answers delayed.
#[derive(Debug)]
pub struct StoryReader {
    queue: QueueSender,
    lost: Arc<AtomicU64>,
}

impl StoryReader {
    /// A reader that sends to this queue, and counts the lost events here.
    pub fn new(queue: QueueSender, lost: Arc<AtomicU64>) -> Self {
        StoryReader { queue, lost }
    }
}

impl Reader for StoryReader {
    fn read(&mut self, event: &Event<'_>) {
        // The requests of `probe` are no boot.
        let is_probe = event.machine.identity.is_some_and(MachineIdentity::is_probe);
        if !is_probe
            && let Some(event) = StoryEvent::new(event)
            && !self.queue.send(event)
        {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    fn sum(&self) -> Option<String> {
        let lost = self.lost.load(Relaxed);
        (lost > 0).then(|| format!("{lost} events are missing in the stories of boots"))
    }
}
