//! Finds the entry of a machine by its identities, and judges how reliable an identity is: mainboards share UUIDs and
//! serial numbers, network cards move, and any host can send another machine's identity.

use super::identity_kind::IdentityKind;
use super::index::{IndexHit, hash};
use super::key::Key;
use super::list::Inventory;
use super::machine::{Machine, MachineIndex, is_key};
use crate::identity::{Identifiers, ShownIdentities};

/// The result of a lookup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookup {
    /// The machine's entry.
    pub found: Option<FoundEntry>,
    /// Two entries that may both be the machine's. Neither of them applies.
    pub ambiguous: Option<AmbiguousMachine>,
    /// An entry that does not apply, because the identity that leads to it is in doubt.
    pub doubt: Option<DoubtfulEntry>,
}

/// An entry, and the identity that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundEntry {
    /// The entry's index.
    pub machine: MachineIndex,
    /// The strongest identity that leads to the entry.
    pub by: IdentityKind,
    /// Another entry, to which a weaker identity leads.
    pub conflicting: Option<(MachineIndex, IdentityKind)>,
}

/// Two identities lead to two entries, and nothing shows which is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousMachine {
    /// The entries, with the identity that leads to each.
    pub machines: [(MachineIndex, IdentityKind); 2],
}

/// The entry may be the machine's, or that of another machine with the same UUID or serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoubtfulEntry {
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

/// An entry, and an identity that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchedEntry<'a> {
    /// The name of the entry.
    pub name: &'a str,
    /// The identity.
    pub by: IdentityKind,
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

/// The maximum number of entries with the same identity that a lookup examines. The limit exists because each packet
/// may cause a lookup.
const MAX_SHARERS: usize = 1000;

impl Inventory {
    /// Looks a machine up. The strongest identity decides: the name from a URL, the UUID, the serial number, and the
    /// address last, because adapters move from machine to machine. An identity that several entries list leads to none
    /// of them (see [`Inventory::sharers`]).
    ///
    /// A UUID or a serial number is in doubt if its entry lists addresses and the machine shows only others. The other
    /// identities then decide. If an entry lists no addresses, its UUID leads to the entry from every address.
    pub(crate) fn find(&self, shown: &ShownIdentities<'_>) -> Lookup {
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = shown.identifiers;
        let find_uuid = |uuid: Option<[u8; 16]>| self.find_key(Key::Uuid(uuid?));
        let find_mac = |mac: Option<[u8; 6]>| self.find_key(Key::Mac(mac?));
        let listed = [
            (shown.name.and_then(|name| self.find_name(name)), IdentityKind::Name),
            (find_uuid(uuid), IdentityKind::Uuid),
            (find_uuid(uuid2), IdentityKind::Uuid),
            (shown.serial.and_then(|serial| self.find_key(Key::Serial(serial))), IdentityKind::Serial),
            (find_mac(mac), IdentityKind::Mac),
            (find_mac(mac2), IdentityKind::Mac),
            (find_mac(mac3), IdentityKind::Mac),
        ];
        let each = || listed.iter().filter_map(|(id, by)| Some(((*id)?, *by)));
        let doubt_of = |(machine, by): (MachineIndex, IdentityKind)| self.doubt_reason(machine, by, shown);
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
            || doubt.filter(|_| self.has_other_uuid(machine, by, shown)).map(|doubt| (doubt.machine, doubt.by));
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
    pub(crate) fn sharers<'a>(
        &'a self,
        shown: &ShownIdentities<'a>,
        found: Option<FoundEntry>,
    ) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<'a> {
        let shown = *shown;
        let Identifiers { macs: [mac, mac2, mac3], uuids: [uuid, uuid2] } = shown.identifiers;
        let keys = [
            uuid.map(Key::Uuid),
            uuid2.map(Key::Uuid),
            shown.serial.map(Key::Serial),
            mac.map(Key::Mac),
            mac2.map(Key::Mac),
            mac3.map(Key::Mac),
        ];
        // The server put the name into a URL when the machine's entry was certain, so no other entry may be the
        // machine's.
        let is_clear = found.is_some_and(|found| found.by == IdentityKind::Name);
        let is_shared = move |key: &Key<'_>| !is_clear && self.hit(*key).is_some_and(|hit| hit.shared);
        let found = found.map(|found| found.machine);
        keys.into_iter().flatten().filter(is_shared).flat_map(move |key| {
            let agrees = found.is_some_and(|found| key.is_of(&self.entries, found));
            let counts = move |machine: &MachineIndex| {
                Some(*machine) != found && !(agrees && self.contradicts(*machine, &shown))
            };
            self.sharers_of(key).take(MAX_SHARERS).filter(counts).map(move |machine| (machine, key.kind()))
        })
    }

    /// Whether the machine shows a UUID, a serial number or an address that differs from those in the entry.
    fn contradicts(&self, machine: MachineIndex, shown: &ShownIdentities<'_>) -> bool {
        let own = self.entries.serial(machine);
        let other_serial = |serial: &str| !own.is_empty() && !own.eq_ignore_ascii_case(serial);
        self.shows_other_uuid(machine, shown)
            || shown.serial.is_some_and(other_serial)
            || self.doubt_reason(machine, IdentityKind::Uuid, shown) == Some(DoubtReason::OtherAddress)
    }

    /// The reason why the identity that leads to this entry is in doubt; `None` if it is not. A UUID or a serial number
    /// is in doubt if its entry lists addresses and the machine shows none of them. A shared address causes no doubt,
    /// because a machine in a shared dock has no other address to show.
    fn doubt_reason(
        &self,
        machine: MachineIndex,
        by: IdentityKind,
        shown: &ShownIdentities<'_>,
    ) -> Option<DoubtReason> {
        let macs = shown.identifiers.macs.iter().flatten();
        if !matches!(by, IdentityKind::Uuid | IdentityKind::Serial) || !self.lists_own_mac(machine) {
            return None;
        }
        match macs.clone().next() {
            None => (by == IdentityKind::Uuid && shown.shares_uuid).then_some(DoubtReason::NoAddress),
            Some(_) => {
                let fits = |mac: &[u8; 6]| self.is_shared_mac(mac) || self.entries.has_mac(machine, mac);
                (!macs.clone().any(fits)).then_some(DoubtReason::OtherAddress)
            }
        }
    }

    /// Whether the entry that an address leads to lists another UUID than the machine shows.
    fn has_other_uuid(&self, machine: MachineIndex, by: IdentityKind, shown: &ShownIdentities<'_>) -> bool {
        by == IdentityKind::Mac && self.shows_other_uuid(machine, shown)
    }

    fn shows_other_uuid(&self, machine: MachineIndex, shown: &ShownIdentities<'_>) -> bool {
        let uuids = shown.identifiers.uuids;
        let own = self.entries.uuid(machine);
        uuids[0].is_some() && is_key(own) && !uuids.contains(&Some(*own))
    }

    /// Whether the configuration explains why one UUID comes from two addresses: the UUID's entry lists both addresses,
    /// several entries list the UUID (which then leads to none of them), or one address is that of a shared adapter.
    pub fn explains_shared_uuid(&self, uuid: &[u8; 16], macs: &[[u8; 6]; 2]) -> bool {
        let listed = |machine| macs.iter().all(|mac| self.entries.has_mac(machine, mac));
        let by_entry = |hit: IndexHit| hit.shared || listed(hit.number);
        macs.iter().any(|mac| self.is_shared_mac(mac)) || self.hit(Key::Uuid(*uuid)).is_some_and(by_entry)
    }

    /// The entries that list the same identities as this machine, by kind of identity.
    pub fn entries_listing(&self, machine: &Machine<'_>) -> ListingEntries<'_> {
        let entry = |key: Key<'_>| self.first_entry(key).map(|id| self.entries.name(id));
        ListingEntries {
            mac: machine.macs.iter().find_map(|mac| entry(Key::Mac(*mac))),
            uuid: machine.uuid.and_then(|uuid| entry(Key::Uuid(uuid))),
            serial: machine.serial.and_then(|serial| entry(Key::Serial(serial))),
        }
    }

    /// Whether an entry lists this address.
    pub fn lists_mac(&self, mac: &[u8; 6]) -> bool {
        self.first_entry(Key::Mac(*mac)).is_some()
    }

    /// Whether an entry lists this UUID.
    pub fn has_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.hit(Key::Uuid(*uuid)).is_some()
    }

    /// Whether many machines use this address in turn (`shared-macs`).
    pub fn is_shared_mac(&self, mac: &[u8; 6]) -> bool {
        self.shared_macs.iter().any(|pattern| pattern.matches(mac))
    }

    /// The entry of this name; `None` if there is none.
    pub fn get_by_name(&self, name: &str) -> Option<Machine<'_>> {
        self.find_entry(name).map(|id| self.get(id))
    }

    /// The entry of the machine with these identities; `None` if it has none, or if it is uncertain which one is its.
    pub fn get_by_identity(&self, shown: &ShownIdentities<'_>) -> Option<Machine<'_>> {
        self.find(shown).found.map(|found| self.get(found.machine))
    }

    /// The name of an entry, with the identity that leads to it.
    pub(crate) fn matched(&self, (machine, by): (MachineIndex, IdentityKind)) -> MatchedEntry<'_> {
        MatchedEntry { name: self.entries.name(machine), by }
    }

    /// Whether the machine's entry lists an address other than those of shared adapters.
    fn lists_own_mac(&self, machine: MachineIndex) -> bool {
        let is_own = |mac: &[u8; 6]| !self.is_shared_mac(mac);
        self.entries.first_mac(machine).is_some_and(is_own) || self.entries.macs(machine).iter().any(is_own)
    }

    /// The machine of this name; its entry may be removed.
    pub(super) fn find_name(&self, name: &str) -> Option<MachineIndex> {
        self.names.get(hash(name.as_bytes()), |id| self.entries.name(id) == name).map(|hit| hit.number)
    }

    /// The entry of this name.
    pub(super) fn find_entry(&self, name: &str) -> Option<MachineIndex> {
        self.find_name(name).filter(|id| !self.is_removed_entry(*id))
    }

    /// The machine with this identity; `None` if several machines share it.
    fn find_key(&self, key: Key<'_>) -> Option<MachineIndex> {
        self.hit(key).filter(|hit| !hit.shared).map(|hit| hit.number)
    }

    pub(super) fn hit(&self, key: Key<'_>) -> Option<IndexHit> {
        self.indices.of(key).get(key.hash(), |id| key.is_of(&self.entries, id))
    }

    /// The machines that share an identity, in the order in which lookups examine them.
    pub(super) fn sharers_of<'a>(&'a self, key: Key<'a>) -> impl Iterator<Item = MachineIndex> + use<'a> {
        self.indices.of(key).sharers(key.hash(), move |id| key.is_of(&self.entries, id))
    }

    /// The first entry that lists an identity, without the removed entries.
    fn first_entry(&self, key: Key<'_>) -> Option<MachineIndex> {
        let hit = self.hit(key)?;
        let only = Some(hit.number).filter(|_| !hit.shared);
        let sharers = self.sharers_of(key).filter(|_| hit.shared);
        only.into_iter().chain(sharers).filter(|id| !self.is_removed_entry(*id)).min()
    }
}

impl Lookup {
    /// The entries that may be the machine's, other than the found one. The protection of each of them applies to the
    /// machine as well.
    pub(crate) fn other_candidates(&self) -> impl Iterator<Item = (MachineIndex, IdentityKind)> + use<> {
        let other = self.found.and_then(|found| found.conflicting.filter(|_| found.by != IdentityKind::Name));
        let ambiguous = self.ambiguous.map(|ambiguous| ambiguous.machines);
        let doubt = self.doubt.map(|doubt| (doubt.machine, doubt.by));
        doubt.into_iter().chain(ambiguous.into_iter().flatten()).chain(other)
    }
}
