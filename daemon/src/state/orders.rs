//! Boot orders of the running site: what machines boot instead of what their entries say. Orders for many machines
//! change the site once. These functions may wait for the disk.

use super::State;
use super::edits::{EditRefusal, similar_profile};
use crate::boot_once::completions::format_identities;
use crate::config::completes_boot_once;
use crate::edits::{BootOrder, EditError};
use crate::site::Site;
use proxydhcpd_core::event::ResetCause;
use proxydhcpd_core::event::edit::EditEvent;
use proxydhcpd_core::file_ticket::CompletedMachine;
use proxydhcpd_core::plan::inventory::BootMode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a machine boots its disk after it has completed a boot order. A machine that restarts at the end of an
/// installation starts what was installed, whatever its entry says.
const REST: Duration = Duration::from_secs(15 * 60);

/// A machine that an edit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditTarget {
    /// The name of its entry or, without an entry, one that its MAC address makes.
    pub name: String,
    /// Its MAC addresses, if it has no entry.
    pub macs: Vec<[u8; 6]>,
}

impl State {
    /// Whether machines may boot this profile by an order.
    pub fn check_order(&self, profile: &str, boot: BootMode) -> Result<(), EditRefusal> {
        let site = self.site();
        if site.is_legacy() {
            return Err(EditRefusal::Legacy);
        }
        let Some(found) = site.plan.profile(profile) else {
            return Err(EditRefusal::UnknownProfile(similar_profile(&site, profile)));
        };
        if boot == BootMode::Once && !completes_boot_once(found) {
            return Err(EditRefusal::NeverCompletes);
        }
        Ok(())
    }

    /// Whether an order may replace what the entry of this machine says.
    pub fn check_ordered(&self, name: &str) -> Result<(), EditRefusal> {
        let site = self.site();
        match self.mode_without_order(&site, name) {
            Some(BootMode::Never) => Err(EditRefusal::Never(site.location_of(name).unwrap_or_else(|| name.to_owned()))),
            _ => Ok(()),
        }
    }

    /// Lets machines boot a profile, once or until the order is cancelled. Returns a result for each machine.
    ///
    /// # Errors
    /// No machine may boot the profile by an order.
    pub fn order_boots(
        &self,
        targets: Vec<EditTarget>,
        profile: &str,
        boot: BootMode,
    ) -> Result<Vec<Result<(), EditRefusal>>, EditRefusal> {
        self.check_order(profile, boot)?;
        let once = boot == BootMode::Once;
        if once {
            self.boot_once.prepare();
        }
        let mut results: Vec<_> = targets.iter().map(|target| self.check_ordered(&target.name)).collect();
        let order = |EditTarget { name, macs }: EditTarget| {
            let was_completed = match self.edits.order(&name) {
                Some(earlier) => earlier.was_completed,
                None => self.observations().boot_once.is_completed(&name),
            };
            (name, BootOrder { profile: profile.to_owned(), boot, macs, completed: None, was_completed })
        };
        let permitted = targets.into_iter().zip(&results).filter(|(_, result)| result.is_ok());
        let orders = permitted.map(|(target, _)| order(target)).collect();
        let mut kept = self.edits.set_orders(orders).into_iter();
        let mut names = Vec::new();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            match kept.next() {
                Some(Ok(name)) => names.push(name),
                Some(Err(error)) => *result = Err(EditRefusal::Unkept(error)),
                None => {}
            }
        }
        self.change_machines(&names);
        names.iter().for_each(|name| self.record_edit(name, EditEvent::BootOrdered { profile, once }));
        // Only now: without the order, a machine that is reset boots what its entry says.
        self.reset_ordered(&names);
        Ok(results)
    }

    /// Lets one machine boot a profile, once or until the order is cancelled.
    pub fn order_boot(&self, target: EditTarget, profile: &str, boot: BootMode) -> Result<(), EditRefusal> {
        self.order_boots(vec![target], profile, boot)?.pop().unwrap_or(Ok(()))
    }

    /// Cancels a boot order: the machine boots again what its entry says.
    pub fn cancel_order(&self, name: &str) -> Result<(), EditRefusal> {
        self.cancel_orders(&[name.to_owned()]).pop().unwrap_or(Ok(()))
    }

    /// Cancels the boot orders of these machines, which boot again what their entries say. Returns a result for each.
    pub fn cancel_orders(&self, names: &[String]) -> Vec<Result<(), EditRefusal>> {
        let ended = self.end_orders(names);
        let result = |(name, ended): (&String, Result<Option<BootOrder>, EditError>)| {
            ended.map_err(EditRefusal::Unkept)?.ok_or(EditRefusal::Missing)?;
            self.record_edit(name, EditEvent::OrderCancelled);
            Ok(())
        };
        names.iter().zip(ended).map(result).collect()
    }

    /// Notes the boot orders that machines completed, and ends those that were completed some time ago. Call it every
    /// few seconds, with the time on the clock of the events. The clock may have been set back before this start: an
    /// order that was completed later than now counts as completed now, so that it ends.
    pub fn follow_orders(&self, now: SystemTime) {
        let seconds = |time: Duration| time.as_secs();
        let now = now.duration_since(UNIX_EPOCH).map(seconds).unwrap_or_default();
        for name in self.edits.open_orders() {
            if self.observations().boot_once.is_recorded(&name) {
                // If the file cannot be written, the server notes the completion again after a restart.
                let _ = self.edits.complete_order(&name, now);
            }
        }
        for name in self.edits.orders_completed_after(now) {
            let _ = self.edits.complete_order(&name, now);
        }
        let names = self.edits.orders_completed_before(now.saturating_sub(REST.as_secs()));
        if names.is_empty() {
            return;
        }
        for (name, ended) in names.iter().zip(self.end_orders(&names)) {
            if let Ok(Some(_)) = ended {
                self.record_edit(name, EditEvent::OrderEnded);
            }
        }
    }

    /// Removes boot orders. If the entry of a machine has a boot-once, it counts as completed if it was before the
    /// order, or if the order was.
    fn end_orders(&self, names: &[String]) -> Vec<Result<Option<BootOrder>, EditError>> {
        let ended = self.edits.remove_orders(names);
        let site = self.current_site();
        let mut reset = Vec::new();
        for (name, order) in names.iter().zip(&ended) {
            let Ok(Some(order)) = order else { continue };
            match self.mode_without_order(&site, name) {
                Some(BootMode::Once) if order.was_completed => self.restore_completion(&site, name),
                Some(BootMode::Once) => {}
                _ => reset.push(name.clone()),
            }
        }
        self.change_machines(names);
        self.reset_ordered(&reset);
        ended
    }

    /// Records again that the machine has completed the boot-once of its entry, unless that is recorded.
    fn restore_completion(&self, site: &Site, name: &str) {
        let Some(entry) = site.plan.inventory.get_by_name(name) else { return };
        let mut observations = self.observations();
        let generation = observations.boot_once.generation(name);
        let times = observations.boot_once.complete(name, generation);
        drop(observations);
        if let Some(times) = times {
            let machine = CompletedMachine::new(&entry, generation);
            let record = format!("restored at the end of a boot order\n{}", format_identities(&machine));
            self.boot_once.complete(name, &record, times);
        }
    }

    /// The `boot` of the machine's entry, without a boot order.
    fn mode_without_order(&self, site: &Site, name: &str) -> Option<BootMode> {
        let written = site.files.written.get_by_name(name).map(|entry| entry.boot_mode);
        written.or_else(|| self.edits.entry(name).map(|entry| entry.machine().boot_mode))
    }

    /// Resets the boot-onces of these machines, so that they boot their profiles again.
    pub(super) fn reset_ordered(&self, names: &[String]) {
        let mut reset: Vec<String> = Vec::new();
        {
            let mut observations = self.observations();
            reset.extend(names.iter().filter(|name| observations.boot_once.reset(name)).cloned());
        }
        if !reset.is_empty() {
            self.boot_once.reset(&reset);
        }
        reset.iter().for_each(|name| self.record_reset(name, ResetCause::Ordered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_once::{BootOnceState, EventReceiver};
    use crate::edits::{Edits, EntrySettings};
    use crate::events::Events;
    use crate::site::tests::site;
    use proxydhcpd_core::plan::profile::Profile;

    fn web1() -> EditTarget {
        EditTarget { name: "web1".to_owned(), macs: Vec::new() }
    }

    #[test]
    fn a_completed_order_ends_after_its_rest_and_one_that_is_not_completed_stays() {
        let directory = tempfile::tempdir().unwrap();
        let boot_once = BootOnceState::new(directory.path(), EventReceiver::default()).unwrap();
        let (edits, _) = Edits::load(directory.path());
        for name in ["web1", "web2"] {
            let order = BootOrder { profile: "rescue".to_owned(), boot: BootMode::Once, ..BootOrder::default() };
            edits.set_orders(vec![(name.to_owned(), order)]).pop().unwrap().unwrap();
        }
        let state = State::new(site(directory.path()), Vec::new(), boot_once, edits, Events::default());
        let completed = || state.edits.order("web1").map(|order| order.completed.is_some());
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        state.follow_orders(start);
        assert_eq!(completed(), Some(false));
        state.observations().boot_once.note_completed("web1");
        state.follow_orders(start);
        state.follow_orders(start + REST);
        assert_eq!(completed(), Some(true));
        assert!(state.site().plan.inventory.get_by_name("web1").is_some());
        state.follow_orders(start + REST + Duration::from_secs(1));
        assert_eq!(completed(), None);
        assert!(state.site().plan.inventory.get_by_name("web1").is_none());
        assert!(!state.observations().boot_once.is_recorded("web1"));
        state.follow_orders(start + 100 * REST);
        assert!(state.edits.order("web2").is_some());
        let (kept, _) = Edits::load(directory.path());
        assert!(kept.order("web1").is_none() && kept.order("web2").is_some());
    }

    /// Otherwise its machine would boot its disk until the clock has caught up.
    #[test]
    fn an_order_that_was_completed_before_the_clock_was_set_back_ends_after_its_rest() {
        let directory = tempfile::tempdir().unwrap();
        let boot_once = BootOnceState::new(directory.path(), EventReceiver::default()).unwrap();
        let (edits, _) = Edits::load(directory.path());
        let (profile, completed) = ("rescue".to_owned(), Some(2_000_000_000));
        let order = BootOrder { profile, boot: BootMode::Once, completed, ..BootOrder::default() };
        edits.set_orders(vec![("web1".to_owned(), order)]).pop().unwrap().unwrap();
        let state = State::new(site(directory.path()), Vec::new(), boot_once, edits, Events::default());
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        state.follow_orders(start);
        assert_eq!(state.edits.order("web1").and_then(|order| order.completed), Some(1_000_000));
        state.follow_orders(start + REST + Duration::from_secs(1));
        assert!(state.edits.order("web1").is_none());
    }

    /// Otherwise the end of an order for a rescue system would install the machine again.
    #[test]
    fn an_installed_machine_is_still_installed_after_its_order_is_cancelled() {
        let directory = tempfile::tempdir().unwrap();
        let boot_once = BootOnceState::new(directory.path(), EventReceiver::default()).unwrap();
        let (edits, _) = Edits::load(directory.path());
        let settings = EntrySettings { boot: Some("once".to_owned()), ..EntrySettings::default() };
        edits.set_entry("web1", &settings, settings.check("web1", &|_| Ok(())).unwrap()).unwrap();
        let mut site = site(directory.path());
        let rescue = Profile { name: "rescue".to_owned(), ..Profile::default() };
        site.plan.policy_mut().profiles = vec![rescue].into();
        let state = State::new(site, Vec::new(), boot_once, edits, Events::default());
        state.observations().boot_once.note_completed("web1");
        state.order_boot(web1(), "rescue", BootMode::Always).unwrap();
        assert!(!state.observations().boot_once.is_recorded("web1"));
        state.cancel_order("web1").unwrap();
        assert!(state.observations().boot_once.is_recorded("web1"));
        // An order that was never completed leaves a machine that is not installed as it was.
        state.reset_ordered(&["web1".to_owned()]);
        state.order_boot(web1(), "rescue", BootMode::Always).unwrap();
        state.cancel_order("web1").unwrap();
        assert!(!state.observations().boot_once.is_recorded("web1"));
    }
}
