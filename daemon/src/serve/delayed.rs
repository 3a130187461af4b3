//! Replies that the server sends with a delay, because firmware is not ready for them earlier (`quirks` of the core).

use crate::site::Site;
use nix::sys::epoll::EpollTimeout;
use proxydhcpd_core::answer::{Answer, Replies};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of answers in the queue. While the queue is full, the server sends replies without a delay.
const MAX_HELD: usize = 1024;

/// A queue of answers, in the order in which they are due.
#[derive(Debug, Default)]
pub struct DelayedReplies {
    queue: VecDeque<DelayedAnswer>,
    /// Buffers of replies that have been sent.
    spare: Vec<Replies>,
}

/// An answer to send and report when it is due.
#[derive(Debug)]
pub struct DelayedAnswer {
    /// The time at which it is due.
    pub due: Instant,
    /// The encoded replies, each with its destination.
    pub replies: Replies,
    /// The answer, for the report.
    pub answer: Answer,
    /// The site for which the server decided the answer.
    pub site: Arc<Site>,
    /// The address of the listener that received the request.
    pub listener: SocketAddr,
    /// The kernel's index of the link on which the request arrived.
    pub link: u32,
}

impl DelayedReplies {
    /// Whether the queue has room for another answer.
    pub fn has_room(&self) -> bool {
        self.queue.len() < MAX_HELD
    }

    /// Takes replies out of their buffer, and leaves an empty one.
    pub fn take(&mut self, replies: &mut Replies) -> Replies {
        std::mem::replace(replies, self.spare.pop().unwrap_or_default())
    }

    /// Takes the buffer of replies that have been sent, to use it again.
    pub fn recycle(&mut self, replies: Replies) {
        self.spare.push(replies);
    }

    /// Queues an answer, which the server sends when it is due.
    pub fn push(&mut self, delayed: DelayedAnswer) {
        let place = self.queue.partition_point(|queued| queued.due <= delayed.due);
        self.queue.insert(place, delayed);
    }

    /// The time until the next answer is due, as a timeout for epoll. No timeout if the queue is empty.
    pub fn timeout(&self) -> EpollTimeout {
        let Some(first) = self.queue.front() else { return EpollTimeout::NONE };
        let pause = first.due.saturating_duration_since(Instant::now());
        // The time is rounded up: epoll counts whole milliseconds, and must not wake the thread too early.
        EpollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
    }

    /// The listener of the next answer; `None` if no answer is due.
    pub fn next_listener(&self, now: Instant) -> Option<SocketAddr> {
        self.queue.front().filter(|first| first.due <= now).map(|first| first.listener)
    }

    /// Removes and returns the next answer. Returns `None` if no answer is due, or if the next one is another
    /// listener's.
    pub fn pop_due(&mut self, listener: SocketAddr, now: Instant) -> Option<DelayedAnswer> {
        if self.next_listener(now) == Some(listener) { self.queue.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::tests::site;
    use proxydhcpd_core::answer::Silence;
    use proxydhcpd_core::client::IgnoreReason;
    use std::net::{Ipv4Addr, SocketAddrV4};

    const DELAY: Duration = Duration::from_millis(100);
    const LISTENER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4011));

    #[test]
    fn a_reply_is_taken_when_it_is_due_and_the_queue_is_bounded() {
        let answer = Answer::from(Silence::Ignored(IgnoreReason::Reply));
        let site = Arc::new(site(tempfile::tempdir().unwrap().path()));
        let (mut delayed, now) = (DelayedReplies::default(), Instant::now());
        let push = |delayed: &mut DelayedReplies, link, due| {
            let (answer, site, replies) = (answer.clone(), Arc::clone(&site), Replies::default());
            delayed.push(DelayedAnswer { due, replies, answer, site, listener: LISTENER, link });
        };
        assert_eq!(delayed.timeout(), EpollTimeout::NONE);
        for number in 0..MAX_HELD as u32 {
            assert!(delayed.has_room());
            push(&mut delayed, number, now + DELAY);
        }
        assert!(!delayed.has_room());
        assert!(delayed.timeout() != EpollTimeout::NONE && delayed.pop_due(LISTENER, now + DELAY / 2).is_none());
        assert_eq!(delayed.pop_due(LISTENER, now + DELAY).unwrap().link, 0);
        assert!(delayed.has_room());
        push(&mut delayed, 5000, now + 2 * DELAY);
        push(&mut delayed, 6000, now);
        assert!(delayed.pop_due(SocketAddr::from(([0; 16], 4011)), now).is_none());
        assert_eq!(delayed.pop_due(LISTENER, now + DELAY).unwrap().link, 6000, "its delay is shorter");
        let due = std::iter::from_fn(|| delayed.pop_due(LISTENER, now + DELAY)).count();
        assert_eq!((due, delayed.pop_due(LISTENER, now + 2 * DELAY).unwrap().link), (MAX_HELD - 1, 5000));
    }
}
