//! Replies that the server sends with a delay, on port 4011 over IPv6.
//!
//! EDK2 opens the socket for the reply only after it has sent its request (PxeBcRequestBootService of PxeBcDhcp6.c). A
//! reply that arrives before that only causes an ICMP error, and EDK2 does not repeat the request. EDK2 waits three
//! seconds for the reply.

use nix::sys::epoll::EpollTimeout;
use proxydhcpd_core::answer::{Answer, Replies};
use proxydhcpd_core::route::Destination;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a reply is delayed. Even busy firmware, or firmware on an emulated processor, opens its socket within this
/// time.
const DELAY: Duration = Duration::from_millis(100);
/// Maximum number of answers in the queue. While the queue is full, the server sends replies without a delay.
const MAX_HELD: usize = 1024;

/// A queue of answers, in the order in which they are due.
#[derive(Debug, Default)]
pub struct DelayedReplies(VecDeque<DelayedAnswer>);

/// An answer to send and report when it is due.
#[derive(Debug)]
pub struct DelayedAnswer {
    due: Instant,
    /// The encoded replies, each with its destination.
    pub replies: Vec<(Vec<u8>, Destination)>,
    /// The answer, for the report.
    pub answer: Answer,
    /// The kernel's index of the link on which the request arrived.
    pub link: u32,
}

impl DelayedReplies {
    /// Whether the queue has room for another answer.
    pub fn has_room(&self) -> bool {
        self.0.len() < MAX_HELD
    }

    /// Queues the answer with copies of its replies. They are due a fixed delay after `now`.
    pub fn push(&mut self, answer: Answer, replies: &Replies, link: u32, now: Instant) {
        let replies = replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect();
        self.0.push_back(DelayedAnswer { due: now + DELAY, replies, answer, link });
    }

    /// The time until the next answer is due, as a timeout for epoll. No timeout if the queue is empty.
    pub fn timeout(&self) -> EpollTimeout {
        let Some(first) = self.0.front() else { return EpollTimeout::NONE };
        let pause = first.due.saturating_duration_since(Instant::now());
        // The time is rounded up: epoll counts whole milliseconds, and must not wake the thread too early.
        EpollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
    }

    /// Removes and returns the next answer. Returns `None` if no answer is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<DelayedAnswer> {
        let is_due = self.0.front().is_some_and(|first| first.due <= now);
        if is_due { self.0.pop_front() } else { None }
    }

    /// Whether the queue is empty.
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
    fn a_reply_is_taken_when_it_is_due_and_the_queue_is_bounded() {
        let silent = Verdict::Silent(Silence::Ignored(IgnoreReason::Reply));
        let answer = Answer { client: None, decision: None, verdict: silent };
        let (mut delayed, now) = (DelayedReplies::default(), Instant::now());
        assert_eq!(delayed.timeout(), EpollTimeout::NONE);
        for number in 0..MAX_HELD as u32 {
            assert!(delayed.has_room());
            delayed.push(answer.clone(), &Replies::default(), number, now);
        }
        assert!(!delayed.has_room());
        assert!(delayed.timeout() != EpollTimeout::NONE && delayed.pop_due(now + DELAY / 2).is_none());
        assert_eq!(delayed.pop_due(now + DELAY).unwrap().link, 0);
        assert!(delayed.has_room());
        delayed.push(answer, &Replies::default(), 1, now + DELAY);
        let due = std::iter::from_fn(|| delayed.pop_due(now + DELAY)).count();
        assert_eq!((due, delayed.is_empty()), (MAX_HELD - 1, false));
    }
}
