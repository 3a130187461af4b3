//! The machines of the configuration, found by MAC address, UUID or serial number. There may be a million of them, so
//! arrays hold them, without a pointer or an allocation per machine. The arrays are in chunks of a thousand machines,
//! and the indices in shards of a thousand keys, so that a change of one machine copies only a few of these.

mod build;
mod change;
mod chunked;
mod entries;
mod find;
mod index;
mod key;
mod shared;
mod sharers;
mod texts;

use super::pattern::MacPattern;
use crate::wire::uuid::is_placeholder;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use entries::{Entries, State};
use index::KeyIndex;
use key::Indices;
use texts::Texts;

pub use build::MachinesBuilder;
pub use change::AddError;
pub use find::{
    AmbiguousMachine, DoubtReason, DoubtfulEntry, FoundEntry, Identity, IdentityKind, ListingEntries, Lookup,
};
pub use shared::SharedIdentity;

/// An index into one version of [`Machines`].
pub type MachineIndex = u32;

/// A machine's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine<'a> {
    /// The name, which is unique and has at most 255 octets.
    pub name: &'a str,
    /// The machine's MAC addresses.
    pub macs: &'a [[u8; 6]],
    /// The machine's SMBIOS system UUID, in printed order. A placeholder ([`is_placeholder`]) counts as `None`.
    pub uuid: Option<[u8; 16]>,
    /// The machine's serial number. Lookups ignore ASCII case, as the patterns of rules do, because people copy serial
    /// numbers from labels.
    pub serial: Option<&'a str>,
    /// The name of the profile that the machine boots; `None` if a rule or a default decides.
    pub profile: Option<&'a str>,
    /// When the machine boots that profile.
    pub boot_mode: BootMode,
    /// Template variables: a JSON object, or empty.
    pub variables: &'a str,
}

/// When a machine boots its profile. Otherwise it boots its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootMode {
    /// The entry has no `boot` key. The machine boots as with `Always`, unless its boot-once is completed: the key may
    /// then be missing only because the file of the entry is half written.
    #[default]
    Unspecified,
    /// At each boot.
    Always,
    /// Until its boot-once is completed (see `observations::boot_once`).
    Once,
    /// Never: the machine always boots its disk.
    Never,
}

/// All machines of the configuration, with their indices. The list is a value: a change makes a new version, which
/// shares everything with the previous version that the change does not touch. Readers keep the version that they use.
/// A clone costs less than a microsecond, whatever the number of machines.
#[derive(Clone)]
pub struct Machines {
    entries: Entries,
    /// The number of places in `entries`, vacant ones included.
    places: u32,
    /// The first vacant place; [`NONE`] if no place is vacant.
    vacant: u32,
    /// The number of entries, without the removed ones.
    count: usize,
    /// The number of entries with [`BootMode::Once`].
    boot_once_count: usize,
    /// The removed entries, known from the boot-once state only.
    removed: Arc<Vec<MachineIndex>>,
    /// The names of profiles and the variables of all entries.
    texts: Texts,
    names: KeyIndex,
    indices: Indices,
    /// Addresses of adapters that many machines use in turn.
    shared_macs: Arc<[MacPattern]>,
    version: u64,
}

/// No text, or no place.
const NONE: u32 = u32::MAX;

impl Machines {
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
    pub fn is_removed_entry(&self, id: MachineIndex) -> bool {
        self.entries.record(id).state == State::Removed
    }

    /// Whether a machine has `boot = "once"`.
    pub fn has_boot_once(&self) -> bool {
        self.boot_once_count > 0
    }

    /// The machine with this index. Panics if the index is of another version, and that version has no such machine.
    pub fn get(&self, id: MachineIndex) -> Machine<'_> {
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

    fn removed_entries(&self) -> impl Iterator<Item = Machine<'_>> {
        self.removed.iter().map(|id| self.get(*id))
    }

    /// The indices of all entries, in the order of [`Machines::iter`].
    pub fn ids(&self) -> impl Iterator<Item = MachineIndex> + use<'_> {
        (0..self.places).filter(|id| matches!(self.entries.record(*id).state, State::Entry(_)))
    }
}

fn is_key(uuid: &[u8; 16]) -> bool {
    !is_placeholder(uuid)
}

impl Default for Machines {
    fn default() -> Self {
        Machines {
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
impl PartialEq for Machines {
    fn eq(&self, other: &Machines) -> bool {
        self.shared_macs == other.shared_macs
            && self.iter().eq(other.iter())
            && self.removed_entries().eq(other.removed_entries())
    }
}

impl Eq for Machines {}

/// Prints only counts, because a log cannot hold a million machines.
impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machines").field("len", &self.len()).field("version", &self.version).finish_non_exhaustive()
    }
}
