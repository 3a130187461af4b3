//! Checks that the worker threads still run. The server probes each thread regularly, and the thread responds from its
//! main loop: anything that blocks the loop blocks the response as well.

use crate::events::Events;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::process::WorkerEvent;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The probe of one thread, which its monitor and the thread share.
#[derive(Debug)]
pub struct Heartbeat {
    thread: &'static str,
    wake: EventFd,
    pending: AtomicBool,
}

impl Heartbeat {
    /// Creates the probe of a thread that waits on `epoll`, and adds the probe's event to that set with `key` as its
    /// data.
    pub fn new(thread: &'static str, epoll: &Epoll, key: u64) -> io::Result<Heartbeat> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // Edge-triggered: each probe wakes the thread once, and the thread need not read the counter.
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, key))?;
        Ok(Heartbeat { thread, wake, pending: AtomicBool::new(false) })
    }

    /// Responds to the probe. The thread calls this after each wait.
    pub fn beat(&self) {
        self.pending.store(false, Relaxed);
    }

    /// Returns whether the thread has responded to the previous probe, and sends the next one.
    fn probe(&self, events: &Events) -> bool {
        let is_alive = !self.pending.swap(true, Relaxed);
        if let Err(error) = self.wake.write(1) {
            let (thread, error) = (self.thread, format_args!("{error}"));
            events.record_host(What::Worker(WorkerEvent::ProbeFailed { thread, error }));
        }
        is_alive
    }
}

/// Watches one thread, and records since when the thread has not responded.
#[derive(Debug)]
pub struct ThreadMonitor {
    heartbeat: Arc<Heartbeat>,
    stuck_since: Option<Instant>,
}

impl ThreadMonitor {
    /// A monitor of the thread that responds through `heartbeat`.
    pub fn new(heartbeat: &Arc<Heartbeat>) -> ThreadMonitor {
        ThreadMonitor { heartbeat: Arc::clone(heartbeat), stuck_since: None }
    }

    /// Whether the thread has responded since the last call. Call this at the regular interval `every`. Records
    /// when the thread stops responding, and when it responds again.
    pub fn is_alive(&mut self, every: Duration, now: Instant, events: &Events) -> bool {
        let (is_alive, thread) = (self.heartbeat.probe(events), self.heartbeat.thread);
        match (self.stuck_since, is_alive) {
            (None, false) => {
                self.stuck_since = Some(now);
                events.record_host(What::Worker(WorkerEvent::Stuck { thread, since: every }));
            }
            (Some(since), true) => {
                let after = now.duration_since(since) + every;
                events.record_host(What::Worker(WorkerEvent::Responds { thread, after }));
                self.stuck_since = None;
            }
            _ => {}
        }
        is_alive
    }
}
