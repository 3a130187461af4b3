//! Replies on port 4011 over IPv6, which go out a moment after they are made.
//!
//! EDK2 opens the socket that it reads the reply from when its question has left (PxeBcRequestBootService of PxeBcDhcp6.c): a
//! reply that is there before meets with an ICMP error, and it does not ask again. It waits for three seconds.

use nix::sys::epoll::EpollTimeout;
use proxydhcpd_core::route::Destination;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longer than an emulated processor, or a busy firmware, stands still in between.
const DELAY: Duration = Duration::from_millis(100);
/// Of these a moment more or less does not matter to the others: what does not fit goes out at once.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub struct Late(VecDeque<Reply>);

#[derive(Debug)]
pub struct Reply {
    due: Instant,
    pub octets: Vec<u8>,
    pub to: Destination,
}

impl Late {
    /// False: there are too many already.
    pub fn put(&mut self, octets: &[u8], to: Destination, now: Instant) -> bool {
        let fits = self.0.len() < MOST;
        if fits {
            self.0.push_back(Reply { due: now + DELAY, octets: octets.to_vec(), to });
        }
        fits
    }

    /// Until the next is due.
    pub fn pause(&self) -> EpollTimeout {
        let Some(first) = self.0.front() else { return EpollTimeout::NONE };
        let pause = first.due.saturating_duration_since(Instant::now());
        // A pause that is cut to whole milliseconds would be over before its time.
        EpollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
    }

    /// The next that is due.
    pub fn next(&mut self, now: Instant) -> Option<Reply> {
        let is_due = self.0.front().is_some_and(|first| first.due <= now);
        if is_due { self.0.pop_front() } else { None }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_goes_out_when_it_is_due_and_no_more_are_kept_than_there_is_room_for() {
        let address = "[fe80::1]:4011".parse().unwrap();
        let to = Destination { to: address, from: address, link: Some(2) };
        let (mut late, now) = (Late::default(), Instant::now());
        assert_eq!(late.pause(), EpollTimeout::NONE);
        for number in 0..MOST {
            assert!(late.put(&number.to_be_bytes(), to, now));
        }
        assert!(!late.put(b"one too many", to, now));
        assert!(late.pause() != EpollTimeout::NONE && late.next(now + DELAY / 2).is_none());
        assert_eq!(late.next(now + DELAY).unwrap().octets, 0_usize.to_be_bytes());
        assert!(late.put(b"again", to, now + DELAY));
        let due = std::iter::from_fn(|| late.next(now + DELAY)).count();
        assert_eq!((due, late.is_empty()), (MOST - 1, false));
    }
}
