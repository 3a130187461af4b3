//! Limits how often a password may be tried.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A source may try a password this often at once, and then once in [`PAUSE`].
const BURST: u32 = 5;
const PAUSE: Duration = Duration::from_secs(10);
/// All sources together may try it this often at once, and then once a second.
const TOTAL_BURST: u32 = 30;
const TOTAL_PAUSE: Duration = Duration::from_secs(1);

/// The recent attempts. Over IPv6, a /64 is one source, because a host can use all addresses in it.
#[derive(Debug, Default)]
pub struct Attempts {
    sources: BTreeMap<IpAddr, Bucket>,
    total: Option<Bucket>,
}

/// The attempts of one source: those that it has used, which time returns.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    used: u32,
    since: Instant,
}

impl Attempts {
    /// Notes an attempt of this source. Returns how long it has to wait if it may not try now.
    pub fn note(&mut self, source: IpAddr, now: Instant) -> Result<(), Duration> {
        let source = network(source);
        self.sources.retain(|_, bucket| now.duration_since(bucket.since) < PAUSE * BURST);
        let new = Bucket { used: 0, since: now };
        let mut total = self.total.unwrap_or(new);
        // This limits the number of sources, too: a source is remembered for less than a minute.
        total.take(TOTAL_BURST, TOTAL_PAUSE, now)?;
        self.sources.entry(source).or_insert(new).take(BURST, PAUSE, now)?;
        self.total = Some(total);
        Ok(())
    }

    /// Forgets the attempts of a source that knows the password.
    pub fn succeed(&mut self, source: IpAddr) {
        self.sources.remove(&network(source));
    }
}

impl Bucket {
    fn take(&mut self, burst: u32, pause: Duration, now: Instant) -> Result<(), Duration> {
        let elapsed = now.duration_since(self.since);
        let returned = u32::try_from(elapsed.as_millis() / pause.as_millis()).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(returned);
        if returned > 0 {
            self.since += pause * returned.min(burst.max(1));
        }
        if self.used == 0 {
            self.since = now;
        }
        if self.used >= burst {
            return Err(pause.saturating_sub(now.duration_since(self.since)));
        }
        self.used += 1;
        Ok(())
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_try_five_times_and_then_every_ten_seconds() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let source = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..BURST {
            assert_eq!(attempts.note(source, now), Ok(()));
        }
        assert_eq!(attempts.note(source, now), Err(PAUSE));
        assert_eq!(attempts.note([192, 0, 2, 2].into(), now), Ok(()));
        assert_eq!(attempts.note(source, now + PAUSE), Ok(()));
        assert!(attempts.note(source, now + PAUSE).is_err());
        attempts.succeed(source);
        assert_eq!(attempts.note(source, now + PAUSE), Ok(()));
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_source() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let source = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for last in 0..5 {
            assert_eq!(attempts.note(source(last), now), Ok(()));
        }
        assert!(attempts.note(source(5), now).is_err());
    }

    #[test]
    fn many_sources_together_are_limited_and_their_number_is_bounded() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        let source = |number: u32| IpAddr::from(number.to_be_bytes());
        let admitted = (0..100).filter(|number| attempts.note(source(*number), now).is_ok()).count();
        assert_eq!(admitted, TOTAL_BURST as usize);
        for number in 0..100_000 {
            now += Duration::from_millis(1);
            let _ = attempts.note(source(number), now);
        }
        assert!(attempts.sources.len() <= 90);
    }
}
