//! What is told of files: every one at debug, because a machine fetches a dozen; what was refused is counted, and
//! warned of where it was offered.

use super::{http, tftp};
use crate::log::RequestedName;
use crate::state::State;
use hyper::Method;
use proxydhcpd_core::fetch::is_done_request;
use proxydhcpd_core::request::{Protocol, FileRequest};
use proxydhcpd_core::transfer::Outcome;
use std::time::Instant;

pub fn log_tftp(state: &State, event: &tftp::TftpEvent<'_>) {
    match event {
        tftp::TftpEvent::Ended { client, server, name, octets, elapsed, outcome } => {
            if *outcome == Outcome::Evicted {
                state.report().count("tftp:gave-way");
            }
            if *outcome == Outcome::Completed {
                state.fetched(&FileRequest { protocol: Protocol::Tftp, name, server: *server, client: *client, interface: "" });
            }
            tracing::debug!("{client}: {} by TFTP, {octets} octets in {elapsed:?}: {outcome:?}", RequestedName(name));
        }
        tftp::TftpEvent::Refused { client, name, reason } => {
            state.report().count(reason.label());
            if matches!(reason, tftp::TftpRefusal::Fetch(_)) {
                state.refused(client.ip(), name);
            }
            tracing::debug!("{client}: {} by TFTP refused: {reason}", RequestedName(name));
        }
        tftp::TftpEvent::Ignored { client, reason: reason @ tftp::TftpSilence::SendBufferFull } => {
            let warning = format_args!(
                "a TFTP packet to {client} was not sent, because the send buffer of its socket is full: the network \
                 takes less \
                 than is sent, or addresses that ask do not answer ARP (`ip neigh` shows those as INCOMPLETE or FAILED)"
            );
            state.report().warn_once_a_minute(reason.label(), warning, Instant::now());
        }
        tftp::TftpEvent::Ignored { client, reason } => {
            state.report().count(reason.label());
            tracing::debug!("a TFTP datagram from {client} is not answered: {reason}");
        }
        tftp::TftpEvent::Failed { client, name, error } => {
            let what = format_args!("{client}: {} by TFTP: {error}", RequestedName(name));
            state.report().file_error(what, Instant::now());
        }
    }
}

pub fn log_http(state: &State, event: &http::HttpEvent) {
    match event {
        http::HttpEvent::Finished(page) => {
            // A page that an operator has open must not use up the boot of a machine by naming its kernel. That a
            // machine is done was believed before (PowerShell calls itself Mozilla, too).
            let by_a_machine = !page.by_browser || is_done_request(&page.name);
            if page.whole && page.method != Method::HEAD && by_a_machine {
                let http::FinishedRequest { server, client, name, .. } = page;
                // The port matters to nobody who has what he asked for.
                let door = Protocol::Http(0);
                state.fetched(&FileRequest { protocol: door, name, server: *server, client: *client, interface: "" });
            }
            if [403, 404].contains(&page.status) {
                state.refused(page.client.ip(), &page.name);
            }
            tracing::debug!(
                "{}: {} {} {}, {} octets in {:?}",
                page.client,
                page.method,
                RequestedName(&page.name),
                page.status,
                page.octets,
                page.duration
            );
        }
        http::HttpEvent::Failed { client, name, why } => {
            let what = format_args!("{client}: {} by HTTP: {why}", RequestedName(name));
            state.report().file_error(what, Instant::now());
        }
        http::HttpEvent::Dropped { client, why } => {
            tracing::debug!("{client}: HTTP connection dropped: {why:?}");
            match why {
                http::DropReason::Full(crowded) | http::DropReason::EvictedSlowest(crowded) => {
                    state.report().warn_once_a_minute("http:crowded", crowded, Instant::now());
                }
                _ => state.report().count("http:dropped"),
            }
        }
    }
}
