//! The boots that changed since they were kept, until the keeper of boots takes them.

use super::boot_keeper::BootKeeper;
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::story::{AdoptedBoot, MAX_MACHINES};
use std::collections::BTreeSet;
use std::mem;

/// The time between two calls of the keeper, in milliseconds.
const ROUND: u64 = 1000;

/// The boots that changed.
#[derive(Debug, Default)]
pub struct BootChanges {
    /// The machines whose boots changed.
    pub machines: BTreeSet<MachineKey>,
    /// The boots that other boots have adopted, and that the keeper may have.
    pub adopted: Vec<AdoptedBoot>,
}

/// The changes that the keeper has not taken.
#[derive(Debug, Default)]
pub struct Changed {
    changes: BootChanges,
    last_round: u64,
}

impl Changed {
    /// Notes that the boots of a machine changed.
    pub fn note(&mut self, machine: MachineKey) {
        if self.changes.machines.len() < MAX_MACHINES {
            self.changes.machines.insert(machine);
        }
    }

    /// Notes a boot that another boot has adopted.
    pub fn note_adopted(&mut self, boot: AdoptedBoot) {
        if self.changes.adopted.len() < MAX_MACHINES {
            self.changes.adopted.push(boot);
        }
    }

    /// The changes. The keeper, which takes them, returns those that it does not keep now.
    pub fn take(&mut self) -> BootChanges {
        mem::take(&mut self.changes)
    }

    /// The time until the keeper is due, in milliseconds. `None`: nothing changed.
    pub fn wait(&self, now: u64) -> Option<u64> {
        let BootChanges { machines, adopted } = &self.changes;
        (!machines.is_empty() || !adopted.is_empty()).then(|| (self.last_round + ROUND).saturating_sub(now))
    }

    /// Wakes the keeper if it is due.
    pub fn round(&mut self, keeper: &impl BootKeeper, now: u64) {
        if self.wait(now) == Some(0) {
            self.last_round = now;
            keeper.wake();
        }
    }
}
