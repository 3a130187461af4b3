//! Transfers of which the client has acknowledged nothing. Any of them may be a forgery, so where room is short the oldest
//! gives way to a new one. It has had a second: an honest client acknowledges within milliseconds, and a crowd of them that
//! asks in the same moment must not drive each other out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Unacknowledged {
    by_age: BTreeSet<(Duration, usize)>,
    by_address: BTreeSet<(IpAddr, Duration, usize)>,
}

/// One of them: whose it is, when it began, and its place.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    pub address: IpAddr,
    pub at: Duration,
    pub index: usize,
}

const LEAST_AGE: Duration = Duration::from_secs(1);

impl Unacknowledged {
    pub fn insert(&mut self, Begun { address, at, index }: Begun) {
        self.by_age.insert((at, index));
        self.by_address.insert((address, at, index));
    }

    pub fn remove(&mut self, Begun { address, at, index }: Begun) {
        self.by_age.remove(&(at, index));
        self.by_address.remove(&(address, at, index));
    }

    /// The place of the oldest, if it is to give way.
    pub fn oldest(&self, now: Duration) -> Option<usize> {
        let (at, index) = *self.by_age.first()?;
        (now >= at + LEAST_AGE).then_some(index)
    }

    /// The same of those of this address.
    pub fn oldest_of(&self, address: IpAddr, now: Duration) -> Option<usize> {
        let (_, at, index) = *self.of(address).next()?;
        (now >= at + LEAST_AGE).then_some(index)
    }

    pub fn count_of(&self, address: IpAddr) -> usize {
        self.of(address).count()
    }

    fn of(&self, address: IpAddr) -> impl Iterator<Item = &(IpAddr, Duration, usize)> {
        self.by_address.range((address, Duration::ZERO, 0)..=(address, Duration::MAX, usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_oldest_gives_way_first_of_all_and_of_an_address_once_it_is_a_second_old() {
        let [one, two] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        let begun = |address, at, index| Begun { address, at: at * MS, index };
        let mut all = Unacknowledged::default();
        // A place that has become free is taken again: the index says nothing of the age.
        let each = [begun(two, 1, 9), begun(one, 2, 4), begun(two, 3, 0), begun(one, 3, 2)];
        each.into_iter().for_each(|transfer| all.insert(transfer));
        assert_eq!((all.oldest(1000 * MS), all.oldest(1001 * MS)), (None, Some(9)));
        assert_eq!((all.oldest_of(one, 1001 * MS), all.oldest_of(one, 1002 * MS)), (None, Some(4)));
        assert_eq!((all.oldest_of(two, 1001 * MS), all.count_of(one), all.count_of(two)), (Some(9), 2, 2));
        all.remove(each[0]);
        all.remove(each[1]);
        assert_eq!((all.oldest(1003 * MS), all.oldest_of(one, 1003 * MS)), (Some(0), Some(2)));
        all.remove(each[2]);
        assert_eq!((all.oldest(1003 * MS), all.oldest_of(two, 1003 * MS), all.count_of(two)), (Some(2), None, 0));
    }
}
