//! Checks that the worker threads still run. Each is probed regularly and responds from its main loop: whatever blocks
//! the loop blocks the response as well.

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A probe of one thread, shared with that thread.
#[derive(Debug)]
pub struct Heartbeat {
    thread: &'static str,
    wake: EventFd,
    pending: AtomicBool,
}

impl Heartbeat {
    /// For a thread that waits in `epoll`, where the probe's event has the data `key`.
    pub fn new(thread: &'static str, epoll: &Epoll, key: u64) -> io::Result<Heartbeat> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // Edge-triggered: each probe wakes the thread once, and the thread need not read the counter.
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, key))?;
        Ok(Heartbeat { thread, wake, pending: AtomicBool::new(false) })
    }

    /// Responds; the thread calls it after each wait.
    pub fn beat(&self) {
        self.pending.store(false, Relaxed);
    }

    /// Whether the thread has responded to the previous probe. Sends the next.
    fn probe(&self) -> bool {
        let is_alive = !self.pending.swap(true, Relaxed);
        if let Err(error) = self.wake.write(1) {
            tracing::debug!("cannot probe the {} thread: {error}", self.thread);
        }
        is_alive
    }
}

/// Watches one thread, and remembers since when it hangs.
#[derive(Debug)]
pub struct ThreadMonitor {
    heartbeat: Arc<Heartbeat>,
    stuck_since: Option<Instant>,
}

impl ThreadMonitor {
    /// Watches the thread that has the other end of `heartbeat`.
    pub fn new(heartbeat: &Arc<Heartbeat>) -> ThreadMonitor {
        ThreadMonitor { heartbeat: Arc::clone(heartbeat), stuck_since: None }
    }

    /// Whether the thread has responded since the last call. Call it at a regular interval, `every`. Logs when the
    /// thread begins to hang, and when it recovers.
    pub fn is_alive(&mut self, every: Duration, now: Instant) -> bool {
        let (is_alive, thread) = (self.heartbeat.probe(), self.heartbeat.thread);
        match (self.stuck_since, is_alive) {
            (None, false) => {
                self.stuck_since = Some(now);
                tracing::error!(
                    "the {thread} thread has not responded for {every:?}: its clients get no replies. Under systemd \
                     the watchdog (WatchdogSec=) restarts the server; without systemd, restart it manually"
                );
            }
            (Some(since), true) => {
                let seconds = (now.duration_since(since) + every).as_secs();
                tracing::warn!("the {thread} thread responds again, after {seconds} seconds");
                self.stuck_since = None;
            }
            _ => {}
        }
        is_alive
    }
}
