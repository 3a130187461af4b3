//! What the threads share: the current site, the links, what was heard, what was counted.

use crate::files::Opened;
use crate::report::Report;
use crate::site::Site;
use arc_swap::ArcSwap;
use proxydhcpd_core::fetch::{Refusal, fetch};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::request::Request;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
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

    /// What a requested name means, opened.
    pub fn open(&self, request: &Request<'_>) -> Result<Opened, Refusal> {
        let (site, links) = (self.site.load(), self.links.load());
        let ours = |link: &&Link| matches!(request.server.to_canonical(), IpAddr::V4(address) if link.owns(address));
        let interface = links.iter().find(ours).map_or(request.interface, |link| &link.name);
        let meant = fetch(&site.plan, &self.memory(), &Request { interface, ..*request })?;
        site.open(meant)
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
