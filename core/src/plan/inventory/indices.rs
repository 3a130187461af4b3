//! The indices of all kinds of identities.

use super::entries::Entries;
use super::key::{Key, macs_of, serial_of, uuid_of};
use super::machine::MachineIndex;
use super::sharers::IdentityIndex;
use crate::plan::pattern::MacPattern;
use core::ops::Range;

/// The index of each kind of identity.
#[derive(Clone, Debug, Default)]
pub struct Indices {
    uuids: IdentityIndex,
    serials: IdentityIndex,
    macs: IdentityIndex,
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
