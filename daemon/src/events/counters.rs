//! Counts events by their labels: silences, refusals, failures and findings.

use super::reader::Reader;
use proxydhcpd_core::event::{Event, LabelKind};
use std::collections::BTreeMap;

/// The number of events since the start, by label.
#[derive(Clone, Debug, Default)]
pub struct Counters(BTreeMap<&'static str, Count>);

/// The number of events with one label.
#[derive(Clone, Copy, Debug)]
struct Count {
    kind: LabelKind,
    times: u64,
}

impl Counters {
    /// The number of events, by label.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.iter().map(|(label, count)| (*label, count.times)).collect()
    }

    /// The number of events with this label.
    pub fn count(&self, label: &str) -> u64 {
        self.0.get(label).map_or(0, |count| count.times)
    }

    /// The labels of this kind with the number of their events, in the order of the labels.
    pub fn of_kind(&self, kind: LabelKind) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().filter(move |(_, count)| count.kind == kind);
        counts.map(|(label, count)| (*label, count.times))
    }
}

impl Reader for Counters {
    fn read(&mut self, event: &Event<'_>) {
        if let Some(label) = event.what.label() {
            let count = self.0.entry(label).or_insert_with(|| Count { kind: event.what.label_kind(), times: 0 });
            count.times += 1;
        }
    }

    fn sum(&self) -> Option<String> {
        let each: Vec<String> = self.0.iter().map(|(label, count)| format!("{label} {}", count.times)).collect();
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
        count(What::SendBufferFull("tftp:send-buffer-full"));
        count(What::Ready);
        let sum = "not answered: malformed 1, not a boot client 5, tftp:send-buffer-full 1";
        assert_eq!(counters.sum().unwrap(), sum);
        let of_kind = |kind| counters.of_kind(kind).collect::<Vec<_>>();
        assert_eq!(of_kind(LabelKind::Silence), [("malformed", 1), ("not a boot client", 5)]);
        assert_eq!(of_kind(LabelKind::Failure), [("tftp:send-buffer-full", 1)]);
        assert_eq!(of_kind(LabelKind::Verdict), []);
    }
}
