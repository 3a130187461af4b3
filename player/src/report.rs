//! The result of each boot, and the report of a run.

use crate::failure::Failure;
use crate::kinds::{End, KINDS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A stage of a boot, in the order in which boots pass them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The firmware has an address and the name of its loader.
    Offered,
    /// The loader has arrived.
    Loaded,
    /// iPXE has an address.
    IpxeAddress,
    /// The first script has arrived.
    Script,
    /// The kernel and the initrds have arrived.
    Kernel,
    /// The operating system has an address.
    System,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 6] =
        [Stage::Offered, Stage::Loaded, Stage::IpxeAddress, Stage::Script, Stage::Kernel, Stage::System];

    fn name(self) -> &'static str {
        match self {
            Stage::Offered => "offered",
            Stage::Loaded => "loaded",
            Stage::IpxeAddress => "iPXE address",
            Stage::Script => "script",
            Stage::Kernel => "kernel",
            Stage::System => "system",
        }
    }
}

/// The result of one boot.
#[derive(Clone, Debug)]
pub struct BootResult {
    /// The name of its kind.
    pub kind: &'static str,
    /// The address of its network card.
    pub mac: [u8; 6],
    /// The number of the boot of this machine, from 1.
    pub boot: usize,
    /// The end, or the reason why it is another than the row says.
    pub outcome: Result<End, Failure>,
    /// The start of the boot, since the start of the run.
    pub began: Duration,
    /// When the boot reached each stage, since its start.
    pub stages: Vec<(Stage, Duration)>,
    /// Its duration.
    pub duration: Duration,
    /// The received content of files, in octets.
    pub octets: u64,
}

/// The results of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every boot, in the order of their ends.
    pub boots: Vec<BootResult>,
    /// The duration of the run.
    pub duration: Duration,
}

impl Report {
    /// The boots that did not end as their rows say.
    pub fn failures(&self) -> impl Iterator<Item = (&BootResult, &Failure)> {
        self.boots.iter().filter_map(|boot| Some((boot, boot.outcome.as_ref().err()?)))
    }

    /// The durations of the boots that reached this stage, until then.
    fn until(&self, stage: Stage) -> Vec<Duration> {
        let reached = self.boots.iter().flat_map(|boot| &boot.stages).filter(|(found, _)| *found == stage);
        reached.map(|(_, time)| *time).collect()
    }

    /// The received content of files, in octets.
    fn octets(&self) -> u64 {
        self.boots.iter().map(|boot| boot.octets).sum()
    }

    /// The report for programs: `boots` and `failed` count boots, `seconds` is the duration of the run, `octets` the
    /// received content. `boot` and each stage in `until` have the number of boots and two of their durations, in
    /// seconds: the median, and the one that 99% of the boots do not exceed. `failures` has the number of each reason.
    pub fn to_json(&self) -> Value {
        let summary = |mut durations: Vec<Duration>| {
            durations.sort();
            let [median, last] = [50, 99].map(|percent| percentile(&durations, percent).as_secs_f64());
            json!({"boots": durations.len(), "median": median, "99%": last})
        };
        let mut failures = BTreeMap::new();
        for (_, failure) in self.failures() {
            *failures.entry(failure.to_string()).or_insert(0) += 1;
        }
        let succeeded = self.boots.iter().filter(|boot| boot.outcome.is_ok());
        let until = Stage::ALL.map(|stage| (stage.name(), summary(self.until(stage))));
        json!({
            "boots": self.boots.len(),
            "failed": self.failures().count(),
            "failures": failures,
            "seconds": self.duration.as_secs_f64(),
            "octets": self.octets(),
            "boot": summary(succeeded.map(|boot| boot.duration).collect()),
            "until": BTreeMap::from(until),
        })
    }
}

/// The smallest duration that this share of the durations, in percent, does not exceed; they must be sorted.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, mut durations: Vec<Duration>) -> fmt::Result {
    durations.sort();
    let [median, last] = [50, 99].map(|percent| percentile(&durations, percent).as_secs_f64());
    writeln!(f, "{name:<20} {:>6} {median:>10.3} {last:>10.3}", durations.len())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        let octets = self.octets();
        let seconds = self.duration.as_secs_f64();
        writeln!(f, "{} boots in {seconds:.1} s, {failed} failed, {octets} octets", self.boots.len())?;
        writeln!(f, "\n{:<20} {:>6} {:>10} {:>10}", "kind", "boots", "median s", "99% s")?;
        for kind in KINDS {
            let of_kind = self.boots.iter().filter(|boot| boot.kind == kind.name);
            let durations: Vec<Duration> = of_kind.map(|boot| boot.duration).collect();
            if !durations.is_empty() {
                line(f, kind.name, durations)?;
            }
        }
        writeln!(f, "\n{:<20} {:>6} {:>10} {:>10}", "until", "boots", "median s", "99% s")?;
        for stage in Stage::ALL {
            line(f, stage.name(), self.until(stage))?;
        }
        for (boot, failure) in self.failures() {
            let mac = boot.mac.map(|octet| format!("{octet:02x}")).join(":");
            writeln!(f, "failed: {} {mac}, boot {}: {failure}", boot.kind, boot.boot)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_durations() {
        let durations: Vec<Duration> = (1..=200).map(Duration::from_secs).collect();
        assert_eq!(percentile(&durations, 50), Duration::from_secs(100));
        assert_eq!(percentile(&durations, 99), Duration::from_secs(198));
        assert_eq!(percentile(&durations[..1], 99), Duration::from_secs(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn the_report_names_each_failure_with_its_reason() {
        let boot = BootResult {
            kind: "bios",
            mac: [2, 0x50, 1, 0, 0, 7],
            boot: 1,
            outcome: Err(Failure::NoBootOffer),
            began: Duration::ZERO,
            stages: Vec::new(),
            duration: Duration::from_secs(2),
            octets: 0,
        };
        let text = Report { boots: vec![boot], duration: Duration::from_secs(2) }.to_string();
        assert!(text.contains("1 failed") && text.contains("02:50:01:00:00:07, boot 1: no server offered"), "{text}");
    }
}
