//! Builds [`Machines`] one machine at a time, so that the descriptions of a file with a million machines are never in
//! memory together.

use super::index::{self, IndexHit, KeyIndex, hash, hash_ignoring_case};
use super::{IdentityKind, Machine, MachineIndex, Machines, NONE, Record, Sharer, is_key};
use crate::plan::pattern::MacPattern;
use alloc::borrow::ToOwned;
use core::fmt;

/// Collects machines while their file is read.
#[derive(Clone, Debug, Default)]
pub struct MachinesBuilder {
    machines: Machines,
    /// The texts of variables that are already stored.
    texts: KeyIndex,
}

/// Why a machine cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The machine with this index has the same name.
    NameTaken(MachineIndex),
    /// All texts together would exceed 4 GiB, or one text exceeds the limit of a machine.
    TooLarge,
}

impl MachinesBuilder {
    /// Adds a machine and returns its index; indices count from 0. An error leaves the builder unchanged.
    pub fn add(&mut self, machine: &Machine<'_>) -> Result<MachineIndex, AddError> {
        let id = self.machines.records.len() as u32;
        let record = self.record(machine)?;
        let Machines { names, records, text, .. } = &mut self.machines;
        let named = |other: MachineIndex| {
            let Record { text: start, name_length, .. } = records[other as usize];
            &text.as_bytes()[start as usize..][..usize::from(name_length)] == machine.name.as_bytes()
        };
        if let Some(other) = names.insert(hash(machine.name.as_bytes()), id, named) {
            return Err(AddError::NameTaken(other.number));
        }
        text.push_str(machine.name);
        text.push_str(machine.serial.unwrap_or_default());
        let variables = self.intern(machine.variables);
        self.machines.records.push(Record { variables, ..record });
        self.machines.uuids.push(machine.uuid.filter(is_key).unwrap_or_default());
        self.machines.macs.extend_from_slice(machine.macs);
        Ok(id)
    }

    /// The name of a machine; `None` if the index does not exist.
    pub fn name(&self, id: MachineIndex) -> Option<&str> {
        self.machines.records.get(id as usize).map(|record| self.machines.name(record))
    }

    /// The number of machines added.
    pub fn len(&self) -> usize {
        self.machines.records.len()
    }

    /// Whether no machine has been added.
    pub fn is_empty(&self) -> bool {
        self.machines.records.is_empty()
    }

    /// Builds the indices. `shared_macs` are the addresses of adapters that many machines use in turn. These addresses
    /// identify no machine.
    pub fn finish(self, shared_macs: &[MacPattern]) -> Machines {
        let MachinesBuilder { mut machines, texts } = self;
        drop(texts);
        machines.records.shrink_to_fit();
        machines.uuids.shrink_to_fit();
        machines.macs.shrink_to_fit();
        machines.text.shrink_to_fit();
        machines.variables.shrink_to_fit();
        machines.sharers.clear();
        index_uuids(&mut machines);
        index_serials(&mut machines);
        index_macs(&mut machines, shared_macs);
        machines.sort_sharers();
        machines.entries = machines.records.len();
        machines.shared_macs = shared_macs.to_owned();
        machines
    }

    /// The machine's record without the number of its variables; an error if the machine exceeds a limit.
    fn record(&self, machine: &Machine<'_>) -> Result<Record, AddError> {
        let Machines { records, macs, text, .. } = &self.machines;
        let texts = [machine.name, machine.serial.unwrap_or_default(), machine.variables];
        let after = texts.iter().fold(text.len(), |sum, text| sum.saturating_add(text.len()));
        if records.len() >= index::MAX_KEYS
            || macs.len().saturating_add(machine.macs.len()) > index::MAX_KEYS
            || u32::try_from(after).is_err()
            || machine.profile.is_some_and(|profile| profile >= NONE as usize)
        {
            return Err(AddError::TooLarge);
        }
        Ok(Record {
            text: text.len() as u32,
            macs: macs.len() as u32,
            variables: 0,
            profile: machine.profile.map_or(NONE, |profile| profile as u32),
            name_length: machine.name.len().try_into().map_err(|_| AddError::TooLarge)?,
            serial_length: machine.serial.unwrap_or_default().len().try_into().map_err(|_| AddError::TooLarge)?,
            boot_mode: machine.boot_mode,
        })
    }

    /// The number of a text of variables; machines with equal texts share one number.
    fn intern(&mut self, variables: &str) -> u32 {
        let Machines { variables: known, text, .. } = &mut self.machines;
        let id = known.len() as u32;
        let same = |other: u32| {
            let (start, length) = known[other as usize];
            &text.as_bytes()[start as usize..][..length as usize] == variables.as_bytes()
        };
        if let Some(other) = self.texts.insert(hash(variables.as_bytes()), id, same) {
            return other.number;
        }
        known.push((text.len() as u32, variables.len() as u32));
        text.push_str(variables);
        id
    }
}

fn index_uuids(machines: &mut Machines) {
    let mut index = KeyIndex::with_capacity(machines.uuids.iter().filter(|uuid| is_key(uuid)).count());
    for id in 0..machines.records.len() as u32 {
        let uuid = machines.uuids[id as usize];
        if !is_key(&uuid) {
            continue;
        }
        let same = |other: u32| machines.uuids[other as usize] == uuid;
        if let Some(first) = index.insert(hash(&uuid), id, same) {
            index.mark_shared(hash(&uuid), same);
            machines.note_shared(IdentityKind::Uuid, first, first.number, id);
        }
    }
    machines.by_uuid = index;
}

fn index_serials(machines: &mut Machines) {
    let mut index = KeyIndex::with_capacity(machines.records.iter().filter(|record| record.serial_length > 0).count());
    for id in 0..machines.records.len() as u32 {
        let Some(serial) = machines.get(id).serial else { continue };
        let key = hash_ignoring_case(serial.as_bytes());
        let same = |other| machines.has_serial(other, serial);
        if let Some(first) = index.insert(key, id, same) {
            index.mark_shared(key, same);
            machines.note_shared(IdentityKind::Serial, first, first.number, id);
        }
    }
    machines.by_serial = index;
}

fn index_macs(machines: &mut Machines, shared_macs: &[MacPattern]) {
    let mut index = KeyIndex::with_capacity(machines.macs.len());
    machines.owners = alloc::vec![NONE; machines.macs.len()];
    for id in 0..machines.records.len() as u32 {
        for at in machines.mac_range(id) {
            let mac = machines.macs[at];
            let is_duplicate = machines.macs[machines.mac_range(id).start..at].contains(&mac);
            if is_duplicate || shared_macs.iter().any(|pattern| pattern.matches(&mac)) {
                continue;
            }
            machines.owners[at] = id;
            let same = |other: u32| machines.macs[other as usize] == mac;
            let Some(first) = index.insert(hash(&mac), at as u32, same) else { continue };
            index.mark_shared(hash(&mac), same);
            machines.note_shared(IdentityKind::Mac, first, machines.owners[first.number as usize], id);
        }
    }
    machines.by_mac = index;
}

impl Machines {
    /// Replaces the removed entries with `removed`: machines whose entries are gone, but whose identities the boot-once
    /// state has kept. No entry may have any of these identities. A lookup finds these machines by their identities
    /// only; they are in no list.
    pub fn with_removed_entries(self, removed: &[Machine<'_>]) -> Machines {
        let shared_macs = self.shared_macs.clone();
        let entries = self.entries;
        let mut machines = self;
        machines.drop_removed();
        if removed.is_empty() {
            return machines;
        }
        let mut builder = MachinesBuilder { machines, texts: KeyIndex::default() };
        for machine in removed {
            builder.add(machine).ok();
        }
        Machines { entries, ..builder.finish(&shared_macs) }
    }

    /// Drops the removed entries and builds the indices of names, UUIDs, serial numbers and addresses again.
    fn drop_removed(&mut self) {
        if self.records.len() == self.entries {
            return;
        }
        let (entries, shared_macs) = (self.entries, self.shared_macs.clone());
        let first = self.records[entries];
        self.records.truncate(entries);
        self.uuids.truncate(entries);
        self.macs.truncate(first.macs as usize);
        self.text.truncate(first.text as usize);
        self.variables.truncate(first.variables as usize);
        let mut names = KeyIndex::with_capacity(entries);
        for id in 0..entries as u32 {
            names.insert(hash(self.get(id).name.as_bytes()), id, |_| false);
        }
        self.names = names;
        let machines = core::mem::take(self);
        *self = MachinesBuilder { machines, texts: KeyIndex::default() }.finish(&shared_macs);
    }

    /// Notes that `first`, and now `other` as well, has the identity of `hit`.
    fn note_shared(&mut self, by: IdentityKind, hit: IndexHit, first: MachineIndex, other: MachineIndex) {
        let key = hit.number;
        self.sharers.extend((!hit.shared).then_some(Sharer { by, key, machine: first }));
        self.sharers.push(Sharer { by, key, machine: other });
    }

    fn sort_sharers(&mut self) {
        let mut sharers = core::mem::take(&mut self.sharers);
        sharers.shrink_to_fit();
        sharers.sort_unstable_by_key(|sharer| self.sharer_order(sharer));
        self.sharers = sharers;
    }
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken(_) => "another machine has this name",
            Self::TooLarge => "too much text: all machines together may have 4 GiB",
        })
    }
}
