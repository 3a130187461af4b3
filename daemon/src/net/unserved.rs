//! Interfaces that the configuration names and that are not served, and why.

use crate::net::link::{Filter, dump, is_port, matches, name, on_its_own_thread, serve};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use std::fmt;
use std::io;

/// A name or pattern by which no interface is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    pub pattern: String,
    pub why: Why,
    /// The interfaces that there are.
    pub others: Vec<String>,
}

/// With the interface that is called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    NoSuchName,
    Down(String),
    Port(String),
    /// None, or none of those that the configuration names.
    NoAddress(String),
}

/// Of the names that the filter has. Blocks for the few milliseconds that the kernel needs.
pub fn unserved(filter: &Filter) -> io::Result<Vec<Unserved>> {
    if filter.interfaces.is_empty() {
        return Ok(Vec::new());
    }
    on_its_own_thread(async |handle| {
        let (links, addresses) = dump(handle).await?;
        let each = filter.interfaces.iter().filter_map(|pattern| {
            let why = why(pattern, &links, &addresses, filter)?;
            let others = links.iter().filter_map(name).collect();
            Some(Unserved { pattern: pattern.clone(), why, others })
        });
        Ok(each.collect())
    })
}

/// `None`: one is served by this pattern.
fn why(pattern: &str, links: &[LinkMessage], addresses: &[AddressMessage], filter: &Filter) -> Option<Why> {
    let mut first = None;
    for link in links {
        let Some(name) = name(link).filter(|name| matches(pattern, name)) else { continue };
        if serve(link, addresses, filter).is_some() {
            return None;
        }
        let why = if is_port(link) {
            Why::Port(name)
        } else if !link.header.flags.contains(LinkFlags::Up) {
            Why::Down(name)
        } else {
            Why::NoAddress(name)
        };
        first.get_or_insert(why);
    }
    Some(first.unwrap_or(Why::NoSuchName))
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::NoSuchName => write!(f, "this machine has no interface called {}", self.pattern),
            Why::Down(name) => write!(f, "interface {name} is down"),
            Why::Port(name) => write!(f, "interface {name} is a port of a bridge or bond, which hears in its place"),
            Why::NoAddress(name) => write!(f, "interface {name} has no address that the configuration lets us use"),
        }
    }
}
