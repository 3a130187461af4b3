//! Whether the threads that serve respond, as the main loop sees it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The number of intervals without a response after which a thread hangs.
const INTERVALS: u64 = 3;

/// The last time at which all threads responded. If the main loop hangs, the time becomes old, too.
#[derive(Debug, Default)]
pub struct Liveness {
    /// In milliseconds since the start of the server.
    last: AtomicU64,
    /// The interval between two probes, in milliseconds. 0: the main loop has not begun.
    interval: AtomicU64,
}

impl Liveness {
    /// Notes at this time, in milliseconds since the start of the server, whether all threads responded since the last
    /// probe. `every` is the interval of the probes.
    pub fn note(&self, are_alive: bool, every: Duration, now: u64) {
        self.interval.store(every.as_millis() as u64, Relaxed);
        if are_alive {
            self.last.store(now, Relaxed);
        }
    }

    /// Whether all threads responded within the last three intervals.
    pub fn is_alive(&self, now: u64) -> bool {
        let interval = self.interval.load(Relaxed);
        interval == 0 || now.saturating_sub(self.last.load(Relaxed)) <= INTERVALS * interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_alive_while_its_threads_respond_to_its_probes() {
        let (liveness, every) = (Liveness::default(), Duration::from_secs(5));
        assert!(liveness.is_alive(1_000_000), "the server starts");
        liveness.note(true, every, 20_000);
        assert!(liveness.is_alive(35_000));
        assert!(!liveness.is_alive(35_001), "the main loop hangs");
        liveness.note(true, every, 40_000);
        liveness.note(false, every, 45_000);
        liveness.note(false, every, 55_000);
        assert!(!liveness.is_alive(56_000), "a thread hangs");
        liveness.note(true, every, 60_000);
        assert!(liveness.is_alive(61_000));
    }
}
