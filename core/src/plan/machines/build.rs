//! Builds [`Machines`] one machine at a time, so that the descriptions of a file with a million machines are never in
//! memory together.

use super::change::KeyChange;
use super::chunk::State;
use super::key::{Indices, Key, keys_of};
use super::{AddError, Machine, MachineIndex, Machines};
use crate::plan::pattern::MacPattern;

/// Collects machines while their file is read.
#[derive(Clone, Debug, Default)]
pub struct MachinesBuilder(Machines);

impl MachinesBuilder {
    /// Adds a machine and returns its index; indices count from 0. An error leaves the builder unchanged.
    pub fn add(&mut self, machine: &Machine<'_>) -> Result<MachineIndex, AddError> {
        let record = self.0.record_of(machine, State::Entry(machine.policy))?;
        self.0.insert_without_keys(record, machine)
    }

    /// The name of a machine; `None` if the index does not exist.
    pub fn name(&self, id: MachineIndex) -> Option<&str> {
        ((id as usize) < self.len()).then(|| self.0.entries.name(id))
    }

    /// The number of machines added.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no machine has been added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Builds the indices. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine.
    pub fn finish(self, shared_macs: &[MacPattern]) -> Machines {
        let mut machines = self.0;
        machines.shared_macs = shared_macs.into();
        machines.entries.for_each_mut(|chunk| chunk.shrink_to_fit());
        machines.names.shrink_to_fit();
        machines.texts.shrink_to_fit();
        machines.indices = Indices::with_capacity(machines.count_keys());
        (0..machines.places).for_each(|id| machines.change_keys(id, KeyChange::Add));
        machines
    }
}

impl Machines {
    /// Builds the list. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine. The function omits machines that [`MachinesBuilder::add`] rejects.
    pub fn new(machines: &[Machine<'_>], shared_macs: &[MacPattern]) -> Machines {
        let mut builder = MachinesBuilder::default();
        for machine in machines {
            builder.add(machine).ok();
        }
        builder.finish(shared_macs)
    }

    /// The number of identities of each kind, in the order of [`Indices::all`].
    fn count_keys(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for key in (0..self.places).flat_map(|id| keys_of(&self.entries, id, &self.shared_macs)) {
            counts[match key {
                Key::Uuid(_) => 0,
                Key::Serial(_) => 1,
                Key::Mac(_) => 2,
            }] += 1;
        }
        counts
    }
}
