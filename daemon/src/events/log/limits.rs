//! Limits the number of lines, because any sender of packets can cause many of them.

use super::reply_limiter::{LogAction, ReplyLimiter};
use proxydhcpd_core::bounded_cache::{BoundedCache, TokenBucket};
use proxydhcpd_core::identity::MachineKey;
use std::fmt::Display;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

/// The lines that were logged, as far as they limit further ones. All times are those of events.
#[derive(Debug)]
pub struct Limits {
    /// Limits the lines about replies for each machine and each stage of its boot.
    pub replies: ReplyLimiter<(MachineKey, u64)>,
    /// Keys of the warnings that were written, such as hardware addresses.
    warned: BoundedCache<[u8; 17], ()>,
    /// The rate limit of warnings about machines and files: `WARNING_BURST` at once, then one a second.
    warnings: TokenBucket,
    /// The rate limit of findings: `FINDING_BURST` at once, then one a minute.
    findings: TokenBucket,
    /// When each kind of warning that the network can cause was last written.
    last_warnings: Vec<([&'static str; 2], u64)>,
    /// When each failure of the server's files was last logged, by a hash of the failure's text.
    failures: BoundedCache<u32, u64>,
    hasher: RandomState,
    /// Whether every line is written.
    unlimited: bool,
}

const WARNING_BURST: u32 = 50;
const FINDING_BURST: u32 = 20;
const ONE_MINUTE: u64 = 60_000;

impl Limits {
    /// The limits of a log without lines.
    pub fn new() -> Self {
        let hasher = RandomState::new();
        Limits {
            replies: ReplyLimiter::new(),
            warned: BoundedCache::new(4096, hasher.hash_one(0)),
            warnings: TokenBucket::full(WARNING_BURST, 0),
            findings: TokenBucket::full(FINDING_BURST, 0),
            last_warnings: Vec::new(),
            failures: BoundedCache::new(256, hasher.hash_one(1)),
            hasher,
            unlimited: false,
        }
    }

    /// Limits that allow every line, for a reader that limits the events itself.
    pub fn unlimited() -> Self {
        Limits { unlimited: true, ..Limits::new() }
    }

    /// Whether any reply may get a line now (see [`ReplyLimiter::has_token`]).
    pub fn may_log_replies(&mut self, now: Duration) -> bool {
        self.unlimited || self.replies.has_token(now)
    }

    /// Whether a reply gets a line (see [`ReplyLimiter::admit`]).
    pub fn may_log_reply(&mut self, key: (MachineKey, u64), reply: u64, now: Duration) -> bool {
        self.unlimited || self.replies.admit(key, reply, now) == LogAction::Write
    }

    /// The end of a warning of which there is one a minute.
    pub fn minute_note(&self) -> &'static str {
        if self.unlimited { "" } else { " (for a minute, further ones are only counted)" }
    }

    /// A hash of this value, for keys. No other host can guess it.
    pub fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    /// Writes the warning, unless the last one with this label is less than a minute old.
    pub fn warn_once_a_minute(&mut self, label: &'static str, warning: impl Display, at: u64) {
        if self.is_due([label, ""], at) {
            tracing::warn!("{warning}{}", self.minute_note());
        }
    }

    /// Whether no warning of this kind was written within the last minute. If so, a new minute begins.
    pub fn is_due(&mut self, kind: [&'static str; 2], at: u64) -> bool {
        if self.unlimited {
            return true;
        }
        let known = self.last_warnings.iter().position(|(known, _)| *known == kind);
        if known.is_some_and(|known| at.saturating_sub(self.last_warnings[known].1) < ONE_MINUTE) {
            return false;
        }
        match known {
            Some(known) => self.last_warnings[known].1 = at,
            None => self.last_warnings.push((kind, at)),
        }
        true
    }

    /// Whether the rate limit of warnings allows one.
    pub fn may_warn(&mut self, at: u64) -> bool {
        self.unlimited || self.warnings.take(WARNING_BURST, 1, at)
    }

    /// Whether a finding gets a line.
    pub fn may_log_finding(&mut self, is_repeat: bool, at: u64) -> bool {
        // The bucket gains one token a second. The division by 60 makes that one token a minute.
        self.unlimited || !is_repeat && self.findings.take(FINDING_BURST, 1, at / 60)
    }

    /// Whether no warning with this key was written yet, and the rate limit allows one.
    pub fn is_new_warning(&mut self, key: [u8; 17], at: u64) -> bool {
        if self.unlimited {
            return true;
        }
        if self.warned.get(key).is_some() || !self.may_warn(at) {
            return false;
        }
        self.warned.update(key, at, (), |()| ());
        true
    }

    /// Whether this failure was not logged within the last minute, and the rate limit allows a line.
    pub fn is_new_failure(&mut self, text: &str, at: u64) -> bool {
        if self.unlimited {
            return true;
        }
        let key = self.hash(text) as u32;
        let is_recent = self.failures.get(key).is_some_and(|logged| at.saturating_sub(logged) < ONE_MINUTE);
        let is_new = !is_recent && self.may_warn(at);
        if is_new {
            self.failures.update(key, at, at, |logged| *logged = at);
        }
        is_new
    }
}
