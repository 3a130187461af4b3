//! Which hardware address says which UUID. A UUID that is heard from two is no identity until the configuration
//! explains it: makers ship boards with the same one, images of virtual machines are cloned, and anybody can send it.

use super::{MachineKey, hardware_key};
use crate::client::{Client, HardwareAddress};
use crate::plan::Plan;
use crate::bounded_cache::BoundedCache;
use crate::wire::pxe::MachineId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A UUID, and in DHCPv6 a DUID, for each machine that asked lately: 4 megabytes.
const HEARD: usize = 65536;
/// UUIDs that are known to be shared, over restarts, too: 64 kilobytes here and on the disk.
pub const MAX_SHARED_UUIDS: usize = 1024;

#[derive(Debug)]
pub struct UuidClaims {
    heard: BoundedCache<MachineKey, Claim>,
    /// By UUID, in printed order.
    shared: BTreeMap<[u8; 16], [[u8; 6]; 2]>,
    /// It has changed since it was last asked for.
    changed: bool,
}

/// Who says a UUID or a DUID.
#[derive(Clone, Copy, Debug)]
struct Claim {
    first: [u8; 6],
    /// So did others, if only another card of the same machine.
    several: bool,
}

/// A UUID that is heard from two hardware addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedUuid {
    /// In printed order.
    pub uuid: [u8; 16],
    pub macs: [[u8; 6]; 2],
}

impl UuidClaims {
    pub fn new(seed: u64) -> Self {
        UuidClaims { heard: BoundedCache::new(HEARD, seed), shared: BTreeMap::new(), changed: false }
    }

    /// A machine shows its hardware address beside its UUID or DUID. A shared adapter's address is not its own.
    pub fn note(&mut self, plan: &Plan, client: &Client, now: u64) {
        let Some(mac) = client.hardware.mac().filter(|mac| !plan.machines.is_shared_mac(mac)) else { return };
        if let Some(duid) = &client.duid {
            self.claim(hardware_key(duid), mac, now);
        }
        if let Some(machine) = client.machine_id.filter(MachineId::is_unique) {
            let first = self.claim(uuid_key(machine), mac, now);
            self.compare(plan, machine.uuid(), [first, mac]);
        }
    }

    /// The first that was heard to say it.
    fn claim(&mut self, key: MachineKey, mac: [u8; 6], now: u64) -> [u8; 6] {
        self.heard.update(key, now, Claim { first: mac, several: false }, |claim| {
            claim.several |= claim.first != mac;
            claim.first
        })
    }

    fn compare(&mut self, plan: &Plan, uuid: [u8; 16], macs: [[u8; 6]; 2]) {
        let [first, mac] = macs;
        let known = self.shared.get(&uuid);
        // What was in doubt may be explained by now, and what is heard now not.
        let is_told = known.is_some_and(|known| !plan.machines.explains_shared_uuid(&uuid, known));
        if first == mac || is_told || plan.machines.explains_shared_uuid(&uuid, &macs) {
            return;
        }
        if known.is_none() && self.shared.len() >= MAX_SHARED_UUIDS && !self.make_room(plan, &uuid) {
            return;
        }
        self.shared.insert(uuid, macs);
        self.changed = true;
    }

    /// What the configuration names goes before what anybody may have made up.
    fn make_room(&mut self, plan: &Plan, uuid: &[u8; 16]) -> bool {
        let unnamed = self.shared.keys().find(|known| !plan.names_uuid(known)).copied();
        let goes = unnamed.filter(|_| plan.names_uuid(uuid));
        goes.is_some_and(|goes| self.shared.remove(&goes).is_some())
    }

    /// Whether this UUID is heard from two addresses that the configuration does not explain.
    pub fn find_shared(&self, plan: &Plan, uuid: &[u8; 16]) -> Option<SharedUuid> {
        let macs = self.shared.get(uuid).filter(|macs| !plan.machines.explains_shared_uuid(uuid, macs))?;
        Some(SharedUuid { uuid: *uuid, macs: *macs })
    }

    /// The hardware address of a machine that shows a name of another kind in its place: EDK2 may put its UUID into
    /// chaddr (Mode.SendGUID), and DHCPv6 may show the DUID alone. Where several addresses have that name, it stays
    /// what it is.
    pub fn resolve_hardware(&self, hardware: &HardwareAddress, machine: Option<MachineId>) -> HardwareAddress {
        let is_one = |machine: &MachineId| machine.is_unique() && !self.shared.contains_key(&machine.uuid());
        let key = match hardware {
            HardwareAddress { htype: HardwareAddress::DUID, .. } => Some(hardware_key(hardware)),
            HardwareAddress { hlen: 16, .. } => machine.filter(is_one).map(uuid_key),
            _ => None,
        };
        let claim = key.and_then(|key| self.heard.get(key)).filter(|claim| !claim.several);
        claim.map_or(*hardware, |claim| HardwareAddress::from_mac(claim.first))
    }

    /// What was learnt before a restart.
    pub fn set_shared(&mut self, known: impl IntoIterator<Item = SharedUuid>) {
        self.shared = known.into_iter().take(MAX_SHARED_UUIDS).map(|SharedUuid { uuid, macs }| (uuid, macs)).collect();
        self.changed = false;
    }

    /// They could not be kept, and are to be asked for again.
    pub fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// All of them, if there is something new among them.
    pub fn take_changed(&mut self) -> Option<Vec<SharedUuid>> {
        let changed = core::mem::take(&mut self.changed);
        changed.then(|| self.shared.iter().map(|(uuid, macs)| SharedUuid { uuid: *uuid, macs: *macs }).collect())
    }
}

/// The first octet keeps it apart from hardware addresses and DUIDs.
fn uuid_key(machine: MachineId) -> MachineKey {
    let mut key = machine.0;
    key[0] = 0xff;
    MachineKey(key)
}
