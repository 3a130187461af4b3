//! Which entry a machine has, by what it says of itself, and how far that can be believed: mainboards share UUIDs and
//! serial numbers, network cards move, and anybody can send what another machine would.

use super::index::{Held, hash, hash_without_case};
use super::{Machine, MachineId, Machines, Sharer};
use crate::client::Identifiers;
use core::fmt;

/// What a machine says of itself, as far as it is an identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    pub readings: Identifiers,
    pub serial: Option<&'a str>,
    /// By the name that we gave it in a URL.
    pub name: Option<&'a str>,
    /// Its UUID was heard from other hardware addresses, too.
    pub shares_uuid: bool,
}

/// What its identities come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The entry that counts.
    pub found: Option<Found>,
    /// Two entries, of which none counts.
    pub undecided: Option<Undecided>,
    /// An entry that does not count, because the identity that means it is in doubt.
    pub doubt: Option<Doubt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub machine: MachineId,
    pub by: By,
    /// Another machine, which a weaker identity means.
    pub other: Option<(MachineId, By)>,
}

/// Two readings mean two machines, and nothing tells which is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided {
    pub machines: [(MachineId, By); 2],
}

/// It may be this machine, or one that has the same UUID or serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub machine: MachineId,
    pub by: By,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The entry lists hardware addresses, and this machine has another one.
    OtherAddress,
    /// The entry lists hardware addresses, this machine shows none, and several have its UUID.
    NoAddress,
}

/// Whose entries list the identities of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed<'a> {
    pub mac: Option<&'a str>,
    pub uuid: Option<&'a str>,
    pub serial: Option<&'a str>,
}

/// The identity that was the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Name,
    Uuid,
    Serial,
    Mac,
}

/// Entries with one identity that are looked at: each packet may cause it.
const MOST_SHARERS: usize = 1000;

impl Machines {
    /// The strongest identity decides: a name that we gave, the UUID, the serial number, and the address last, because
    /// adapters and shared_macs move from machine to machine. An
    /// identity that several entries list leads to none of them (see [`Machines::sharers`]).
    ///
    /// A UUID or a serial number that leads to an entry with addresses, none of which the machine has, is in doubt:
    /// then the other identities decide. An entry without addresses is found by its UUID whatever the address is.
    pub fn find(&self, identity: &Identity<'_>) -> Findings {
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.readings;
        let of_uuid = |uuid: Option<[u8; 16]>| self.of_uuid(uuid?);
        let of_mac = |mac: Option<[u8; 6]>| self.of_mac(mac?);
        let listed = [
            (identity.name.and_then(|name| self.of_name(name)), By::Name),
            (of_uuid(uuid), By::Uuid),
            (of_uuid(uuid2), By::Uuid),
            (identity.serial.and_then(|serial| self.of_serial(serial)), By::Serial),
            (of_mac(mac), By::Mac),
            (of_mac(mac2), By::Mac),
            (of_mac(mac3), By::Mac),
        ];
        let each = || listed.iter().filter_map(|(id, by)| Some(((*id)?, *by)));
        let why = |(machine, by): (MachineId, By)| self.doubt(machine, by, identity);
        let mut sure = each().filter(|one| why(*one).is_none());
        let first = sure.next();
        let other = first.and_then(|(machine, _)| sure.find(|(other, _)| *other != machine));
        let mut doubts = each().filter_map(|(machine, by)| Some(Doubt { machine, by, why: why((machine, by))? }));
        let counts = |doubt: &Doubt| first.is_none_or(|(machine, by)| by != By::Name && doubt.machine != machine);
        let doubt = doubts.find(counts);
        let Some((machine, by)) = first else { return Findings { doubt, ..Findings::default() } };
        let of_doubt =
            || doubt.filter(|_| self.has_other_uuid(machine, by, identity)).map(|doubt| (doubt.machine, doubt.by));
        match other.filter(|(_, other_by)| *other_by == by).or_else(of_doubt) {
            Some(second) => {
                Findings { found: None, undecided: Some(Undecided { machines: [(machine, by), second] }), doubt }
            }
            None => Findings { found: Some(Found { machine, by, other }), undecided: None, doubt },
        }
    }

    /// The entries that the machine may be the subject of by an identity that several of them list. Where the entry that
    /// was found lists it as well, these are only those that no other identity of the machine speaks against. Of very
    /// many entries the first are looked at.
    pub fn sharers<'a>(
        &'a self,
        identity: &Identity<'a>,
        found: Option<Found>,
    ) -> impl Iterator<Item = (MachineId, By)> + use<'a> {
        let identity = *identity;
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.readings;
        let of_uuid = |uuid: Option<[u8; 16]>| (uuid.and_then(|uuid| self.held_uuid(&uuid)), By::Uuid);
        let of_mac = |mac: Option<[u8; 6]>| (mac.and_then(|mac| self.held_mac(&mac)), By::Mac);
        let of_serial = (identity.serial.and_then(|serial| self.held_serial(serial)), By::Serial);
        let held = [of_uuid(uuid), of_uuid(uuid2), of_serial, of_mac(mac), of_mac(mac2), of_mac(mac3)];
        // It asks by the name that we gave to one whose entry was clear.
        let is_clear = found.is_some_and(|found| found.by == By::Name);
        let shared = move |(held, by): (Option<Held>, By)| Some((held.filter(|held| held.shared && !is_clear)?, by));
        let found = found.map(|found| found.machine);
        held.into_iter().filter_map(shared).flat_map(move |(held, by)| {
            let of = |sharer: &Sharer| (sharer.by, sharer.key);
            let begin = self.sharers.partition_point(|sharer| of(sharer) < (by, held.number));
            let group = &self.sharers[begin..];
            let group = &group[..group.partition_point(|sharer| of(sharer) == (by, held.number))];
            let of_found = |machine| self.place(&Sharer { by, key: held.number, machine });
            let is_in = |machine| group.binary_search_by_key(&of_found(machine), |sharer| self.place(sharer)).is_ok();
            let agrees = found.is_some_and(is_in);
            let machines = group.iter().take(MOST_SHARERS).map(|sharer| sharer.machine);
            let counts = move |machine: &MachineId| {
                Some(*machine) != found && !(agrees && self.speaks_against(*machine, &identity))
            };
            machines.filter(counts).map(move |machine| (machine, by))
        })
    }

    /// Whether the machine shows another identity than its entry lists.
    fn speaks_against(&self, machine: MachineId, identity: &Identity<'_>) -> bool {
        let entry = self.get(machine);
        let uuids = identity.readings.uuids;
        let other_uuid = uuids[0].is_some() && entry.uuid.is_some_and(|own| !uuids.contains(&Some(own)));
        let other_serial = |own: &str| identity.serial.is_some_and(|serial| !own.eq_ignore_ascii_case(serial));
        other_uuid
            || entry.serial.is_some_and(other_serial)
            || self.doubt(machine, By::Uuid, identity) == Some(Why::OtherAddress)
    }

    /// Why a UUID or a serial number does not count: its entry lists addresses, and the machine has none of them. One
    /// that sits in a shared dock has no address of its own to show.
    fn doubt(&self, machine: MachineId, by: By, identity: &Identity<'_>) -> Option<Why> {
        let shown = identity.readings.macs.iter().flatten();
        if !matches!(by, By::Uuid | By::Serial) || self.own_macs(machine).next().is_none() {
            return None;
        }
        match shown.clone().next() {
            None => (by == By::Uuid && identity.shares_uuid).then_some(Why::NoAddress),
            Some(_) => {
                let fits = |mac: &[u8; 6]| self.is_shared_mac(mac) || self.own_macs(machine).any(|own| own == *mac);
                (!shown.clone().any(fits)).then_some(Why::OtherAddress)
            }
        }
    }

    /// Whether the entry that an address leads to names another UUID than the machine has.
    fn has_other_uuid(&self, machine: MachineId, by: By, identity: &Identity<'_>) -> bool {
        let uuids = identity.readings.uuids;
        let own = self.get(machine).uuid.filter(|_| by == By::Mac && uuids[0].is_some());
        own.is_some_and(|own| !uuids.contains(&Some(own)))
    }

    /// Whether the configuration explains that one UUID is heard from two addresses: its entry lists both, several
    /// entries have it and none is found by it, or one address is an adapter's that many machines share.
    pub fn explains(&self, uuid: &[u8; 16], macs: &[[u8; 6]; 2]) -> bool {
        let listed = |machine| macs.iter().all(|mac| self.own_macs(machine).any(|own| own == *mac));
        let by_entry = |held: Held| held.shared || listed(held.number);
        macs.iter().any(|mac| self.is_shared_mac(mac)) || self.held_uuid(uuid).is_some_and(by_entry)
    }

    /// Whether an entry lists an identity that this machine lists: of which kind, and whose entry it is.
    pub fn lists(&self, machine: &Machine<'_>) -> Listed<'_> {
        let entry = |id: MachineId| (!self.is_of_mark(id)).then(|| self.get(id).name);
        let macs = machine.macs.iter().find_map(|mac| {
            let at = self.held_mac(mac)?;
            entry(self.owners[at.number as usize])
        });
        let uuid = machine.uuid.and_then(|uuid| entry(self.held_uuid(&uuid)?.number));
        let serial = machine.serial.and_then(|serial| entry(self.held_serial(serial)?.number));
        Listed { mac: macs, uuid, serial }
    }

    /// Whether an entry lists this address.
    pub fn lists_mac(&self, mac: &[u8; 6]) -> bool {
        self.held_mac(mac).is_some_and(|at| !self.is_of_mark(self.owners[at.number as usize]))
    }

    /// Whether some entry has this UUID.
    pub fn has_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.held_uuid(uuid).is_some()
    }

    pub fn is_shared_mac(&self, mac: &[u8; 6]) -> bool {
        self.shared_macs.iter().any(|dock| dock.matches(mac))
    }

    /// The machine of this name.
    pub fn named(&self, name: &str) -> Option<Machine<'_>> {
        self.of_name(name).filter(|id| !self.is_of_mark(*id)).map(|id| self.get(id))
    }

    /// The addresses that its entry lists, without those of shared_macs.
    fn own_macs(&self, machine: MachineId) -> impl Iterator<Item = [u8; 6]> + '_ {
        self.mac_range(machine).filter(move |at| self.owners[*at] == machine).map(|at| self.macs[at])
    }

    fn of_name(&self, name: &str) -> Option<MachineId> {
        let same = |id: MachineId| self.name(&self.records[id as usize]) == name;
        self.names.get(hash(name.as_bytes()), same).map(|held| held.number)
    }

    fn of_uuid(&self, uuid: [u8; 16]) -> Option<MachineId> {
        self.held_uuid(&uuid).and_then(sole)
    }

    fn held_uuid(&self, uuid: &[u8; 16]) -> Option<Held> {
        self.by_uuid.get(hash(uuid), |id| self.uuids[id as usize] == *uuid)
    }

    fn of_serial(&self, serial: &str) -> Option<MachineId> {
        self.held_serial(serial).and_then(sole)
    }

    fn held_serial(&self, serial: &str) -> Option<Held> {
        self.by_serial.get(hash_without_case(serial.as_bytes()), |id| self.has_serial(id, serial))
    }

    fn of_mac(&self, mac: [u8; 6]) -> Option<MachineId> {
        self.held_mac(&mac).and_then(sole).map(|at| self.owners[at as usize])
    }

    fn held_mac(&self, mac: &[u8; 6]) -> Option<Held> {
        self.by_mac.get(hash(mac), |at| self.macs[at as usize] == *mac)
    }
}

impl Findings {
    /// The entries that it may be the subject of beside the one that counts. What protects one of these holds for it,
    /// too.
    pub fn others(&self) -> impl Iterator<Item = (MachineId, By)> + use<> {
        let other = self.found.and_then(|found| found.other.filter(|_| found.by != By::Name));
        let undecided = self.undecided.map(|undecided| undecided.machines);
        let doubt = self.doubt.map(|doubt| (doubt.machine, doubt.by));
        doubt.into_iter().chain(undecided.into_iter().flatten()).chain(other)
    }
}

/// The number of a key that only one has.
fn sole(held: Held) -> Option<u32> {
    (!held.shared).then_some(held.number)
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
