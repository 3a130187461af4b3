//! From keys to numbers: an open-addressing table of eight octets a place, which holds no keys. Whoever asks says
//! whether a number has the key; a hash kept beside each number spares most of these questions, and with them the
//! memory that they would have to fetch.

use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyIndex {
    places: Vec<u64>,
    taken: usize,
}

/// The hash stands in the upper half, the number in the lower.
const EMPTY: u64 = u64::MAX;
/// Set in the number of a key that several have.
const SHARED: u32 = 1 << 31;
/// Numbers that can be kept.
pub const MAX_KEYS: usize = (SHARED - 1) as usize;

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexHit {
    pub number: u32,
    pub shared: bool,
}

impl KeyIndex {
    /// With room for this many keys: at most half of the places are ever taken, so that a look-up ends soon.
    pub fn with_capacity(keys: usize) -> KeyIndex {
        KeyIndex { places: vec![EMPTY; 2 * keys], taken: 0 }
    }

    /// `is`: whether the number has the key that was hashed.
    pub fn get(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<IndexHit> {
        match self.places.get(self.place(hash, is)?) {
            Some(&EMPTY) | None => None,
            Some(&place) => Some(IndexHit { number: number(place) & !SHARED, shared: number(place) & SHARED != 0 }),
        }
    }

    /// Gives the key to a number, or says which has it already.
    pub fn insert(&mut self, hash: u32, claimant: u32, is: impl Fn(u32) -> bool) -> Option<IndexHit> {
        if let Some(held) = self.get(hash, is) {
            return Some(held);
        }
        if 2 * (self.taken + 1) > self.places.len() {
            self.grow();
        }
        self.put(u64::from(hash) << 32 | u64::from(claimant));
        self.taken += 1;
        None
    }

    /// Marks a key as held by several.
    pub fn mark_shared(&mut self, hash: u32, is: impl Fn(u32) -> bool) {
        if let Some(place) = self.place(hash, is)
            && self.places[place] != EMPTY
        {
            self.places[place] |= u64::from(SHARED);
        }
    }

    /// Where the key is, or would be.
    fn place(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<usize> {
        let wanted = |place: u64| place == EMPTY || (place >> 32) as u32 == hash && is(number(place) & !SHARED);
        let home = self.home(hash);
        (home..self.places.len()).chain(0..home).find(|&at| wanted(self.places[at]))
    }

    /// The hash's share of the table: any size will do, not only powers of two.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.places.len() as u64) >> 32) as usize
    }

    fn grow(&mut self) {
        let larger = KeyIndex::with_capacity(self.places.len().max(8));
        let before = core::mem::replace(&mut self.places, larger.places);
        before.into_iter().filter(|place| *place != EMPTY).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: u64) {
        let home = self.home((place >> 32) as u32);
        let free = (home..self.places.len()).chain(0..home).find(|&at| self.places[at] == EMPTY);
        self.places[free.expect("half of the places are free")] = place;
    }
}

fn number(place: u64) -> u32 {
    place as u32
}

/// Multiplies and folds, eight octets at a time. It needs no secret: only the operator puts keys into a table, and
/// nobody can make a look-up longer than these are apart.
pub fn hash(key: &[u8]) -> u32 {
    hash_words(key, |word| word)
}

/// The same for a text whose case does not matter.
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
    fn keys_of_one_hash_stay_apart() {
        let keys = ["web1", "web2", "web3"];
        let mut index = KeyIndex::default();
        for (number, key) in (0..).zip(keys) {
            assert_eq!(index.insert(7, number, |other| keys[other as usize] == key), None);
        }
        index.mark_shared(7, |other| keys[other as usize] == "web2");
        for (number, key) in (0..).zip(keys) {
            let held = index.get(7, |other| keys[other as usize] == key);
            assert_eq!(held, Some(IndexHit { number, shared: key == "web2" }));
        }
        assert_eq!(index.get(7, |_| false), None);
        assert_eq!(index.get(u32::MAX, |_| true), None);
        assert_eq!(index.insert(7, 9, |other| other == 0), Some(IndexHit { number: 0, shared: false }));
    }

    #[test]
    fn neighbouring_addresses_lie_apart() {
        let mut index = KeyIndex::with_capacity(10_000);
        let mac = |number: u32| [0x52, 0x54, 0, (number >> 16) as u8, (number >> 8) as u8, number as u8];
        for number in 0..10_000 {
            assert_eq!(index.insert(hash(&mac(number)), number, |other| other == number), None);
        }
        let strayed = |number: u32| {
            let at = index.place(hash(&mac(number)), |other| other == number).unwrap();
            at.wrapping_sub(index.home(hash(&mac(number)))).min(index.places.len())
        };
        let steps: usize = (0..10_000).map(strayed).sum();
        assert!(steps < 10_000, "{steps}: chance would have about 5000");
    }

    #[test]
    fn case_does_not_matter_where_it_should_not() {
        assert_eq!(hash_ignoring_case(b"ABC-123456789"), hash_ignoring_case(b"abc-123456789"));
        assert_ne!(hash(b"ABC-123456789"), hash(b"abc-123456789"));
        assert_ne!(hash(b""), hash(b"\0"));
    }
}
