//! Waiting for events on the network, which have no other notification.

use std::time::{Duration, Instant};

/// The timeout for an event that must occur.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Repeats `attempt` until it succeeds, and returns its value. Panics after [`TIMEOUT`].
pub fn wait_for<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    wait_up_to(TIMEOUT, what, attempt)
}

/// Repeats `attempt` until it succeeds, and returns its value. Panics after `timeout`.
pub fn wait_up_to<T>(timeout: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + timeout;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < end, "timeout while waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
