//! The list of all machines with an entry.

use super::entries::{Entries, State};
use super::index::KeyIndex;
use super::indices::Indices;
use super::machine::{Machine, MachineIndex, NONE, is_key};
use super::texts::Texts;
use crate::plan::pattern::MacPattern;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// All machines of the configuration, with their indices. The list is a value: a change makes a new version, which
/// shares everything with the previous version that the change does not touch. Readers keep the version that they use.
/// A clone costs less than a microsecond, whatever the number of machines.
#[derive(Clone)]
pub struct Inventory {
    pub(super) entries: Entries,
    /// The number of places in `entries`, vacant ones included.
    pub(super) places: u32,
    /// The first vacant place; [`NONE`] if no place is vacant.
    pub(super) vacant: u32,
    /// The number of entries, without the removed ones.
    pub(super) count: usize,
    /// The number of entries with [`BootMode::Once`].
    pub(super) boot_once_count: usize,
    /// The removed entries, known from the boot-once state only.
    pub(super) removed: Arc<Vec<MachineIndex>>,
    /// The names of profiles and the variables of all entries.
    pub(super) texts: Texts,
    pub(super) names: KeyIndex,
    pub(super) indices: Indices,
    /// Addresses of adapters that many machines use in turn.
    pub(super) shared_macs: Arc<[MacPattern]>,
    pub(super) version: u64,
}

impl Inventory {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The version of the list, a number that grows with each change of an entry.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The version of the list in which the entry of this name changed last; `None` if there is no such entry.
    pub fn entry_version(&self, name: &str) -> Option<u64> {
        self.find_entry(name).map(|id| self.entries.version(id))
    }

    /// Whether the entry is gone from the configuration. The boot-once state has kept the machine's identities.
    pub(crate) fn is_removed_entry(&self, id: MachineIndex) -> bool {
        self.entries.record(id).state == State::Removed
    }

    /// Whether a machine has `boot = "once"`.
    pub fn has_boot_once(&self) -> bool {
        self.boot_once_count > 0
    }

    /// The machine with this index. Panics if the index is of another version, and that version has no such machine.
    pub(crate) fn get(&self, id: MachineIndex) -> Machine<'_> {
        let record = self.entries.record(id);
        let text = |number: u32| (number != NONE).then(|| self.texts.get(number));
        Machine {
            name: self.entries.name(id),
            macs: self.entries.macs(id),
            uuid: Some(*self.entries.uuid(id)).filter(is_key),
            serial: Some(self.entries.serial(id)).filter(|serial| !serial.is_empty()),
            profile: text(record.profile),
            boot_mode: self.entries.boot_mode(id),
            variables: text(record.variables).unwrap_or_default(),
        }
    }

    /// All entries, in the order in which they were added. A machine that is added after another was removed may take
    /// the place of that one.
    pub fn iter(&self) -> impl Iterator<Item = Machine<'_>> {
        self.ids().map(|id| self.get(id))
    }

    pub(super) fn removed_entries(&self) -> impl Iterator<Item = Machine<'_>> {
        self.removed.iter().map(|id| self.get(*id))
    }

    /// The indices of all entries, in the order of [`Inventory::iter`].
    pub(super) fn ids(&self) -> impl Iterator<Item = MachineIndex> + use<'_> {
        (0..self.places).filter(|id| matches!(self.entries.record(*id).state, State::Entry(_)))
    }
}

impl Default for Inventory {
    fn default() -> Self {
        Inventory {
            entries: Entries::default(),
            places: 0,
            vacant: NONE,
            count: 0,
            boot_once_count: 0,
            removed: Arc::default(),
            texts: Texts::default(),
            names: KeyIndex::default(),
            indices: Indices::default(),
            shared_macs: Arc::default(),
            version: 0,
        }
    }
}

/// Two lists are equal if they have the same machines in the same order, whatever changes led to them.
impl PartialEq for Inventory {
    fn eq(&self, other: &Inventory) -> bool {
        self.shared_macs == other.shared_macs
            && self.iter().eq(other.iter())
            && self.removed_entries().eq(other.removed_entries())
    }
}

impl Eq for Inventory {}

/// Prints only counts, because a log cannot hold a million machines.
impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").field("len", &self.len()).field("version", &self.version).finish_non_exhaustive()
    }
}
