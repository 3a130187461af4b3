//! Keeps the boot-onces of the observations, of the disk and of the entries the same.

use super::State;
use crate::boot_once::{CompletionChanges, RESET_HELP, list_machines};
use crate::site::Site;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use proxydhcpd_core::event::{EventMachine, ResetCause, Service, Severity, What};
use proxydhcpd_core::plan::inventory::BootMode;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
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
        if reset.iter().chain(&completed).any(|machine| self.site.load().plan.inventory.get_by_name(machine).is_none())
        {
            let mut site = Site::clone(&self.site.load());
            let warnings = self.protect_removed_machines(&mut site);
            if !completed.is_empty() {
                self.events.warnings(warnings.into_iter());
            }
            self.site.store(Arc::new(site));
        }
        for machine in reset {
            self.record_reset(&machine, ResetCause::Removed);
        }
        self.reset_by_boot_mode();
        self.boot_once.retry_writes();
    }

    /// Makes completed boot-once machines that no longer have an entry boot their disks. Returns warnings.
    pub fn protect_removed_machines(&self, site: &mut Site) -> Vec<String> {
        let completed: Vec<String> = self.observations().boot_once.completed().map(str::to_owned).collect();
        let unreadable = |path: &Path, error: io::Error| {
            let failure = FileFailure { path: format_args!("{}", path.display()), error: format_args!("{error}") };
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
        let site = self.site.load();
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
        let new: Vec<&str> = unset.difference(&warned).map(String::as_str).collect();
        if !new.is_empty() {
            let machines = list_machines(new.len(), new.iter().copied());
            let warning = format_args!(
                "completed boot-onces of {machines}, whose entries have no `boot`: these machines boot from disk; \
                 {RESET_HELP}"
            );
            self.events.notice(Severity::Warning, warning);
        }
        *warned = unset;
    }

    fn record_reset(&self, machine: &str, cause: ResetCause) {
        let machine = EventMachine { entry: Some(machine), ..EventMachine::default() };
        self.events.record_now(Service::Host, machine, What::BootOnceReset(cause));
    }
}
