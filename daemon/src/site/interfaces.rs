//! The interfaces of this host, and those of them to serve.

use crate::config::{ConfigError, Loaded};
use crate::net::link::{self, LinkFilter};
use proxydhcpd_core::link::Link;
use std::io;

/// The interfaces to serve, from the configuration and this host's `links`. Fails if an address of a legacy file is not
/// an address of this host.
pub fn filter(loaded: &Loaded, links: &[Link]) -> Result<LinkFilter, ConfigError> {
    let served = loaded.select_interfaces(links)?;
    let (ipv4, ipv6) = (loaded.settings.ipv4_interfaces.clone(), loaded.settings.ipv6_interfaces.clone());
    Ok(LinkFilter { interfaces: served.interfaces, addresses: served.addresses, ipv4, ipv6 })
}

/// Every interface of this host on which machines could boot. If the interfaces cannot be listed, calls `failed` with
/// the error, and returns an empty list.
pub fn list_all(failed: impl FnOnce(io::Error)) -> Vec<Link> {
    link::list(&LinkFilter::default()).unwrap_or_else(|error| {
        failed(error);
        Vec::new()
    })
}
