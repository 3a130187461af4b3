//! Keeps the boot-onces of the observations, of the disk and of the entries the same.

use super::State;
use crate::boot_once::CompletionChanges;
use crate::site::Site;
use proxydhcpd_core::event::completion::CompletionWithoutEntry;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use proxydhcpd_core::event::{EventMachine, ResetCause, Service, What};
use proxydhcpd_core::plan::inventory::BootMode;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl State {
    /// Reads the completions from the disk if they changed there. May wait for the disk. Call it every few seconds.
    pub fn refresh_boot_once(&self) {
        let CompletionChanges { completed, reset: removed, is_unknown } = self.boot_once.refresh();
        let mut observations = self.observations();
        observations.boot_once.set_unknown(is_unknown);
        let uncounted: Vec<String> =
            completed.iter().filter(|machine| observations.boot_once.note_completed(machine)).cloned().collect();
        let reset: Vec<String> = removed.into_iter().filter(|machine| observations.boot_once.reset(machine)).collect();
        drop(observations);
        uncounted.iter().for_each(|machine| self.boot_once.count_found_completion(machine));
        let has_no_entry = |machine: &String| self.site().plan.inventory.get_by_name(machine).is_none();
        // A reload protects the machines of its site before it replaces the site, so it may lack these changes.
        if self.is_replaced.swap(false, Ordering::Relaxed) || reset.iter().chain(&completed).any(has_no_entry) {
            let warnings = self.protect_machines_of_current_site();
            if !completed.is_empty() {
                self.events.completions_without_entry(&warnings);
            }
        }
        for machine in reset {
            self.record_reset(&machine, ResetCause::Removed);
        }
        self.reset_by_boot_mode();
        self.boot_once.retry_writes();
    }

    /// Does for the current site what [`State::protect_removed_machines`] does. If another thread changes the site
    /// while this one waits for the disk, starts again with the site of that thread.
    fn protect_machines_of_current_site(&self) -> Vec<CompletionWithoutEntry> {
        loop {
            let before = self.current_site();
            let mut site = Site::clone(&before);
            let warnings = self.protect_removed_machines(&mut site);
            let found = self.site.compare_and_swap(&before, Arc::new(site));
            if Arc::ptr_eq(&found, &before) {
                return warnings;
            }
        }
    }

    /// Makes completed boot-once machines that no longer have an entry boot their disks, and returns them.
    pub fn protect_removed_machines(&self, site: &mut Site) -> Vec<CompletionWithoutEntry> {
        let completed: Vec<String> = self.observations().boot_once.completed().map(str::to_owned).collect();
        let unreadable = |path: &Path, error: io::Error| {
            let path = path.display();
            let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
            self.events.record_host(What::StateFile(StateFile::CompletionUnreadable(failure)));
        };
        site.protect_removed_machines(self.boot_once.directory(), completed.iter().map(String::as_str), unreadable)
    }

    /// Resets machines whose entries have `boot = "always"` or `"never"`. A machine without an entry, or with an entry
    /// without `boot`, keeps its completion: the file with the entry may be half written.
    fn reset_by_boot_mode(&self) {
        // A reset now would remove a file that the writer thread then writes again.
        if !self.boot_once.is_idle() {
            return;
        }
        let site = self.site();
        let boot_mode = |machine: &str| site.plan.inventory.get_by_name(machine).map(|entry| entry.boot_mode);
        let mut observations = self.observations();
        let reset = observations
            .boot_once
            .reset_all(|machine| matches!(boot_mode(machine), Some(BootMode::Always | BootMode::Never)));
        let unset =
            observations.boot_once.completed().filter(|machine| boot_mode(machine) == Some(BootMode::Unspecified));
        let unset: BTreeSet<String> = unset.map(str::to_owned).collect();
        drop(observations);
        if !reset.is_empty() {
            self.boot_once.reset(&reset);
        }
        for machine in reset {
            self.record_reset(&machine, ResetCause::OtherPolicy);
        }
        let mut warned = self.warned_unset.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<String> = unset.difference(&warned).cloned().collect();
        if !new.is_empty() {
            self.events.completions_without_entry(&[CompletionWithoutEntry::Unspecified(new)]);
        }
        *warned = unset;
    }

    pub(super) fn record_reset(&self, machine: &str, cause: ResetCause) {
        let machine = EventMachine { entry: Some(machine), ..EventMachine::default() };
        self.events.record_now(Service::Host, machine, What::BootOnceReset(cause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_once::{BootOnceState, EventReceiver, completions};
    use crate::edits::Edits;
    use crate::events::Events;
    use crate::site::OpenPorts;
    use crate::site::tests::site;
    use proxydhcpd_core::identity::{HardwareAddress, MachineIdentity};
    use std::fs;

    /// Two sites meet: that of a reload, which was built before a completion was found, and that of the refresh.
    #[test]
    fn a_machine_without_an_entry_stays_protected_after_a_reload_that_did_not_know_of_it() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(completions::path_in(directory.path())).unwrap();
        let record = "linux\nidentities 1\nmac 02:00:00:00:00:01";
        completions::write(&completions::path_in(directory.path()), "web1", record).unwrap();
        let boot_once = BootOnceState::new(directory.path(), EventReceiver::default()).unwrap();
        let state = State::new(site(directory.path()), Vec::new(), boot_once, Edits::default(), Events::default());
        let machine = MachineIdentity::from_hardware(HardwareAddress::from_mac([2, 0, 0, 0, 0, 1]));
        let is_protected = || state.site().plan.inventory.get_by_identity(&machine.shown()).is_some();
        assert!(is_protected());
        state.replace_site(site(directory.path()));
        assert!(!is_protected());
        state.refresh_boot_once();
        assert!(is_protected());
        state.change_site(|site| site.set_open_ports(OpenPorts { tftp: true, ..OpenPorts::default() }));
        assert!(is_protected(), "a port that opens changes only the offer");
    }
}
