//! Counts events by their labels: silences, refusals, failures and findings.

use super::reader::Reader;
use proxydhcpd_core::event::Event;
use std::collections::BTreeMap;

/// The number of events since the start, by label.
#[derive(Debug, Default)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Reader for Counters {
    fn read(&mut self, event: &Event<'_>) {
        if let Some(label) = event.what.label() {
            *self.0.entry(label).or_default() += 1;
        }
    }

    fn sum(&self) -> Option<String> {
        let each: Vec<String> = self.0.iter().map(|(label, times)| format!("{label} {times}")).collect();
        (!each.is_empty()).then(|| format!("not answered: {}", each.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::event::{EventMachine, Service, What};

    #[test]
    fn events_are_counted_by_their_labels() {
        let mut counters = Counters::default();
        assert_eq!(counters.sum(), None);
        let mut count = |what| {
            let machine = EventMachine::default();
            counters.read(&Event { at: 0, link: None, machine, service: Service::Host, ticket: None, what })
        };
        (0..5).for_each(|_| count(What::Discarded("not a boot client")));
        count(What::Discarded("malformed"));
        count(What::Ready);
        assert_eq!(counters.sum().unwrap(), "not answered: malformed 1, not a boot client 5");
    }
}
