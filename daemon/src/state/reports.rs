//! Reports of machines: verifies their tokens, limits their number, and records them.

use super::State;
use super::file_requests::with_interface;
use super::report_body::ReportContent;
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::event::report::{MachineText, Report, ReportRefusal};
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::fetch::ScriptFailure;
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::report_request::{ReportRequest, report_request};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::wire::syslog::SyslogLine;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

impl State {
    /// Accepts a report that a machine has posted, and records it. A report that the machine is installed completes its
    /// boot-once. Returns the decisions about the request, too.
    pub fn accept_report(
        &self,
        request: &FileRequest<'_>,
        body: &[u8],
    ) -> (Result<(), ReportRefusal>, Arc<FileTicket>) {
        let Some(report) = self.report_request(request) else { return (Err(ReportRefusal::Token), Arc::default()) };
        let accepted = self.record_posted(&report, request, body);
        if let Err(refusal) = accepted {
            self.events.record_file(Service::Http, &report.ticket, request.client, What::ReportRefused(refusal));
        }
        (accepted, Arc::new(report.ticket))
    }

    /// Whether the report has the machine's token. A refusal is recorded. The server reads the body of a report only
    /// after that.
    pub fn verify_report(&self, request: &FileRequest<'_>) -> Result<(), ReportRefusal> {
        let report = self.report_request(request);
        let verified = report.as_ref().ok_or(ReportRefusal::Token).and_then(|report| self.verify_token(report));
        if let Err(refusal) = verified {
            self.refuse_report(request.client, refusal);
        }
        verified
    }

    /// Records a report that the server refused before it knew the machine.
    pub fn refuse_report(&self, client: SocketAddr, refusal: ReportRefusal) {
        self.events.record_now(Service::Http, EventMachine::at(client), What::ReportRefused(refusal));
    }

    /// Records a failed command of a script, if the machine does not report too many.
    pub(super) fn record_failure(&self, failure: &ScriptFailure, request: &FileRequest<'_>, ticket: &FileTicket) {
        let what = match self.admit_report(request.client.ip().to_canonical()) {
            true => {
                let ScriptFailure { command, file, error } = failure;
                What::Report(Report::ScriptError { command: *command, error: *error, file: MachineText::new(file) })
            }
            false => What::ReportRefused(ReportRefusal::Rate),
        };
        self.events.record_file(request.protocol.into(), ticket, request.client, what);
    }

    /// Records a line of syslog, if its sender's address is that of a machine.
    pub fn accept_syslog(&self, client: SocketAddr, line: &str) -> Result<(), ReportRefusal> {
        let address = client.ip().to_canonical();
        let (identity, _) = ClaimedIdentity::default().resolve(&self.observations(), address);
        let hardware = identity.hardware.ok_or(ReportRefusal::UnknownSender)?;
        let mut limits = self.syslog_limits.lock().unwrap_or_else(PoisonError::into_inner);
        if !limits.admit(hardware, self.now()) {
            return Err(ReportRefusal::Rate);
        }
        drop(limits);
        let line = SyslogLine::parse(line).ok_or(ReportRefusal::Unreadable)?;
        let (program, text) = (MachineText::new(line.program), MachineText::new(line.text));
        let site = self.site();
        let entry = site.plan.inventory.get_by_identity(&identity.shown()).map(|entry| entry.name);
        let machine = EventMachine { identity: Some(&identity), from: Some(client), entry };
        let report = Report::Syslog { severity: line.severity, program, text };
        self.events.record_now(Service::Syslog, machine, What::Report(report));
        Ok(())
    }

    /// Records a line of syslog that was not accepted.
    pub fn refuse_syslog(&self, client: SocketAddr, refusal: ReportRefusal) {
        self.events.record_now(Service::Syslog, EventMachine::at(client), What::ReportRefused(refusal));
    }

    /// Whether the machine may report now. `machine` distinguishes it from others.
    pub(super) fn admit_report(&self, machine: impl std::hash::Hash) -> bool {
        self.report_limits.lock().unwrap_or_else(PoisonError::into_inner).admit(machine, self.now())
    }

    fn report_request(&self, request: &FileRequest<'_>) -> Option<ReportRequest> {
        let links = self.links.load();
        report_request(&self.site().plan, &self.observations(), &with_interface(request, &links))
    }

    fn record_posted(
        &self,
        report: &ReportRequest,
        request: &FileRequest<'_>,
        body: &[u8],
    ) -> Result<(), ReportRefusal> {
        self.verify_token(report)?;
        if !self.admit_report(&report.machine) {
            return Err(ReportRefusal::Rate);
        }
        let content = ReportContent::parse(report.format, body).ok_or(ReportRefusal::Unreadable)?;
        let (ticket, client) = (&report.ticket, request.client);
        if let Some(report) = content.report() {
            self.events.record_file(Service::Http, ticket, client, What::Report(report));
        }
        if matches!(content, ReportContent::Installed(_)) {
            self.complete_boot_once(ticket, Service::Http, client, request.name);
        }
        Ok(())
    }

    fn verify_token(&self, report: &ReportRequest) -> Result<(), ReportRefusal> {
        let (machine, token) = report.machine.as_ref().zip(report.token.as_ref()).ok_or(ReportRefusal::Token)?;
        let count = self.observations().boot_once.generation(machine);
        let is_valid = self.boot_once.is_valid_token(token, machine, count);
        if is_valid { Ok(()) } else { Err(ReportRefusal::Token) }
    }
}
