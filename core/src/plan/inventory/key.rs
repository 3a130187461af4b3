//! The identities by which lookups find entries.

use super::entries::Entries;
use super::identity_kind::IdentityKind;
use super::index::{hash, hash_ignoring_case};
use super::machine::{MachineIndex, is_key};
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

/// The UUID that leads to an entry.
pub fn uuid_of(entries: &Entries, id: MachineIndex) -> Option<Key<'_>> {
    Some(*entries.uuid(id)).filter(is_key).map(Key::Uuid)
}

/// The serial number that leads to an entry.
pub fn serial_of(entries: &Entries, id: MachineIndex) -> Option<Key<'_>> {
    Some(entries.serial(id)).filter(|serial| !serial.is_empty()).map(Key::Serial)
}

/// The MAC addresses that lead to an entry.
pub fn macs_of<'a>(
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
