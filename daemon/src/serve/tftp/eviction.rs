//! Transfers that give way to a new one where room is short, because any of them may be a forgery: those of which the
//! client has acknowledged nothing, and where ACKs can be forged, too, all that go slower than an honest client would.
//!
//! The one that has acknowledged least gives way first. Each is given time: an honest client acknowledges within
//! milliseconds, and a crowd of them that asks in the same moment must not drive each other out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// Each twice: among all (`None`), and among those of its address.
#[derive(Debug, Default)]
pub struct EvictionQueue(BTreeSet<(Option<IpAddr>, EvictionEntry)>);

/// One of them. The order is that of giving way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvictionEntry {
    /// 0: nothing was acknowledged; else how often the blocks that were can be halved, and 1. A transfer changes its
    /// rank a few times and not with each ACK, and the oldest of a rank is the first that may have to go.
    rank: u32,
    began: Duration,
    /// Its place.
    index: usize,
}

/// From its beginning.
const FIRST: Duration = Duration::from_secs(1);

/// For each block. Of 64 transfers of one address, which share 512 KiB a second, each has five of 1468 octets in a
/// second.
const A_BLOCK: Duration = Duration::from_millis(250);

/// A thousand million blocks.
const LAST_RANK: u32 = 31;

impl EvictionEntry {
    /// `acknowledged`: how many blocks, if anything.
    pub fn new(acknowledged: Option<u64>, began: Duration, index: usize) -> EvictionEntry {
        let rank = acknowledged.map_or(0, |blocks| LAST_RANK.min(1 + (u64::BITS - blocks.leading_zeros())));
        EvictionEntry { rank, began, index }
    }

    fn gives_way(&self, now: Duration) -> bool {
        now >= self.began + FIRST + A_BLOCK * (1 << self.rank >> 1)
    }
}

impl EvictionQueue {
    pub fn insert(&mut self, address: IpAddr, entry: EvictionEntry) {
        self.0.extend([(None, entry), (Some(address), entry)]);
    }

    pub fn remove(&mut self, address: IpAddr, entry: EvictionEntry) {
        self.0.remove(&(None, entry));
        self.0.remove(&(Some(address), entry));
    }

    /// The place of the one that gives way first, if there is one.
    pub fn first(&self, now: Duration) -> Option<usize> {
        self.first_among(None, now)
    }

    /// The same of those of this address.
    pub fn first_for(&self, address: IpAddr, now: Duration) -> Option<usize> {
        self.first_among(Some(address), now)
    }

    /// Transfers of this address of which nothing was acknowledged.
    pub fn unacknowledged(&self, address: IpAddr) -> usize {
        self.of_rank(Some(address), 0).count()
    }

    fn first_among(&self, whose: Option<IpAddr>, now: Duration) -> Option<usize> {
        let oldest = (0..=LAST_RANK).filter_map(|rank| self.of_rank(whose, rank).next());
        oldest.filter(|entry| entry.gives_way(now)).map(|entry| entry.index).next()
    }

    /// The oldest comes first.
    fn of_rank(&self, whose: Option<IpAddr>, rank: u32) -> impl Iterator<Item = &EvictionEntry> {
        let least = EvictionEntry { rank, began: Duration::ZERO, index: 0 };
        let end = EvictionEntry { rank: rank + 1, ..least };
        self.0.range((whose, least)..(whose, end)).map(|(_, entry)| entry)
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
    fn the_oldest_gives_way_first_of_all_and_of_an_address_once_it_is_a_second_old() {
        let [one, two] = addresses();
        let mut all = EvictionQueue::default();
        // A place that has become free is taken again: the index says nothing of the age.
        let each = [(two, 1, 9), (one, 2, 4), (two, 3, 0), (one, 3, 2)]
            .map(|(address, at, index)| (address, EvictionEntry::new(None, at * MS, index)));
        each.into_iter().for_each(|(address, entry)| all.insert(address, entry));
        assert_eq!((all.first(1000 * MS), all.first(1001 * MS)), (None, Some(9)));
        assert_eq!((all.first_for(one, 1001 * MS), all.first_for(one, 1002 * MS)), (None, Some(4)));
        assert_eq!(all.first_for(two, 1001 * MS), Some(9));
        assert_eq!((all.unacknowledged(one), all.unacknowledged(two)), (2, 2));
        each[..2].iter().for_each(|(address, entry)| all.remove(*address, *entry));
        assert_eq!((all.first(1003 * MS), all.first_for(one, 1003 * MS)), (Some(0), Some(2)));
        all.remove(two, each[2].1);
        assert_eq!((all.first(1003 * MS), all.first_for(two, 1003 * MS), all.unacknowledged(two)), (Some(2), None, 0));
    }

    #[test]
    fn what_has_acknowledged_least_gives_way_first_and_each_block_is_worth_a_quarter_of_a_second() {
        let [one, _] = addresses();
        for (acknowledged, after) in [(0, 1250), (1, 1500), (2, 2000), (3, 2000), (4, 3000), (1000, 257_000)] {
            let mut all = EvictionQueue::default();
            all.insert(one, EvictionEntry::new(Some(acknowledged), 5 * MS, 7));
            assert_eq!((all.first((after + 4) * MS), all.first((after + 5) * MS)), (None, Some(7)), "{acknowledged}");
            assert_eq!(all.unacknowledged(one), 0);
            // Whatever is younger and has acknowledged less goes before it, and is passed over for so long.
            all.insert(one, EvictionEntry::new(None, after * MS, 8));
            assert_eq!(all.first((after + 5) * MS), Some(7));
            assert_eq!(all.first((after + 1000) * MS), Some(8));
        }
        let mut all = EvictionQueue::default();
        all.insert(one, EvictionEntry::new(Some(u64::MAX), Duration::ZERO, 7));
        assert_eq!(all.first(Duration::from_secs(1_000_000)), None, "at five blocks a second nothing gives way");
    }
}
