//! A table of what was heard lately, bounded by construction: it never grows, and the oldest of a row gives way.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Set-associative: a key belongs to one row of [`WAYS`] places. A look-up costs at most that many comparisons,
/// whoever fills the table with whatever keys.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    /// A row takes memory with its first key: a server at rest holds next to none, and what it can come to hold stays
    /// the same.
    rows: Vec<Option<Box<Row<K, V>>>>,
    /// Makes rows unpredictable from outside, so that nobody can aim at another's place.
    seed: u64,
}

const WAYS: usize = 8;

/// With most machines asking for the first time in minutes, next to every row that is looked into has to come from
/// memory: what is searched lies together in one line of the cache, and of what is kept only the one place is touched.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Row<K, V> {
    /// Of the key's hash; 0: nothing is there.
    tags: [u32; WAYS],
    /// When it was last written, in milliseconds of the last 49 days.
    at: [u32; WAYS],
    places: [Option<(K, V)>; WAYS],
}

impl<K: CacheKey, V: Copy> Row<K, V> {
    const EMPTY: Self = Row { tags: [0; WAYS], at: [0; WAYS], places: [None; WAYS] };

    fn find(&self, tag: u32, key: K) -> Option<usize> {
        let is_it = |index: usize| self.places[index].is_some_and(|(known, _)| known == key);
        (0..WAYS).find(|&index| self.tags[index] == tag && is_it(index))
    }

    /// An empty place counts as older than any.
    fn oldest(&self, now: u32) -> usize {
        let age = |index: usize| (self.tags[index] == 0, now.wrapping_sub(self.at[index]));
        (0..WAYS).rev().max_by_key(|&index| age(index)).unwrap_or(0)
    }
}

/// A key as the octets that are hashed.
pub trait CacheKey: Copy + Eq {
    fn octets(&self) -> impl AsRef<[u8]>;
}

impl CacheKey for core::net::Ipv4Addr {
    fn octets(&self) -> impl AsRef<[u8]> {
        core::net::Ipv4Addr::octets(self)
    }
}

impl CacheKey for core::net::IpAddr {
    fn octets(&self) -> impl AsRef<[u8]> {
        match self {
            Self::V4(address) => address.to_ipv6_mapped().octets(),
            Self::V6(address) => address.octets(),
        }
    }
}

impl CacheKey for u32 {
    fn octets(&self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl CacheKey for [u8; 17] {
    fn octets(&self) -> impl AsRef<[u8]> {
        *self
    }
}

impl<K: CacheKey, V: Copy> BoundedCache<K, V> {
    /// Room for about `capacity` keys.
    pub fn new(capacity: usize, seed: u64) -> Self {
        let rows = capacity.div_ceil(WAYS).next_power_of_two();
        BoundedCache { rows: vec![None; rows], seed }
    }

    pub fn get(&self, key: K) -> Option<V> {
        let (row, tag) = self.place(key);
        let row = self.rows[row].as_ref()?;
        row.places[row.find(tag, key)?].map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (row, tag) = self.place(key);
        let row = self.rows[row].as_mut()?;
        let index = row.find(tag, key)?;
        row.places[index].as_mut().map(|(_, value)| value)
    }

    /// All values, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().flatten().flat_map(|row| row.places.iter_mut()).flatten().map(|(_, value)| value)
    }

    /// The value of a key, changed. A new key begins with `fresh` and takes the place of the oldest in its row.
    pub fn update<T>(&mut self, key: K, now: u64, fresh: V, change: impl FnOnce(&mut V) -> T) -> T {
        let (row, tag) = self.place(key);
        let row = self.rows[row].get_or_insert_with(|| Box::new(Row::EMPTY));
        let now = now as u32;
        let known = row.find(tag, key);
        let index = known.unwrap_or_else(|| row.oldest(now));
        (row.tags[index], row.at[index]) = (tag, now);
        if known.is_none() {
            row.places[index] = None;
        }
        change(&mut row.places[index].get_or_insert((key, fresh)).1)
    }

    /// Its row, and its tag there: of seed and key, folded so that both depend on all of it.
    fn place(&self, key: K) -> (usize, u32) {
        let mut hash = self.seed;
        for word in key.octets().as_ref().chunks(8) {
            let mut octets = [0; 8];
            octets[..word.len()].copy_from_slice(word);
            hash = (hash ^ u64::from_le_bytes(octets)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
        }
        (hash as usize & (self.rows.len() - 1), (hash >> 32) as u32 | 1)
    }
}

/// `burst` at once, then `per_second`. Counted in thousandths, so that slow rates lose nothing to rounding.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    level: u64,
    at: u64,
}

impl TokenBucket {
    pub fn full(burst: u32, now: u64) -> Self {
        TokenBucket { level: u64::from(burst) * 1000, at: now }
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, burst: u32, per_second: u32, now: u64) -> bool {
        self.take_many(1, burst, per_second, now)
    }

    /// Takes so many tokens, or none.
    pub fn take_many(&mut self, count: u32, burst: u32, per_second: u32, now: u64) -> bool {
        let gained = now.saturating_sub(self.at).saturating_mul(per_second.into());
        self.level = self.level.saturating_add(gained).min(u64::from(burst) * 1000);
        self.at = now;
        let wanted = u64::from(count) * 1000;
        let allowed = self.level >= wanted;
        if allowed {
            self.level -= wanted;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_until_its_row_needs_the_place() {
        let mut table: BoundedCache<u32, u64> = BoundedCache::new(8, 0);
        for key in 0..8 {
            table.update(key, u64::from(key), 0, |value| *value = u64::from(key) * 10);
        }
        assert_eq!(table.get(3), Some(30));
        table.update(0, 100, 0, |_| ());
        table.update(99, 101, 0, |value| *value = 7);
        assert_eq!(table.get(1), None, "the oldest gave way");
        assert_eq!((table.get(0), table.get(99)), (Some(0), Some(7)));
    }

    #[test]
    fn many_keys_spread_over_the_rows() {
        let mut table: BoundedCache<u32, ()> = BoundedCache::new(4096, 0x5eed);
        (0..2048u32).for_each(|key| table.update(key, 0, (), |_| ()));
        let kept = (0..2048u32).filter(|&key| table.get(key).is_some()).count();
        assert!(kept > 1980, "{kept} of 2048 in a table of 4096");
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::full(8, 0);
        assert_eq!((0..20).filter(|_| bucket.take(8, 2, 0)).count(), 8);
        assert!(!bucket.take(8, 2, 499));
        assert!(bucket.take(8, 2, 500) && !bucket.take(8, 2, 500));
        assert_eq!((0..20).filter(|_| bucket.take(8, 2, 60_000)).count(), 8, "no more than the burst is saved up");
    }
}
