//! The index of a kind of identity. Several machines may list an identity, in the worst case all of them; the index
//! then keeps them in the order in which lookups examine them.

use super::entries::Entries;
use super::index::{IndexHit, KeyIndex, KeyIndexBuilder};
use super::key::Key;
use super::machine::{BootMode, MachineIndex};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Finds the machines that list an identity, by the identity's hash. The caller decides whether a machine lists it.
#[derive(Clone, Debug, Default)]
pub struct IdentityIndex {
    keys: KeyIndex,
    sharers: SortedSet,
}

/// A machine that lists an identity which others list as well, as a number that sorts by the hash of the identity, then
/// by the order in which lookups examine machines: 32 bits for the hash, 2 for the boot mode, 30 for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sharer(u64);

/// The limit of the machines in an index.
pub const MAX_MACHINES: u32 = 1 << MACHINE_BITS;
const MACHINE_BITS: u32 = 30;

impl IdentityIndex {
    /// The index of these identities, each with a machine that lists it.
    pub fn new<'a>(entries: &Entries, keys: impl Iterator<Item = (MachineIndex, Key<'a>)> + Clone) -> IdentityIndex {
        let mut index = KeyIndexBuilder::with_capacity(keys.clone().count());
        let mut sharers = Vec::new();
        for (machine, key) in keys {
            let (hash, lists) = (key.hash(), |other| key.is_of(entries, other));
            let Some(hit) = index.insert(hash, machine, lists) else { continue };
            let sharer = |machine| Sharer::new(hash, entries.boot_mode(machine), machine);
            if !hit.shared {
                index.mark_shared(hash, lists);
                sharers.push(sharer(hit.number));
            }
            sharers.push(sharer(machine));
        }
        IdentityIndex { keys: index.finish(), sharers: SortedSet::new(sharers) }
    }

    /// Looks an identity up. If several machines share it, the number of the hit is that of any of them.
    pub fn get(&self, hash: u32, lists: impl Fn(MachineIndex) -> bool) -> Option<IndexHit> {
        self.keys.get(hash, lists)
    }

    /// The machines that share an identity: those with more protection first, because lookups examine only a limited
    /// number of them. Empty if no more than one machine has the identity.
    pub fn sharers(&self, hash: u32, lists: impl Fn(MachineIndex) -> bool) -> impl Iterator<Item = MachineIndex> {
        let group = self.sharers.from(Sharer(u64::from(hash) << 32)).take_while(move |sharer| sharer.hash() == hash);
        group.map(Sharer::machine).filter(move |machine| lists(*machine))
    }

    /// All machines that share an identity, each with the identity's hash, sorted by the hash.
    pub fn all_sharers(&self) -> impl Iterator<Item = (u32, MachineIndex)> {
        self.sharers.from(Sharer(0)).map(|sharer| (sharer.hash(), sharer.machine()))
    }

    /// Adds an identity of a machine. `boot_mode` returns the boot mode of a machine that lists the identity.
    pub fn add(
        &mut self,
        hash: u32,
        machine: MachineIndex,
        lists: impl Fn(MachineIndex) -> bool,
        boot_mode: impl Fn(MachineIndex) -> BootMode,
    ) {
        let Some(hit) = self.keys.insert(hash, machine, &lists) else { return };
        let sharer = |machine| Sharer::new(hash, boot_mode(machine), machine);
        if !hit.shared {
            self.keys.update(hash, IndexHit { shared: true, ..hit }, &lists);
            self.sharers.insert(sharer(hit.number));
        }
        self.sharers.insert(sharer(machine));
    }

    /// Removes an identity of a machine, which must have been added. `lists` must still hold for this machine, and
    /// `boot_mode` must return what it returned when the identity was added.
    pub fn remove(
        &mut self,
        hash: u32,
        machine: MachineIndex,
        lists: impl Fn(MachineIndex) -> bool,
        boot_mode: impl Fn(MachineIndex) -> BootMode,
    ) {
        if self.keys.get(hash, &lists).is_none_or(|hit| !hit.shared) {
            return self.keys.remove(hash, &lists);
        }
        let sharer = |machine| Sharer::new(hash, boot_mode(machine), machine);
        self.sharers.remove(sharer(machine));
        let mut left = self.sharers(hash, &lists);
        let (Some(number), shared) = (left.next(), left.next().is_some()) else { return };
        drop(left);
        if !shared {
            self.sharers.remove(sharer(number));
        }
        self.keys.update(hash, IndexHit { number, shared }, &lists);
    }
}

impl Sharer {
    fn new(hash: u32, boot_mode: BootMode, machine: MachineIndex) -> Sharer {
        let rank = match boot_mode {
            BootMode::Never => 0,
            BootMode::Once => 1,
            BootMode::Unspecified => 2,
            BootMode::Always => 3,
        };
        Sharer(u64::from(hash) << 32 | rank << MACHINE_BITS | u64::from(machine))
    }

    fn hash(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn machine(self) -> MachineIndex {
        self.0 as u32 & (MAX_MACHINES - 1)
    }
}

/// A sorted list without duplicates, in parts that versions of the list share.
#[derive(Clone, Debug, Default)]
struct SortedSet(Arc<Vec<Arc<Vec<Sharer>>>>);

/// The length at which a part divides into two.
const MAX_PART: usize = 1024;

impl SortedSet {
    fn new(mut sharers: Vec<Sharer>) -> SortedSet {
        sharers.sort_unstable();
        sharers.dedup();
        SortedSet(Arc::new(sharers.chunks(MAX_PART / 2).map(|part| Arc::new(part.to_vec())).collect()))
    }

    /// The elements from this one on.
    fn from(&self, first: Sharer) -> impl Iterator<Item = Sharer> {
        let part = self.part_of(first);
        let begin = self.0.get(part).map_or(0, |part| part.partition_point(|sharer| *sharer < first));
        self.0.iter().skip(part).flat_map(|part| part.iter().copied()).skip(begin)
    }

    fn insert(&mut self, sharer: Sharer) {
        let at = self.part_of(sharer);
        let parts = Arc::make_mut(&mut self.0);
        if parts.is_empty() {
            parts.push(Arc::default());
        }
        let part = Arc::make_mut(&mut parts[at]);
        let Err(place) = part.binary_search(&sharer) else { return };
        part.insert(place, sharer);
        if part.len() >= MAX_PART {
            let half = part.split_off(MAX_PART / 2);
            parts.insert(at + 1, Arc::new(half));
        }
    }

    fn remove(&mut self, sharer: Sharer) {
        let at = self.part_of(sharer);
        let parts = Arc::make_mut(&mut self.0);
        let Some(part) = parts.get_mut(at).map(Arc::make_mut) else { return };
        if let Ok(place) = part.binary_search(&sharer) {
            part.remove(place);
        }
        if part.is_empty() {
            parts.remove(at);
        }
    }

    /// The part in which the element is or belongs.
    fn part_of(&self, sharer: Sharer) -> usize {
        self.0.partition_point(|part| part.first().is_some_and(|first| *first <= sharer)).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An identity that thousands of machines list, as those of a copied list do, has several parts.
    #[test]
    fn a_set_of_many_sharers_stays_sorted_while_they_come_and_go() {
        let count = 4 * MAX_PART as u64;
        // Each number once, and no two neighbours in a row.
        let numbers = || (0..count).map(|number| Sharer(number * 7 % count));
        let mut set = SortedSet::default();
        numbers().for_each(|sharer| set.insert(sharer));
        assert!(set.from(Sharer(0)).eq((0..count).map(Sharer)));
        assert!(set.from(Sharer(1500)).eq((1500..count).map(Sharer)));
        numbers().filter(|sharer| sharer.0 % 2 == 0).for_each(|sharer| set.remove(sharer));
        assert!(set.from(Sharer(0)).eq((0..count).map(Sharer).filter(|sharer| sharer.0 % 2 == 1)));
    }
}
