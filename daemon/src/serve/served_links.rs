//! The networks that are served, as they come and go: said, told to the service manager, and asked.

use crate::state::State;
use crate::systemd;
use proxydhcpd_core::link::Link;
use std::net::IpAddr;
use std::sync::Arc;

pub fn follow(state: &State, links: Vec<Link>) {
    let before = state.links.swap(Arc::new(links));
    let now = state.links.load();
    log_changes(&before, &now);
    systemd::status(&status(&now));
}

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

pub fn status(links: &[Link]) -> String {
    let named: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    match named[..] {
        [] => "no interface can be served yet: none that the configuration means is up and has an address".to_owned(),
        _ => format!("serving {}", named.join(", ")),
    }
}

/// Whether an address of ours is one that we serve on.
pub fn is_served(links: &[Link], ours: IpAddr) -> bool {
    ours.is_loopback() || links.iter().any(|link| link.owns(ours))
}
