//! Requests for files: opens the requested file, and records what its complete fetch changes.

use super::State;
use crate::boot_once::completions::format_identities;
use crate::files::{Opened, ResolvedFile};
use crate::log::RequestedName;
use crate::site::Site;
use crate::templates::Failure;
use proxydhcpd_core::event::report::{Report, ReportSource};
use proxydhcpd_core::event::{ContentKind, Service, What};
use proxydhcpd_core::fetch::{DoneRequest, Fetch, FetchDecision, Refusal, fetch, is_done_request, is_first_request};
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::request::FileRequest;
use std::net::SocketAddr;
use std::sync::Arc;

impl State {
    /// Resolves a requested name, and opens the file. The result has a refusal if the server does not send it.
    pub fn open(&self, request: &FileRequest<'_>) -> ResolvedFile {
        let (site, links) = (self.site(), self.links.load());
        let request = &with_interface(request, &links);
        let FetchDecision { answer, ticket, memory } = {
            let mut observations = self.observations();
            let decision = fetch(&site.plan, &observations, request);
            let is_first = is_first_request(request.name, &decision.answer);
            observations.note_file_request(&decision.ticket.machine, is_first, self.now());
            decision
        };
        if let Some(mib) = memory {
            let what = What::Report(Report::Memory { mib });
            self.events.record_file(request.protocol.into(), &ticket, request.client, what);
        }
        let opened = answer.and_then(|answer| self.open_answer(&site, answer, request, &ticket));
        if let Err(Refusal::Failed(errno)) = opened {
            let what = What::OpenFailed { name: request.name, errno };
            self.events.record_file(request.protocol.into(), &ticket, request.client, what);
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
            self.events.record_file(request.protocol.into(), ticket, request.client, what);
        };
        if let Fetch::Failed(failure) = &answer {
            self.record_failure(failure, request, ticket);
        }
        let (opened, content) = if let Fetch::Done(done) = &answer {
            (self.accept_done(done, request, ticket)?, ContentKind::Done)
        } else {
            self.add_token(&site.plan, &mut answer);
            let on_failure = |failure: &Failure, substitute| {
                let error = failure.diagnostic.one_line();
                record(What::TemplateFailed { template: &failure.template, error: &error, substitute });
            };
            site.open(answer, request, on_failure)?
        };
        record(What::FileOpened { name: request.name, content, size: opened.size() });
        Ok(opened)
    }

    /// Records that a client fetched a whole file, which may complete a boot-once, or prove a boot loop. `ticket` is
    /// that of the request.
    pub fn fetched(&self, ticket: &FileTicket, service: Service, client: SocketAddr, name: &[u8]) {
        let file = String::from_utf8_lossy(name);
        let mut observations = self.observations();
        let looping = match ticket.is_loader() {
            true => observations.note_loader(&ticket.machine, &file, self.now()),
            false => None,
        };
        drop(observations);
        if is_done_request(name) {
            let what = What::Report(Report::Installed { source: ReportSource::DoneUrl });
            self.events.record_file(service, ticket, client, what);
        }
        self.complete_boot_once(ticket, service, client, name);
        let guard = self.site().plan.policy.loop_guard;
        if let Some(cause) = looping.filter(|_| guard != LoopGuard::Off) {
            self.events.record_file(service, ticket, client, What::BootLoop { name, cause, guard });
        }
    }

    /// Completes the boot-once of the ticket's machine, if the ticket is to do that and nothing has done it yet.
    pub(super) fn complete_boot_once(&self, ticket: &FileTicket, service: Service, client: SocketAddr, name: &[u8]) {
        let Some(completed) = &ticket.completes else { return };
        let times = self.observations().boot_once.complete(&completed.name, completed.generation);
        if let Some(times) = times {
            let record = format!("{}\n{}", RequestedName(name), format_identities(completed));
            self.boot_once.complete(&completed.name, &record, times);
            self.events.record_file(service, ticket, client, What::BootOnceCompleted { name });
        }
    }

    /// Records a refused request if the server offers the requested file but cannot send it. `ticket` is that of the
    /// request.
    pub fn refused(&self, ticket: &FileTicket, service: Service, client: SocketAddr, name: &[u8]) {
        let site = self.site();
        let Some((name, refusal)) = site.offered_name(name).and_then(|name| Some((name, site.refusal_of(name)?)))
        else {
            return;
        };
        let (reason, remedy) = site.explain_refusal(name, refusal);
        let what = What::OfferedFileRefused { name, reason: &reason, remedy };
        self.events.record_file(service, ticket, client, what);
    }

    /// Accepts a request for a machine's done URL if the request has the machine's token or comes from the machine's
    /// address. Any other request is refused, because a web page in a browser could cause it.
    fn accept_done(
        &self,
        done: &DoneRequest,
        request: &FileRequest<'_>,
        ticket: &FileTicket,
    ) -> Result<Opened, Refusal> {
        let count = self.observations().boot_once.generation(&done.machine);
        let has_token =
            done.token.as_ref().is_some_and(|token| self.boot_once.is_valid_token(token, &done.machine, count));
        if has_token || done.from_its_address {
            return Ok(Opened::text("noted\n"));
        }
        let what = What::DoneRefused { machine: &done.machine, has_token: done.token.is_some() };
        self.events.record_file(request.protocol.into(), ticket, request.client, what);
        Err(Refusal::Denied)
    }

    /// Adds the machine's token to a fetch, for `done_url` in templates.
    pub fn add_token(&self, plan: &Plan, resolved: &mut Fetch) {
        let Some(machine) = resolved.machine(plan) else { return };
        let token = self.boot_once.token(machine, self.observations().boot_once.generation(machine));
        resolved.set_token(token);
    }
}

/// The request with the interface that has the server's address. A file listener may not know this interface.
pub(super) fn with_interface<'a>(request: &FileRequest<'a>, links: &'a [Link]) -> FileRequest<'a> {
    let server = request.server.to_canonical();
    let interface = links.iter().find(|link| link.owns(server)).map_or(request.interface, |link| &link.name);
    FileRequest { interface, ..*request }
}
