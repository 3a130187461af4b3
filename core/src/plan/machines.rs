//! The machines that the operator knows: found by MAC address, UUID or serial number.

use super::pattern::MacPattern;
use super::profile::ProfileId;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// An index into the list of machines.
pub type MachineId = u32;

/// A machine as the operator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub macs: Vec<[u8; 6]>,
    /// In printed order.
    pub uuid: Option<[u8; 16]>,
    pub serial: Option<String>,
    pub profile: Option<ProfileId>,
    pub policy: Policy,
    /// For templates: a JSON object, or nothing.
    pub variables: String,
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
    pub mac: Option<[u8; 6]>,
    pub uuid: Option<[u8; 16]>,
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
    /// Some of them.
    pub machines: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    entries: Vec<Entry>,
    names: BTreeMap<String, MachineId>,
    macs: BTreeMap<[u8; 6], MachineId>,
    uuids: BTreeMap<[u8; 16], MachineId>,
    serials: BTreeMap<String, MachineId>,
}

impl Machines {
    /// `docks`: addresses that many machines share in turn; they are nobody's identity.
    pub fn new(entries: Vec<Entry>, docks: &[MacPattern]) -> Machines {
        let mut machines = Machines { entries, ..Machines::default() };
        for (id, entry) in (0..).zip(&machines.entries) {
            machines.names.insert(entry.name.clone(), id);
            for mac in entry.macs.iter().filter(|mac| !docks.iter().any(|dock| dock.matches(&mac[..]))) {
                machines.macs.insert(*mac, id);
            }
            machines.uuids.extend(entry.uuid.map(|uuid| (uuid, id)));
            machines.serials.extend(entry.serial.clone().map(|serial| (serial, id)));
        }
        machines
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether any of them is to boot once.
    pub fn any_once(&self) -> bool {
        self.entries.iter().any(|entry| entry.policy == Policy::Once)
    }

    /// Whether there is a machine of this name that is to boot once.
    pub fn is_once(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|id| self.get(*id).policy == Policy::Once)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, id: MachineId) -> &Entry {
        &self.entries[id as usize]
    }

    /// The strongest identity decides: a name that we gave, the UUID, the serial number, and the address last, because
    /// adapters and docks move from machine to machine.
    pub fn find(&self, identity: &Identity<'_>) -> Option<Found> {
        let found = [
            (identity.name.and_then(|name| self.names.get(name)), By::Name),
            (identity.uuid.and_then(|uuid| self.uuids.get(&uuid)), By::Uuid),
            (identity.serial.and_then(|serial| self.serials.get(serial)), By::Serial),
            (identity.mac.and_then(|mac| self.macs.get(&mac)), By::Mac),
        ];
        let mut found = found.into_iter().filter_map(|(id, by)| Some((*id?, by)));
        let (machine, by) = found.next()?;
        Some(Found { machine, by, other: found.find(|(other, _)| *other != machine) })
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
