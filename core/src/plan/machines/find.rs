//! Which entry a machine has, by what it says of itself, and how far that can be believed: mainboards share UUIDs and
//! serial numbers, network cards move, and anybody can send what another machine would.

use super::index::{IndexHit, hash, hash_ignoring_case};
use super::{Machine, MachineIndex, Machines, Sharer};
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
pub struct Lookup {
    /// The entry that counts.
    pub found: Option<FoundEntry>,
    /// Two entries, of which none counts.
    pub ambiguous: Option<AmbiguousMachine>,
    /// An entry that does not count, because the identity that means it is in doubt.
    pub doubt: Option<DoubtfulEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    pub machine: MachineIndex,
    pub by: IdentityKind,
    /// Another machine, which a weaker identity means.
    pub conflicting: Option<(MachineIndex, IdentityKind)>,
}

/// Two readings mean two machines, and nothing tells which is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousMachine {
    pub machines: [(MachineIndex, IdentityKind); 2],
}

/// It may be this machine, or one that has the same UUID or serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubtfulEntry {
    pub machine: MachineIndex,
    pub by: IdentityKind,
    pub reason: DoubtReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtReason {
    /// The entry lists hardware addresses, and this machine has another one.
    OtherAddress,
    /// The entry lists hardware addresses, this machine shows none, and several have its UUID.
    NoAddress,
}

/// Whose entries list the identities of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListingEntries<'a> {
    pub mac: Option<&'a str>,
    pub uuid: Option<&'a str>,
    pub serial: Option<&'a str>,
}

/// The identity that was the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityKind {
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
    pub fn find(&self, identity: &Identity<'_>) -> Lookup {
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.readings;
        let of_uuid = |uuid: Option<[u8; 16]>| self.of_uuid(uuid?);
        let of_mac = |mac: Option<[u8; 6]>| self.of_mac(mac?);
        let listed = [
            (identity.name.and_then(|name| self.of_name(name)), IdentityKind::Name),
            (of_uuid(uuid), IdentityKind::Uuid),
            (of_uuid(uuid2), IdentityKind::Uuid),
            (identity.serial.and_then(|serial| self.of_serial(serial)), IdentityKind::Serial),
            (of_mac(mac), IdentityKind::Mac),
            (of_mac(mac2), IdentityKind::Mac),
            (of_mac(mac3), IdentityKind::Mac),
        ];
        let each = || listed.iter().filter_map(|(id, by)| Some(((*id)?, *by)));
        let why = |(machine, by): (MachineIndex, IdentityKind)| self.doubt(machine, by, identity);
        let mut sure = each().filter(|one| why(*one).is_none());
        let first = sure.next();
        let other = first.and_then(|(machine, _)| sure.find(|(other, _)| *other != machine));
        let mut doubts = each().filter_map(|(machine, by)| Some(DoubtfulEntry { machine, by, reason: why((machine, by))? }));
        let counts = |doubt: &DoubtfulEntry| first.is_none_or(|(machine, by)| by != IdentityKind::Name && doubt.machine != machine);
        let doubt = doubts.find(counts);
        let Some((machine, by)) = first else { return Lookup { doubt, ..Lookup::default() } };
        let of_doubt =
            || doubt.filter(|_| self.has_other_uuid(machine, by, identity)).map(|doubt| (doubt.machine, doubt.by));
        match other.filter(|(_, other_by)| *other_by == by).or_else(of_doubt) {
            Some(second) => {
                Lookup { found: None, ambiguous: Some(AmbiguousMachine { machines: [(machine, by), second] }), doubt }
            }
            None => Lookup { found: Some(FoundEntry { machine, by, conflicting: other }), ambiguous: None, doubt },
        }
    }

    /// The entries that the machine may be the subject of by an identity that several of them list. Where the entry that
    /// was found lists it as well, these are only those that no other identity of the machine speaks against. Of very
    /// many entries the first are looked at.
    pub fn sharers<'a>(
        &'a self,
        identity: &Identity<'a>,
        found: Option<FoundEntry>,
    ) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<'a> {
        let identity = *identity;
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.readings;
        let of_uuid = |uuid: Option<[u8; 16]>| (uuid.and_then(|uuid| self.held_uuid(&uuid)), IdentityKind::Uuid);
        let of_mac = |mac: Option<[u8; 6]>| (mac.and_then(|mac| self.held_mac(&mac)), IdentityKind::Mac);
        let of_serial = (identity.serial.and_then(|serial| self.held_serial(serial)), IdentityKind::Serial);
        let held = [of_uuid(uuid), of_uuid(uuid2), of_serial, of_mac(mac), of_mac(mac2), of_mac(mac3)];
        // It asks by the name that we gave to one whose entry was clear.
        let is_clear = found.is_some_and(|found| found.by == IdentityKind::Name);
        let shared = move |(held, by): (Option<IndexHit>, IdentityKind)| Some((held.filter(|held| held.shared && !is_clear)?, by));
        let found = found.map(|found| found.machine);
        held.into_iter().filter_map(shared).flat_map(move |(held, by)| {
            let of = |sharer: &Sharer| (sharer.by, sharer.key);
            let begin = self.sharers.partition_point(|sharer| of(sharer) < (by, held.number));
            let group = &self.sharers[begin..];
            let group = &group[..group.partition_point(|sharer| of(sharer) == (by, held.number))];
            let of_found = |machine| self.sharer_order(&Sharer { by, key: held.number, machine });
            let is_in = |machine| group.binary_search_by_key(&of_found(machine), |sharer| self.sharer_order(sharer)).is_ok();
            let agrees = found.is_some_and(is_in);
            let machines = group.iter().take(MOST_SHARERS).map(|sharer| sharer.machine);
            let counts = move |machine: &MachineIndex| {
                Some(*machine) != found && !(agrees && self.speaks_against(*machine, &identity))
            };
            machines.filter(counts).map(move |machine| (machine, by))
        })
    }

    /// Whether the machine shows another identity than its entry lists.
    fn speaks_against(&self, machine: MachineIndex, identity: &Identity<'_>) -> bool {
        let entry = self.get(machine);
        let uuids = identity.readings.uuids;
        let other_uuid = uuids[0].is_some() && entry.uuid.is_some_and(|own| !uuids.contains(&Some(own)));
        let other_serial = |own: &str| identity.serial.is_some_and(|serial| !own.eq_ignore_ascii_case(serial));
        other_uuid
            || entry.serial.is_some_and(other_serial)
            || self.doubt(machine, IdentityKind::Uuid, identity) == Some(DoubtReason::OtherAddress)
    }

    /// Why a UUID or a serial number does not count: its entry lists addresses, and the machine has none of them. One
    /// that sits in a shared dock has no address of its own to show.
    fn doubt(&self, machine: MachineIndex, by: IdentityKind, identity: &Identity<'_>) -> Option<DoubtReason> {
        let shown = identity.readings.macs.iter().flatten();
        if !matches!(by, IdentityKind::Uuid | IdentityKind::Serial) || self.own_macs(machine).next().is_none() {
            return None;
        }
        match shown.clone().next() {
            None => (by == IdentityKind::Uuid && identity.shares_uuid).then_some(DoubtReason::NoAddress),
            Some(_) => {
                let fits = |mac: &[u8; 6]| self.is_shared_mac(mac) || self.own_macs(machine).any(|own| own == *mac);
                (!shown.clone().any(fits)).then_some(DoubtReason::OtherAddress)
            }
        }
    }

    /// Whether the entry that an address leads to names another UUID than the machine has.
    fn has_other_uuid(&self, machine: MachineIndex, by: IdentityKind, identity: &Identity<'_>) -> bool {
        let uuids = identity.readings.uuids;
        let own = self.get(machine).uuid.filter(|_| by == IdentityKind::Mac && uuids[0].is_some());
        own.is_some_and(|own| !uuids.contains(&Some(own)))
    }

    /// Whether the configuration explains that one UUID is heard from two addresses: its entry lists both, several
    /// entries have it and none is found by it, or one address is an adapter's that many machines share.
    pub fn explains_shared_uuid(&self, uuid: &[u8; 16], macs: &[[u8; 6]; 2]) -> bool {
        let listed = |machine| macs.iter().all(|mac| self.own_macs(machine).any(|own| own == *mac));
        let by_entry = |held: IndexHit| held.shared || listed(held.number);
        macs.iter().any(|mac| self.is_shared_mac(mac)) || self.held_uuid(uuid).is_some_and(by_entry)
    }

    /// Whether an entry lists an identity that this machine lists: of which kind, and whose entry it is.
    pub fn entries_listing(&self, machine: &Machine<'_>) -> ListingEntries<'_> {
        let entry = |id: MachineIndex| (!self.is_removed_entry(id)).then(|| self.get(id).name);
        let macs = machine.macs.iter().find_map(|mac| {
            let at = self.held_mac(mac)?;
            entry(self.owners[at.number as usize])
        });
        let uuid = machine.uuid.and_then(|uuid| entry(self.held_uuid(&uuid)?.number));
        let serial = machine.serial.and_then(|serial| entry(self.held_serial(serial)?.number));
        ListingEntries { mac: macs, uuid, serial }
    }

    /// Whether an entry lists this address.
    pub fn lists_mac(&self, mac: &[u8; 6]) -> bool {
        self.held_mac(mac).is_some_and(|at| !self.is_removed_entry(self.owners[at.number as usize]))
    }

    /// Whether some entry has this UUID.
    pub fn has_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.held_uuid(uuid).is_some()
    }

    pub fn is_shared_mac(&self, mac: &[u8; 6]) -> bool {
        self.shared_macs.iter().any(|dock| dock.matches(mac))
    }

    /// The machine of this name.
    pub fn get_by_name(&self, name: &str) -> Option<Machine<'_>> {
        self.of_name(name).filter(|id| !self.is_removed_entry(*id)).map(|id| self.get(id))
    }

    /// The addresses that its entry lists, without those of shared_macs.
    fn own_macs(&self, machine: MachineIndex) -> impl Iterator<Item = [u8; 6]> + '_ {
        self.mac_range(machine).filter(move |at| self.owners[*at] == machine).map(|at| self.macs[at])
    }

    fn of_name(&self, name: &str) -> Option<MachineIndex> {
        let same = |id: MachineIndex| self.name(&self.records[id as usize]) == name;
        self.names.get(hash(name.as_bytes()), same).map(|held| held.number)
    }

    fn of_uuid(&self, uuid: [u8; 16]) -> Option<MachineIndex> {
        self.held_uuid(&uuid).and_then(sole)
    }

    fn held_uuid(&self, uuid: &[u8; 16]) -> Option<IndexHit> {
        self.by_uuid.get(hash(uuid), |id| self.uuids[id as usize] == *uuid)
    }

    fn of_serial(&self, serial: &str) -> Option<MachineIndex> {
        self.held_serial(serial).and_then(sole)
    }

    fn held_serial(&self, serial: &str) -> Option<IndexHit> {
        self.by_serial.get(hash_ignoring_case(serial.as_bytes()), |id| self.has_serial(id, serial))
    }

    fn of_mac(&self, mac: [u8; 6]) -> Option<MachineIndex> {
        self.held_mac(&mac).and_then(sole).map(|at| self.owners[at as usize])
    }

    fn held_mac(&self, mac: &[u8; 6]) -> Option<IndexHit> {
        self.by_mac.get(hash(mac), |at| self.macs[at as usize] == *mac)
    }
}

impl Lookup {
    /// The entries that it may be the subject of beside the one that counts. What protects one of these holds for it,
    /// too.
    pub fn other_candidates(&self) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<> {
        let other = self.found.and_then(|found| found.conflicting.filter(|_| found.by != IdentityKind::Name));
        let undecided = self.ambiguous.map(|undecided| undecided.machines);
        let doubt = self.doubt.map(|doubt| (doubt.machine, doubt.by));
        doubt.into_iter().chain(undecided.into_iter().flatten()).chain(other)
    }
}

/// The number of a key that only one has.
fn sole(held: IndexHit) -> Option<u32> {
    (!held.shared).then_some(held.number)
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Mac => "mac",
        })
    }
}
