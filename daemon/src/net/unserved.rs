//! Finds the interfaces that the configuration names but the server does not serve, and the reasons.

use crate::net::link::{LinkFilter, dump, is_bridge_port, link_name, matches_pattern, run_on_thread, served_link};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use std::fmt;
use std::io;

/// A name or pattern that matches no served interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnservedInterface {
    /// The name or pattern in the configuration.
    pub pattern: String,
    /// Why no interface is served.
    pub reason: UnservedReason,
    /// The names of all interfaces of the host.
    pub all_interfaces: Vec<String>,
}

/// Why an interface is not served. The values are the names of interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnservedReason {
    /// No interface matches the name or pattern.
    NotFound,
    /// The interface is down.
    Down(String),
    /// The interface is a port of a bridge, bond or team.
    BridgePort(String),
    /// The interface has no address, or none that the configuration allows.
    NoAddress(String),
}

/// Returns the filter's names and patterns that match no served interface. Blocks for some milliseconds, until the
/// kernel replies.
pub fn unserved_interfaces(filter: &LinkFilter) -> io::Result<Vec<UnservedInterface>> {
    if filter.interfaces.is_empty() {
        return Ok(Vec::new());
    }
    run_on_thread(async |handle| {
        let (links, addresses) = dump(handle).await?;
        let each = filter.interfaces.iter().filter_map(|pattern| {
            let reason = unserved_reason(pattern, &links, &addresses, filter)?;
            let all_interfaces = links.iter().filter_map(link_name).collect();
            Some(UnservedInterface { pattern: pattern.clone(), reason, all_interfaces })
        });
        Ok(each.collect())
    })
}

/// Why no interface that matches the pattern is served. `None` if the server serves one.
fn unserved_reason(
    pattern: &str,
    links: &[LinkMessage],
    addresses: &[AddressMessage],
    filter: &LinkFilter,
) -> Option<UnservedReason> {
    let mut first = None;
    for link in links {
        let Some(name) = link_name(link).filter(|name| matches_pattern(pattern, name)) else { continue };
        if served_link(link, addresses, filter).is_some() {
            return None;
        }
        let reason = if is_bridge_port(link) {
            UnservedReason::BridgePort(name)
        } else if !link.header.flags.contains(LinkFlags::Up) {
            UnservedReason::Down(name)
        } else {
            UnservedReason::NoAddress(name)
        };
        first.get_or_insert(reason);
    }
    Some(first.unwrap_or(UnservedReason::NotFound))
}

impl fmt::Display for UnservedInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            UnservedReason::NotFound => write!(f, "this host has no interface called {}", self.pattern),
            UnservedReason::Down(name) => write!(f, "interface {name} is down"),
            UnservedReason::BridgePort(name) => {
                write!(f, "interface {name} is a port of a bridge or bond, which receives its packets")
            }
            UnservedReason::NoAddress(name) => {
                write!(f, "interface {name} has no address that the configuration allows")
            }
        }
    }
}
