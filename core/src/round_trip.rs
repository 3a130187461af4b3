//! How fast the ACKs of a client come, and how long to wait for one (RFC 6298).

use core::time::Duration;

/// The round trips to a client: their average, and how much they vary.
#[derive(Clone, Debug, Default)]
pub struct RoundTrip(Option<(Duration, Duration)>);

/// The shortest timeout. Firmware looks for packets every ten milliseconds.
const MIN_TIMEOUT: Duration = Duration::from_millis(20);

impl RoundTrip {
    /// Records the time between a packet and its ACK.
    pub fn measure(&mut self, time: Duration) {
        self.0 = Some(match self.0 {
            None => (time, time / 2),
            Some((average, deviation)) => ((average * 7 + time) / 8, (deviation * 3 + average.abs_diff(time)) / 4),
        });
    }

    /// How long to wait for the next ACK; `None` if nothing was measured.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.map(|(average, deviation)| MIN_TIMEOUT.max(average + deviation * 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The timeout after these round trips, in milliseconds.
    fn timeout(times: &[u32]) -> Duration {
        let mut round_trip = RoundTrip::default();
        times.iter().for_each(|time| round_trip.measure(*time * MS));
        round_trip.timeout().unwrap()
    }

    #[test]
    fn the_timeout_is_that_of_rfc_6298_and_at_least_20_ms() {
        assert_eq!(timeout(&[100]), 300 * MS);
        assert_eq!(timeout(&[100, 100]), 250 * MS);
        assert_eq!(timeout(&[80, 160]), 90 * MS + 4 * 50 * MS);
        assert_eq!((timeout(&[0]), timeout(&[1, 2, 1, 3])), (20 * MS, 20 * MS));
        assert!(timeout(&[50; 40]) < 51 * MS, "even round trips need no reserve");
    }
}
