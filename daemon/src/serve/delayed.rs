//! Replies on port 4011 over IPv6, which go out a moment after they are made.
//!
//! EDK2 opens the socket that it reads the reply from when its question has left (PxeBcRequestBootService of
//! PxeBcDhcp6.c): a reply that is there before meets with an ICMP error, and it does not ask again. It waits for three
//! seconds.

use nix::sys::epoll::EpollTimeout;
use proxydhcpd_core::answer::{Answer, Replies};
use proxydhcpd_core::route::Destination;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longer than an emulated processor, or a busy firmware, stands still in between.
const DELAY: Duration = Duration::from_millis(100);
/// Of these a moment more or less does not matter to the others: what does not fit goes out at once.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub struct DelayedReplies(VecDeque<DelayedAnswer>);

/// An answer, to be sent and then reported.
#[derive(Debug)]
pub struct DelayedAnswer {
    due: Instant,
    pub replies: Vec<(Vec<u8>, Destination)>,
    pub answer: Answer,
    /// The index that the kernel has for the link of its question.
    pub link: u32,
}

impl DelayedReplies {
    pub fn has_room(&self) -> bool {
        self.0.len() < MOST
    }

    pub fn push(&mut self, answer: Answer, replies: &Replies, link: u32, now: Instant) {
        let replies = replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect();
        self.0.push_back(DelayedAnswer { due: now + DELAY, replies, answer, link });
    }

    /// Until the next is due.
    pub fn timeout(&self) -> EpollTimeout {
        let Some(first) = self.0.front() else { return EpollTimeout::NONE };
        let pause = first.due.saturating_duration_since(Instant::now());
        // A pause that is cut to whole milliseconds would be over before its time.
        EpollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
    }

    /// The next that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<DelayedAnswer> {
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
    use proxydhcpd_core::answer::{Silence, Verdict};
    use proxydhcpd_core::client::IgnoreReason;

    #[test]
    fn a_reply_goes_out_when_it_is_due_and_no_more_are_kept_than_there_is_room_for() {
        let silent = Verdict::Silent(Silence::Ignored(IgnoreReason::Reply));
        let answer = Answer { client: None, decision: None, verdict: silent };
        let (mut late, now) = (DelayedReplies::default(), Instant::now());
        assert_eq!(late.timeout(), EpollTimeout::NONE);
        for number in 0..MOST as u32 {
            assert!(late.has_room());
            late.push(answer.clone(), &Replies::default(), number, now);
        }
        assert!(!late.has_room());
        assert!(late.timeout() != EpollTimeout::NONE && late.pop_due(now + DELAY / 2).is_none());
        assert_eq!(late.pop_due(now + DELAY).unwrap().link, 0);
        assert!(late.has_room());
        late.push(answer, &Replies::default(), 1, now + DELAY);
        let due = std::iter::from_fn(|| late.pop_due(now + DELAY)).count();
        assert_eq!((due, late.is_empty()), (MOST - 1, false));
    }
}
