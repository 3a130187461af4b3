//! The lines about requested files. Each transfer has a line only at debug level, because a machine fetches a dozen
//! files.

use super::limits::Limits;
use crate::log::RequestedName;
use nix::errno::Errno;
use proxydhcpd_core::event::{Event, Overload, Reason, ResetCause, Service, TransferEnd};
use proxydhcpd_core::observations::LoopCause;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::transfer::Outcome;
use std::fmt::{Arguments, Display};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Warns of a machine that fetches its first loader again and again.
pub fn boot_loop(event: &Event<'_>, name: &[u8], cause: LoopCause, guard: LoopGuard, limits: &mut Limits) {
    let machine = event.machine.hardware().map_or_else(|| ip(event).to_string(), |hardware| hardware.to_string());
    if guard == LoopGuard::Stop && limits.may_warn(event.at) {
        let loader = RequestedName(name);
        tracing::warn!(
            MAC = machine,
            FILE = %loader,
            "{machine} fetched {loader} for the third time in two minutes: {cause}; it gets no reply for five minutes"
        );
    }
}

/// A file that the server begins to send.
pub fn opened(event: &Event<'_>, name: &[u8], size: u64) {
    tracing::trace!("{}: {} by {} begins, {size} octets", client(event), RequestedName(name), protocol(event));
}

/// A refusal.
pub fn refused(event: &Event<'_>, name: &[u8], reason: &Reason<'_>) {
    tracing::debug!("{}: {} by {} refused: {}", client(event), RequestedName(name), protocol(event), reason.text);
}

/// A file that could not be opened.
pub fn open_failed(name: &[u8], errno: i32) {
    tracing::debug!(name = %RequestedName(name), errno = %Errno::from_raw(errno), "cannot open a file");
}

/// Warns of a request that was refused although the server offers the file. Each file gets one warning a minute.
pub fn offered_refused(event: &Event<'_>, name: &str, reason: &str, remedy: &str, limits: &mut Limits) {
    if !limits.is_new_failure(name, event.at) {
        return;
    }
    let machine = machine(event);
    tracing::warn!(
        MACHINE = machine,
        FILE = name,
        "{machine} requested {name}, which this server offers, and was refused: {reason}; {remedy}"
    );
}

/// A packet without a reply.
pub fn silence(event: &Event<'_>, reason: &Reason<'_>) {
    tracing::debug!("a {} packet from {}: no reply: {}", protocol(event), client(event), reason.text);
}

/// Warns of a send buffer that is full.
pub fn send_buffer_full(event: &Event<'_>, label: &'static str, limits: &mut Limits) {
    let client = client(event);
    let warning = format_args!(
        "cannot send a TFTP packet to {client}: the send buffer of the socket is full, because the network is too \
         slow, or because addresses that send requests do not reply to ARP (`ip neigh` shows them as INCOMPLETE or \
         FAILED)"
    );
    limits.warn_once_a_minute(label, warning, event.at);
}

/// The end of a transfer.
pub fn transfer_ended(event: &Event<'_>, name: &[u8], octets: u64, duration: Duration, end: TransferEnd<'_>) {
    let (client, name) = (client(event), RequestedName(name));
    match end {
        TransferEnd::Tftp(outcome, _) => {
            tracing::debug!("{client}: {name} by TFTP, {octets} octets in {duration:?}: {}", OutcomeText(outcome));
        }
        TransferEnd::Http { method, status, .. } => {
            tracing::debug!("{client}: {method} {name} {status}, {octets} octets in {duration:?}");
        }
    }
}

/// Warns of an error while a file was sent. Any sender of packets can cause such errors, so they get one line a minute.
pub fn transfer_failed(event: &Event<'_>, name: &[u8], error: Arguments<'_>, limits: &mut Limits) {
    let warning = format_args!("{}: {} by {}: {error}", client(event), RequestedName(name), protocol(event));
    limits.warn_once_a_minute("file:error", warning, event.at);
}

/// A connection that was closed early.
pub fn connection_dropped(event: &Event<'_>, reason: Arguments<'_>, overload: Option<Overload>, limits: &mut Limits) {
    tracing::debug!("{}: HTTP connection dropped: {reason}", client(event));
    if let Some(Overload { connections, address, from_address }) = overload {
        let warning = format_args!(
            "all {connections} HTTP connections are in use: closed one from {address}, which has {from_address}. If \
             these are your machines, raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)"
        );
        limits.warn_once_a_minute("http:connection-limit", warning, event.at);
    }
}

/// Warns of a template that cannot be rendered because of a mistake of the administrator. The warning appears once a
/// minute, and names one of the machines that requested the template.
pub fn template_failed(event: &Event<'_>, template: &str, error: &str, limits: &mut Limits) {
    if !limits.is_new_failure(error, event.at) {
        return;
    }
    let machine = event.machine.entry.map_or_else(|| machine(event), str::to_owned);
    tracing::warn!(MACHINE = machine, TEMPLATE = template, "cannot render a template for {machine}: {error}");
}

/// A completed boot-once.
pub fn boot_once_completed(event: &Event<'_>, name: &[u8]) {
    let (machine, name) = (entry(event), RequestedName(name));
    tracing::info!(MACHINE = machine, "{machine} completed its boot-once ({name}); it now boots from disk");
}

/// A completion that no longer counts.
pub fn boot_once_reset(event: &Event<'_>, cause: ResetCause) {
    let machine = entry(event);
    match cause {
        ResetCause::Removed => {
            tracing::info!(MACHINE = machine, "{machine} boots its profile again: its completion was removed");
        }
        ResetCause::Ordered => tracing::info!(
            MACHINE = machine,
            "the completed boot-once of {machine} no longer counts: an operator changed what it boots"
        ),
        ResetCause::OtherPolicy => tracing::info!(
            MACHINE = machine,
            "the completed boot-once of {machine} no longer counts: its entry has another `boot`"
        ),
    }
}

/// Warns of a refused request for a done URL.
pub fn done_refused(event: &Event<'_>, machine: &str, has_token: bool, limits: &mut Limits) {
    let client = ip(event).to_canonical();
    let token = if has_token { "with an invalid or expired token" } else { "without a token" };
    let warning = format_args!(
        "{client} requested the done URL of {machine} {token}, and does not have the address of {machine}: refused; \
         use {{{{ done_url }}}} in a template, which has the token"
    );
    limits.warn_once_a_minute("file:done-refused", warning, event.at);
}

/// The address and port of the client. Every event about a file has one.
fn client(event: &Event<'_>) -> SocketAddr {
    event.machine.from.unwrap_or_else(|| SocketAddr::from(([0; 4], 0)))
}

/// The machine that requested a file: its hardware address, if it is known, and its IP address.
fn machine(event: &Event<'_>) -> String {
    let address = ip(event).to_canonical();
    event.machine.hardware().map_or_else(|| address.to_string(), |hardware| format!("{hardware} ({address})"))
}

fn ip(event: &Event<'_>) -> IpAddr {
    client(event).ip()
}

fn entry<'a>(event: &Event<'a>) -> &'a str {
    event.machine.entry.unwrap_or_default()
}

fn protocol(event: &Event<'_>) -> &'static str {
    if event.service == Service::Http { "HTTP" } else { "TFTP" }
}

/// How a TFTP transfer ended, in words.
struct OutcomeText(Outcome);

impl Display for OutcomeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Outcome::Completed => "completed",
            Outcome::SizeProbe => "the client requested only the size",
            Outcome::Stopped(code) | Outcome::Aborted(code) => {
                return write!(f, "the client ended it with ERROR {}", code.0);
            }
            Outcome::Gone => "the client closed its port or began anew",
            Outcome::TimedOut => "the client stopped responding",
            Outcome::Evicted => "ended to make room for another transfer",
            Outcome::Failed => "the file changed, or the server stops",
        })
    }
}
