//! Lists the identities that several entries list.

use super::identity_kind::IdentityKind;
use super::index::IndexHit;
use super::key::{Key, keys_of};
use super::list::Inventory;
use super::machine::MachineIndex;
use super::sharers::IdentityIndex;
use crate::plan::pattern::MacPattern;
use crate::wire::pxe::MachineId;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// An identity that several entries list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedIdentity<'a> {
    /// The kind of identity.
    pub by: IdentityKind,
    /// The identity in printed form.
    pub identity: String,
    /// The names of the first of the entries, at most four.
    pub machines: Vec<&'a str>,
    /// The number of entries.
    pub count: usize,
}

/// The maximum number of shared identities that [`Inventory::shared_identities`] returns.
const MAX_SHARED: usize = 20;
/// The maximum number of entries that [`Inventory::shared_identities`] names for each identity.
const MAX_NAMED: usize = 4;

impl Inventory {
    /// The identities that several entries list, at most twenty, and the total number of such identities. The order is
    /// that of the kinds, then that in which the identities first occur.
    pub fn shared_identities(&self) -> (Vec<SharedIdentity<'_>>, usize) {
        let mut shared = Vec::new();
        let mut count = 0;
        for index in self.indices.all() {
            let mut keys: Vec<_> = self.shared_keys(index).map(|key| (self.first_use(key), key)).collect();
            count += keys.len();
            keys.sort_unstable_by_key(|(first_use, _)| *first_use);
            let left = MAX_SHARED - shared.len();
            shared.extend(keys.into_iter().take(left).map(|(_, key)| self.shared_identity(key)));
        }
        (shared, count)
    }

    /// Each shared identity of an index. Of the machines that share it, the index has the number of one.
    fn shared_keys<'a>(&'a self, index: &'a IdentityIndex) -> impl Iterator<Item = Key<'a>> {
        index.all_sharers().flat_map(move |(hash, machine)| {
            let is_of_index = move |hit: IndexHit| hit.shared && hit.number == machine;
            keys_of(&self.entries, machine, &self.shared_macs)
                .filter(move |key| key.hash() == hash && self.hit(*key).is_some_and(is_of_index))
        })
    }

    /// The first machine that lists a shared identity, and the place of the identity among the machine's addresses.
    fn first_use(&self, key: Key<'_>) -> (MachineIndex, usize) {
        let machine = self.sharers_of(key).min().unwrap_or_default();
        let place = self.entries.macs(machine).iter().position(|mac| key == Key::Mac(*mac));
        (machine, place.unwrap_or_default())
    }

    fn shared_identity(&self, key: Key<'_>) -> SharedIdentity<'_> {
        let mut machines: Vec<MachineIndex> = self.sharers_of(key).collect();
        machines.sort_unstable();
        let count = machines.len();
        machines.truncate(MAX_NAMED);
        let identity = match key {
            Key::Mac(mac) => MacPattern(mac.map(Some)).to_string(),
            Key::Uuid(uuid) => MachineId::from_uuid(uuid).to_string(),
            Key::Serial(_) => self.entries.serial(machines[0]).into(),
        };
        let machines = machines.into_iter().map(|id| self.entries.name(id)).collect();
        SharedIdentity { by: key.kind(), identity, machines, count }
    }
}
