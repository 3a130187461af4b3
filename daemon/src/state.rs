//! The state that the threads share: the current site, the links, the observations, the sink of events, and the
//! completions of boot-once machines.

use crate::boot_once::completions::format_identities;
use crate::boot_once::{BootOnceState, CompletionChanges, RESET_HELP, list_machines};
use crate::events::Events;
use crate::files::{Opened, ResolvedFile};
use crate::log::RequestedName;
use crate::site::Site;
use crate::templates::Failure;
use arc_swap::ArcSwap;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use proxydhcpd_core::event::{ContentKind, EventMachine, ResetCause, Service, Severity, What};
use proxydhcpd_core::fetch::{DoneRequest, Fetch, FetchDecision, Refusal, fetch, is_first_request};
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::BootMode;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::request::FileRequest;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state that all threads of the server share.
#[derive(Debug)]
pub struct State {
    /// The current site. A reload replaces it as a whole.
    pub site: ArcSwap<Site>,
    /// The served links. Replaced as a whole when netlink reports a change.
    pub links: ArcSwap<Vec<Link>>,
    observations: Mutex<Observations>,
    /// The sink of events.
    pub events: Events,
    /// The completions on the disk.
    pub boot_once: BootOnceState,
    /// Machines that completed their boot-once, and whose entries have no `boot`. The log has warned of each.
    warned_unset: Mutex<BTreeSet<String>>,
}

impl State {
    /// The state of a server that starts now. Reads the completions from the disk.
    pub fn new(site: Site, links: Vec<Link>, boot_once: BootOnceState, events: Events) -> Self {
        let state = State {
            site: ArcSwap::from_pointee(site),
            links: ArcSwap::from_pointee(links),
            // The kernel's random numbers seed the standard library's hasher.
            observations: Mutex::new(Observations::new(RandomState::new().hash_one(0))),
            events,
            boot_once,
            warned_unset: Mutex::default(),
        };
        state.observations().boot_once.set_completions(state.boot_once.completion_counts());
        state.refresh_boot_once();
        state
    }

    /// Resolves a requested name, and opens the file. The result has a refusal if the server does not send it.
    pub fn open(&self, request: &FileRequest<'_>) -> ResolvedFile {
        let (site, links) = (self.site.load(), self.links.load());
        let request = &with_interface(request, &links);
        let FetchDecision { answer, ticket } = {
            let mut observations = self.observations();
            let decision = fetch(&site.plan, &observations, request);
            let is_first = is_first_request(request.name, &decision.answer);
            observations.note_file_request(request.client.ip(), is_first, self.now());
            decision
        };
        let opened = answer.and_then(|answer| self.open_answer(&site, answer, request, &ticket));
        if let Err(Refusal::Failed(errno)) = opened {
            let what = What::OpenFailed { name: request.name, errno };
            self.events.record_now(request.protocol.into(), event_machine(&ticket, request.client), what);
        }
        ResolvedFile { opened, ticket: Arc::new(ticket) }
    }

    fn open_answer(
        &self,
        site: &Site,
        mut answer: Fetch,
        request: &FileRequest<'_>,
        ticket: &FileTicket,
    ) -> Result<Opened, Refusal> {
        let record = |what: What<'_>| {
            self.events.record_now(request.protocol.into(), event_machine(ticket, request.client), what);
        };
        let content = ContentKind::from(&answer);
        let opened = if let Fetch::Done(done) = &answer {
            self.accept_done(done, request)?
        } else {
            self.add_token(&site.plan, &mut answer);
            let on_failure = |failure: &Failure| {
                let error = failure.diagnostic.one_line();
                record(What::TemplateFailed { template: &failure.template, error: &error });
            };
            site.open(answer, request, on_failure)?
        };
        // A script replaces a missing file.
        let is_script = content == ContentKind::File && opened.in_memory().is_some();
        let content = if is_script { ContentKind::Script } else { content };
        record(What::FileOpened { name: request.name, content });
        Ok(opened)
    }

    /// Records that a client fetched a whole file, which may complete a boot-once, or prove a boot loop. `ticket` is
    /// that of the request.
    pub fn fetched(&self, ticket: &FileTicket, service: Service, client: SocketAddr, name: &[u8]) {
        let file = String::from_utf8_lossy(name);
        let mut observations = self.observations();
        let looping = match ticket.is_loader {
            true => observations.note_loader(client.ip(), &file, self.now()),
            false => None,
        };
        let completed = ticket.completes.as_ref();
        let completed = completed.and_then(|done| Some((done, observations.boot_once.complete(&done.name)?)));
        drop(observations);
        let machine = event_machine(ticket, client);
        if let Some((completed, times)) = completed {
            let record = format!("{}\n{}", RequestedName(name), format_identities(completed));
            self.boot_once.complete(&completed.name, &record, times);
            let machine = EventMachine { entry: Some(&completed.name), ..machine };
            self.events.record_now(service, machine, What::BootOnceCompleted { name });
        }
        let guard = self.site.load().plan.policy.loop_guard;
        if let Some(looping) = looping.filter(|_| guard != LoopGuard::Off) {
            let machine = EventMachine { hardware: looping.owner.map(|owner| owner.hardware), ..machine };
            self.events.record_now(service, machine, What::BootLoop { name, cause: looping.cause, guard });
        }
    }

    /// Records a refused request if the server offers the requested file but cannot send it. `ticket` is that of the
    /// request.
    pub fn refused(&self, ticket: &FileTicket, service: Service, client: SocketAddr, name: &[u8]) {
        let site = self.site.load();
        let Some((name, refusal)) = site.offered_name(name).and_then(|name| Some((name, site.refusal_of(name)?)))
        else {
            return;
        };
        let (reason, remedy) = site.explain_refusal(name, refusal);
        let what = What::OfferedFileRefused { name, reason: format_args!("{reason}; {remedy}") };
        self.events.record_now(service, event_machine(ticket, client), what);
    }

    /// Replaces the site as a whole.
    pub fn replace_site(&self, site: Site) {
        self.site.store(Arc::new(site));
    }

    /// Accepts a request for a machine's done URL if the request has the machine's token or comes from the machine's
    /// address. Any other request is refused, because a web page in a browser could cause it.
    fn accept_done(&self, done: &DoneRequest, request: &FileRequest<'_>) -> Result<Opened, Refusal> {
        let count = self.observations().boot_once.generation(&done.machine);
        let has_token =
            done.token.as_ref().is_some_and(|token| self.boot_once.is_valid_token(token, &done.machine, count));
        if has_token || done.from_its_address {
            return Ok(Opened::text("noted\n"));
        }
        let what = What::DoneRefused { machine: &done.machine, has_token: done.token.is_some() };
        self.events.record_now(request.protocol.into(), at(request.client), what);
        Err(Refusal::Denied)
    }

    /// Adds the machine's token to a fetch, for `done_url` in templates.
    pub fn add_token(&self, plan: &Plan, resolved: &mut Fetch) {
        let Some(machine) = resolved.machine(plan) else { return };
        let token = self.boot_once.token(machine, self.observations().boot_once.generation(machine));
        resolved.set_token(token);
    }

    /// Reads the completions from the disk if they changed there. May wait for the disk. Call it every few seconds.
    pub fn refresh_boot_once(&self) {
        let CompletionChanges { completed, reset: removed, is_unknown } = self.boot_once.refresh();
        let mut observations = self.observations();
        observations.boot_once.set_unknown(is_unknown);
        let uncounted: Vec<String> =
            completed.iter().filter(|machine| observations.boot_once.note_completed(machine)).cloned().collect();
        let reset: Vec<String> = removed.into_iter().filter(|machine| observations.boot_once.reset(machine)).collect();
        drop(observations);
        uncounted.iter().for_each(|machine| self.boot_once.count_found_completion(machine));
        if reset.iter().chain(&completed).any(|machine| self.site.load().plan.inventory.get_by_name(machine).is_none())
        {
            let mut site = Site::clone(&self.site.load());
            let warnings = self.protect_removed_machines(&mut site);
            if !completed.is_empty() {
                self.events.warnings(warnings.into_iter());
            }
            self.site.store(Arc::new(site));
        }
        for machine in reset {
            self.record_reset(&machine, ResetCause::Removed);
        }
        self.reset_by_boot_mode();
        self.boot_once.retry_writes();
    }

    /// Makes completed boot-once machines that no longer have an entry boot their disks. Returns warnings.
    pub fn protect_removed_machines(&self, site: &mut Site) -> Vec<String> {
        let completed: Vec<String> = self.observations().boot_once.completed().map(str::to_owned).collect();
        let unreadable = |path: &Path, error: io::Error| {
            let failure = FileFailure { path: format_args!("{}", path.display()), error: format_args!("{error}") };
            self.events.record_host(What::StateFile(StateFile::CompletionUnreadable(failure)));
        };
        site.protect_removed_machines(self.boot_once.directory(), completed.iter().map(String::as_str), unreadable)
    }

    /// Resets machines whose entries have `boot = "always"` or `"never"`. A machine without an entry, or with an entry
    /// without `boot`, keeps its completion: the file with the entry may be half written.
    fn reset_by_boot_mode(&self) {
        // A reset now would remove a file that the writer thread then writes again.
        if !self.boot_once.is_idle() {
            return;
        }
        let site = self.site.load();
        let boot_mode = |machine: &str| site.plan.inventory.get_by_name(machine).map(|entry| entry.boot_mode);
        let mut observations = self.observations();
        let reset = observations
            .boot_once
            .reset_all(|machine| matches!(boot_mode(machine), Some(BootMode::Always | BootMode::Never)));
        let unset =
            observations.boot_once.completed().filter(|machine| boot_mode(machine) == Some(BootMode::Unspecified));
        let unset: BTreeSet<String> = unset.map(str::to_owned).collect();
        drop(observations);
        if !reset.is_empty() {
            self.boot_once.reset(&reset);
        }
        for machine in reset {
            self.record_reset(&machine, ResetCause::OtherPolicy);
        }
        let mut warned = self.warned_unset.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> = unset.difference(&warned).map(String::as_str).collect();
        if !new.is_empty() {
            let machines = list_machines(new.len(), new.iter().copied());
            let warning = format_args!(
                "completed boot-onces of {machines}, whose entries have no `boot`: these machines boot from disk; \
                 {RESET_HELP}"
            );
            self.events.notice(Severity::Warning, warning);
        }
        *warned = unset;
    }

    fn record_reset(&self, machine: &str, cause: ResetCause) {
        let machine = EventMachine { entry: Some(machine), ..EventMachine::default() };
        self.events.record_now(Service::Host, machine, What::BootOnceReset(cause));
    }

    /// Records the machines that did not take the server's offer. Call it every few seconds.
    pub fn record_boot_attempts(&self) {
        let findings = self.observations().boot_attempts.expire(self.now());
        let links = self.links.load();
        for finding in &findings {
            let link = links.iter().find(|link| link.index == finding.link).map(|link| link.name.as_str());
            let machine = EventMachine { hardware: Some(finding.hardware), ..EventMachine::default() };
            self.events.lock().record(link, machine, Service::Dhcp(Port::Dhcp.number()), What::Finding(finding));
        }
    }

    /// The time since the start of the server, in milliseconds.
    pub fn now(&self) -> u64 {
        self.events.now()
    }

    /// Locks the observations. The lock's poison is ignored: a panic in a DHCP or TFTP thread ends the process, and
    /// after a panic in an HTTP request the server should continue.
    pub fn observations(&self) -> MutexGuard<'_, Observations> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine at this address.
fn at(client: SocketAddr) -> EventMachine<'static> {
    EventMachine { address: Some(client), ..EventMachine::default() }
}

/// The machine that sent a request for a file, as far as the decisions about the request show.
pub fn event_machine(ticket: &FileTicket, client: SocketAddr) -> EventMachine<'_> {
    EventMachine { hardware: ticket.owner.map(|owner| owner.hardware), entry: ticket.machine.as_deref(), ..at(client) }
}

/// The request with the interface that has the server's address. A file listener may not know this interface.
fn with_interface<'a>(request: &FileRequest<'a>, links: &'a [Link]) -> FileRequest<'a> {
    let server = request.server.to_canonical();
    let interface = links.iter().find(|link| link.owns(server)).map_or(request.interface, |link| &link.name);
    FileRequest { interface, ..*request }
}
