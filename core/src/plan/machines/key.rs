//! The identities by which lookups find entries.

use super::entries::Entries;
use super::find::IdentityKind;
use super::index::{hash, hash_ignoring_case};
use super::sharers::IdentityIndex;
use super::{MachineIndex, is_key};
use crate::plan::pattern::MacPattern;
use core::ops::Range;

/// An identity that leads to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// The SMBIOS system UUID.
    Uuid([u8; 16]),
    /// The serial number.
    Serial(&'a str),
    /// A MAC address.
    Mac([u8; 6]),
}

/// The index of each kind of identity.
#[derive(Clone, Debug, Default)]
pub struct Indices {
    uuids: IdentityIndex,
    serials: IdentityIndex,
    macs: IdentityIndex,
}

impl Key<'_> {
    /// The kind of the identity.
    pub fn kind(self) -> IdentityKind {
        match self {
            Self::Uuid(_) => IdentityKind::Uuid,
            Self::Serial(_) => IdentityKind::Serial,
            Self::Mac(_) => IdentityKind::Mac,
        }
    }

    /// The hash by which the index has the identity.
    pub fn hash(self) -> u32 {
        match self {
            Self::Uuid(uuid) => hash(&uuid),
            Self::Serial(serial) => hash_ignoring_case(serial.as_bytes()),
            Self::Mac(mac) => hash(&mac),
        }
    }

    /// Whether a machine has the identity.
    pub fn is_of(self, entries: &Entries, id: MachineIndex) -> bool {
        match self {
            Self::Uuid(uuid) => *entries.uuid(id) == uuid,
            Self::Serial(serial) => entries.serial(id).eq_ignore_ascii_case(serial),
            Self::Mac(mac) => entries.has_mac(id, &mac),
        }
    }
}

impl Indices {
    /// The index that may contain this identity.
    pub fn of(&self, key: Key<'_>) -> &IdentityIndex {
        match key {
            Key::Uuid(_) => &self.uuids,
            Key::Serial(_) => &self.serials,
            Key::Mac(_) => &self.macs,
        }
    }

    /// The same as [`Indices::of`], for a change.
    pub fn of_mut(&mut self, key: Key<'_>) -> &mut IdentityIndex {
        match key {
            Key::Uuid(_) => &mut self.uuids,
            Key::Serial(_) => &mut self.serials,
            Key::Mac(_) => &mut self.macs,
        }
    }

    /// All indices.
    pub fn all(&self) -> [&IdentityIndex; 3] {
        [&self.uuids, &self.serials, &self.macs]
    }

    /// The indices of the identities of entries. The largest index comes first, because an index needs most memory
    /// while it is built.
    pub fn new(entries: &Entries, ids: Range<MachineIndex>, shared_macs: &[MacPattern]) -> Indices {
        let macs = ids.clone().flat_map(|id| macs_of(entries, id, shared_macs).map(move |key| (id, key)));
        let macs = IdentityIndex::new(entries, macs);
        let uuids = ids.clone().filter_map(|id| Some((id, uuid_of(entries, id)?)));
        let uuids = IdentityIndex::new(entries, uuids);
        let serials = ids.filter_map(|id| Some((id, serial_of(entries, id)?)));
        Indices { uuids, serials: IdentityIndex::new(entries, serials), macs }
    }
}

/// The identities that lead to an entry: no placeholder, no address that many machines use in turn, and each address
/// once.
pub fn keys_of<'a>(
    entries: &'a Entries,
    id: MachineIndex,
    shared_macs: &'a [MacPattern],
) -> impl Iterator<Item = Key<'a>> + Clone {
    let (uuid, serial) = (uuid_of(entries, id), serial_of(entries, id));
    uuid.into_iter().chain(serial).chain(macs_of(entries, id, shared_macs))
}

fn uuid_of(entries: &Entries, id: MachineIndex) -> Option<Key<'_>> {
    Some(*entries.uuid(id)).filter(is_key).map(Key::Uuid)
}

fn serial_of(entries: &Entries, id: MachineIndex) -> Option<Key<'_>> {
    Some(entries.serial(id)).filter(|serial| !serial.is_empty()).map(Key::Serial)
}

fn macs_of<'a>(
    entries: &'a Entries,
    id: MachineIndex,
    shared_macs: &'a [MacPattern],
) -> impl Iterator<Item = Key<'a>> + Clone {
    let macs = entries.macs(id);
    let is_first = move |(at, mac): &(usize, &[u8; 6])| !macs[..*at].contains(mac);
    let is_shared = |mac: &[u8; 6]| shared_macs.iter().any(|pattern| pattern.matches(mac));
    let macs = macs.iter().enumerate().filter(is_first).map(|(_, mac)| *mac);
    macs.filter(move |mac| !is_shared(mac)).map(Key::Mac)
}
