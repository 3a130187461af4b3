//! How much DHCP traffic the server hears, on each interface and from each relay: a newcomer sees that the server hears
//! the network before the first machine boots.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of interfaces and of relays. A host can forge any number of relays: the one that was silent for
/// the longest time is forgotten.
const MAX_ENTRIES: usize = 256;

/// The kinds of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeardKind {
    /// A machine requests a boot.
    BootRequest,
    /// A host requests an address or something else.
    OtherRequest,
    /// Another server offers something.
    Offer,
}

/// The numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeardCounts {
    /// Requests for a boot.
    pub boot_requests: u64,
    /// Other DHCP requests.
    pub other_requests: u64,
    /// Offers of other servers.
    pub offers: u64,
    /// When the last packet arrived, in milliseconds since the start of the server.
    pub last: u64,
}

/// The numbers of packets.
#[derive(Debug, Default)]
pub struct Traffic {
    links: BTreeMap<u32, HeardCounts>,
    relays: BTreeMap<IpAddr, HeardCounts>,
    /// The packets that are not in the maps yet: the latest ones, all on the same interface and from the same relay. In
    /// a storm, to count a packet is then an addition.
    latest: HeardCounts,
    place: (u32, Option<IpAddr>),
}

/// The traffic, which all threads share.
#[derive(Debug, Default)]
pub struct HeardTraffic(Mutex<Traffic>);

impl HeardTraffic {
    /// Locks the numbers, for a batch of packets.
    pub fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the interface with this index.
    pub fn of_link(&self, index: u32) -> HeardCounts {
        self.lock().settled().links.get(&index).copied().unwrap_or_default()
    }

    /// The relays with their numbers, in the order of their addresses.
    pub fn relays(&self) -> Vec<(IpAddr, HeardCounts)> {
        self.lock().settled().relays.iter().map(|(address, counts)| (*address, *counts)).collect()
    }
}

impl Traffic {
    /// Notes a packet on the interface with this index, which this relay forwarded.
    pub fn note(&mut self, link: u32, kind: HeardKind, relay: Option<IpAddr>, now: u64) {
        if self.place != (link, relay) {
            self.settled().place = (link, relay);
        }
        self.latest.note(kind, now);
    }

    /// The numbers, with the latest packets in the maps.
    fn settled(&mut self) -> &mut Traffic {
        let (latest, (link, relay)) = (std::mem::take(&mut self.latest), self.place);
        if latest.is_any() {
            entry(&mut self.links, link).add(latest);
            if let Some(relay) = relay {
                entry(&mut self.relays, relay).add(latest);
            }
        }
        self
    }
}

/// The numbers with this key. If there is no room for new ones, the oldest are forgotten.
fn entry<K: Copy + Ord>(entries: &mut BTreeMap<K, HeardCounts>, key: K) -> &mut HeardCounts {
    if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
        let oldest = entries.iter().min_by_key(|(_, counts)| counts.last).map(|(key, _)| *key);
        oldest.map(|oldest| entries.remove(&oldest));
    }
    entries.entry(key).or_default()
}

impl HeardCounts {
    /// Whether anything was heard.
    pub fn is_any(&self) -> bool {
        self.boot_requests + self.other_requests + self.offers > 0
    }

    fn add(&mut self, latest: HeardCounts) {
        self.boot_requests += latest.boot_requests;
        self.other_requests += latest.other_requests;
        self.offers += latest.offers;
        self.last = latest.last;
    }

    fn note(&mut self, kind: HeardKind, now: u64) {
        self.last = now;
        let count = match kind {
            HeardKind::BootRequest => &mut self.boot_requests,
            HeardKind::OtherRequest => &mut self.other_requests,
            HeardKind::Offer => &mut self.offers,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn packets_are_counted_by_kind_on_each_interface() {
        let traffic = HeardTraffic::default();
        traffic.lock().note(2, HeardKind::BootRequest, None, 10);
        traffic.lock().note(2, HeardKind::Offer, None, 20);
        traffic.lock().note(2, HeardKind::OtherRequest, None, 30);
        let expected = HeardCounts { boot_requests: 1, other_requests: 1, offers: 1, last: 30 };
        assert_eq!(traffic.of_link(2), expected);
        assert!(expected.is_any() && !traffic.of_link(3).is_any());
    }

    #[test]
    fn forged_relays_replace_only_the_oldest() {
        let traffic = HeardTraffic::default();
        let relay = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        for number in 0..1000 {
            traffic.lock().note(2, HeardKind::BootRequest, Some(relay(number)), number.into());
        }
        let relays = traffic.relays();
        assert_eq!((relays.len(), relays[0].0), (MAX_ENTRIES, relay(744)));
    }
}
