//! Machines that were to boot once and have. Their marks lie on a disk; this is what is known of them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Debug, Default)]
pub struct BootOnce {
    marked: BTreeSet<String>,
    /// How often the boot of each machine was used up.
    times: BTreeMap<String, u64>,
    unknown: bool,
}

impl BootOnce {
    /// Whether the machine boots its disk. While the marks are unknown, every machine that boots once does: a boot that
    /// is put off harms less than a second installation.
    pub fn is_completed(&self, machine: &str) -> bool {
        self.unknown || self.is_recorded(machine)
    }

    /// Whether the machine is known to have used up its boot.
    pub fn is_recorded(&self, machine: &str) -> bool {
        self.marked.contains(machine)
    }

    /// The machines that are known to have.
    pub fn completed(&self) -> impl Iterator<Item = &str> {
        self.marked.iter().map(String::as_str)
    }

    /// Whether the marks have never been read, so that nobody knows who has used up a boot.
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    pub fn set_unknown(&mut self, unknown: bool) {
        self.unknown = unknown;
    }

    /// How often boots were used up before, as it was kept.
    pub fn set_completions(&mut self, times: BTreeMap<String, u64>) {
        self.times = times;
    }

    /// The machine uses up its boot: for which time, unless it has before.
    pub fn complete(&mut self, machine: &str) -> Option<u64> {
        if self.is_recorded(machine) {
            return None;
        }
        self.marked.insert(machine.into());
        let times = self.times.entry(machine.into()).or_default();
        *times += 1;
        Some(*times)
    }

    /// A mark was found. True: its boot was not counted before.
    pub fn note_completed(&mut self, machine: &str) -> bool {
        self.marked.insert(machine.into());
        let times = self.times.entry(machine.into()).or_default();
        let is_new = *times == 0;
        *times = (*times).max(1);
        is_new
    }

    /// The machine may boot again. False: it could before.
    pub fn reset(&mut self, machine: &str) -> bool {
        self.marked.remove(machine)
    }

    /// Lets those boot again, and says which.
    pub fn reset_all(&mut self, which: impl Fn(&str) -> bool) -> Vec<String> {
        let dropped: Vec<String> = self.marked.iter().filter(|machine| which(machine)).cloned().collect();
        for machine in &dropped {
            self.marked.remove(machine);
        }
        dropped
    }

    /// A number that stays the same from the moment a machine may boot until it may boot again.
    pub fn generation(&self, machine: &str) -> u64 {
        let times = self.times.get(machine).copied().unwrap_or_default();
        times.saturating_sub(u64::from(self.is_recorded(machine)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn a_boot_is_used_up_once_until_the_machine_is_armed_again() {
        let mut once = BootOnce::default();
        assert_eq!((once.complete("web1"), once.complete("web1")), (Some(1), None));
        assert!(once.is_completed("web1") && !once.is_completed("web2"));
        assert!(once.reset("web1") && !once.reset("web1"));
        assert_eq!(once.complete("web1"), Some(2));
        assert_eq!(once.reset_all(|machine| machine == "web1"), ["web1".to_owned()]);
        assert!(!once.is_completed("web1"));
    }

    #[test]
    fn the_arming_changes_when_a_machine_may_boot_again_and_only_then() {
        let mut once = BootOnce::default();
        assert_eq!(once.generation("web1"), 0);
        once.complete("web1");
        assert_eq!(once.generation("web1"), 0, "an installer asks for its answers after its kernel");
        once.reset("web1");
        assert_eq!(once.generation("web1"), 1);
        // After a restart, with a mark that this version has not counted.
        let mut once = BootOnce::default();
        assert!(once.note_completed("web1") && !once.note_completed("web1"));
        assert_eq!(once.generation("web1"), 0);
        once.reset("web1");
        assert_eq!(once.generation("web1"), 1);
    }

    #[test]
    fn while_the_marks_are_unknown_no_machine_boots_that_boots_once() {
        let mut once = BootOnce::default();
        once.set_unknown(true);
        assert!(once.is_completed("web1") && !once.is_recorded("web1"));
        once.set_unknown(false);
        assert!(!once.is_completed("web1"));
    }
}
