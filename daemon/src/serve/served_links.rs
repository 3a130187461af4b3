//! The interfaces that the server serves: follows their changes, records them, and reports them to the service manager.

use crate::events::Events;
use crate::net::NO_INTERFACE;
use crate::state::State;
use crate::systemd;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::link::Link;
use std::net::IpAddr;
use std::sync::Arc;

/// Replaces the served links, records the changes, and reports the new status to the service manager.
pub fn follow(state: &State, links: Vec<Link>) {
    let before = state.links.swap(Arc::new(links));
    let now = state.links.load();
    record_changes(&state.events, &before, &now);
    systemd::status(&state.events, &status(&now));
}

/// Records the difference between two lists of links.
pub fn record_changes(events: &Events, before: &[Link], now: &[Link]) {
    let record = |link: &Link, what: What<'_>| {
        events.lock().record(Some(&link.name), EventMachine::default(), Service::Host, what);
    };
    for gone in before.iter().filter(|old| now.iter().all(|new| new.index != old.index)) {
        record(gone, What::InterfaceGone);
    }
    for link in now.iter().filter(|new| !before.contains(new)) {
        record(link, What::InterfaceServed([link.address().map(IpAddr::V4), link.address6().map(IpAddr::V6)]));
    }
}

/// The served interfaces in one line, as the status for the service manager.
pub fn status(links: &[Link]) -> String {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    match names[..] {
        [] => NO_INTERFACE.to_owned(),
        _ => format!("serving {}", names.join(", ")),
    }
}

/// Whether a local address belongs to a served interface, or is loopback.
pub fn is_served(links: &[Link], local: IpAddr) -> bool {
    local.is_loopback() || links.iter().any(|link| link.owns(local))
}
