//! What the threads share: the current site, the links, what was heard, what was counted.

use crate::report::Report;
use crate::site::Site;
use arc_swap::ArcSwap;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::memory::Memory;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug)]
pub struct State {
    /// Swapped whole by a reload.
    pub site: ArcSwap<Site>,
    /// Swapped whole when netlink says so.
    pub links: ArcSwap<Vec<Link>>,
    memory: Mutex<Memory>,
    report: Mutex<Report>,
    started: Instant,
    stopping: AtomicBool,
}

impl State {
    pub fn new(site: Site, links: Vec<Link>) -> Self {
        let started = Instant::now();
        State {
            site: ArcSwap::from_pointee(site),
            links: ArcSwap::from_pointee(links),
            // The standard library's hasher is seeded by the kernel.
            memory: Mutex::new(Memory::new(RandomState::new().hash_one(0))),
            report: Mutex::new(Report::new(started)),
            started,
            stopping: AtomicBool::new(false),
        }
    }

    /// Nothing more is offered from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Milliseconds since the start.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// A panic ends a thread of DHCP or TFTP with the whole process; after one in a request of HTTP we go on, and a
    /// poisoned lock is taken as it is.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
