//! The recent events, from which each watcher reads at its speed.

use super::streamed::StreamedEvent;
use std::collections::VecDeque;
use std::sync::Arc;

/// The maximum number of recent events.
const MAX_EVENTS: usize = 1024;
/// The maximum size of recent events together, in octets.
const MAX_OCTETS: usize = 1 << 20;

/// The recent events, by their numbers. New events replace the oldest.
#[derive(Debug, Default)]
pub struct RecentEvents {
    events: VecDeque<Arc<StreamedEvent>>,
    octets: usize,
}

impl RecentEvents {
    /// Adds an event.
    pub fn push(&mut self, event: StreamedEvent) {
        self.octets += event.size;
        self.events.push_back(Arc::new(event));
        while self.events.len() > MAX_EVENTS || self.octets > MAX_OCTETS {
            let Some(oldest) = self.events.pop_front() else { break };
            self.octets -= oldest.size;
        }
    }

    /// The events, at most this number, the latest first.
    pub fn latest(&self, limit: usize) -> Vec<Arc<StreamedEvent>> {
        self.events.iter().rev().take(limit).cloned().collect()
    }

    /// The first event with this number or a higher one.
    pub fn starting_at(&self, number: u64) -> Option<Arc<StreamedEvent>> {
        self.events.get(self.events.partition_point(|event| event.number < number)).cloned()
    }

    /// Frees all events.
    pub fn clear(&mut self) {
        *self = RecentEvents::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::stream::line::EventLine;
    use crate::events::stream::streamed::Line;
    use crate::log::Level;
    use proxydhcpd_core::event::{Event, EventMachine, Service, What};

    fn event(number: u64, text: &str) -> StreamedEvent {
        let machine = EventMachine::default();
        let event = Event { at: 0, link: None, machine, service: Service::Host, ticket: None, what: What::Ready };
        let line = EventLine { level: Level::INFO, text: text.to_owned(), fields: vec![] };
        StreamedEvent::new(number, &event, Line::Written(line.into()))
    }

    #[test]
    fn the_number_and_the_size_of_the_events_are_limited() {
        let mut recent = RecentEvents::default();
        let first = |recent: &RecentEvents| recent.starting_at(0).map(|event| event.number);
        assert_eq!(first(&recent), None);
        (1..=2000).for_each(|number| recent.push(event(number, "")));
        assert_eq!((first(&recent), recent.events.len()), (Some(977), 1024));
        assert_eq!(recent.starting_at(1500).unwrap().number, 1500);
        assert!(recent.starting_at(2001).is_none());
        let long = "x".repeat(MAX_OCTETS / 4);
        (2001..=2010).for_each(|number| recent.push(event(number, &long)));
        assert_eq!((first(&recent), recent.octets < MAX_OCTETS), (Some(2008), true));
        recent.clear();
        assert_eq!((first(&recent), recent.octets), (None, 0));
    }
}
