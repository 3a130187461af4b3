//! What is told of files: every one at debug, because a machine fetches a dozen; what was refused is counted.

use super::{http, tftp};
use crate::log::Escaped;
use crate::state::State;
use std::time::Instant;

pub fn transfer(state: &State, event: &tftp::Event<'_>) {
    match event {
        tftp::Event::Ended { client, name, octets, elapsed, outcome } => {
            tracing::debug!("{client}: {} by TFTP, {octets} octets in {elapsed:?}: {outcome:?}", Escaped(name));
        }
        tftp::Event::Refused { client, name, reason } => {
            state.report().silence(reason.label());
            tracing::debug!("{client}: {} by TFTP refused: {reason}", Escaped(name));
        }
        tftp::Event::Silent { client, reason } => {
            state.report().silence(reason.label());
            tracing::debug!("a TFTP datagram from {client} is not answered: {reason}");
        }
        tftp::Event::Trouble { client, name, error } => {
            let what = format_args!("{client}: {} by TFTP: {error}", Escaped(name));
            state.report().trouble(what, Instant::now());
        }
    }
}

pub fn page(state: &State, event: &http::Event) {
    match event {
        http::Event::Finished(page) => tracing::debug!(
            "{}: {} {} {}, {} octets in {:?}",
            page.client,
            page.method,
            Escaped(&page.name),
            page.status,
            page.octets,
            page.duration
        ),
        http::Event::Dropped { client, why } => {
            state.report().silence("http:dropped");
            tracing::debug!("{client}: HTTP connection dropped: {why:?}");
        }
    }
}
