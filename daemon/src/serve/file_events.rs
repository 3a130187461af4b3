//! Records what happened in the TFTP and HTTP servers, and what follows from it: a completed boot-once, a boot loop, a
//! refusal of a file that the server offers.

use super::{http, tftp};
use crate::state::State;
use hyper::Method;
use proxydhcpd_core::event::socket::SocketOperation;
use proxydhcpd_core::event::{EventMachine, Reason, Service, TransferEnd, What};
use proxydhcpd_core::fetch::is_done_request;
use proxydhcpd_core::transfer::Outcome;

/// Records what happened in the TFTP server.
pub fn record_tftp(state: &State, event: &tftp::TftpEvent<'_>) {
    let (events, service) = (&state.events, Service::Tftp);
    match event {
        tftp::TftpEvent::Ended { client, name, ticket, octets, elapsed, outcome, progress } => {
            if *outcome == Outcome::Completed {
                state.fetched(ticket, service, *client, name);
            }
            let (octets, duration, end) = (*octets, *elapsed, TransferEnd::Tftp(*outcome, *progress));
            events.record_file(service, ticket, *client, What::TransferEnded { name, octets, duration, end });
        }
        tftp::TftpEvent::Refused { client, name, ticket, reason } => {
            if matches!(reason, tftp::TftpRefusal::Fetch(_)) {
                state.refused(ticket, service, *client, name);
            }
            let reason = Reason { label: reason.label(), text: format_args!("{reason}") };
            events.record_file(service, ticket, *client, What::FileRefused { name, reason });
        }
        tftp::TftpEvent::Ignored { client, reason: reason @ tftp::TftpSilence::SendBufferFull } => {
            events.record_now(service, EventMachine::at(*client), What::SendBufferFull(reason.label()));
        }
        tftp::TftpEvent::Ignored { client, reason } => {
            events.record_now(
                service,
                EventMachine::at(*client),
                What::FileSilence(Reason { label: reason.label(), text: format_args!("{reason}") }),
            );
        }
        tftp::TftpEvent::Failed { client, name, ticket, error } => {
            events.record_file(service, ticket, *client, What::TransferFailed { name, error: format_args!("{error}") });
        }
    }
}

/// Records what happened in the HTTP server.
pub fn record_http(state: &State, event: &http::HttpEvent) {
    let (events, service) = (&state.events, Service::Http);
    match event {
        http::HttpEvent::Finished(request) => {
            let http::FinishedRequest { client, name, ticket, octets, duration, status, .. } = request;
            // A web page in an operator's browser must not complete a machine's boot-once by fetching the machine's
            // kernel. A request for a `done_url` counts from every client, because the server has verified it:
            // PowerShell also calls itself Mozilla, but is no browser.
            let is_from_machine = !request.is_browser || is_done_request(name);
            if request.whole && request.method != Method::HEAD && is_from_machine {
                state.fetched(ticket, service, *client, name);
            }
            if [403, 404].contains(status) {
                state.refused(ticket, service, *client, name);
            }
            if let Some(reason) = http_refusal(*status) {
                events.record_file(service, ticket, *client, What::FileRefused { name, reason });
            }
            let end = TransferEnd::Http { method: request.method.as_str(), status: *status, whole: request.whole };
            events.record_file(
                service,
                ticket,
                *client,
                What::TransferEnded { name, octets: *octets, duration: *duration, end },
            );
        }
        http::HttpEvent::NotAccepted(error) => {
            events.socket_failed(SocketOperation::AcceptConnection, error);
        }
        http::HttpEvent::CannotAccept(error) => {
            events.socket_failed(SocketOperation::AcceptConnections, error);
        }
        http::HttpEvent::Failed { client, name, ticket, error } => {
            events.record_file(service, ticket, *client, What::TransferFailed { name, error: format_args!("{error}") });
        }
        http::HttpEvent::Dropped { client, reason } => {
            let overload = reason.overload();
            events.record_now(
                service,
                EventMachine::at(*client),
                What::ConnectionDropped { reason: format_args!("{reason}"), overload },
            );
        }
    }
}

/// The reason for which the server refused a request with this status; `None` if it did not refuse the request.
fn http_refusal(status: u16) -> Option<Reason<'static>> {
    Some(match status {
        400 => Reason { label: "http:refused:bad-request", text: format_args!("the request is invalid") },
        403 => Reason { label: "http:refused:denied", text: format_args!("access denied") },
        404 => Reason { label: "http:refused:not-found", text: format_args!("no such file") },
        405 => Reason { label: "http:refused:method", text: format_args!("the method is not allowed") },
        500 => Reason { label: "http:refused:failed", text: format_args!("cannot send the file") },
        _ => return None,
    })
}
