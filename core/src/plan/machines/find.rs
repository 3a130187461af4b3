//! Finds the entry of a machine by its identities, and judges how reliable an identity is: mainboards share UUIDs and
//! serial numbers, network cards move, and any host can send another machine's identity.

use super::index::{IndexHit, hash, hash_ignoring_case};
use super::{Machine, MachineIndex, Machines, Sharer};
use crate::identity::Identifiers;
use core::fmt;

/// The identities that a machine shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// The MAC addresses and UUIDs that may be the machine's, according to its packet.
    pub identifiers: Identifiers,
    /// The serial number, which only an iPXE sends.
    pub serial: Option<&'a str>,
    /// The name of the machine's entry, from a URL that the server generated for the machine.
    pub name: Option<&'a str>,
    /// Whether the machine's UUID has also come from other hardware addresses.
    pub shares_uuid: bool,
}

/// The result of a lookup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The machine's entry.
    pub found: Option<FoundEntry>,
    /// Two entries that may both be the machine's. Neither of them applies.
    pub ambiguous: Option<AmbiguousMachine>,
    /// An entry that does not apply, because the identity that leads to it is in doubt.
    pub doubt: Option<DoubtfulEntry>,
}

/// An entry, and the identity that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// The entry's index.
    pub machine: MachineIndex,
    /// The strongest identity that leads to the entry.
    pub by: IdentityKind,
    /// Another entry, to which a weaker identity leads.
    pub conflicting: Option<(MachineIndex, IdentityKind)>,
}

/// Two identities lead to two entries, and nothing shows which is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousMachine {
    /// The entries, with the identity that leads to each.
    pub machines: [(MachineIndex, IdentityKind); 2],
}

/// The entry may be the machine's, or that of another machine with the same UUID or serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubtfulEntry {
    /// The entry's index.
    pub machine: MachineIndex,
    /// The identity in doubt.
    pub by: IdentityKind,
    /// Why the identity is in doubt.
    pub reason: DoubtReason,
}

/// Why an identity is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtReason {
    /// The entry lists hardware addresses, and the machine shows another one.
    OtherAddress,
    /// The entry lists hardware addresses, the machine shows none, and several machines have its UUID.
    NoAddress,
}

/// The names of the entries that list a machine's identities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListingEntries<'a> {
    /// The first entry that lists one of the machine's MAC addresses.
    pub mac: Option<&'a str>,
    /// The first entry that lists the machine's UUID.
    pub uuid: Option<&'a str>,
    /// The first entry that lists the machine's serial number.
    pub serial: Option<&'a str>,
}

/// A kind of identity, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityKind {
    /// The name of the entry, from a URL.
    Name,
    /// The SMBIOS system UUID.
    Uuid,
    /// The SMBIOS serial number.
    Serial,
    /// A MAC address.
    Mac,
}

/// The maximum number of entries with the same identity that a lookup examines. The limit exists because each packet
/// may cause a lookup.
const MAX_SHARERS: usize = 1000;

impl Machines {
    /// Looks a machine up. The strongest identity decides: the name from a URL, the UUID, the serial number, and the
    /// address last, because adapters move from machine to machine. An identity that several entries list leads to none
    /// of them (see [`Machines::sharers`]).
    ///
    /// A UUID or a serial number is in doubt if its entry lists addresses and the machine shows only others. The other
    /// identities then decide. If an entry lists no addresses, its UUID leads to the entry from every address.
    pub fn find(&self, identity: &Identity<'_>) -> Lookup {
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.identifiers;
        let find_uuid = |uuid: Option<[u8; 16]>| self.find_uuid(uuid?);
        let find_mac = |mac: Option<[u8; 6]>| self.find_mac(mac?);
        let listed = [
            (identity.name.and_then(|name| self.find_name(name)), IdentityKind::Name),
            (find_uuid(uuid), IdentityKind::Uuid),
            (find_uuid(uuid2), IdentityKind::Uuid),
            (identity.serial.and_then(|serial| self.find_serial(serial)), IdentityKind::Serial),
            (find_mac(mac), IdentityKind::Mac),
            (find_mac(mac2), IdentityKind::Mac),
            (find_mac(mac3), IdentityKind::Mac),
        ];
        let each = || listed.iter().filter_map(|(id, by)| Some(((*id)?, *by)));
        let doubt_of = |(machine, by): (MachineIndex, IdentityKind)| self.doubt_reason(machine, by, identity);
        let mut certain = each().filter(|one| doubt_of(*one).is_none());
        let first = certain.next();
        let other = first.and_then(|(machine, _)| certain.find(|(other, _)| *other != machine));
        let mut doubts =
            each().filter_map(|(machine, by)| Some(DoubtfulEntry { machine, by, reason: doubt_of((machine, by))? }));
        let counts = |doubt: &DoubtfulEntry| {
            first.is_none_or(|(machine, by)| by != IdentityKind::Name && doubt.machine != machine)
        };
        let doubt = doubts.find(counts);
        let Some((machine, by)) = first else { return Lookup { doubt, ..Lookup::default() } };
        let doubtful =
            || doubt.filter(|_| self.has_other_uuid(machine, by, identity)).map(|doubt| (doubt.machine, doubt.by));
        match other.filter(|(_, other_by)| *other_by == by).or_else(doubtful) {
            Some(second) => {
                Lookup { found: None, ambiguous: Some(AmbiguousMachine { machines: [(machine, by), second] }), doubt }
            }
            None => Lookup { found: Some(FoundEntry { machine, by, conflicting: other }), ambiguous: None, doubt },
        }
    }

    /// The entries that may be the machine's because they list an identity which several entries list. If the found
    /// entry lists that identity as well, the result has only the entries that no other identity of the machine
    /// contradicts. A lookup examines at most `MAX_SHARERS` of them.
    pub fn sharers<'a>(
        &'a self,
        identity: &Identity<'a>,
        found: Option<FoundEntry>,
    ) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<'a> {
        let identity = *identity;
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = identity.identifiers;
        let find_uuid = |uuid: Option<[u8; 16]>| (uuid.and_then(|uuid| self.uuid_hit(&uuid)), IdentityKind::Uuid);
        let find_mac = |mac: Option<[u8; 6]>| (mac.and_then(|mac| self.mac_hit(&mac)), IdentityKind::Mac);
        let find_serial = (identity.serial.and_then(|serial| self.serial_hit(serial)), IdentityKind::Serial);
        let hit = [find_uuid(uuid), find_uuid(uuid2), find_serial, find_mac(mac), find_mac(mac2), find_mac(mac3)];
        // The server put the name into a URL when the machine's entry was certain, so no other entry may be the
        // machine's.
        let is_clear = found.is_some_and(|found| found.by == IdentityKind::Name);
        let shared =
            move |(hit, by): (Option<IndexHit>, IdentityKind)| Some((hit.filter(|hit| hit.shared && !is_clear)?, by));
        let found = found.map(|found| found.machine);
        hit.into_iter().filter_map(shared).flat_map(move |(hit, by)| {
            let of = |sharer: &Sharer| (sharer.by, sharer.key);
            let begin = self.sharers.partition_point(|sharer| of(sharer) < (by, hit.number));
            let group = &self.sharers[begin..];
            let group = &group[..group.partition_point(|sharer| of(sharer) == (by, hit.number))];
            let own_order = |machine| self.sharer_order(&Sharer { by, key: hit.number, machine });
            let is_in =
                |machine| group.binary_search_by_key(&own_order(machine), |sharer| self.sharer_order(sharer)).is_ok();
            let agrees = found.is_some_and(is_in);
            let machines = group.iter().take(MAX_SHARERS).map(|sharer| sharer.machine);
            let counts = move |machine: &MachineIndex| {
                Some(*machine) != found && !(agrees && self.contradicts(*machine, &identity))
            };
            machines.filter(counts).map(move |machine| (machine, by))
        })
    }

    /// Whether the machine shows a UUID, a serial number or an address that differs from those in the entry.
    fn contradicts(&self, machine: MachineIndex, identity: &Identity<'_>) -> bool {
        let entry = self.get(machine);
        let uuids = identity.identifiers.uuids;
        let other_uuid = uuids[0].is_some() && entry.uuid.is_some_and(|own| !uuids.contains(&Some(own)));
        let other_serial = |own: &str| identity.serial.is_some_and(|serial| !own.eq_ignore_ascii_case(serial));
        other_uuid
            || entry.serial.is_some_and(other_serial)
            || self.doubt_reason(machine, IdentityKind::Uuid, identity) == Some(DoubtReason::OtherAddress)
    }

    /// The reason why the identity that leads to this entry is in doubt; `None` if it is not. A UUID or a serial number
    /// is in doubt if its entry lists addresses and the machine shows none of them. A shared address causes no doubt,
    /// because a machine in a shared dock has no other address to show.
    fn doubt_reason(&self, machine: MachineIndex, by: IdentityKind, identity: &Identity<'_>) -> Option<DoubtReason> {
        let shown = identity.identifiers.macs.iter().flatten();
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

    /// Whether the entry that an address leads to lists another UUID than the machine shows.
    fn has_other_uuid(&self, machine: MachineIndex, by: IdentityKind, identity: &Identity<'_>) -> bool {
        let uuids = identity.identifiers.uuids;
        let own = self.get(machine).uuid.filter(|_| by == IdentityKind::Mac && uuids[0].is_some());
        own.is_some_and(|own| !uuids.contains(&Some(own)))
    }

    /// Whether the configuration explains why one UUID comes from two addresses: the UUID's entry lists both addresses,
    /// several entries list the UUID (which then leads to none of them), or one address is that of a shared adapter.
    pub fn explains_shared_uuid(&self, uuid: &[u8; 16], macs: &[[u8; 6]; 2]) -> bool {
        let listed = |machine| macs.iter().all(|mac| self.own_macs(machine).any(|own| own == *mac));
        let by_entry = |hit: IndexHit| hit.shared || listed(hit.number);
        macs.iter().any(|mac| self.is_shared_mac(mac)) || self.uuid_hit(uuid).is_some_and(by_entry)
    }

    /// The entries that list the same identities as this machine, by kind of identity.
    pub fn entries_listing(&self, machine: &Machine<'_>) -> ListingEntries<'_> {
        let entry = |id: MachineIndex| (!self.is_removed_entry(id)).then(|| self.get(id).name);
        let macs = machine.macs.iter().find_map(|mac| {
            let at = self.mac_hit(mac)?;
            entry(self.owners[at.number as usize])
        });
        let uuid = machine.uuid.and_then(|uuid| entry(self.uuid_hit(&uuid)?.number));
        let serial = machine.serial.and_then(|serial| entry(self.serial_hit(serial)?.number));
        ListingEntries { mac: macs, uuid, serial }
    }

    /// Whether an entry lists this address.
    pub fn lists_mac(&self, mac: &[u8; 6]) -> bool {
        self.mac_hit(mac).is_some_and(|at| !self.is_removed_entry(self.owners[at.number as usize]))
    }

    /// Whether an entry lists this UUID.
    pub fn has_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.uuid_hit(uuid).is_some()
    }

    /// Whether many machines use this address in turn (`shared-macs`).
    pub fn is_shared_mac(&self, mac: &[u8; 6]) -> bool {
        self.shared_macs.iter().any(|pattern| pattern.matches(mac))
    }

    /// The entry of this name; `None` if there is none.
    pub fn get_by_name(&self, name: &str) -> Option<Machine<'_>> {
        self.find_name(name).filter(|id| !self.is_removed_entry(*id)).map(|id| self.get(id))
    }

    /// The addresses that the machine's entry lists, without those of shared adapters.
    fn own_macs(&self, machine: MachineIndex) -> impl Iterator<Item = [u8; 6]> + '_ {
        self.mac_range(machine).filter(move |at| self.owners[*at] == machine).map(|at| self.macs[at])
    }

    fn find_name(&self, name: &str) -> Option<MachineIndex> {
        let same = |id: MachineIndex| self.name(&self.records[id as usize]) == name;
        self.names.get(hash(name.as_bytes()), same).map(|hit| hit.number)
    }

    fn find_uuid(&self, uuid: [u8; 16]) -> Option<MachineIndex> {
        self.uuid_hit(&uuid).and_then(unshared)
    }

    fn uuid_hit(&self, uuid: &[u8; 16]) -> Option<IndexHit> {
        self.by_uuid.get(hash(uuid), |id| self.uuids[id as usize] == *uuid)
    }

    fn find_serial(&self, serial: &str) -> Option<MachineIndex> {
        self.serial_hit(serial).and_then(unshared)
    }

    fn serial_hit(&self, serial: &str) -> Option<IndexHit> {
        self.by_serial.get(hash_ignoring_case(serial.as_bytes()), |id| self.has_serial(id, serial))
    }

    fn find_mac(&self, mac: [u8; 6]) -> Option<MachineIndex> {
        self.mac_hit(&mac).and_then(unshared).map(|at| self.owners[at as usize])
    }

    fn mac_hit(&self, mac: &[u8; 6]) -> Option<IndexHit> {
        self.by_mac.get(hash(mac), |at| self.macs[at as usize] == *mac)
    }
}

impl Lookup {
    /// The entries that may be the machine's, other than the found one. The protection of each of them applies to the
    /// machine as well.
    pub fn other_candidates(&self) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<> {
        let other = self.found.and_then(|found| found.conflicting.filter(|_| found.by != IdentityKind::Name));
        let ambiguous = self.ambiguous.map(|ambiguous| ambiguous.machines);
        let doubt = self.doubt.map(|doubt| (doubt.machine, doubt.by));
        doubt.into_iter().chain(ambiguous.into_iter().flatten()).chain(other)
    }
}

/// The number of the key; `None` if several machines share the key.
fn unshared(hit: IndexHit) -> Option<u32> {
    (!hit.shared).then_some(hit.number)
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
