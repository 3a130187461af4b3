//! The machines that the operator knows: found by MAC address, UUID or serial number. There may be a million of them,
//! so they lie in a few long arrays without a pointer or an allocation for each.

mod build;
mod find;
mod index;

use super::pattern::MacPattern;
use super::profile::ProfileId;
use crate::wire::pxe::MachineId as Stored;
use crate::wire::uuid::is_placeholder;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use index::KeyIndex;

pub use build::{MachinesBuilder, AddError};
pub use find::{IdentityKind, DoubtfulEntry, Lookup, FoundEntry, Identity, ListingEntries, AmbiguousMachine, DoubtReason};

/// An index into the list of machines.
pub type MachineIndex = u32;

/// A machine as the operator describes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine<'a> {
    pub name: &'a str,
    pub macs: &'a [[u8; 6]],
    /// In printed order. Placeholders ([`is_placeholder`]) are none.
    pub uuid: Option<[u8; 16]>,
    /// Found whatever the case, as the patterns of rules are: it is often read off a label.
    pub serial: Option<&'a str>,
    pub profile: Option<ProfileId>,
    pub policy: Policy,
    /// For templates: a JSON object, or nothing.
    pub variables: &'a str,
}

/// When it boots its profile. Otherwise it boots its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Its entry does not say. It boots as with `Always`, unless it has used up a boot: the rest of the entry may be
    /// missing because its file is half written.
    #[default]
    Unspecified,
    Always,
    /// Until the boot is used up (memory.rs remembers it).
    Once,
    Never,
}

/// An identity that several entries list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedIdentity {
    pub by: IdentityKind,
    pub identity: String,
    /// The first of them.
    pub machines: Vec<MachineIndex>,
    /// How many there are.
    pub count: usize,
}

/// An entry that lists an identity which other entries list, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sharer {
    by: IdentityKind,
    /// What the identity's index leads to.
    key: u32,
    machine: MachineIndex,
}

/// Identities that several entries list are told in full up to this many, and of the entries that list one as many.
const TOLD: usize = 20;
const NAMED: usize = 4;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Machines {
    records: Vec<Record>,
    /// So many of them are entries. Of those behind, only marks know.
    entries: usize,
    /// One for each record; zeros for none.
    uuids: Vec<[u8; 16]>,
    /// Those of one record after those of the other.
    macs: Vec<[u8; 6]>,
    /// Whose each of them is; [`NONE`] where it is nobody's.
    owners: Vec<MachineIndex>,
    /// Every name with the serial number behind it, and every text of variables once.
    text: String,
    /// Where in `text` variables begin, and how long they are.
    variables: Vec<(u32, u32)>,
    names: KeyIndex,
    by_uuid: KeyIndex,
    by_serial: KeyIndex,
    /// Leads into `macs`.
    by_mac: KeyIndex,
    /// Addresses of adapters that many machines share in turn.
    shared_macs: Vec<MacPattern>,
    /// By identity, and there in the order in which they are looked at ([`Machines::place`]).
    sharers: Vec<Sharer>,
}

/// No machine, and no profile.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// Where its name begins.
    text: u32,
    /// Where its addresses begin; they end where those of the next begin.
    macs: u32,
    variables: u32,
    profile: u32,
    serial_length: u16,
    name_length: u8,
    policy: Policy,
}

impl Machines {
    /// `shared-macs`: addresses that many machines share in turn; they are nobody's identity. Who wants to know which machine
    /// was refused asks a [`Builder`].
    pub fn new(machines: &[Machine<'_>], shared_macs: &[MacPattern]) -> Machines {
        let mut builder = MachinesBuilder::default();
        for machine in machines {
            builder.add(machine).ok();
        }
        builder.finish(shared_macs)
    }

    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether this is no entry, but was one when it used up its boot: its mark says which machine it is.
    pub fn is_removed_entry(&self, id: MachineIndex) -> bool {
        id as usize >= self.entries
    }

    /// Whether any of them is to boot once.
    pub fn has_boot_once(&self) -> bool {
        self.records.iter().any(|record| record.policy == Policy::Once)
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The identities that several entries list, up to twenty of them, and how many there are.
    pub fn shared_identities(&self) -> (Vec<SharedIdentity>, usize) {
        let groups = || self.sharers.chunk_by(|one, other| (one.by, one.key) == (other.by, other.key));
        let shared = groups().take(TOLD).map(|group| {
            let mut machines: Vec<MachineIndex> = group.iter().map(|sharer| sharer.machine).collect();
            machines.sort_unstable();
            machines.truncate(NAMED);
            SharedIdentity { by: group[0].by, identity: self.printed(&group[0]), machines, count: group.len() }
        });
        (shared.collect(), groups().count())
    }

    fn printed(&self, sharer: &Sharer) -> String {
        match sharer.by {
            IdentityKind::Mac => MacPattern(self.macs[sharer.key as usize].map(Some)).to_string(),
            IdentityKind::Uuid => Stored::from_uuid(self.uuids[sharer.key as usize]).to_string(),
            IdentityKind::Serial | IdentityKind::Name => self.get(sharer.key).serial.unwrap_or_default().into(),
        }
    }

    /// Of entries with the same identity, those come first that protect more: not all of many are looked at.
    fn sharer_order(&self, sharer: &Sharer) -> (IdentityKind, u32, u8, MachineIndex) {
        let protects = match self.records[sharer.machine as usize].policy {
            Policy::Never => 0,
            Policy::Once => 1,
            Policy::Unspecified => 2,
            Policy::Always => 3,
        };
        (sharer.by, sharer.key, protects, sharer.machine)
    }

    pub fn get(&self, id: MachineIndex) -> Machine<'_> {
        let record = &self.records[id as usize];
        let behind_name = record.text as usize + usize::from(record.name_length);
        let serial = &self.text[behind_name..][..usize::from(record.serial_length)];
        let (start, length) = self.variables[record.variables as usize];
        Machine {
            name: self.name(record),
            macs: &self.macs[self.mac_range(id)],
            uuid: Some(self.uuids[id as usize]).filter(is_key),
            serial: Some(serial).filter(|serial| !serial.is_empty()),
            profile: (record.profile != NONE).then_some(record.profile as ProfileId),
            policy: record.policy,
            variables: &self.text[start as usize..][..length as usize],
        }
    }

    /// All of them, in the order of their numbers.
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

/// A million machines are no help in a log.
impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machines")
            .field("len", &self.len())
            .field("shared", &self.sharers.len())
            .finish_non_exhaustive()
    }
}
