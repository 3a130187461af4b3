//! The boots that changed since they were kept, until the keeper of boots takes them.

use super::boot_keeper::BootKeeper;
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::story::{AdoptedBoot, MAX_MACHINES};
use std::collections::BTreeSet;
use std::mem;
use std::ops::Bound;

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
    /// The machine after which the next ones are taken, so that each has its turn.
    last: MachineKey,
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

    /// The changes, those of at most this number of machines. The keeper, which takes them, returns those that it does
    /// not keep now.
    pub fn take(&mut self, most: usize) -> BootChanges {
        let BootChanges { machines, .. } = &mut self.changes;
        if machines.len() <= most {
            return mem::take(&mut self.changes);
        }
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        let turn: Vec<_> = machines.range(after).chain(machines.iter()).take(most).copied().collect();
        for machine in &turn {
            machines.remove(machine);
            self.last = *machine;
        }
        BootChanges { machines: turn.into_iter().collect(), adopted: mem::take(&mut self.changes.adopted) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::identity::HardwareAddress;

    fn key(number: u8) -> MachineKey {
        MachineKey::from_hardware(&HardwareAddress { htype: 1, hlen: 1, octets: [number; 16] })
    }

    #[test]
    fn each_machine_has_its_turn_although_others_change_again_and_again() {
        let mut changed = Changed::default();
        let mut taken = Vec::new();
        for _ in 0..4 {
            (1..=5).for_each(|number| changed.note(key(number)));
            taken.extend(changed.take(2).machines);
        }
        assert_eq!(taken, [1, 2, 3, 4, 1, 5, 2, 3].map(key), "two a round, in the order of their keys");
        assert_eq!((changed.take(10).machines.len(), changed.wait(0)), (3, None));
    }
}
