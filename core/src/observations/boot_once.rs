//! Machines that have completed their boot-once. The completions are files on disk; this is their copy in memory.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// The boot-once state of all machines, by name.
#[derive(Debug, Default)]
pub struct BootOnce {
    /// The machines with a recorded completion.
    completed: BTreeSet<String>,
    /// How often each machine has completed its boot-once.
    completions: BTreeMap<String, u64>,
    unknown: bool,
}

impl BootOnce {
    /// Whether the machine boots its disk. While the completions are unknown, every machine with `boot = "once"` does:
    /// a postponed boot is less harmful than a second installation.
    pub fn is_completed(&self, machine: &str) -> bool {
        self.unknown || self.is_recorded(machine)
    }

    /// Whether a completion of this machine is recorded.
    pub fn is_recorded(&self, machine: &str) -> bool {
        self.completed.contains(machine)
    }

    /// The machines with a recorded completion.
    pub fn completed(&self) -> impl Iterator<Item = &str> {
        self.completed.iter().map(String::as_str)
    }

    /// Whether the completions have never been read.
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Sets whether the completions have never been read.
    pub fn set_unknown(&mut self, unknown: bool) {
        self.unknown = unknown;
    }

    /// Restores how often machines have completed their boot-once.
    pub fn set_completions(&mut self, completions: BTreeMap<String, u64>) {
        self.completions = completions;
    }

    /// Completes the machine's boot-once. Returns how often the machine has completed it; `None` if it was already
    /// completed, or if it has been reset since this generation.
    pub fn complete(&mut self, machine: &str, generation: u64) -> Option<u64> {
        if self.is_recorded(machine) || self.generation(machine) != generation {
            return None;
        }
        self.completed.insert(machine.into());
        let completions = self.completions.entry(machine.into()).or_default();
        *completions += 1;
        Some(*completions)
    }

    /// Notes a completion that is on disk. Returns whether the completion was not counted before.
    pub fn note_completed(&mut self, machine: &str) -> bool {
        self.completed.insert(machine.into());
        let completions = self.completions.entry(machine.into()).or_default();
        let is_new = *completions == 0;
        *completions = (*completions).max(1);
        is_new
    }

    /// Resets the machine's boot-once. Returns whether there was a completion.
    pub fn reset(&mut self, machine: &str) -> bool {
        self.completed.remove(machine)
    }

    /// Resets the boot-once of the machines that `which` selects, and returns their names.
    pub fn reset_all(&mut self, which: impl Fn(&str) -> bool) -> Vec<String> {
        let dropped: Vec<String> = self.completed.iter().filter(|machine| which(machine)).cloned().collect();
        for machine in &dropped {
            self.completed.remove(machine);
        }
        dropped
    }

    /// A number that changes when the machine's boot-once is reset, and only then.
    pub fn generation(&self, machine: &str) -> u64 {
        let completions = self.completions.get(machine).copied().unwrap_or_default();
        completions.saturating_sub(u64::from(self.is_recorded(machine)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn a_boot_once_completes_one_time_until_it_is_reset() {
        let mut once = BootOnce::default();
        assert_eq!((once.complete("web1", 0), once.complete("web1", 0)), (Some(1), None));
        assert!(once.is_completed("web1") && !once.is_completed("web2"));
        assert!(once.reset("web1") && !once.reset("web1"));
        assert_eq!(once.complete("web1", 0), None, "the transfer began before the reset");
        assert_eq!(once.complete("web1", 1), Some(2));
        assert_eq!(once.reset_all(|machine| machine == "web1"), ["web1".to_owned()]);
        assert!(!once.is_completed("web1"));
    }

    #[test]
    fn a_reset_changes_the_generation_and_a_completed_boot_does_not() {
        let mut once = BootOnce::default();
        assert_eq!(once.generation("web1"), 0);
        once.complete("web1", 0);
        assert_eq!(once.generation("web1"), 0, "an installer requests its answers after its kernel");
        once.reset("web1");
        assert_eq!(once.generation("web1"), 1);
        // The state after a restart, with a completion from a version that did not count completions.
        let mut once = BootOnce::default();
        assert!(once.note_completed("web1") && !once.note_completed("web1"));
        assert_eq!(once.generation("web1"), 0);
        once.reset("web1");
        assert_eq!(once.generation("web1"), 1);
    }

    #[test]
    fn while_the_completions_are_unknown_every_boot_once_counts_as_completed() {
        let mut once = BootOnce::default();
        once.set_unknown(true);
        assert!(once.is_completed("web1") && !once.is_recorded("web1"));
        once.set_unknown(false);
        assert!(!once.is_completed("web1"));
    }
}
