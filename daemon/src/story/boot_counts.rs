//! Counts boots: how many began, how they ended, and how long they took until each stage.

use proxydhcpd_core::arch::ARCHITECTURES;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::story::{ClientKind, Reached, Stage};

/// The upper bounds of the buckets of durations, in seconds. Without a bound: all longer durations.
pub const BOUNDS: [u32; 12] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];

/// The firmware of a client whose architecture has no name.
const UNASSIGNED: &str = "unassigned";
/// The firmware of a machine that showed no DHCP client.
const UNKNOWN: &str = "unknown";

/// The numbers of boots since the server started.
#[derive(Clone, Debug)]
pub struct BootCounts {
    by_firmware: Vec<FirmwareCounts>,
    stages: [Durations; Stage::ALL.len()],
}

/// The numbers of boots of machines with one firmware. A boot may be in several of these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirmwareCounts {
    /// The boots that began.
    pub begun: u64,
    /// The boots whose system runs.
    pub system: u64,
    /// The boots whose machine reported the end of its installation.
    pub installed: u64,
    /// The boots with a verdict.
    pub failed: u64,
}

/// How long boots took until a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// The number of boots by the bucket of their duration.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations, in milliseconds.
    pub sum: u64,
}

impl Default for BootCounts {
    fn default() -> Self {
        BootCounts { by_firmware: vec![FirmwareCounts::default(); firmwares().count()], stages: Default::default() }
    }
}

impl BootCounts {
    /// Counts the stages that a boot reached.
    pub fn count(&mut self, reached: &Reached) {
        let firmware = self.of(reached.client);
        firmware.begun += u64::from(reached.has(Stage::Asked));
        firmware.system += u64::from(reached.has(Stage::System));
        firmware.installed += u64::from(reached.has(Stage::Installed));
        for (stage, durations) in Stage::ALL.into_iter().zip(&mut self.stages) {
            if reached.has(stage) {
                durations.add(reached.after);
            }
        }
    }

    /// Counts a boot that failed.
    pub fn count_failed(&mut self, client: Option<ClientKind>) {
        self.of(client).failed += 1;
    }

    /// The numbers of each firmware of which a machine booted.
    pub fn firmwares(&self) -> impl Iterator<Item = (&'static str, FirmwareCounts)> {
        let counts = firmwares().zip(self.by_firmware.iter().copied());
        counts.filter(|(_, counts)| *counts != FirmwareCounts::default())
    }

    /// How long boots took until each stage after the first.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, Durations)> {
        Stage::ALL.into_iter().zip(self.stages).skip(1)
    }

    fn of(&mut self, client: Option<ClientKind>) -> &mut FirmwareCounts {
        &mut self.by_firmware[index(client)]
    }
}

impl Durations {
    fn add(&mut self, milliseconds: u64) {
        let is_within = |bound: &u32| milliseconds <= u64::from(*bound) * 1000;
        self.buckets[BOUNDS.iter().position(is_within).unwrap_or(BOUNDS.len())] += 1;
        self.sum += milliseconds;
    }
}

/// The names of all firmwares: dialects, architectures, and two for the rest.
fn firmwares() -> impl Iterator<Item = &'static str> {
    let dialects = Dialect::all().map(|dialect| dialect.id);
    dialects.chain(ARCHITECTURES.iter().map(|row| row.id)).chain([UNASSIGNED, UNKNOWN])
}

/// The index of a client's firmware among [`firmwares`].
fn index(client: Option<ClientKind>) -> usize {
    let name = match client {
        None => UNKNOWN,
        Some(client) => match (client.dialect(), client.arch.info()) {
            (Some(dialect), _) => dialect.id,
            (None, Some(row)) => row.id,
            (None, None) => UNASSIGNED,
        },
    };
    firmwares().position(|firmware| firmware == name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::arch::Arch;
    use std::collections::BTreeSet;

    #[test]
    fn each_firmware_has_its_numbers() {
        assert_eq!(firmwares().collect::<BTreeSet<_>>().len(), firmwares().count(), "each name is unique");
        let client = |code, dialect| Some(ClientKind { arch: Arch(code), dialect, ..ClientKind::default() });
        let mut counts = BootCounts::default();
        for client in [client(7, None), client(7, None), client(0, Some(0)), client(999, None), None] {
            counts.count_failed(client);
        }
        let failed: Vec<_> = counts.firmwares().map(|(name, counts)| (name, counts.failed)).collect();
        let dialect = Dialect::all().next().unwrap().id;
        assert_eq!(failed, [(dialect, 1), (Arch(7).info().unwrap().id, 2), (UNASSIGNED, 1), (UNKNOWN, 1)]);
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_long_enough() {
        let mut durations = Durations::default();
        [0, 1000, 1001, 3_600_000, 3_600_001].into_iter().for_each(|milliseconds| durations.add(milliseconds));
        assert_eq!(durations, Durations { buckets: [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], sum: 7_202_002 });
    }
}
