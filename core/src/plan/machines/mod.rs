//! The machines that the operator knows: found by MAC address, UUID or serial number. There may be a million of them, so
//! they lie in a few long arrays without a pointer or an allocation for each.

mod build;
mod index;

use super::profile::ProfileId;
use crate::client::Readings;
use crate::wire::pxe::MachineId as Stored;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use index::{Held, Index, hash, hash_without_case};

pub use build::{Builder, Refused};

/// An index into the list of machines.
pub type MachineId = u32;

/// A machine as the operator describes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine<'a> {
    pub name: &'a str,
    pub macs: &'a [[u8; 6]],
    /// In printed order. All zeros and all ones are none: firmware that was never given one says so.
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
    #[default]
    Always,
    /// Until the boot is used up (memory.rs remembers it).
    Once,
    Never,
}

/// What a machine says of itself, as far as it is an identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    pub readings: Readings,
    pub serial: Option<&'a str>,
    /// By the name that we gave it in a URL.
    pub name: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub machine: MachineId,
    pub by: By,
    /// Another machine, which a weaker identity means.
    pub other: Option<(MachineId, By)>,
}

/// Two readings of one identity mean two machines, and nobody can tell which is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided {
    pub by: By,
    pub machines: [MachineId; 2],
}

/// The identity that was the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Name,
    Uuid,
    Serial,
    Mac,
}

/// An identity that is none, because several machines have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    pub by: By,
    pub identity: String,
    /// The first of them, by name.
    pub machines: Vec<String>,
    /// How many there are.
    pub count: usize,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Machines {
    records: Vec<Record>,
    /// One for each record; zeros for none.
    uuids: Vec<[u8; 16]>,
    /// Those of one record after those of the other.
    macs: Vec<[u8; 6]>,
    /// Whose each of them is; [`NONE`] where it is nobody's.
    owners: Vec<MachineId>,
    /// Every name with the serial number behind it, and every text of variables once.
    text: String,
    /// Where in `text` variables begin, and how long they are.
    variables: Vec<(u32, u32)>,
    names: Index,
    by_uuid: Index,
    by_serial: Index,
    /// Leads into `macs`.
    by_mac: Index,
    shared: Vec<Shared>,
    shared_count: usize,
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
    /// `docks`: addresses that many machines share in turn; they are nobody's identity. Who wants to know which machine
    /// was refused asks a [`Builder`].
    pub fn new(machines: &[Machine<'_>], docks: &[super::pattern::MacPattern]) -> Machines {
        let mut builder = Builder::default();
        for machine in machines {
            builder.add(machine).ok();
        }
        builder.finish(docks)
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether any of them is to boot once.
    pub fn any_once(&self) -> bool {
        self.records.iter().any(|record| record.policy == Policy::Once)
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The identities that several machines list, up to twenty of them, and how many there are.
    pub fn shared(&self) -> (&[Shared], usize) {
        (&self.shared, self.shared_count)
    }

    pub fn get(&self, id: MachineId) -> Machine<'_> {
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
        (0..self.records.len() as MachineId).map(|id| self.get(id))
    }

    /// The strongest identity decides: a name that we gave, the UUID, the serial number, and the address last, because
    /// adapters and docks move from machine to machine. What several machines list is nobody's identity.
    pub fn find(&self, identity: &Identity<'_>) -> Result<Option<Found>, Undecided> {
        let Readings { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.readings;
        let of_uuid = |uuid: Option<[u8; 16]>| self.of_uuid(uuid?);
        let of_mac = |mac: Option<[u8; 6]>| self.of_mac(mac?);
        let found = [
            (identity.name.and_then(|name| self.of_name(name)), By::Name),
            (of_uuid(uuid), By::Uuid),
            (of_uuid(uuid2), By::Uuid),
            (identity.serial.and_then(|serial| self.of_serial(serial)), By::Serial),
            (of_mac(mac), By::Mac),
            (of_mac(mac2), By::Mac),
            (of_mac(mac3), By::Mac),
        ];
        let mut found = found.into_iter().filter_map(|(id, by)| Some((id?, by)));
        let Some((machine, by)) = found.next() else { return Ok(None) };
        match found.find(|(other, _)| *other != machine) {
            Some((other, other_by)) if other_by == by => Err(Undecided { by, machines: [machine, other] }),
            other => Ok(Some(Found { machine, by, other })),
        }
    }

    /// The machine of this name.
    pub fn named(&self, name: &str) -> Option<Machine<'_>> {
        self.of_name(name).map(|id| self.get(id))
    }

    fn of_name(&self, name: &str) -> Option<MachineId> {
        let same = |id: MachineId| self.name(&self.records[id as usize]) == name;
        self.names.get(hash(name.as_bytes()), same).map(|held| held.number)
    }

    fn of_uuid(&self, uuid: [u8; 16]) -> Option<MachineId> {
        self.by_uuid.get(hash(&uuid), |id| self.uuids[id as usize] == uuid).and_then(sole)
    }

    fn of_serial(&self, serial: &str) -> Option<MachineId> {
        self.by_serial.get(hash_without_case(serial.as_bytes()), |id| self.has_serial(id, serial)).and_then(sole)
    }

    fn of_mac(&self, mac: [u8; 6]) -> Option<MachineId> {
        let at = self.by_mac.get(hash(&mac), |at| self.macs[at as usize] == mac).and_then(sole)?;
        Some(self.owners[at as usize])
    }

    fn has_serial(&self, id: MachineId, serial: &str) -> bool {
        self.get(id).serial.is_some_and(|own| own.eq_ignore_ascii_case(serial))
    }

    fn name(&self, record: &Record) -> &str {
        &self.text[record.text as usize..][..usize::from(record.name_length)]
    }

    fn mac_range(&self, id: MachineId) -> Range<usize> {
        let next = self.records.get(id as usize + 1).map_or(self.macs.len(), |next| next.macs as usize);
        self.records[id as usize].macs as usize..next
    }
}

/// The number of a key that only one has.
fn sole(held: Held) -> Option<u32> {
    (!held.shared).then_some(held.number)
}

fn is_key(uuid: &[u8; 16]) -> bool {
    Stored::from_uuid(*uuid).is_key()
}

fn printed_uuid(uuid: &[u8; 16]) -> String {
    Stored::from_uuid(*uuid).to_string()
}

/// A million machines are no help in a log.
impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machines").field("len", &self.len()).field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Mac => "mac",
        })
    }
}
