//! The access log. The server logs each transfer only at debug level, because a machine fetches a dozen files. It
//! counts refusals, and logs a warning if it refuses a file that it has offered.

use super::{http, tftp};
use crate::log::RequestedName;
use crate::state::State;
use hyper::Method;
use proxydhcpd_core::fetch::is_done_request;
use proxydhcpd_core::transfer::Outcome;
use std::borrow::Cow;
use std::time::Instant;

/// Logs, counts and records what happened in the TFTP server.
pub fn log_tftp(state: &State, event: &tftp::TftpEvent<'_>) {
    match event {
        tftp::TftpEvent::Ended { client, name, ticket, octets, elapsed, outcome } => {
            if *outcome == Outcome::Evicted {
                state.report().count("tftp:evicted");
            }
            if *outcome == Outcome::Completed {
                state.fetched(ticket, client.ip(), name);
            }
            tracing::debug!(
                "{client}: {} by TFTP, {octets} octets in {elapsed:?}: {}",
                RequestedName(name),
                describe_outcome(*outcome)
            );
        }
        tftp::TftpEvent::Refused { client, name, ticket, reason } => {
            state.report().count(reason.label());
            if matches!(reason, tftp::TftpRefusal::Fetch(_)) {
                state.refused(ticket, client.ip(), name);
            }
            tracing::debug!("{client}: {} by TFTP refused: {reason}", RequestedName(name));
        }
        tftp::TftpEvent::Ignored { client, reason: reason @ tftp::TftpSilence::SendBufferFull } => {
            let warning = format_args!(
                "cannot send a TFTP packet to {client}: the send buffer of the socket is full, because the network is \
                 too slow, or because addresses that send requests do not reply to ARP (`ip neigh` shows them as \
                 INCOMPLETE or FAILED)"
            );
            state.report().warn_once_a_minute(reason.label(), warning, Instant::now());
        }
        tftp::TftpEvent::Ignored { client, reason } => {
            state.report().count(reason.label());
            tracing::debug!("a TFTP packet from {client}: no reply: {reason}");
        }
        tftp::TftpEvent::Failed { client, name, error } => {
            let error = format_args!("{client}: {} by TFTP: {error}", RequestedName(name));
            state.report().file_error(error, Instant::now());
        }
    }
}

/// Logs, counts and records what happened in the HTTP server.
pub fn log_http(state: &State, event: &http::HttpEvent) {
    match event {
        http::HttpEvent::Finished(request) => {
            // A web page in an operator's browser must not complete a machine's boot-once by fetching the machine's
            // kernel. A request for a `done_url` counts from every client, because the server has verified it:
            // PowerShell also calls itself Mozilla, but is no browser.
            let is_from_machine = !request.is_browser || is_done_request(&request.name);
            if request.whole && request.method != Method::HEAD && is_from_machine {
                state.fetched(&request.ticket, request.client.ip(), &request.name);
            }
            if [403, 404].contains(&request.status) {
                state.refused(&request.ticket, request.client.ip(), &request.name);
            }
            tracing::debug!(
                "{}: {} {} {}, {} octets in {:?}",
                request.client,
                request.method,
                RequestedName(&request.name),
                request.status,
                request.octets,
                request.duration
            );
        }
        http::HttpEvent::Failed { client, name, error } => {
            let error = format_args!("{client}: {} by HTTP: {error}", RequestedName(name));
            state.report().file_error(error, Instant::now());
        }
        http::HttpEvent::Dropped { client, reason } => {
            tracing::debug!("{client}: HTTP connection dropped: {}", describe_drop(reason));
            match reason {
                http::DropReason::Full(overload) | http::DropReason::EvictedSlowest(overload) => {
                    state.report().warn_once_a_minute("http:connection-limit", overload, Instant::now());
                }
                _ => state.report().count("http:dropped"),
            }
        }
    }
}

fn describe_outcome(outcome: Outcome) -> Cow<'static, str> {
    match outcome {
        Outcome::Completed => "completed".into(),
        Outcome::SizeProbe => "the client requested only the size".into(),
        Outcome::Stopped(code) | Outcome::Aborted(code) => format!("the client ended it with ERROR {}", code.0).into(),
        Outcome::Gone => "the client closed its port or began anew".into(),
        Outcome::TimedOut => "the client stopped responding".into(),
        Outcome::Evicted => "ended to make room for another transfer".into(),
        Outcome::Failed => "the file changed, or the server stops".into(),
    }
}

fn describe_drop(reason: &http::DropReason) -> &'static str {
    match reason {
        http::DropReason::Full(_) => "no room for another connection",
        http::DropReason::EvictedIdle => "it was idle, and another connection needed its place",
        http::DropReason::EvictedSlowest(_) => "it was the slowest, and another connection needed its place",
        http::DropReason::HeaderTimeout => "no request arrived in time",
        http::DropReason::Malformed => "the request is not HTTP, or its head is too long",
    }
}
