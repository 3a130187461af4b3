//! A cache for recent observations, of limited size: if the set of a new entry is full, the new entry replaces the
//! oldest entry of the set.

use alloc::vec;
use alloc::vec::Vec;

/// A set-associative cache: a key belongs to one set of `WAYS` entries, so a lookup costs at most that many
/// comparisons, even if an attacker chooses the keys.
#[derive(Debug)]
pub struct BoundedCache<K, V> {
    /// For each set its place in `used`, plus one; 0 if it has received no key yet. The number of sets does not change.
    places: Vec<u32>,
    /// The sets that have received a key. There is room for all of them from the start, so that no answer waits for an
    /// allocation. The kernel provides the memory of a set when it is first written, so that an idle server uses almost
    /// none.
    used: Vec<CacheSet<K, V>>,
    /// Makes the set of a key unpredictable, so that an attacker cannot evict a chosen entry.
    seed: u64,
}

const WAYS: usize = 8;

/// One set of the cache. It is rarely in the CPU's cache, because most machines have sent no request for minutes.
/// Therefore the tags and the times share one cache line, and a lookup reads only the entry whose tag matches.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct CacheSet<K, V> {
    /// Part of the hash of each key; 0 marks an empty entry.
    tags: [u32; WAYS],
    /// Time of the last write to each entry, in milliseconds modulo 2^32 (49 days).
    at: [u32; WAYS],
    entries: [Option<(K, V)>; WAYS],
}

impl<K: CacheKey, V: Copy> CacheSet<K, V> {
    const EMPTY: Self = CacheSet { tags: [0; WAYS], at: [0; WAYS], entries: [None; WAYS] };

    fn find(&self, tag: u32, key: K) -> Option<usize> {
        let matches = |index: usize| self.entries[index].is_some_and(|(known, _)| known == key);
        (0..WAYS).find(|&index| self.tags[index] == tag && matches(index))
    }

    /// The index of the entry to overwrite next: an empty entry, or else the oldest entry.
    fn oldest(&self, now: u32) -> usize {
        let is_empty = |tag: &u32| *tag == 0;
        let by_age = || (0..WAYS).max_by_key(|&index| now.wrapping_sub(self.at[index]));
        self.tags.iter().position(is_empty).or_else(by_age).unwrap_or(0)
    }
}

/// A key: a small value that can be hashed.
pub trait CacheKey: Copy + Eq {
    /// The octets to hash.
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
    /// A cache for about `capacity` keys. `seed` must be unpredictable for clients.
    pub fn new(capacity: usize, seed: u64) -> Self {
        let sets = capacity.div_ceil(WAYS).next_power_of_two();
        BoundedCache { places: vec![0; sets], used: Vec::with_capacity(sets), seed }
    }

    /// The value of a key; `None` if the cache does not contain the key, or the key was evicted.
    pub fn get(&self, key: K) -> Option<V> {
        let (set, tag) = self.locate(key);
        let set = self.used.get(self.place(set)?)?;
        set.entries[set.find(tag, key)?].map(|(_, value)| value)
    }

    /// The value of a key, for the caller to change; `None` if the cache does not contain the key. The entry keeps its
    /// age.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (set, tag) = self.locate(key);
        let place = self.place(set)?;
        let set = self.used.get_mut(place)?;
        let index = set.find(tag, key)?;
        set.entries[index].as_mut().map(|(_, value)| value)
    }

    /// All values, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.used.iter().flat_map(|set| set.entries.iter()).flatten().map(|(_, value)| value)
    }

    /// All values, in no particular order, for the caller to change.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.used.iter_mut().flat_map(|set| set.entries.iter_mut()).flatten().map(|(_, value)| value)
    }

    /// Calls `change` with the value of a key, and returns the result of `change`. The value of a new key is `fresh` at
    /// first; a new key evicts the oldest entry if its set is full. `now` is in milliseconds.
    pub fn update<T>(&mut self, key: K, now: u64, fresh: V, change: impl FnOnce(&mut V) -> T) -> T {
        let (set, tag) = self.locate(key);
        let place = self.place(set).unwrap_or_else(|| {
            self.used.push(CacheSet::EMPTY);
            self.places[set] = self.used.len() as u32;
            self.used.len() - 1
        });
        let set = &mut self.used[place];
        let now = now as u32;
        let known = set.find(tag, key);
        let index = known.unwrap_or_else(|| set.oldest(now));
        (set.tags[index], set.at[index]) = (tag, now);
        if known.is_none() {
            set.entries[index] = None;
        }
        change(&mut set.entries[index].get_or_insert((key, fresh)).1)
    }

    /// The place of a set in `used`; `None` if it has received no key yet.
    fn place(&self, set: usize) -> Option<usize> {
        (self.places[set] as usize).checked_sub(1)
    }

    /// The index of the set to which a key belongs, and the key's tag in that set. Both depend on the seed and on all
    /// octets of the key.
    fn locate(&self, key: K) -> (usize, u32) {
        let mut hash = self.seed;
        for word in key.octets().as_ref().chunks(8) {
            let mut octets = [0; 8];
            octets[..word.len()].copy_from_slice(word);
            hash = (hash ^ u64::from_le_bytes(octets)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
        }
        // A product's low bits depend only on lower bits, so the last octets of the last word have not reached the bits
        // that select the set.
        hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 32;
        (hash as usize & (self.places.len() - 1), (hash >> 32) as u32 | 1)
    }
}

/// A rate limiter: it allows `burst` tokens at once, then `per_second` tokens each second. It counts thousandths of a
/// token, so that slow rates lose nothing to rounding.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    level: u64,
    at: u64,
}

impl TokenBucket {
    /// A full bucket, which holds `burst` tokens. `now` is in milliseconds.
    pub fn full(burst: u32, now: u64) -> Self {
        TokenBucket { level: u64::from(burst) * 1000, at: now }
    }

    /// Takes one token, and returns whether the bucket held one. `now` is in milliseconds.
    pub fn take(&mut self, burst: u32, per_second: u32, now: u64) -> bool {
        self.take_many(1, burst, per_second, now)
    }

    /// Takes `count` tokens if the bucket holds that many, and returns whether it did. `now` is in milliseconds.
    pub fn take_many(&mut self, count: u32, burst: u32, per_second: u32, now: u64) -> bool {
        let gained = now.saturating_sub(self.at).saturating_mul(per_second.into());
        self.level = self.level.saturating_add(gained).min(u64::from(burst) * 1000);
        self.at = now;
        let cost = u64::from(count) * 1000;
        let allowed = self.level >= cost;
        if allowed {
            self.level -= cost;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network of machines differs only in the last octets of their addresses.
    #[test]
    fn the_addresses_of_one_network_spread_over_the_sets() {
        for base in ["10.77.0.0", "fd77::1:0", "fe80::5054:ff:fe00:0"] {
            let mut cache: BoundedCache<core::net::IpAddr, u16> = BoundedCache::new(65_536, 0x1234_5678_9abc_def0);
            let base: core::net::IpAddr = base.parse().unwrap();
            let address = |number: u16| -> core::net::IpAddr {
                match base {
                    core::net::IpAddr::V4(base) => {
                        core::net::Ipv4Addr::from(u32::from(base) + u32::from(number)).into()
                    }
                    core::net::IpAddr::V6(base) => {
                        core::net::Ipv6Addr::from(u128::from(base) + u128::from(number)).into()
                    }
                }
            };
            for number in 0..2000 {
                cache.update(address(number), 0, number, |_| ());
            }
            let kept = (0..2000).filter(|number| cache.get(address(*number)).is_some()).count();
            assert!(kept > 1990, "{kept} of 2000 addresses from {base}");
        }
    }

    #[test]
    fn a_value_stays_until_a_new_key_evicts_it() {
        let mut cache: BoundedCache<u32, u64> = BoundedCache::new(8, 0);
        for key in 0..8 {
            cache.update(key, u64::from(key), 0, |value| *value = u64::from(key) * 10);
        }
        assert_eq!(cache.get(3), Some(30));
        cache.update(0, 100, 0, |_| ());
        cache.update(99, 101, 0, |value| *value = 7);
        assert_eq!(cache.get(1), None, "the oldest entry was evicted");
        assert_eq!((cache.get(0), cache.get(99)), (Some(0), Some(7)));
    }

    #[test]
    fn many_keys_spread_over_the_sets() {
        let mut cache: BoundedCache<u32, ()> = BoundedCache::new(4096, 0x5eed);
        (0..2048u32).for_each(|key| cache.update(key, 0, (), |_| ()));
        let kept = (0..2048u32).filter(|&key| cache.get(key).is_some()).count();
        assert!(kept > 1980, "{kept} of 2048 in a cache of 4096");
    }

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::full(8, 0);
        assert_eq!((0..20).filter(|_| bucket.take(8, 2, 0)).count(), 8);
        assert!(!bucket.take(8, 2, 499));
        assert!(bucket.take(8, 2, 500) && !bucket.take(8, 2, 500));
        assert_eq!((0..20).filter(|_| bucket.take(8, 2, 60_000)).count(), 8, "an idle bucket holds at most its burst");
    }
}
