//! The machines of the configuration, found by MAC address, UUID or serial number. There may be a million of them, so
//! a few long arrays hold them, without a pointer or an allocation per machine.

mod build;
mod find;
mod index;

use super::pattern::MacPattern;
use super::profile::ProfileId;
use crate::wire::pxe::MachineId;
use crate::wire::uuid::is_placeholder;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use index::KeyIndex;

pub use build::{AddError, MachinesBuilder};
pub use find::{
    AmbiguousMachine, DoubtReason, DoubtfulEntry, FoundEntry, Identity, IdentityKind, ListingEntries, Lookup,
};

/// An index into [`Machines`].
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
    /// The profile that the machine boots; `None` if a rule or a default decides.
    pub profile: Option<ProfileId>,
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

/// An identity that several entries list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedIdentity {
    /// The kind of identity.
    pub by: IdentityKind,
    /// The identity in printed form.
    pub identity: String,
    /// The first of the entries, at most four.
    pub machines: Vec<MachineIndex>,
    /// The number of entries.
    pub count: usize,
}

/// An entry that lists an identity which other entries also list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sharer {
    by: IdentityKind,
    /// The identity's number in its index.
    key: u32,
    machine: MachineIndex,
}

/// The maximum number of shared identities that [`Machines::shared_identities`] returns.
const MAX_SHARED: usize = 20;
/// The maximum number of entries that [`Machines::shared_identities`] names for each identity.
const MAX_NAMED: usize = 4;

/// All machines of the configuration, with their indices.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Machines {
    records: Vec<Record>,
    /// The number of entries. The records after them are removed entries, known from the boot-once state only.
    entries: usize,
    /// The UUID of each record; zeros if the record has none.
    uuids: Vec<[u8; 16]>,
    /// The addresses of all records, in the order of the records.
    macs: Vec<[u8; 6]>,
    /// The machine of each address; [`NONE`] if the address identifies no machine.
    owners: Vec<MachineIndex>,
    /// Each name followed by the serial number, and each distinct text of variables once.
    text: String,
    /// Start and length, in `text`, of each text of variables.
    variables: Vec<(u32, u32)>,
    names: KeyIndex,
    by_uuid: KeyIndex,
    by_serial: KeyIndex,
    /// The index of MAC addresses; its numbers are indices into `macs`.
    by_mac: KeyIndex,
    /// Addresses of adapters that many machines use in turn.
    shared_macs: Vec<MacPattern>,
    /// The entries that share an identity, sorted by identity, then in the order in which lookups examine them
    /// ([`Machines::sharer_order`]).
    sharers: Vec<Sharer>,
}

/// No machine, or no profile.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// The start of the machine's name in [`Machines::text`].
    text: u32,
    /// The start of the machine's addresses in [`Machines::macs`]. They end where the addresses of the next record
    /// start.
    macs: u32,
    variables: u32,
    profile: u32,
    serial_length: u16,
    name_length: u8,
    boot_mode: BootMode,
}

impl Machines {
    /// Builds the list. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine. The function omits machines that [`MachinesBuilder::add`] rejects.
    pub fn new(machines: &[Machine<'_>], shared_macs: &[MacPattern]) -> Machines {
        let mut builder = MachinesBuilder::default();
        for machine in machines {
            builder.add(machine).ok();
        }
        builder.finish(shared_macs)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether the entry is gone from the configuration. The boot-once state has kept the machine's identities.
    pub fn is_removed_entry(&self, id: MachineIndex) -> bool {
        id as usize >= self.entries
    }

    /// Whether a machine has `boot = "once"`.
    pub fn has_boot_once(&self) -> bool {
        self.records.iter().any(|record| record.boot_mode == BootMode::Once)
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The identities that several entries list, at most twenty, and the total number of such identities.
    pub fn shared_identities(&self) -> (Vec<SharedIdentity>, usize) {
        let groups = || self.sharers.chunk_by(|one, other| (one.by, one.key) == (other.by, other.key));
        let shared = groups().take(MAX_SHARED).map(|group| {
            let mut machines: Vec<MachineIndex> = group.iter().map(|sharer| sharer.machine).collect();
            machines.sort_unstable();
            machines.truncate(MAX_NAMED);
            SharedIdentity { by: group[0].by, identity: self.printed(&group[0]), machines, count: group.len() }
        });
        (shared.collect(), groups().count())
    }

    fn printed(&self, sharer: &Sharer) -> String {
        match sharer.by {
            IdentityKind::Mac => MacPattern(self.macs[sharer.key as usize].map(Some)).to_string(),
            IdentityKind::Uuid => MachineId::from_uuid(self.uuids[sharer.key as usize]).to_string(),
            IdentityKind::Serial | IdentityKind::Name => self.get(sharer.key).serial.unwrap_or_default().into(),
        }
    }

    /// The sort key of a sharer. Of the entries with the same identity, those with more protection come first, because
    /// lookups examine only a limited number of entries.
    fn sharer_order(&self, sharer: &Sharer) -> (IdentityKind, u32, u8, MachineIndex) {
        let protection_rank = match self.records[sharer.machine as usize].boot_mode {
            BootMode::Never => 0,
            BootMode::Once => 1,
            BootMode::Unspecified => 2,
            BootMode::Always => 3,
        };
        (sharer.by, sharer.key, protection_rank, sharer.machine)
    }

    /// The machine with this index. Panics if the index is out of range.
    pub fn get(&self, id: MachineIndex) -> Machine<'_> {
        let record = &self.records[id as usize];
        let name_end = record.text as usize + usize::from(record.name_length);
        let serial = &self.text[name_end..][..usize::from(record.serial_length)];
        let (start, length) = self.variables[record.variables as usize];
        Machine {
            name: self.name(record),
            macs: &self.macs[self.mac_range(id)],
            uuid: Some(self.uuids[id as usize]).filter(is_key),
            serial: Some(serial).filter(|serial| !serial.is_empty()),
            profile: (record.profile != NONE).then_some(record.profile as ProfileId),
            boot_mode: record.boot_mode,
            variables: &self.text[start as usize..][..length as usize],
        }
    }

    /// All entries, in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = Machine<'_>> {
        (0..self.entries as MachineIndex).map(|id| self.get(id))
    }

    fn has_serial(&self, id: MachineIndex, serial: &str) -> bool {
        self.get(id).serial.is_some_and(|own| own.eq_ignore_ascii_case(serial))
    }

    fn name(&self, record: &Record) -> &str {
        &self.text[record.text as usize..][..usize::from(record.name_length)]
    }

    fn mac_range(&self, id: MachineIndex) -> Range<usize> {
        let next = self.records.get(id as usize + 1).map_or(self.macs.len(), |next| next.macs as usize);
        self.records[id as usize].macs as usize..next
    }
}

fn is_key(uuid: &[u8; 16]) -> bool {
    !is_placeholder(uuid)
}

/// Prints only counts, because a log cannot hold a million machines.
impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machines")
            .field("len", &self.len())
            .field("shared", &self.sharers.len())
            .finish_non_exhaustive()
    }
}
