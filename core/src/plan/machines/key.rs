//! The identities by which lookups find entries.

use super::chunk::Entries;
use super::find::IdentityKind;
use super::index::{hash, hash_ignoring_case};
use super::sharers::IdentityIndex;
use super::{MachineIndex, is_key};
use crate::plan::pattern::MacPattern;

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

    /// Indices for these numbers of identities of each kind, in the order of [`Indices::all`].
    pub fn with_capacity([uuids, serials, macs]: [usize; 3]) -> Indices {
        let index = IdentityIndex::with_capacity;
        Indices { uuids: index(uuids), serials: index(serials), macs: index(macs) }
    }
}

/// The identities that lead to an entry: no placeholder, no address that many machines use in turn, and each address
/// once.
pub fn keys_of<'a>(
    entries: &'a Entries,
    id: MachineIndex,
    shared_macs: &'a [MacPattern],
) -> impl Iterator<Item = Key<'a>> + Clone {
    let macs = entries.macs(id);
    let is_first = move |(at, mac): &(usize, &[u8; 6])| !macs[..*at].contains(mac);
    let is_shared = |mac: &[u8; 6]| shared_macs.iter().any(|pattern| pattern.matches(mac));
    let uuid = Some(*entries.uuid(id)).filter(is_key).map(Key::Uuid);
    let serial = Some(entries.serial(id)).filter(|serial| !serial.is_empty()).map(Key::Serial);
    let macs = macs.iter().enumerate().filter(is_first).map(|(_, mac)| *mac).filter(move |mac| !is_shared(mac));
    uuid.into_iter().chain(serial).chain(macs.map(Key::Mac))
}
