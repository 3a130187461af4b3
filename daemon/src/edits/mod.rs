//! The changes of operators while the server runs: entries that the server itself keeps, and boot orders, which let a
//! machine boot another profile, once or until they are cancelled. Each is a file below the state directory. The files
//! that people write stay as they are: an entry of the configuration or of a machine file hides one of the server with
//! the same name, and a boot order replaces only its `profile` and its `boot`.

mod boot_order;
mod edit_error;
mod entry_settings;
mod owned_machine;
mod store;

pub use boot_order::BootOrder;
pub use edit_error::{EditError, MAX_EDITS, UnreadableEdit};
pub use entry_settings::EntrySettings;
pub use owned_machine::OwnedMachine;
use proxydhcpd_core::plan::inventory::{Inventory, Machine};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::Store;

/// The entries that the server keeps, and the boot orders.
#[derive(Debug, Default)]
pub struct Edits(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<String, OwnedMachine>,
    orders: BTreeMap<String, BootOrder>,
    entry_files: Store,
    order_files: Store,
    /// The number of changes since the start, and the number of the last change of each machine.
    changes: u64,
    changed: BTreeMap<String, u64>,
}

impl Edits {
    /// Reads the files below the state directory. Those that cannot be read are left out, and returned.
    pub fn load(state_dir: &Path) -> (Edits, Vec<UnreadableEdit>) {
        let (entry_files, order_files) = (Store::new(state_dir, "machines"), Store::new(state_dir, "boot-orders"));
        let mut unreadable = Vec::new();
        let entries = entry_files.read_all(EntrySettings::parse, &mut unreadable);
        let orders = order_files.read_all(BootOrder::parse, &mut unreadable);
        let inner = Inner { entries, orders, entry_files, order_files, ..Inner::default() };
        (Edits(Mutex::new(inner)), unreadable)
    }

    /// The entry of this name that the server keeps.
    pub fn entry(&self, name: &str) -> Option<OwnedMachine> {
        self.lock().entries.get(name).cloned()
    }

    /// The boot order for the machine with this name.
    pub fn order(&self, name: &str) -> Option<BootOrder> {
        self.lock().orders.get(name).cloned()
    }

    /// The names of the machines with a boot order for one boot that is not completed.
    pub fn open_orders(&self) -> Vec<String> {
        self.lock().orders.iter().filter(|(_, order)| order.is_open()).map(|(name, _)| name.clone()).collect()
    }

    /// The names of the machines whose boot order was completed before this time, in seconds since 1970.
    pub fn orders_completed_before(&self, time: u64) -> Vec<String> {
        self.completed_orders(|completed| completed < time)
    }

    /// The names of the machines whose boot order was completed after this time, in seconds since 1970.
    pub fn orders_completed_after(&self, time: u64) -> Vec<String> {
        self.completed_orders(|completed| completed > time)
    }

    fn completed_orders(&self, is_meant: impl Fn(u64) -> bool) -> Vec<String> {
        let is_meant = |order: &BootOrder| order.completed.is_some_and(&is_meant);
        self.lock().orders.iter().filter(|(_, order)| is_meant(order)).map(|(name, _)| name.clone()).collect()
    }

    /// Keeps an entry, and drops an earlier one with its name. May wait for the disk.
    pub fn set_entry(&self, name: &str, settings: &EntrySettings, machine: OwnedMachine) -> Result<(), EditError> {
        let mut inner = self.lock();
        if inner.entries.len() >= MAX_EDITS && !inner.entries.contains_key(name) {
            return Err(EditError::Full);
        }
        inner.entry_files.write(name, &settings.to_toml(name))?;
        inner.entries.insert(name.to_owned(), machine);
        inner.note_change(name);
        Ok(())
    }

    /// Removes an entry that the server keeps. Returns whether there was one. May wait for the disk.
    pub fn remove_entry(&self, name: &str) -> Result<bool, EditError> {
        let mut inner = self.lock();
        inner.entry_files.remove(name)?;
        inner.note_change(name);
        Ok(inner.entries.remove(name).is_some())
    }

    /// Keeps boot orders, and drops earlier ones for the same machines. Returns the name of the machine or the error
    /// for each; if there is not room for all, keeps none. May wait for the disk.
    pub fn set_orders(&self, orders: Vec<(String, BootOrder)>) -> Vec<Result<String, EditError>> {
        let inner = &mut *self.lock();
        // Of several orders for a machine, the last counts.
        let texts: BTreeMap<String, String> =
            orders.iter().map(|(name, order)| (name.clone(), order.to_toml())).collect();
        let new = texts.keys().filter(|name| !inner.orders.contains_key(*name)).count();
        if inner.orders.len() + new > MAX_EDITS {
            return orders.iter().map(|_| Err(EditError::Full)).collect();
        }
        let names: Vec<String> = texts.keys().cloned().collect();
        let written = inner.order_files.write_many(texts.into_iter().collect());
        let written: BTreeMap<String, Result<(), EditError>> = names.into_iter().zip(written).collect();
        let keep = |(name, order): (String, BootOrder)| {
            if let Some(Err(error)) = written.get(&name) {
                return Err(error.again());
            }
            inner.note_change(&name);
            inner.orders.insert(name.clone(), order);
            Ok(name)
        };
        orders.into_iter().map(keep).collect()
    }

    /// Notes that the machine completed its boot order at this time, in seconds since 1970. Returns whether it has one
    /// that can be completed, or that was completed later. May wait for the disk.
    pub fn complete_order(&self, name: &str, time: u64) -> Result<bool, EditError> {
        let mut inner = self.lock();
        let is_later = |order: &BootOrder| order.completed.is_some_and(|completed| completed > time);
        let order = inner.orders.get(name).filter(|order| order.is_open() || is_later(order)).cloned();
        let Some(order) = order else { return Ok(false) };
        let order = BootOrder { completed: Some(time), ..order };
        let text = order.to_toml();
        inner.orders.insert(name.to_owned(), order);
        inner.order_files.write(name, &text)?;
        Ok(true)
    }

    /// Removes boot orders. Returns each, if there was one. May wait for the disk.
    pub fn remove_orders(&self, names: &[String]) -> Vec<Result<Option<BootOrder>, EditError>> {
        let mut inner = self.lock();
        let removed = inner.order_files.remove_many(names);
        let remove = |(name, removed): (&String, Result<(), EditError>)| {
            removed?;
            inner.note_change(name);
            Ok(inner.orders.remove(name))
        };
        names.iter().zip(removed).map(remove).collect()
    }

    /// The machines that people wrote, with the entries of the server and the boot orders.
    pub fn apply(&self, written: &Inventory) -> Inventory {
        let inner = self.lock();
        inner
            .entries
            .keys()
            .chain(inner.orders.keys())
            .fold(written.clone(), |machines, name| inner.apply_to(machines, written, name))
    }

    /// The machines with what applies to some of them now. `written`: the machines that people wrote.
    pub fn apply_some(&self, machines: &Inventory, written: &Inventory, names: &[String]) -> Inventory {
        let inner = self.lock();
        names.iter().fold(machines.clone(), |machines, name| inner.apply_to(machines, written, name))
    }

    /// The number of changes since the start.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The machines that changed since there were this many changes.
    pub fn changed_since(&self, changes: u64) -> Vec<String> {
        let inner = self.lock();
        inner.changed.iter().filter(|(_, change)| **change > changes).map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note_change(&mut self, name: &str) {
        self.changes += 1;
        self.changed.insert(name.to_owned(), self.changes);
    }

    fn apply_to(&self, machines: Inventory, written: &Inventory, name: &str) -> Inventory {
        let base = written.get_by_name(name).or_else(|| self.entries.get(name).map(OwnedMachine::machine));
        let changed = match (self.orders.get(name), base) {
            (Some(order), base) => machines.with_machine(&order.machine(name, base)),
            (None, Some(machine)) => machines.with_machine(&machine),
            (None, None) => return machines.without_machine(name),
        };
        // A machine that exceeds a limit of the list stays as it is.
        changed.unwrap_or(machines)
    }
}

impl BootOrder {
    /// The entry of a machine with this order. `base`: its entry without the order.
    fn machine<'a>(&'a self, name: &'a str, base: Option<Machine<'a>>) -> Machine<'a> {
        let base = base.unwrap_or(Machine { name, macs: &self.macs, ..Machine::default() });
        Machine { profile: Some(&self.profile), boot_mode: self.boot, ..base }
    }
}

#[cfg(test)]
mod tests;
