//! Changes of single machines. Each makes a new version of the list, which shares what the change does not touch.

use super::add_error::AddError;
use super::entries::{Record, State};
use super::index::hash;
use super::key::keys_of;
use super::list::Inventory;
use super::machine::{BootMode, Machine, MachineIndex, NONE, is_key};
use super::sharers::MAX_MACHINES;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A change of the indices of identities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyChange {
    Add,
    Remove,
}

impl Inventory {
    /// The list with this machine. Its entry replaces the one of the same name, if there is one. If that one is equal,
    /// nothing changes, not even the version. A removed entry loses its name and its identities to the machine.
    pub fn with_machine(&self, machine: &Machine<'_>) -> Result<Inventory, AddError> {
        let serial = machine.serial.filter(|serial| !serial.is_empty());
        let machine = &Machine { uuid: machine.uuid.filter(is_key), serial, ..*machine };
        if self.get_by_name(machine.name).is_some_and(|before| before == *machine) {
            return Ok(self.clone());
        }
        let mut machines = self.clone();
        machines.version += 1;
        let record = Record::new(machine, State::Entry(machine.boot_mode))?;
        let id = match machines.find_name(machine.name) {
            Some(id) => {
                machines.replace(id, record, machine);
                id
            }
            None => machines.insert(record, machine)?,
        };
        machines.take_identities(id);
        Ok(machines)
    }

    /// The list without the entry of this name. If there is no such entry, nothing changes, not even the version.
    pub fn without_machine(&self, name: &str) -> Inventory {
        let mut machines = self.clone();
        if let Some(id) = self.find_entry(name) {
            machines.version += 1;
            machines.remove(id);
        }
        machines
    }

    /// Replaces the removed entries with `removed`: machines whose entries are gone, but whose identities the boot-once
    /// state has kept. No entry may have any of these identities. A lookup finds these machines by their identities
    /// only; they are in no list, and do not change the version.
    pub fn with_removed_entries(self, removed: &[Machine<'_>]) -> Inventory {
        let mut machines = self;
        for id in core::mem::take(&mut machines.removed).iter() {
            machines.remove(*id);
        }
        for machine in removed {
            machines.insert_removed(machine);
        }
        machines
    }

    /// This list as the successor of an earlier one: entries that are equal in both keep the version of their last
    /// change. If all are, the list has the version of the earlier one, else the next.
    pub fn succeeding(self, earlier: &Inventory) -> Inventory {
        let mut machines = self;
        let mut is_changed = machines.count != earlier.count;
        for id in 0..machines.places {
            if !matches!(machines.entries.record(id).state, State::Entry(_)) {
                continue;
            }
            let machine = machines.get(id);
            // The files of a site seldom change much, so the places are mostly the same.
            let is_same_place = |id: &MachineIndex| *id < earlier.places && earlier.entries.name(*id) == machine.name;
            let before = Some(id).filter(is_same_place).or_else(|| earlier.find_name(machine.name));
            let equal = before.filter(|id| !earlier.is_removed_entry(*id) && earlier.get(*id) == machine);
            is_changed |= equal.is_none();
            let version = equal.map_or(earlier.version + 1, |id| earlier.entries.version(id));
            machines.entries.set_version(id, version);
        }
        machines.version = earlier.version + u64::from(is_changed);
        machines
    }

    /// Adds a machine; an error if another machine has the name, or if the list is full.
    fn insert(&mut self, record: Record, machine: &Machine<'_>) -> Result<MachineIndex, AddError> {
        let Inventory { entries, names, places, vacant, .. } = self;
        let id = if *vacant == NONE { *places } else { *vacant };
        if id >= MAX_MACHINES {
            return Err(AddError::TooLarge);
        }
        let has_name = |other| entries.name(other) == machine.name;
        if names.insert(hash(machine.name.as_bytes()), id, has_name).is_some() {
            return Err(AddError::NameTaken);
        }
        match *vacant {
            NONE => *places += 1,
            place => *vacant = entries.record(place).variables,
        }
        self.fill(id, record, machine);
        self.change_keys(id, KeyChange::Add);
        Ok(id)
    }

    /// Adds a removed entry, unless its name is taken or it exceeds a limit.
    fn insert_removed(&mut self, machine: &Machine<'_>) {
        let record = Record::new(machine, State::Removed);
        if let Ok(id) = record.and_then(|record| self.insert(record, machine)) {
            Arc::make_mut(&mut self.removed).push(id);
        }
    }

    /// Replaces a machine with another one of the same name.
    fn replace(&mut self, id: MachineIndex, record: Record, machine: &Machine<'_>) {
        let before = self.get(id);
        let is_same = (before.macs, before.uuid, before.serial, before.boot_mode)
            == (machine.macs, machine.uuid, machine.serial, machine.boot_mode);
        if !is_same {
            self.change_keys(id, KeyChange::Remove);
        }
        self.release(id);
        self.fill(id, record, machine);
        if !is_same {
            self.change_keys(id, KeyChange::Add);
        }
    }

    fn remove(&mut self, id: MachineIndex) {
        self.change_keys(id, KeyChange::Remove);
        self.names.remove(hash(self.entries.name(id).as_bytes()), |other| other == id);
        self.release(id);
        self.entries.put(id, Record::vacant(self.vacant), &Machine::default(), 0);
        self.vacant = id;
    }

    /// Fills a place that no machine uses, or a new place at the end.
    fn fill(&mut self, id: MachineIndex, record: Record, machine: &Machine<'_>) {
        self.entries.put(id, self.texts.acquire_for(record, machine), machine, self.version);
        if let State::Entry(boot_mode) = record.state {
            self.count += 1;
            self.boot_once_count += usize::from(boot_mode == BootMode::Once);
        }
    }

    /// Ends the use of a place by its machine.
    fn release(&mut self, id: MachineIndex) {
        let Record { variables, profile, state, .. } = *self.entries.record(id);
        [variables, profile].into_iter().filter(|text| *text != NONE).for_each(|text| self.texts.release(text));
        match state {
            State::Entry(boot_mode) => {
                self.count -= 1;
                self.boot_once_count -= usize::from(boot_mode == BootMode::Once);
            }
            State::Removed => Arc::make_mut(&mut self.removed).retain(|removed| *removed != id),
            State::Vacant => {}
        }
    }

    fn change_keys(&mut self, id: MachineIndex, change: KeyChange) {
        let Inventory { entries, indices, shared_macs, .. } = self;
        let boot_mode = |other| entries.boot_mode(other);
        for key in keys_of(entries, id, shared_macs) {
            let is_of = |other| key.is_of(entries, other);
            match change {
                KeyChange::Add => indices.of_mut(key).add(key.hash(), id, is_of, boot_mode),
                KeyChange::Remove => indices.of_mut(key).remove(key.hash(), id, is_of, boot_mode),
            }
        }
    }

    /// Takes the identities of an entry away from the removed entries.
    fn take_identities(&mut self, id: MachineIndex) {
        if self.removed.is_empty() {
            return;
        }
        let before = self.clone();
        let Machine { macs, uuid, serial, .. } = before.get(id);
        let is_taken = |own: &&str| serial.is_some_and(|taken| own.eq_ignore_ascii_case(taken));
        for removed in before.removed.iter() {
            let machine = before.get(*removed);
            let left: Vec<[u8; 6]> = machine.macs.iter().copied().filter(|mac| !macs.contains(mac)).collect();
            let left = Machine {
                macs: &left,
                uuid: machine.uuid.filter(|own| Some(*own) != uuid),
                serial: machine.serial.filter(|own| !is_taken(own)),
                ..machine
            };
            if left == machine {
                continue;
            }
            self.remove(*removed);
            if !left.macs.is_empty() || left.uuid.is_some() || left.serial.is_some() {
                self.insert_removed(&left);
            }
        }
    }
}
