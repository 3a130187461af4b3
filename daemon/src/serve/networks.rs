//! The networks that are served, as they come and go: said, told to the service manager, and asked.

use crate::state::State;
use crate::systemd;
use nix::ifaddrs::getifaddrs;
use proxydhcpd_core::link::Link;
use std::net::IpAddr;
use std::sync::Arc;

pub fn follow(state: &State, links: Vec<Link>) {
    let before = state.links.swap(Arc::new(links));
    let now = state.links.load();
    say_changes(&before, &now);
    systemd::status(&status(&now));
}

pub fn say_changes(before: &[Link], now: &[Link]) {
    for gone in before.iter().filter(|old| now.iter().all(|new| new.index != old.index)) {
        tracing::info!("{} is no longer served", gone.name);
    }
    for link in now.iter().filter(|new| !before.contains(new)) {
        if let Some(address) = link.address() {
            tracing::info!("serving {} as {address}", link.name);
        }
    }
}

pub fn status(links: &[Link]) -> String {
    let named: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    match named[..] {
        [] => "waiting for an interface with an IPv4 address".to_owned(),
        _ => format!("serving {}", named.join(", ")),
    }
}

/// Whether an address of ours is one that we serve on. IPv6 addresses are not followed: the interface decides.
pub fn is_served(links: &[Link], ours: IpAddr) -> bool {
    let on_served_interface = || {
        let mut interfaces = getifaddrs().into_iter().flatten();
        let on = interfaces
            .find(|on| on.address.and_then(|a| a.as_sockaddr_in6().map(|a| a.ip())).map(IpAddr::V6) == Some(ours));
        on.is_some_and(|on| links.iter().any(|link| link.name == on.interface_name))
    };
    match ours {
        ours if ours.is_loopback() => true,
        IpAddr::V4(ours) => links.iter().any(|link| link.owns(ours)),
        IpAddr::V6(_) => on_served_interface(),
    }
}
