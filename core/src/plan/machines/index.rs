//! A hash table from keys to numbers, with open addressing and eight octets per slot. The table does not store the
//! keys: the caller decides whether a number has the key. The table stores a hash with each number, which avoids most
//! of these calls and their memory accesses.

use alloc::vec;
use alloc::vec::Vec;

/// The hash table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyIndex {
    slots: Vec<u64>,
    used: usize,
}

/// An empty slot. A slot holds the hash in its upper half and the number in its lower half.
const EMPTY: u64 = u64::MAX;
/// The bit that is set in the number of a key that several machines have.
const SHARED: u32 = 1 << 31;
/// The maximum number of keys in a table.
pub const MAX_KEYS: usize = (SHARED - 1) as usize;

/// The result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHit {
    /// The first number that was inserted with the key.
    pub number: u32,
    /// Whether several machines have the key.
    pub shared: bool,
}

impl KeyIndex {
    /// A table for this many keys. At most half of the slots are ever in use, so that a lookup ends soon.
    pub fn with_capacity(keys: usize) -> KeyIndex {
        KeyIndex { slots: vec![EMPTY; 2 * keys], used: 0 }
    }

    /// Looks a key up by its hash; `None` if the table does not contain the key. `has_key` returns whether a number has
    /// the key.
    pub fn get(&self, hash: u32, has_key: impl Fn(u32) -> bool) -> Option<IndexHit> {
        match self.slots.get(self.slot(hash, has_key)?) {
            Some(&EMPTY) | None => None,
            Some(&slot) => Some(IndexHit { number: number(slot) & !SHARED, shared: number(slot) & SHARED != 0 }),
        }
    }

    /// Inserts a number for a key and returns `None`. If a number already has the key, returns that number and inserts
    /// nothing.
    pub fn insert(&mut self, hash: u32, number: u32, has_key: impl Fn(u32) -> bool) -> Option<IndexHit> {
        if let Some(hit) = self.get(hash, has_key) {
            return Some(hit);
        }
        if 2 * (self.used + 1) > self.slots.len() {
            self.grow();
        }
        self.put(u64::from(hash) << 32 | u64::from(number));
        self.used += 1;
        None
    }

    /// Marks a key as shared by several machines.
    pub fn mark_shared(&mut self, hash: u32, has_key: impl Fn(u32) -> bool) {
        if let Some(slot) = self.slot(hash, has_key)
            && self.slots[slot] != EMPTY
        {
            self.slots[slot] |= u64::from(SHARED);
        }
    }

    /// The slot of the key or, if the table does not contain the key, the empty slot for it. `None` if the table has no
    /// slots.
    fn slot(&self, hash: u32, has_key: impl Fn(u32) -> bool) -> Option<usize> {
        let fits = |slot: u64| slot == EMPTY || (slot >> 32) as u32 == hash && has_key(number(slot) & !SHARED);
        let home = self.home(hash);
        (home..self.slots.len()).chain(0..home).find(|&at| fits(self.slots[at]))
    }

    /// The first slot to examine for a hash. It is proportional to the hash, so the table may have any size, not only a
    /// power of two.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    fn grow(&mut self) {
        let larger = KeyIndex::with_capacity(self.slots.len().max(8));
        let before = core::mem::replace(&mut self.slots, larger.slots);
        before.into_iter().filter(|slot| *slot != EMPTY).for_each(|slot| self.put(slot));
    }

    fn put(&mut self, slot: u64) {
        let home = self.home((slot >> 32) as u32);
        let free = (home..self.slots.len()).chain(0..home).find(|&at| self.slots[at] == EMPTY);
        self.slots[free.expect("half of the slots are free")] = slot;
    }
}

fn number(slot: u64) -> u32 {
    slot as u32
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
        index.mark_shared(7, |other| keys[other as usize] == "web2");
        for (number, key) in (0..).zip(keys) {
            let hit = index.get(7, |other| keys[other as usize] == key);
            assert_eq!(hit, Some(IndexHit { number, shared: key == "web2" }));
        }
        assert_eq!(index.get(7, |_| false), None);
        assert_eq!(index.get(u32::MAX, |_| true), None);
        assert_eq!(index.insert(7, 9, |other| other == 0), Some(IndexHit { number: 0, shared: false }));
    }

    #[test]
    fn consecutive_addresses_are_spread_over_the_table() {
        let mut index = KeyIndex::with_capacity(10_000);
        let mac = |number: u32| [0x52, 0x54, 0, (number >> 16) as u8, (number >> 8) as u8, number as u8];
        for number in 0..10_000 {
            assert_eq!(index.insert(hash(&mac(number)), number, |other| other == number), None);
        }
        let distance = |number: u32| {
            let at = index.slot(hash(&mac(number)), |other| other == number).unwrap();
            at.wrapping_sub(index.home(hash(&mac(number)))).min(index.slots.len())
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
