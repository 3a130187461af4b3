//! The UUIDs that hardware addresses show. A UUID that two addresses show identifies no machine until the
//! configuration explains it: vendors ship boards with the same UUID, people clone images of virtual machines, and
//! any host can send any UUID.

use crate::bounded_cache::BoundedCache;
use crate::client::Client;
use crate::identity::{HardwareAddress, MachineKey};
use crate::plan::Plan;
use crate::wire::pxe::MachineId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The number of UUIDs and (in DHCPv6) DUIDs of recent clients that the server remembers: 4 megabytes.
const CAPACITY: usize = 65536;
/// The maximum number of shared UUIDs that the server remembers, across restarts: 64 kilobytes in memory and on disk.
pub const MAX_SHARED_UUIDS: usize = 1024;

/// The claims of hardware addresses to UUIDs and DUIDs.
#[derive(Debug)]
pub struct UuidClaims {
    claims: BoundedCache<MachineKey, Claim>,
    /// Two addresses that show the same UUID, by the UUID in printed order.
    shared: BTreeMap<[u8; 16], [[u8; 6]; 2]>,
    /// Whether `shared` has changed since the last [`UuidClaims::take_changed`].
    changed: bool,
}

/// The addresses that show a UUID or a DUID.
#[derive(Clone, Copy, Debug)]
struct Claim {
    first: [u8; 6],
    /// Whether other addresses show the UUID or DUID as well; they may be those of other cards of the same machine.
    several: bool,
}

/// A UUID that two hardware addresses show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedUuid {
    /// The UUID, in printed order.
    pub uuid: [u8; 16],
    /// The first address that showed the UUID, and another one.
    pub macs: [[u8; 6]; 2],
}

impl UuidClaims {
    /// A value without claims. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        UuidClaims { claims: BoundedCache::new(CAPACITY, seed), shared: BTreeMap::new(), changed: false }
    }

    /// Notes the hardware address of a client with its UUID or DUID. The address of a shared adapter identifies no
    /// machine.
    pub fn note(&mut self, plan: &Plan, client: &Client, now: u64) {
        let machine = &client.machine;
        let Some(mac) = client.hardware().mac().filter(|mac| !plan.inventory.is_shared_mac(mac)) else { return };
        if let Some(duid) = &machine.duid {
            self.claim(MachineKey::from_hardware(duid), mac, now);
        }
        if let Some(machine_id) = machine.machine_id.filter(MachineId::is_unique) {
            let first = self.claim(MachineKey::from_uuid(machine_id), mac, now);
            self.compare(plan, machine_id.uuid(), [first, mac]);
        }
    }

    /// Notes that an address claims a UUID or a DUID, and returns the first address that claimed it.
    fn claim(&mut self, key: MachineKey, mac: [u8; 6], now: u64) -> [u8; 6] {
        self.claims.update(key, now, Claim { first: mac, several: false }, |claim| {
            claim.several |= claim.first != mac;
            claim.first
        })
    }

    fn compare(&mut self, plan: &Plan, uuid: [u8; 16], macs: [[u8; 6]; 2]) {
        let [first, mac] = macs;
        let known = self.shared.get(&uuid);
        // The configuration may explain the known pair by now, but not the new one.
        let is_reported = known.is_some_and(|known| !plan.inventory.explains_shared_uuid(&uuid, known));
        if first == mac || is_reported || plan.inventory.explains_shared_uuid(&uuid, &macs) {
            return;
        }
        if known.is_none() && self.shared.len() >= MAX_SHARED_UUIDS && !self.make_room(plan, &uuid) {
            return;
        }
        self.shared.insert(uuid, macs);
        self.changed = true;
    }

    /// Makes room for a UUID that the configuration names, by dropping one that it does not name: any host can invent
    /// such a UUID. Returns whether there is room now.
    fn make_room(&mut self, plan: &Plan, uuid: &[u8; 16]) -> bool {
        let unnamed = self.shared.keys().find(|known| !plan.names_uuid(known)).copied();
        let dropped = unnamed.filter(|_| plan.names_uuid(uuid));
        dropped.is_some_and(|dropped| self.shared.remove(&dropped).is_some())
    }

    /// The addresses that share this UUID; `None` if the UUID is not shared, or if the configuration explains why it
    /// is.
    pub fn find_shared(&self, plan: &Plan, uuid: &[u8; 16]) -> Option<SharedUuid> {
        let macs = self.shared.get(uuid).filter(|macs| !plan.inventory.explains_shared_uuid(uuid, macs))?;
        Some(SharedUuid { uuid: *uuid, macs: *macs })
    }

    /// The hardware address of a client that shows another identifier instead: EDK2 may put its UUID into chaddr
    /// (Mode.SendGUID), and a DHCPv6 packet may contain only a DUID. If several addresses, or none, have shown that
    /// identifier, the result is `hardware` itself.
    pub fn resolve_hardware(&self, hardware: &HardwareAddress, machine_id: Option<MachineId>) -> HardwareAddress {
        let is_unshared = |id: &MachineId| id.is_unique() && !self.shared.contains_key(&id.uuid());
        let key = match hardware {
            HardwareAddress { htype: HardwareAddress::DUID, .. } => Some(MachineKey::from_hardware(hardware)),
            HardwareAddress { hlen: 16, .. } => machine_id.filter(is_unshared).map(MachineKey::from_uuid),
            _ => None,
        };
        let claim = key.and_then(|key| self.claims.get(key)).filter(|claim| !claim.several);
        claim.map_or(*hardware, |claim| HardwareAddress::from_mac(claim.first))
    }

    /// Restores the shared UUIDs from before a restart.
    pub fn set_shared(&mut self, known: impl IntoIterator<Item = SharedUuid>) {
        self.shared = known.into_iter().take(MAX_SHARED_UUIDS).map(|SharedUuid { uuid, macs }| (uuid, macs)).collect();
        self.changed = false;
    }

    /// Marks the shared UUIDs as changed after a failure to write them: the next [`UuidClaims::take_changed`] returns
    /// them again.
    pub fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// All shared UUIDs, if they have changed since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<SharedUuid>> {
        let changed = core::mem::take(&mut self.changed);
        changed.then(|| self.shared.iter().map(|(uuid, macs)| SharedUuid { uuid: *uuid, macs: *macs }).collect())
    }
}
