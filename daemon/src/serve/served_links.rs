//! The interfaces that the server serves: follows their changes, logs them, and reports them to the service manager.

use crate::state::State;
use crate::systemd;
use proxydhcpd_core::link::Link;
use std::net::IpAddr;
use std::sync::Arc;

/// Replaces the served links, logs the changes, and reports the new status to the service manager.
pub fn follow(state: &State, links: Vec<Link>) {
    let before = state.links.swap(Arc::new(links));
    let now = state.links.load();
    log_changes(&before, &now);
    systemd::status(&status(&now));
}

/// Logs the difference between two lists of links.
pub fn log_changes(before: &[Link], now: &[Link]) {
    for gone in before.iter().filter(|old| now.iter().all(|new| new.index != old.index)) {
        tracing::info!("{} is no longer served", gone.name);
    }
    for link in now.iter().filter(|new| !before.contains(new)) {
        let addresses = [link.address().map(IpAddr::V4), link.address6().map(IpAddr::V6)];
        let addresses: Vec<String> = addresses.iter().flatten().map(IpAddr::to_string).collect();
        tracing::info!("serving {} as {}", link.name, addresses.join(" and "));
    }
}

/// The served interfaces in one line, as the status for the service manager.
pub fn status(links: &[Link]) -> String {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    match names[..] {
        [] => "no interface to serve yet: none that the configuration selects is up and has an address".to_owned(),
        _ => format!("serving {}", names.join(", ")),
    }
}

/// Whether a local address belongs to a served interface, or is loopback.
pub fn is_served(links: &[Link], local: IpAddr) -> bool {
    local.is_loopback() || links.iter().any(|link| link.owns(local))
}
