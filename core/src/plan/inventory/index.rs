//! A hash table from keys to numbers, with open addressing and eight octets per slot. The table does not store the
//! keys: the caller decides whether a number has the key. The table stores a hash with each number, which avoids most
//! of these calls and their memory accesses.
//!
//! The table consists of shards, each with about a thousand keys, which versions of the table share. A change copies
//! one shard and the list of shards. The table grows by linear hashing: one shard splits at a time.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::iter::repeat_n;

/// The hash table.
#[derive(Clone, Debug, Default)]
pub struct KeyIndex {
    shards: Arc<Vec<Shard>>,
    keys: usize,
}

/// The keys whose hashes end in the same bits.
#[derive(Clone, Debug)]
struct Shard {
    slots: Arc<[u64]>,
    keys: usize,
}

/// An empty slot. A slot holds the hash in its upper half and the number in its lower half.
const EMPTY: u64 = u64::MAX;
/// The bit that is set in the number of a key that several machines have.
const SHARED: u32 = 1 << 31;
/// The mean number of keys in a shard above which one of the shards splits.
const SHARD_KEYS: usize = 1024;

/// The result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHit {
    /// The number that stands for the key.
    pub number: u32,
    /// Whether several machines have the key.
    pub shared: bool,
}

impl KeyIndex {
    /// Looks a key up by its hash; `None` if the table does not contain the key. `has_key` returns whether a number has
    /// the key.
    pub fn get(&self, hash: u32, has_key: impl Fn(u32) -> bool) -> Option<IndexHit> {
        let slots = &self.shards.get(self.shard_of(hash))?.slots;
        hit(slots[slot_of(slots, hash, has_key)])
    }

    /// Inserts a number for a key and returns `None`. If a number already has the key, returns that number and inserts
    /// nothing.
    pub fn insert(&mut self, hash: u32, number: u32, has_key: impl Fn(u32) -> bool) -> Option<IndexHit> {
        if let Some(hit) = self.get(hash, has_key) {
            return Some(hit);
        }
        if self.keys >= SHARD_KEYS * self.shards.len() {
            self.split();
        }
        let shard = self.shard_of(hash);
        Arc::make_mut(&mut self.shards)[shard].insert(u64::from(hash) << 32 | u64::from(number));
        self.keys += 1;
        None
    }

    /// Replaces the number of a key, and whether several machines share the key. The table must contain the key.
    pub fn update(&mut self, hash: u32, hit: IndexHit, has_key: impl Fn(u32) -> bool) {
        let shard = self.shard_of(hash);
        let slots = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard].slots);
        let slot = slot_of(slots, hash, has_key);
        let shared = if hit.shared { SHARED } else { 0 };
        slots[slot] = u64::from(hash) << 32 | u64::from(hit.number | shared);
    }

    /// Removes a key. The table must contain the key.
    pub fn remove(&mut self, hash: u32, has_key: impl Fn(u32) -> bool) {
        let shard = self.shard_of(hash);
        let shard = &mut Arc::make_mut(&mut self.shards)[shard];
        let removed = slot_of(&shard.slots, hash, has_key);
        let others = shard.slots.iter().enumerate().filter(|(slot, _)| *slot != removed).map(|(_, slot)| *slot);
        *shard = Shard::of(others);
        self.keys -= 1;
    }

    /// The shard of a hash: its last bits, as many as count the shards. A shard that does not exist yet is still part
    /// of the one whose number lacks the first of these bits.
    fn shard_of(&self, hash: u32) -> usize {
        let count = self.shards.len();
        let mask = count.next_power_of_two() - 1;
        let shard = hash as usize & mask;
        if shard < count { shard } else { shard & (mask >> 1) }
    }

    /// Adds a shard, with the keys of an earlier one that belong to it from now on.
    fn split(&mut self) {
        let added = self.shards.len();
        let shards = Arc::make_mut(&mut self.shards);
        if added == 0 {
            return shards.push(Shard::of([].into_iter()));
        }
        let bit = 1 << added.ilog2();
        let divided = &mut shards[added - bit];
        let is_added = |slot: &u64| (slot >> 32) as usize & bit != 0;
        let part =
            |is_wanted: bool| Shard::of(divided.slots.iter().copied().filter(|slot| is_added(slot) == is_wanted));
        let (kept, moved) = (part(false), part(true));
        *divided = kept;
        shards.push(moved);
    }
}

impl Shard {
    /// A shard with these slots, of which it omits the empty ones.
    fn of(slots: impl Iterator<Item = u64> + Clone) -> Shard {
        let used = || slots.clone().filter(|slot| *slot != EMPTY);
        let keys = used().count();
        let mut shard = Shard { slots: empty_slots(2 * keys), keys };
        let free = Arc::make_mut(&mut shard.slots);
        used().for_each(|slot| put(free, slot));
        shard
    }

    /// Inserts a slot. If the shard is more than five eighths full, it first becomes a quarter larger.
    fn insert(&mut self, slot: u64) {
        if 8 * (self.keys + 1) > 5 * self.slots.len() {
            let mut larger = empty_slots(self.slots.len() * 5 / 4 + 1);
            let free = Arc::make_mut(&mut larger);
            self.slots.iter().filter(|slot| **slot != EMPTY).for_each(|slot| put(free, *slot));
            self.slots = larger;
        }
        put(Arc::make_mut(&mut self.slots), slot);
        self.keys += 1;
    }
}

/// A hash table in one piece, which becomes a [`KeyIndex`] when it has all its keys.
#[derive(Clone, Debug, Default)]
pub struct KeyIndexBuilder {
    slots: Vec<u64>,
    keys: usize,
}

impl KeyIndexBuilder {
    /// A table for this many keys. They use half of the slots, so that a lookup ends soon.
    pub fn with_capacity(keys: usize) -> KeyIndexBuilder {
        KeyIndexBuilder { slots: vec![EMPTY; 2 * keys.max(1)], keys: 0 }
    }

    /// The same as [`KeyIndex::insert`].
    pub fn insert(&mut self, hash: u32, number: u32, has_key: impl Fn(u32) -> bool) -> Option<IndexHit> {
        if 2 * (self.keys + 1) > self.slots.len() {
            self.grow();
        }
        let slot = slot_of(&self.slots, hash, has_key);
        let hit = hit(self.slots[slot]);
        if hit.is_none() {
            self.slots[slot] = u64::from(hash) << 32 | u64::from(number);
            self.keys += 1;
        }
        hit
    }

    /// Marks a key as shared by several machines. The table must contain the key.
    pub fn mark_shared(&mut self, hash: u32, has_key: impl Fn(u32) -> bool) {
        let slot = slot_of(&self.slots, hash, has_key);
        self.slots[slot] |= u64::from(SHARED);
    }

    /// The table in shards.
    pub fn finish(self) -> KeyIndex {
        let used = || self.slots.iter().copied().filter(|slot| *slot != EMPTY);
        let count = self.keys.div_ceil(SHARD_KEYS).next_power_of_two();
        let shard_of = |slot: u64| (slot >> 32) as usize & (count - 1);
        let mut keys = vec![0; count];
        used().for_each(|slot| keys[shard_of(slot)] += 1);
        let mut shards: Vec<Shard> =
            keys.into_iter().map(|keys| Shard { slots: empty_slots(2 * keys), keys }).collect();
        let mut free: Vec<&mut [u64]> = shards.iter_mut().map(|shard| Arc::make_mut(&mut shard.slots)).collect();
        used().for_each(|slot| put(free[shard_of(slot)], slot));
        KeyIndex { shards: Arc::new(shards), keys: self.keys }
    }

    fn grow(&mut self) {
        let mut larger = vec![EMPTY; 2 * self.slots.len().max(8)];
        self.slots.iter().filter(|slot| **slot != EMPTY).for_each(|slot| put(&mut larger, *slot));
        self.slots = larger;
    }
}

/// At least two slots, so that one of them is always free.
fn empty_slots(count: usize) -> Arc<[u64]> {
    repeat_n(EMPTY, count.max(2)).collect()
}

fn put(slots: &mut [u64], slot: u64) {
    let free = slot_of(slots, (slot >> 32) as u32, |_| false);
    slots[free] = slot;
}

/// The slot of the key or, if the shard does not contain the key, the empty slot for it.
fn slot_of(slots: &[u64], hash: u32, has_key: impl Fn(u32) -> bool) -> usize {
    let fits = |slot: u64| slot == EMPTY || (slot >> 32) as u32 == hash && has_key(number(slot));
    let home = home(slots, hash);
    (home..slots.len()).chain(0..home).find(|&at| fits(slots[at])).expect("some slots are free")
}

/// The first slot to examine for a hash. It is proportional to the hash, so the shard may have any size, not only a
/// power of two.
fn home(slots: &[u64], hash: u32) -> usize {
    ((u64::from(hash) * slots.len() as u64) >> 32) as usize
}

fn hit(slot: u64) -> Option<IndexHit> {
    (slot != EMPTY).then(|| IndexHit { number: number(slot), shared: slot as u32 & SHARED != 0 })
}

fn number(slot: u64) -> u32 {
    slot as u32 & !SHARED
}

/// The hash of a key: multiplies and folds eight octets at a time. The hash needs no secret: only the operator inserts
/// keys, so no client can make lookups longer than these keys do.
pub fn hash(key: &[u8]) -> u32 {
    hash_words(key, |word| word)
}

/// The same as [`hash`], for a text whose ASCII case does not matter.
pub fn hash_ignoring_case(key: &[u8]) -> u32 {
    hash_words(key, |word| word.map(|octet| octet.to_ascii_lowercase()))
}

fn hash_words(key: &[u8], prepared: impl Fn([u8; 8]) -> [u8; 8]) -> u32 {
    // Digits of pi and of the golden ratio: odd, and with ones and zeros well mixed.
    const START: u64 = 0x243f_6a88_85a3_08d3;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64| {
        let product = u128::from(state) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    };
    let state = key.chunks(8).fold(START ^ key.len() as u64, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        fold(state ^ u64::from_le_bytes(prepared(word)))
    });
    (fold(state) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_the_same_hash_stay_distinct() {
        let keys = ["web1", "web2", "web3"];
        let mut index = KeyIndex::default();
        for (number, key) in (0..).zip(keys) {
            assert_eq!(index.insert(7, number, |other| keys[other as usize] == key), None);
        }
        index.update(7, IndexHit { number: 1, shared: true }, |other| keys[other as usize] == "web2");
        for (number, key) in (0..).zip(keys) {
            let hit = index.get(7, |other| keys[other as usize] == key);
            assert_eq!(hit, Some(IndexHit { number, shared: key == "web2" }));
        }
        assert_eq!(index.get(7, |_| false), None);
        assert_eq!(index.get(u32::MAX, |_| true), None);
        assert_eq!(index.insert(7, 9, |other| other == 0), Some(IndexHit { number: 0, shared: false }));
    }

    #[test]
    fn a_table_finds_its_keys_while_it_grows_and_shrinks() {
        const KEYS: u32 = 20_000;
        let hashed = |number: u32| hash(&number.to_be_bytes());
        let mut index = KeyIndex::default();
        for number in 0..KEYS {
            assert_eq!(index.insert(hashed(number), number, |other| other == number), None);
        }
        let complete = index.clone();
        for number in (0..KEYS).step_by(2) {
            index.remove(hashed(number), |other| other == number);
        }
        assert_eq!((index.keys, index.shards.iter().map(|shard| shard.keys).sum()), (10_000, 10_000));
        for number in 0..KEYS {
            let hit = Some(IndexHit { number, shared: false });
            assert_eq!(complete.get(hashed(number), |other| other == number), hit);
            assert_eq!(index.get(hashed(number), |other| other == number), hit.filter(|_| number % 2 == 1));
        }
    }

    #[test]
    fn consecutive_addresses_are_spread_over_the_table() {
        let mut index = KeyIndexBuilder::with_capacity(5);
        let mac = |number: u32| [0x52, 0x54, 0, (number >> 16) as u8, (number >> 8) as u8, number as u8];
        for number in 0..10_000 {
            assert_eq!(index.insert(hash(&mac(number)), number, |other| other == number), None);
        }
        let index = index.finish();
        let distance = |number: u32| {
            let hash = hash(&mac(number));
            let slots = &index.shards[index.shard_of(hash)].slots;
            let at = slot_of(slots, hash, |other| other == number);
            at.wrapping_sub(home(slots, hash)).min(slots.len())
        };
        let steps: usize = (0..10_000).map(distance).sum();
        assert!(steps < 10_000, "{steps}: a random function has about 5000");
    }

    #[test]
    fn only_one_of_the_hashes_ignores_case() {
        assert_eq!(hash_ignoring_case(b"ABC-123456789"), hash_ignoring_case(b"abc-123456789"));
        assert_ne!(hash(b"ABC-123456789"), hash(b"abc-123456789"));
        assert_ne!(hash(b""), hash(b"\0"));
    }
}
