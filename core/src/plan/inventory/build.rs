//! Builds [`Inventory`] one machine at a time, so that the descriptions of a file with a million machines are never in
//! memory together.

use super::add_error::AddError;
use super::entries::{EntriesBuilder, Record, State};
use super::index::{KeyIndexBuilder, hash};
use super::indices::Indices;
use super::list::Inventory;
use super::machine::{BootMode, Machine};
use super::sharers::MAX_MACHINES;
use super::texts::Texts;
use crate::plan::pattern::MacPattern;

/// Collects machines while their file is read.
#[derive(Clone, Debug, Default)]
pub struct InventoryBuilder {
    entries: EntriesBuilder,
    boot_once_count: usize,
    texts: Texts,
    names: KeyIndexBuilder,
}

impl InventoryBuilder {
    /// Adds a machine. An error leaves the builder unchanged.
    pub fn add(&mut self, machine: &Machine<'_>) -> Result<(), AddError> {
        let record = Record::new(machine, State::Entry(machine.boot_mode))?;
        let id = self.entries.len() as u32;
        if id >= MAX_MACHINES {
            return Err(AddError::TooLarge);
        }
        let has_name = |other| self.entries.name(other) == machine.name;
        if self.names.insert(hash(machine.name.as_bytes()), id, has_name).is_some() {
            return Err(AddError::NameTaken);
        }
        self.entries.push(self.texts.acquire_for(record, machine), machine);
        self.boot_once_count += usize::from(machine.boot_mode == BootMode::Once);
        Ok(())
    }

    /// The names of the machines, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|id| self.entries.name(id))
    }

    /// The number of machines added.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no machine has been added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Builds the indices. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine.
    pub fn finish(self, shared_macs: &[MacPattern]) -> Inventory {
        let InventoryBuilder { entries, boot_once_count, mut texts, names } = self;
        let (count, names, entries) = (entries.len(), names.finish(), entries.finish());
        texts.shrink_to_fit();
        Inventory {
            places: count as u32,
            count,
            boot_once_count,
            texts,
            names,
            indices: Indices::new(&entries, 0..count as u32, shared_macs),
            shared_macs: shared_macs.into(),
            entries,
            ..Inventory::default()
        }
    }
}

impl Inventory {
    /// Builds the list. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine. The function omits machines that [`InventoryBuilder::add`] rejects.
    pub fn new(machines: &[Machine<'_>], shared_macs: &[MacPattern]) -> Inventory {
        let mut builder = InventoryBuilder::default();
        for machine in machines {
            builder.add(machine).ok();
        }
        builder.finish(shared_macs)
    }
}
