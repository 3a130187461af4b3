//! What the threads share: the current site, the links, what was heard, what was counted.

use crate::files::Opened;
use crate::log::Escaped;
use crate::report::Report;
use crate::site::Site;
use crate::templates::Failure;
use crate::used::Used;
use arc_swap::ArcSwap;
use proxydhcpd_core::fetch::{Fetched, Refusal, fetch, fetched, is_beginning};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::plan::LoopGuard;
use proxydhcpd_core::request::Request;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug)]
pub struct State {
    /// Swapped whole by a reload.
    pub site: ArcSwap<Site>,
    /// Swapped whole when netlink says so.
    pub links: ArcSwap<Vec<Link>>,
    memory: Mutex<Memory>,
    report: Mutex<Report>,
    used: Mutex<Used>,
    started: Instant,
}

impl State {
    pub fn new(site: Site, links: Vec<Link>, used: Used) -> Self {
        let started = Instant::now();
        let state = State {
            site: ArcSwap::from_pointee(site),
            links: ArcSwap::from_pointee(links),
            // The standard library's hasher is seeded by the kernel.
            memory: Mutex::new(Memory::new(RandomState::new().hash_one(0))),
            report: Mutex::new(Report::new(started)),
            started,
            used: Mutex::new(used),
        };
        state.look_at_used_up();
        state
    }

    /// What a requested name means, opened.
    pub fn open(&self, request: &Request<'_>) -> Result<Opened, Refusal> {
        let (site, links) = (self.site.load(), self.links.load());
        let request = &with_interface(request, &links);
        let meant = {
            let mut memory = self.memory();
            let meant = fetch(&site.plan, &memory, request);
            memory.note_file(request.client.ip(), is_beginning(request.name, &meant), self.now());
            meant?
        };
        let asked_for = meant.machine(&site.plan).map(str::to_owned);
        let failed = |failure: &Failure| {
            let who = asked_for.unwrap_or_else(|| request.client.ip().to_canonical().to_string());
            self.report().unrendered(failure, &who, Instant::now());
        };
        site.open(meant, request, failed)
    }

    /// A file was fetched whole.
    pub fn fetched(&self, request: &Request<'_>) {
        let (site, links) = (self.site.load(), self.links.load());
        let request = &with_interface(request, &links);
        let name = String::from_utf8_lossy(request.name);
        let mut memory = self.memory();
        let Fetched { loader, used_up } = fetched(&site.plan, &memory, request);
        let looping = match loader {
            true => memory.note_loaded(request.client.ip(), &name, self.now()),
            false => None,
        };
        let used_up = used_up.filter(|machine| memory.use_up(machine));
        drop(memory);
        if let Some(machine) = used_up {
            self.used().mark(&machine, &name);
            tracing::info!(
                MACHINE = machine,
                "{machine} has used up its boot by {}: from now on it boots its disk",
                Escaped(request.name)
            );
        }
        if let Some(looping) = looping.filter(|_| site.plan.loop_guard != LoopGuard::Off) {
            self.report().looping(request.client.ip(), &name, &looping, site.plan.loop_guard);
        }
    }

    /// Takes over a site: as a whole.
    pub fn take_over(&self, site: Site) {
        self.site.store(Arc::new(site));
        self.drop_marks();
    }

    /// Which machines have used up their boot, if somebody has changed that.
    pub fn look_at_used_up(&self) {
        let Some(machines) = self.used().changed() else { return };
        self.memory().set_used_up(machines);
        self.drop_marks();
    }

    /// A machine that is no longer to boot once has nothing to use up.
    fn drop_marks(&self) {
        let site = self.site.load();
        let dropped = self.memory().drop_used_up(|machine| !site.plan.machines.is_once(machine));
        let used = self.used();
        dropped.iter().for_each(|machine| used.forget(machine));
    }

    pub fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which machines did not take what we offered. To be called every few seconds.
    pub fn look_for_rivals(&self) {
        let findings = self.memory().rivals.look(self.now());
        let links = self.links.load();
        for finding in &findings {
            let link = links.iter().find(|link| link.index == finding.link).map_or("no link", |link| &link.name);
            self.report().rival(link, finding);
        }
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

/// The interface that our address is on: who serves files may not know it.
fn with_interface<'a>(request: &Request<'a>, links: &'a [Link]) -> Request<'a> {
    let server = request.server.to_canonical();
    let interface = links.iter().find(|link| link.owns(server)).map_or(request.interface, |link| &link.name);
    Request { interface, ..*request }
}
