//! Whether the threads that serve still do. Each is asked now and then, and answers by the loop that serves: what holds
//! that up holds up the answer as well.

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The question to one thread, and its answer.
#[derive(Debug)]
pub struct Heartbeat {
    thread: &'static str,
    wake: EventFd,
    asked: AtomicBool,
}

impl Heartbeat {
    /// For a thread that waits in `epoll`, which calls its waking `name`.
    pub fn new(thread: &'static str, epoll: &Epoll, name: u64) -> io::Result<Heartbeat> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // By the edge each question wakes the thread once, and it has nothing to read.
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, name))?;
        Ok(Heartbeat { thread, wake, asked: AtomicBool::new(false) })
    }

    /// To be called by the thread, each time that it has waited.
    pub fn beat(&self) {
        self.asked.store(false, Relaxed);
    }

    /// Whether the question before was answered; it asks again.
    fn ask(&self) -> bool {
        let is_alive = !self.asked.swap(true, Relaxed);
        if let Err(error) = self.wake.write(1) {
            tracing::debug!("the {} thread cannot be asked: {error}", self.thread);
        }
        is_alive
    }
}

/// A thread, and since when it has not answered.
#[derive(Debug)]
pub struct ThreadMonitor {
    pulse: Arc<Heartbeat>,
    still_since: Option<Instant>,
}

impl ThreadMonitor {
    pub fn new(pulse: &Arc<Heartbeat>) -> ThreadMonitor {
        ThreadMonitor { pulse: Arc::clone(pulse), still_since: None }
    }

    /// To be called at regular times, `every` so long. False: the thread stands still, which is said when it begins and
    /// ends.
    pub fn is_alive(&mut self, every: Duration, now: Instant) -> bool {
        let (is_alive, thread) = (self.pulse.ask(), self.pulse.thread);
        match (self.still_since, is_alive) {
            (None, false) => {
                self.still_since = Some(now);
                tracing::error!(
                    "the {thread} thread has not answered for {every:?}: nothing that it serves is answered. systemd \
                     restarts \
                     this server by its watchdog (WatchdogSec=); without systemd, restart it by hand"
                );
            }
            (Some(since), true) => {
                let seconds = (now.duration_since(since) + every).as_secs();
                tracing::warn!("the {thread} thread answers again, after {seconds} seconds");
                self.still_since = None;
            }
            _ => {}
        }
        is_alive
    }
}
