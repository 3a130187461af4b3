//! What is worth a line. One when a machine is answered, at most one in ten seconds as long as it is given the same,
//! and a bounded number in all, however many machines are switched on together; what is held back is counted and summed
//! up once a minute. Silence is counted only: whoever can send a packet could make us shout otherwise.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// `K`: the machine and the stage of its boot.
#[derive(Debug)]
pub struct LogLimiter<K> {
    /// When a line was last written for this key, and of what. Every entry has cost a token, and goes after [`AGAIN`],
    /// so there are never many of them.
    written: HashMap<K, (Instant, u64)>,
    tokens: f64,
    refilled: Instant,
    /// Since when the figures below are counted.
    since: Instant,
    held_back: u64,
    silent: u64,
    silences: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAction {
    /// Write it.
    Write,
    /// It goes into the next [`Summary`].
    Suppress,
}

/// What there was beside the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuppressedSummary {
    pub suppressed: u64,
    pub ignored: u64,
    pub period: Duration,
}

/// Who is given the same again gets no second line before this.
const AGAIN: Duration = Duration::from_secs(10);
/// Lines that may come at once, and how many more in each second after. A class room is shown machine by machine; a
/// data centre by its first machines and a sum.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 10.0;
const SUMMARY: Duration = Duration::from_secs(60);

impl<K: Eq + Hash> LogLimiter<K> {
    pub fn new(now: Instant) -> Self {
        Self {
            written: HashMap::new(),
            tokens: BURST,
            refilled: now,
            since: now,
            held_back: 0,
            silent: 0,
            silences: BTreeMap::new(),
        }
    }

    /// `given`: a hash of what was given. It is compared with what was given last.
    pub fn admit(&mut self, key: K, given: u64, now: Instant) -> LogAction {
        self.tokens = BURST.min(self.tokens + PER_SECOND * now.duration_since(self.refilled).as_secs_f64());
        self.refilled = now;
        let recent = |written: &Instant| now.duration_since(*written) < AGAIN;
        let is_known = self.written.get(&key).is_some_and(|(written, last)| recent(written) && *last == given);
        if self.tokens < 1.0 || is_known {
            self.held_back += 1;
            return LogAction::Suppress;
        }
        if self.written.len() >= MOST_KEYS {
            self.written.retain(|_, (written, _)| recent(written));
        }
        self.tokens -= 1.0;
        self.written.insert(key, (now, given));
        LogAction::Write
    }

    /// A machine was not answered, for this reason.
    pub fn count_silence(&mut self, reason: &'static str) {
        self.silent += 1;
        *self.silences.entry(reason).or_default() += 1;
    }

    /// How often we were silent since the start, by reason.
    pub fn silences(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.silences.iter().map(|(reason, times)| (*reason, *times))
    }

    /// Once a minute, if anything was held back.
    pub fn summary(&mut self, now: Instant) -> Option<SuppressedSummary> {
        if now.duration_since(self.since) < SUMMARY { None } else { self.final_summary(now) }
    }

    /// What no summary has said yet, if anything was held back.
    pub fn final_summary(&mut self, now: Instant) -> Option<SuppressedSummary> {
        let over = now.duration_since(self.since);
        let summary = SuppressedSummary { suppressed: self.held_back, ignored: self.silent, period: over };
        (self.since, self.held_back, self.silent) = (now, 0, 0);
        (summary.suppressed > 0).then_some(summary)
    }
}

/// Twice the keys that can be younger than [`AGAIN`], so that old ones are swept out seldom and the table stays small.
const MOST_KEYS: usize = 2 * (BURST as usize + PER_SECOND as usize * AGAIN.as_secs() as usize);

impl fmt::Display for SuppressedSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = if self.suppressed == 1 { "answer" } else { "answers" };
        match self.period.as_secs() {
            ..90 => write!(f, "{} more {answers} in the last minute", self.suppressed)?,
            seconds => write!(f, "{} more {answers} in the last {} minutes", self.suppressed, (seconds + 30) / 60)?,
        }
        match self.ignored {
            0 => Ok(()),
            1 => f.write_str(", and 1 packet that wants no answer"),
            many => write!(f, ", and {many} packets that want no answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_machine_that_is_given_the_same_gets_one_line_in_ten_seconds() {
        let start = Instant::now();
        let mut journal = LogLimiter::new(start);
        let machine = ("52:54:00:12:34:56", "firmware");
        assert_eq!(journal.admit(machine, 1, start), LogAction::Write);
        assert_eq!(journal.admit(machine, 1, start + seconds(9)), LogAction::Suppress);
        assert_eq!(journal.admit(("52:54:00:12:34:56", "iPXE"), 1, start + seconds(9)), LogAction::Write);
        assert_eq!(journal.admit(machine, 1, start + seconds(10)), LogAction::Write);
    }

    #[test]
    fn a_machine_that_is_given_something_else_gets_a_line_also_when_it_is_what_it_was_before() {
        let start = Instant::now();
        let mut journal = LogLimiter::new(start);
        for (second, given, admitted) in
            [(0, 1, LogAction::Write), (1, 2, LogAction::Write), (2, 1, LogAction::Write), (3, 1, LogAction::Suppress)]
        {
            assert_eq!(journal.admit("52:54:00:12:34:56", given, start + seconds(second)), admitted, "{second}");
        }
    }

    #[test]
    fn a_storm_is_shown_by_its_first_machines_and_a_sum() {
        let start = Instant::now();
        let mut journal = LogLimiter::new(start);
        let mut lines = 0;
        for packet in 0..600_000_u64 {
            let now = start + Duration::from_micros(packet * 100);
            lines += u64::from(journal.admit(packet, 0, now) == LogAction::Write);
        }
        assert!((600..=710).contains(&lines), "{lines} lines in a minute");
        let summary = journal.summary(start + seconds(60)).unwrap();
        assert_eq!(summary.suppressed, 600_000 - lines);
        assert_eq!(summary.to_string(), format!("{} more answers in the last minute", 600_000 - lines));
    }

    #[test]
    fn the_table_stays_small_for_years() {
        let start = Instant::now();
        let mut journal = LogLimiter::new(start);
        for machine in 0..100_000_u64 {
            assert_eq!(journal.admit(machine, 0, start + Duration::from_millis(machine * 100)), LogAction::Write);
            assert!(journal.written.len() <= MOST_KEYS);
        }
    }

    #[test]
    fn silence_is_counted_by_reason_and_makes_no_line() {
        let start = Instant::now();
        let mut journal: LogLimiter<u32> = LogLimiter::new(start);
        for _ in 0..5 {
            journal.count_silence("not a boot client");
        }
        journal.count_silence("malformed");
        assert_eq!(journal.silences().collect::<Vec<_>>(), [("malformed", 1), ("not a boot client", 5)]);
        assert_eq!(journal.summary(start + seconds(60)), None);
    }

    #[test]
    fn a_summary_comes_once_a_minute_and_begins_anew() {
        let start = Instant::now();
        let mut journal = LogLimiter::new(start);
        journal.admit(1, 0, start);
        journal.admit(1, 0, start);
        journal.count_silence("malformed");
        assert_eq!(journal.summary(start + seconds(59)), None);
        let told = journal.summary(start + seconds(60)).unwrap().to_string();
        assert_eq!(told, "1 more answer in the last minute, and 1 packet that wants no answer");
        assert_eq!(journal.summary(start + seconds(120)), None);
        journal.admit(1, 0, start + seconds(120));
        journal.admit(1, 0, start + seconds(121));
        assert_eq!(journal.final_summary(start + seconds(122)).unwrap().suppressed, 1, "at the end nothing waits for its minute");
    }
}
