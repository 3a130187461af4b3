//! Transfers whose request may be forged, and which the server therefore evicts when a new transfer needs room. These
//! are the transfers whose client has acknowledged nothing. If ACKs can be forged as well, they are also all transfers
//! that are slower than that of an honest client.
//!
//! The transfer with the fewest acknowledged blocks is evicted first. Each transfer has a grace period, during which it
//! is not evicted: an honest client acknowledges within milliseconds or, in a storm, seconds, and many clients that start at once must not
//! evict each other.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// The transfers that may be evicted. The set contains each transfer twice: among all transfers (`None`), and among
/// those of its client's address.
#[derive(Debug, Default)]
pub struct EvictionQueue(BTreeSet<(Option<IpAddr>, EvictionEntry)>);

/// A transfer that may be evicted. The entries are ordered as they are evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvictionEntry {
    /// 0 if the client has sent no ACK, otherwise 1 plus the number of binary digits in the count of acknowledged
    /// blocks. So a transfer changes its rank only a few times, not with each ACK. Within a rank, the oldest transfer
    /// is evicted first.
    rank: u32,
    began: Duration,
    /// The slot of the transfer.
    index: usize,
}

/// Grace period since the start of a transfer. When thousands of machines start at once, an ACK may wait for seconds
/// until the busy hosts have read it.
const GRACE: Duration = Duration::from_secs(3);

/// Additional grace period for each acknowledged block. If 64 transfers of one address share 512 KiB a second, each
/// transfer gets five blocks of 1468 octets a second.
const GRACE_PER_BLOCK: Duration = Duration::from_millis(250);

/// The rank of a transfer with about 10^9 acknowledged blocks or more.
const MAX_RANK: u32 = 31;

impl EvictionEntry {
    /// `acknowledged` is the number of acknowledged blocks, or `None` if the client has sent no ACK.
    pub fn new(acknowledged: Option<u64>, began: Duration, index: usize) -> EvictionEntry {
        let rank = acknowledged.map_or(0, |blocks| MAX_RANK.min(1 + (u64::BITS - blocks.leading_zeros())));
        EvictionEntry { rank, began, index }
    }

    fn is_past_grace(&self, now: Duration) -> bool {
        now >= self.began + GRACE + GRACE_PER_BLOCK * (1 << self.rank >> 1)
    }
}

impl EvictionQueue {
    /// Adds a transfer of this client address.
    pub fn insert(&mut self, address: IpAddr, entry: EvictionEntry) {
        self.0.extend([(None, entry), (Some(address), entry)]);
    }

    /// Removes a transfer. `entry` must equal the entry that was inserted.
    pub fn remove(&mut self, address: IpAddr, entry: EvictionEntry) {
        self.0.remove(&(None, entry));
        self.0.remove(&(Some(address), entry));
    }

    /// The slot of the transfer to evict first, if one is past its grace period.
    pub fn first(&self, now: Duration) -> Option<usize> {
        self.first_among(None, now)
    }

    /// The slot of the transfer of this address to evict first, if one is past its grace period.
    pub fn first_for(&self, address: IpAddr, now: Duration) -> Option<usize> {
        self.first_among(Some(address), now)
    }

    /// The number of transfers of this address without any ACK.
    pub fn unacknowledged(&self, address: IpAddr) -> usize {
        self.of_rank(Some(address), 0).count()
    }

    fn first_among(&self, client: Option<IpAddr>, now: Duration) -> Option<usize> {
        let oldest = (0..=MAX_RANK).filter_map(|rank| self.of_rank(client, rank).next());
        oldest.filter(|entry| entry.is_past_grace(now)).map(|entry| entry.index).next()
    }

    /// The entries of a rank, the oldest first.
    fn of_rank(&self, client: Option<IpAddr>, rank: u32) -> impl Iterator<Item = &EvictionEntry> {
        let least = EvictionEntry { rank, began: Duration::ZERO, index: 0 };
        let end = EvictionEntry { rank: rank + 1, ..least };
        self.0.range((client, least)..(client, end)).map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn addresses() -> [IpAddr; 2] {
        [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from)
    }

    #[test]
    fn the_oldest_is_evicted_first_among_all_and_among_an_address_after_three_seconds() {
        let [one, two] = addresses();
        let mut all = EvictionQueue::default();
        // Slots are reused, so the index does not show the age.
        let each = [(two, 1, 9), (one, 2, 4), (two, 3, 0), (one, 3, 2)]
            .map(|(address, at, index)| (address, EvictionEntry::new(None, at * MS, index)));
        each.into_iter().for_each(|(address, entry)| all.insert(address, entry));
        assert_eq!((all.first(3000 * MS), all.first(3001 * MS)), (None, Some(9)));
        assert_eq!((all.first_for(one, 3001 * MS), all.first_for(one, 3002 * MS)), (None, Some(4)));
        assert_eq!(all.first_for(two, 3001 * MS), Some(9));
        assert_eq!((all.unacknowledged(one), all.unacknowledged(two)), (2, 2));
        each[..2].iter().for_each(|(address, entry)| all.remove(*address, *entry));
        assert_eq!((all.first(3003 * MS), all.first_for(one, 3003 * MS)), (Some(0), Some(2)));
        all.remove(two, each[2].1);
        assert_eq!((all.first(3003 * MS), all.first_for(two, 3003 * MS), all.unacknowledged(two)), (Some(2), None, 0));
    }

    #[test]
    fn the_least_acknowledged_is_evicted_first_and_each_block_adds_a_quarter_of_a_second() {
        let [one, _] = addresses();
        for (acknowledged, after) in [(0, 3250), (1, 3500), (2, 4000), (3, 4000), (4, 5000), (1000, 259_000)] {
            let mut all = EvictionQueue::default();
            all.insert(one, EvictionEntry::new(Some(acknowledged), 5 * MS, 7));
            assert_eq!((all.first((after + 4) * MS), all.first((after + 5) * MS)), (None, Some(7)), "{acknowledged}");
            assert_eq!(all.unacknowledged(one), 0);
            // A younger transfer with fewer ACKs precedes it, but is skipped during its grace period.
            all.insert(one, EvictionEntry::new(None, after * MS, 8));
            assert_eq!(all.first((after + 5) * MS), Some(7));
            assert_eq!(all.first((after + 3000) * MS), Some(8));
        }
        let mut all = EvictionQueue::default();
        all.insert(one, EvictionEntry::new(Some(u64::MAX), Duration::ZERO, 7));
        assert_eq!(all.first(Duration::from_secs(1_000_000)), None, "at five blocks a second nothing is evicted");
    }
}
