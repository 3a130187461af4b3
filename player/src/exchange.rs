//! The interface of every client without I/O, and its timer.

use crate::failure::Failure;
use std::net::SocketAddr;
use std::time::Duration;

/// One exchange of datagrams with servers, such as the DHCP of a firmware or a TFTP transfer. Its caller repeats
/// [`Exchange::next`] until the exchange is done, and passes every datagram that arrives meanwhile. Times are since the
/// start of the run.
pub trait Exchange {
    /// The result of a successful exchange.
    type Outcome;

    /// Returns the next action.
    fn next(&mut self, now: Duration) -> Step<Self::Outcome>;

    /// Receives a datagram. The client ignores a datagram that is not for it.
    fn receive(&mut self, payload: &[u8], from: SocketAddr, now: Duration);
}

/// The next action of a client.
#[derive(Debug)]
pub enum Step<T> {
    /// Sends a datagram.
    Send(SocketAddr, Vec<u8>),
    /// Waits until a datagram arrives, or until this time.
    WaitUntil(Duration),
    /// The exchange has ended.
    Done(Result<T, Failure>),
}

/// The timer of a request: the times at which the client repeats it.
#[derive(Clone, Debug)]
pub struct Retries {
    waits: &'static [u64],
    sent: usize,
    due: Duration,
}

impl Retries {
    /// Creates a timer. `waits` has the wait after each transmission, in milliseconds; the first transmission is due at
    /// once.
    pub fn new(waits: &'static [u64], now: Duration) -> Retries {
        Retries { waits, sent: 0, due: now }
    }

    /// Whether the timer has fired.
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.due
    }

    /// The time at which the timer fires.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// The number of transmissions so far.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Records a transmission, and starts the timer again. Returns `false` if there are no transmissions left.
    pub fn send(&mut self, now: Duration) -> bool {
        let Some(wait) = self.waits.get(self.sent) else { return false };
        self.sent += 1;
        self.due = now + Duration::from_millis(*wait);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_repeated_after_each_wait_until_none_is_left() {
        let at = Duration::from_millis;
        let mut retries = Retries::new(&[10, 20], at(5));
        assert!(retries.is_due(at(5)) && retries.send(at(5)));
        assert!(!retries.is_due(at(14)) && retries.is_due(at(15)) && retries.send(at(15)));
        assert_eq!((retries.due(), retries.sent()), (at(35), 2));
        assert!(!retries.send(at(35)));
    }
}
