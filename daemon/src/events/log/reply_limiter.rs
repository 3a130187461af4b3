//! Limits the lines of the log about replies. Each reply gets one line, but while a machine receives the same reply
//! repeatedly, at most one line in ten seconds. The total number of lines is bounded, too, however many machines are
//! switched on together. Suppressed lines are counted, and a summary of them follows once a minute. Silences are only
//! counted: with a line for each silence, any sender of packets could flood the log. A time is the duration since the
//! start of the server.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// Decides which replies get a line in the log. `K` identifies the machine and the stage of its boot.
#[derive(Debug)]
pub struct ReplyLimiter<K> {
    /// For each key, the time at which the last line was written, and the hash of the reply in that line. Each entry
    /// has cost a token, and entries older than [`REPEAT_AFTER`] are removed when the table is full, so the table stays
    /// small.
    written: HashMap<K, (Duration, u64)>,
    tokens: f64,
    refilled: Duration,
    /// The start of the period that the next summary covers.
    since: Duration,
    suppressed: u64,
    ignored: u64,
}

/// Whether a reply gets a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAction {
    /// Write the line.
    Write,
    /// Write no line, and count the reply in the next summary.
    Suppress,
}

/// The numbers of replies and packets that got no line in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuppressedSummary {
    /// The number of replies without a line.
    pub suppressed: u64,
    /// The number of packets without a reply.
    pub ignored: u64,
    /// The length of the period.
    pub period: Duration,
}

/// A repeated reply gets its next line only after this time.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// The number of lines that may be written at once, and the number of lines that each second adds. A classroom gets a
/// line for each machine. A data centre gets lines for its first machines, and a summary.
const BURST: f64 = 100.0;
const LINES_PER_SECOND: f64 = 10.0;
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

impl<K: Eq + Hash> ReplyLimiter<K> {
    /// Creates a limiter that has all its tokens, and whose first period begins at the start.
    pub fn new() -> Self {
        Self {
            written: HashMap::with_capacity(MAX_KEYS),
            tokens: BURST,
            refilled: Duration::ZERO,
            since: Duration::ZERO,
            suppressed: 0,
            ignored: 0,
        }
    }

    /// Whether any reply may get a line now; if not, counts one without a line. Then the server need not compare it.
    pub fn has_token(&mut self, now: Duration) -> bool {
        self.tokens = BURST.min(self.tokens + LINES_PER_SECOND * now.saturating_sub(self.refilled).as_secs_f64());
        self.refilled = now;
        let has_token = self.tokens >= 1.0;
        self.suppressed += u64::from(!has_token);
        has_token
    }

    /// Decides whether a reply gets a line. `reply` is the hash of the reply, which is compared with that of the last
    /// reply in the log for this key.
    pub fn admit(&mut self, key: K, reply: u64, now: Duration) -> LogAction {
        if !self.has_token(now) {
            return LogAction::Suppress;
        }
        let is_recent = |written: &Duration| now.saturating_sub(*written) < REPEAT_AFTER;
        let is_repeated = self.written.get(&key).is_some_and(|(written, last)| is_recent(written) && *last == reply);
        if is_repeated {
            self.suppressed += 1;
            return LogAction::Suppress;
        }
        if self.written.len() >= MAX_KEYS {
            self.written.retain(|_, (written, _)| is_recent(written));
        }
        self.tokens -= 1.0;
        self.written.insert(key, (now, reply));
        LogAction::Write
    }

    /// Counts a packet that got no reply.
    pub fn count_ignored(&mut self) {
        self.ignored += 1;
    }

    /// Returns the summary of the current period and begins a new period, at most once a minute. `None`: the minute is
    /// not over, or no line was suppressed.
    pub fn summary(&mut self, now: Duration) -> Option<SuppressedSummary> {
        if now.saturating_sub(self.since) < SUMMARY_INTERVAL { None } else { self.final_summary(now) }
    }

    /// Ends the current period now and returns its summary. `None`: no line was suppressed in the period.
    pub fn final_summary(&mut self, now: Duration) -> Option<SuppressedSummary> {
        let over = now.saturating_sub(self.since);
        let summary = SuppressedSummary { suppressed: self.suppressed, ignored: self.ignored, period: over };
        (self.since, self.suppressed, self.ignored) = (now, 0, 0);
        (summary.suppressed > 0).then_some(summary)
    }
}

/// Twice the number of keys that can be younger than [`REPEAT_AFTER`]. So old keys are rarely removed, and the table
/// stays small.
const MAX_KEYS: usize = 2 * (BURST as usize + LINES_PER_SECOND as usize * REPEAT_AFTER.as_secs() as usize);

impl fmt::Display for SuppressedSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replies = if self.suppressed == 1 { "reply" } else { "replies" };
        match self.period.as_secs() {
            ..90 => write!(f, "{} more {replies} in the last minute", self.suppressed)?,
            seconds => write!(f, "{} more {replies} in the last {} minutes", self.suppressed, (seconds + 30) / 60)?,
        }
        match self.ignored {
            0 => Ok(()),
            1 => f.write_str(", and 1 packet ignored"),
            many => write!(f, ", and {many} packets ignored"),
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
    fn a_repeated_reply_gets_one_line_in_ten_seconds() {
        let start = Duration::ZERO;
        let mut limiter = ReplyLimiter::new();
        let machine = ("52:54:00:12:34:56", "firmware");
        assert_eq!(limiter.admit(machine, 1, start), LogAction::Write);
        assert_eq!(limiter.admit(machine, 1, start + seconds(9)), LogAction::Suppress);
        assert_eq!(limiter.admit(("52:54:00:12:34:56", "iPXE"), 1, start + seconds(9)), LogAction::Write);
        assert_eq!(limiter.admit(machine, 1, start + seconds(10)), LogAction::Write);
    }

    #[test]
    fn a_changed_reply_gets_a_line_even_if_an_earlier_one_was_equal() {
        let start = Duration::ZERO;
        let mut limiter = ReplyLimiter::new();
        for (second, reply, admitted) in
            [(0, 1, LogAction::Write), (1, 2, LogAction::Write), (2, 1, LogAction::Write), (3, 1, LogAction::Suppress)]
        {
            assert_eq!(limiter.admit("52:54:00:12:34:56", reply, start + seconds(second)), admitted, "{second}");
        }
    }

    #[test]
    fn a_storm_gets_lines_for_its_first_machines_and_a_summary() {
        let start = Duration::ZERO;
        let mut limiter = ReplyLimiter::new();
        let mut lines = 0;
        for packet in 0..600_000_u64 {
            let now = start + Duration::from_micros(packet * 100);
            lines += u64::from(limiter.admit(packet, 0, now) == LogAction::Write);
        }
        assert!((600..=710).contains(&lines), "{lines} lines in a minute");
        let summary = limiter.summary(start + seconds(60)).unwrap();
        assert_eq!(summary.suppressed, 600_000 - lines);
        assert_eq!(summary.to_string(), format!("{} more replies in the last minute", 600_000 - lines));
    }

    #[test]
    fn the_table_stays_small_for_years() {
        let start = Duration::ZERO;
        let mut limiter = ReplyLimiter::new();
        for machine in 0..100_000_u64 {
            assert_eq!(limiter.admit(machine, 0, start + Duration::from_millis(machine * 100)), LogAction::Write);
            assert!(limiter.written.len() <= MAX_KEYS);
        }
    }

    #[test]
    fn ignored_packets_cause_no_summary() {
        let mut limiter: ReplyLimiter<u32> = ReplyLimiter::new();
        limiter.count_ignored();
        assert_eq!(limiter.summary(seconds(60)), None);
    }

    #[test]
    fn a_summary_comes_once_a_minute_and_begins_anew() {
        let start = Duration::ZERO;
        let mut limiter = ReplyLimiter::new();
        limiter.admit(1, 0, start);
        limiter.admit(1, 0, start);
        limiter.count_ignored();
        assert_eq!(limiter.summary(start + seconds(59)), None);
        let summary = limiter.summary(start + seconds(60)).unwrap().to_string();
        assert_eq!(summary, "1 more reply in the last minute, and 1 packet ignored");
        assert_eq!(limiter.summary(start + seconds(120)), None);
        limiter.admit(1, 0, start + seconds(120));
        limiter.admit(1, 0, start + seconds(121));
        assert_eq!(
            limiter.final_summary(start + seconds(122)).unwrap().suppressed,
            1,
            "the final summary does not wait for its minute"
        );
    }
}
