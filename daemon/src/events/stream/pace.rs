//! Limits how many events watchers see, because to keep an event takes a part of the time of an answer, and to write
//! its line takes several times as long. Watchers see how many events they miss.

use proxydhcpd_core::bounded_cache::TokenBucket;

/// The number of events that watchers see at once, and the number that each second adds.
const BURST: u32 = 1000;
const EVENTS_PER_SECOND: u32 = 500;

/// More events than this in a second are a storm.
const STORM: u32 = 1000;
/// The number of events that watchers see in each second of a storm: a person reads no more.
const STORM_EVENTS_PER_SECOND: u32 = 10;

/// Decides which events watchers see.
#[derive(Debug)]
pub struct Pace {
    calm: TokenBucket,
    storm: TokenBucket,
    /// The current second since the start, and the number of its events.
    second: u64,
    count: u32,
    /// Whether this second or the one before it has a storm.
    is_storm: bool,
}

impl Default for Pace {
    fn default() -> Self {
        let calm = TokenBucket::full(BURST, 0);
        let storm = TokenBucket::full(STORM_EVENTS_PER_SECOND, 0);
        Pace { calm, storm, second: 0, count: 0, is_storm: false }
    }
}

impl Pace {
    /// Counts an event at this time, in milliseconds since the start. Returns whether watchers see it.
    pub fn admits(&mut self, at: u64) -> bool {
        let second = at / 1000;
        if second != self.second {
            self.is_storm = self.count > STORM && second == self.second + 1;
            (self.second, self.count) = (second, 0);
        }
        self.count = self.count.saturating_add(1);
        self.is_storm |= self.count > STORM;
        match self.is_storm {
            true => self.storm.take(STORM_EVENTS_PER_SECOND, STORM_EVENTS_PER_SECOND, at),
            false => self.calm.take(BURST, EVENTS_PER_SECOND, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pace: &mut Pace, second: u64, events: u64) -> usize {
        (0..events).filter(|event| pace.admits(second * 1000 + event * 1000 / events)).count()
    }

    #[test]
    fn watchers_see_all_events_of_a_room_and_few_of_a_storm() {
        let mut pace = Pace::default();
        assert_eq!(admitted(&mut pace, 10, 900), 900);
        (11..20).for_each(|second| assert!((400..=600).contains(&admitted(&mut pace, second, 500)), "{second}"));
        admitted(&mut pace, 20, 10_000);
        for second in 21..30 {
            let seen = admitted(&mut pace, second, 10_000);
            assert!((8..=12).contains(&seen), "{seen}");
        }
        assert!(admitted(&mut pace, 30, 100) < 100, "the second after a storm");
        assert_eq!(admitted(&mut pace, 31, 100), 100);
    }
}
