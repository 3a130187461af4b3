//! What the threads share: the current site, the links, what was heard, what was counted.

use crate::files::Opened;
use crate::log::RequestedName;
use crate::report::Report;
use crate::site::Site;
use crate::templates::Failure;
use crate::boot_once::completions::format_identities;
use crate::boot_once::{CompletionChanges, UNSAID_HELP, BootOnceState, list_machines};
use arc_swap::ArcSwap;
use proxydhcpd_core::fetch::{DoneRequest, Fetch, FetchOutcome, Refusal, fetch, after_fetch, is_first_request};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::machines::Policy;
use proxydhcpd_core::plan::{LoopGuard, Plan};
use proxydhcpd_core::request::FileRequest;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug)]
pub struct State {
    /// Swapped whole by a reload.
    pub site: ArcSwap<Site>,
    /// Swapped whole when netlink says so.
    pub links: ArcSwap<Vec<Link>>,
    memory: Mutex<Observations>,
    report: Mutex<Report>,
    /// Which machines have used up their boot, on the disk.
    pub boot_once: BootOnceState,
    /// Machines that were told of because their marks hold, though their entries do not say `boot`.
    marked: Mutex<BTreeSet<String>>,
    started: Instant,
}

impl State {
    pub fn new(site: Site, links: Vec<Link>, used: BootOnceState) -> Self {
        let started = Instant::now();
        let state = State {
            site: ArcSwap::from_pointee(site),
            links: ArcSwap::from_pointee(links),
            // The standard library's hasher is seeded by the kernel.
            memory: Mutex::new(Observations::new(RandomState::new().hash_one(0))),
            report: Mutex::new(Report::new(started)),
            started,
            boot_once: used,
            marked: Mutex::default(),
        };
        state.observations().boot_once.set_completions(state.boot_once.completion_counts());
        state.refresh_boot_once();
        state
    }

    /// What a requested name means, opened.
    pub fn open(&self, request: &FileRequest<'_>) -> Result<Opened, Refusal> {
        let (site, links) = (self.site.load(), self.links.load());
        let request = &with_interface(request, &links);
        let mut meant = {
            let mut memory = self.observations();
            let meant = fetch(&site.plan, &memory, request);
            memory.note_file_request(request.client.ip(), is_first_request(request.name, &meant), self.now());
            meant?
        };
        if let Fetch::Done(done) = &meant {
            return self.believe(done, request);
        }
        self.add_token(&site.plan, &mut meant);
        let asked_for = meant.machine(&site.plan).map(str::to_owned);
        let failed = |failure: &Failure| {
            let who = asked_for.unwrap_or_else(|| request.client.ip().to_canonical().to_string());
            self.report().template_failure(failure, &who, Instant::now());
        };
        site.open(meant, request, failed)
    }

    /// A file was fetched whole.
    pub fn fetched(&self, request: &FileRequest<'_>) {
        let (site, links) = (self.site.load(), self.links.load());
        let request = &with_interface(request, &links);
        let name = String::from_utf8_lossy(request.name);
        let mut memory = self.observations();
        let FetchOutcome { is_loader: loader, completes: used_up } = after_fetch(&site.plan, &memory, request);
        let looping = match loader {
            true => memory.note_loader(request.client.ip(), &name, self.now()),
            false => None,
        };
        let used_up = used_up.and_then(|machine| memory.boot_once.complete(&machine).map(|times| (machine, times)));
        drop(memory);
        if let Some((machine, times)) = used_up {
            let name = RequestedName(request.name).to_string();
            let entry = site.plan.machines.get_by_name(&machine);
            let identities = entry.map(|entry| format_identities(&entry)).unwrap_or_default();
            self.boot_once.complete(&machine, &format!("{name}\n{identities}"), times);
            tracing::info!(
                MACHINE = machine,
                "{machine} has used up its boot by {name}: from now on it boots its disk"
            );
        }
        if let Some(looping) = looping.filter(|_| site.plan.loop_guard != LoopGuard::Off) {
            self.report().boot_loop(request.client.ip(), &name, &looping, site.plan.loop_guard);
        }
    }

    /// A request for a file was refused. Where it is a file that we offer, and cannot send, the operator has to know.
    pub fn refused(&self, client: IpAddr, name: &[u8]) {
        let site = self.site.load();
        let Some((name, refusal)) = site.offered_name(name).and_then(|name| Some((name, site.refusal_of(name)?))) else { return };
        let client = client.to_canonical();
        let holder = self.observations().address_owner(client);
        let who = holder.map_or_else(|| client.to_string(), |holder| format!("{} ({client})", holder.hardware));
        let (why, cure) = site.explain_refusal(name, refusal);
        self.report().offered_file_refused(name, &who, format_args!("{why}; {cure}"), Instant::now());
    }

    /// Takes over a site: as a whole.
    pub fn replace_site(&self, site: Site) {
        self.site.store(Arc::new(site));
    }

    /// A machine that is done with its boot says so with the token that was made for it, or from its address. Whoever
    /// else says so is refused: a page in somebody's browser could.
    fn believe(&self, done: &DoneRequest, request: &FileRequest<'_>) -> Result<Opened, Refusal> {
        let arming = self.observations().boot_once.generation(&done.machine);
        let shows_token = done.token.as_ref().is_some_and(|shown| self.boot_once.is_valid_token(shown, &done.machine, arming));
        if shows_token || done.from_its_address {
            return Ok(Opened::text(*b"noted\n"));
        }
        let (client, machine) = (request.client.ip().to_canonical(), &done.machine);
        let token = if done.token.is_some() { "with a token that is not valid (any more)" } else { "without a token" };
        let what = format_args!(
            "{client} says {token} that {machine} is done with its boot, and was not seen as {machine}: refused; \
             {{{{ done_url }}}} in a template has the token"
        );
        self.report().warn_once_a_minute("file:done-refused", what, Instant::now());
        Err(Refusal::Denied)
    }

    /// What is rendered for a machine may tell it how to say that it is done.
    pub fn add_token(&self, plan: &Plan, meant: &mut Fetch) {
        let Some(machine) = meant.machine(plan) else { return };
        let token = self.boot_once.token(machine, self.observations().boot_once.generation(machine));
        meant.set_token(token);
    }

    /// Which machines have used up their boot, if somebody has changed that. May wait for a disk.
    pub fn refresh_boot_once(&self) {
        let CompletionChanges { completed: marked, reset: removed, is_unknown: unknown } = self.boot_once.refresh();
        let mut memory = self.observations();
        memory.boot_once.set_unknown(unknown);
        let uncounted: Vec<String> = marked.iter().filter(|machine| memory.boot_once.note_completed(machine)).cloned().collect();
        let rearmed: Vec<String> = removed.into_iter().filter(|machine| memory.boot_once.reset(machine)).collect();
        drop(memory);
        uncounted.iter().for_each(|machine| self.boot_once.count_found_completion(machine));
        if rearmed.iter().chain(&marked).any(|machine| self.site.load().plan.machines.get_by_name(machine).is_none()) {
            let mut site = Site::clone(&self.site.load());
            let warnings = self.protect_removed_machines(&mut site);
            if !marked.is_empty() {
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            }
            self.site.store(Arc::new(site));
        }
        for machine in rearmed {
            tracing::info!(MACHINE = machine, "{machine} may boot again: its mark was removed");
        }
        self.hold_against_entries();
        self.boot_once.retry_writes();
    }

    /// Machines whose entries are gone boot their disks while their marks hold.
    pub fn protect_removed_machines(&self, site: &mut Site) -> Vec<String> {
        let marked: Vec<String> = self.observations().boot_once.completed().map(str::to_owned).collect();
        site.protect_removed_machines(self.boot_once.directory(), marked.iter().map(String::as_str))
    }

    /// A machine whose entry says `always` or `never` has nothing to use up. One without entry, or whose entry does not
    /// say `boot`, keeps its mark: a file that is half written says no more.
    fn hold_against_entries(&self) {
        // A mark that is still to be written would come back.
        if !self.boot_once.is_idle() {
            return;
        }
        let site = self.site.load();
        let policy = |machine: &str| site.plan.machines.get_by_name(machine).map(|entry| entry.policy);
        let mut memory = self.observations();
        let dropped = memory.boot_once.reset_all(|machine| matches!(policy(machine), Some(Policy::Always | Policy::Never)));
        let unsaid = memory.boot_once.completed().filter(|machine| policy(machine) == Some(Policy::Unspecified));
        let unsaid: BTreeSet<String> = unsaid.map(str::to_owned).collect();
        drop(memory);
        if !dropped.is_empty() {
            self.boot_once.reset(&dropped);
        }
        for machine in dropped {
            tracing::info!(MACHINE = machine, "{machine} has no used-up boot any more: its entry says another `boot`");
        }
        let mut told = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> = unsaid.difference(&told).map(String::as_str).collect();
        if !new.is_empty() {
            tracing::warn!(
                "boots are used up, and the entries do not say `boot`, of {}: until they do, these machines boot their \
                 disks; {UNSAID_HELP}",
                list_machines(new.len(), new.iter().copied())
            );
        }
        *told = unsaid;
    }

    /// Says which machines did not take what we offered. To be called every few seconds.
    pub fn report_boot_attempts(&self) {
        let findings = self.observations().boot_attempts.expire(self.now());
        let links = self.links.load();
        for finding in &findings {
            let link = links.iter().find(|link| link.index == finding.link).map_or("no link", |link| &link.name);
            self.report().finding(link, finding);
        }
    }

    /// Milliseconds since the start.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// A panic ends a thread of DHCP or TFTP with the whole process; after one in a request of HTTP we go on, and a
    /// poisoned lock is taken as it is.
    pub fn observations(&self) -> MutexGuard<'_, Observations> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The interface that our address is on: who serves files may not know it.
fn with_interface<'a>(request: &FileRequest<'a>, links: &'a [Link]) -> FileRequest<'a> {
    let server = request.server.to_canonical();
    let interface = links.iter().find(|link| link.owns(server)).map_or(request.interface, |link| &link.name);
    FileRequest { interface, ..*request }
}
