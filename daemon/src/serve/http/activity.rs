//! How active a connection is. The table of connections evicts by it.

use super::event::DropReason;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// How active a connection is.
pub struct Activity {
    address: IpAddr,
    eviction: Notify,
    state: Mutex<ActivityState>,
}

struct ActivityState {
    last_progress: Instant,
    /// The connection's place among the resting connections, if it rests.
    resting: Option<(Rest, u64)>,
    /// The reason for which the connection is being evicted, if it is.
    evicted: Option<DropReason>,
}

/// Why a connection has nothing to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rest {
    /// It has no request.
    Idle,
    /// Its response is a stream, and the kernel has accepted all of its chunks so far.
    Quiet,
}

impl Activity {
    /// A new connection of a client with this address.
    pub fn new(address: IpAddr) -> Arc<Activity> {
        let state = ActivityState { last_progress: Instant::now(), resting: None, evicted: None };
        Arc::new(Activity { address: address.to_canonical(), eviction: Notify::new(), state: Mutex::new(state) })
    }

    /// The client's address. An IPv4 address that is mapped into IPv6 is returned as IPv4.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The time of the last request, of the last chunk of a stream after a pause, or of the last octets that the kernel
    /// accepted.
    pub fn last_progress(&self) -> Instant {
        self.state().last_progress
    }

    /// Records that the connection makes progress now.
    pub fn progress(&self) {
        self.state().last_progress = Instant::now();
    }

    /// Whether the connection has nothing to send for this reason.
    pub fn rests(&self, rest: Rest) -> bool {
        self.state().resting.is_some_and(|(reason, _)| reason == rest)
    }

    /// Records the connection's place among the resting connections.
    pub fn set_resting(&self, place: (Rest, u64)) {
        self.state().resting = Some(place);
    }

    /// Records that the connection no longer rests, which is progress. Returns its place, if it rested.
    pub fn end_rest(&self) -> Option<(Rest, u64)> {
        let mut state = self.state();
        state.last_progress = Instant::now();
        state.resting.take()
    }

    /// Whether the connection is being evicted.
    pub fn is_evicted(&self) -> bool {
        self.state().evicted.is_some()
    }

    /// Closes the connection to make room for another.
    pub fn evict(&self, reason: DropReason) {
        self.state().evicted = Some(reason);
        self.eviction.notify_one();
    }

    /// Waits until the connection is evicted, and returns the reason.
    pub async fn evicted(&self) -> DropReason {
        self.eviction.notified().await;
        self.state().evicted.unwrap_or(DropReason::EvictedIdle)
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
