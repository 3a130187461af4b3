//! How often machines may report.

use proxydhcpd_core::bounded_cache::{BoundedCache, TokenBucket};
use std::hash::{BuildHasher, Hash, RandomState};

/// The limits of the reports of each machine, and of all machines together. Reports without a valid token do not count.
#[derive(Debug)]
pub struct ReportLimits {
    rates: ReportRates,
    machines: BoundedCache<u32, TokenBucket>,
    all: TokenBucket,
    hasher: RandomState,
}

/// How many reports are allowed at once, and then each second.
#[derive(Clone, Copy, Debug)]
pub struct ReportRates {
    machine: (u32, u32),
    all: (u32, u32),
}

impl ReportRates {
    /// The rates of posted reports and of failed commands. Ubuntu's installer posts two reports for each of its steps,
    /// many of them within a second.
    pub const REPORTS: ReportRates = ReportRates { machine: (60, 5), all: (2_000, 500) };
    /// The rates of lines of syslog: installers write many.
    pub const SYSLOG: ReportRates = ReportRates { machine: (500, 100), all: (5_000, 1_000) };
}

impl ReportLimits {
    /// The limits of a server that has received no report.
    pub fn new(rates: ReportRates) -> ReportLimits {
        let hasher = RandomState::new();
        let machines = BoundedCache::new(4096, hasher.hash_one(0));
        ReportLimits { rates, machines, all: TokenBucket::full(rates.all.0, 0), hasher }
    }

    /// Whether the machine may report now. `machine` distinguishes it from others. `now` is in milliseconds.
    pub fn admit(&mut self, machine: impl Hash, now: u64) -> bool {
        let ReportRates { machine: (burst, per_second), all } = self.rates;
        let key = self.hasher.hash_one(machine) as u32;
        let fresh = TokenBucket::full(burst, now);
        let is_allowed = self.machines.update(key, now, fresh, |bucket| bucket.take(burst, per_second, now));
        is_allowed && self.all.take(all.0, all.1, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_rate_that_others_do_not_use_up() {
        let mut limits = ReportLimits::new(ReportRates::REPORTS);
        let admitted = (0..100).filter(|_| limits.admit("web1", 0)).count();
        assert_eq!(admitted, 60);
        assert!(limits.admit("web2", 0) && limits.admit("web1", 1_000));
    }

    #[test]
    fn all_machines_together_have_a_rate() {
        let mut limits = ReportLimits::new(ReportRates::REPORTS);
        assert_eq!((0..3_000).filter(|machine| limits.admit(machine, 0)).count(), 2_000);
        assert_eq!((0..3_000).filter(|machine| limits.admit(machine, 1_000)).count(), 500);
    }
}
