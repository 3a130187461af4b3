//! Whatever messages of the kernel say about interfaces and addresses, the links that the server makes of them have
//! what every link must have. `rtnetlink` parses the messages.

use crate::input::Input;
use crate::seeds;
use proxydhcpd::net::link::{LinkFilter, served_link};
use proxydhcpd_core::link::Link;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of messages that are read from an input.
const MAX_MESSAGES: usize = 64;

/// Reads a choice of the filter, and messages.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let filter = filter(input.next());
    let (mut links, mut addresses, mut rest) = (Vec::new(), Vec::new(), input.rest());
    for _ in 0..MAX_MESSAGES {
        let length = rest.first_chunk().map_or(0, |length| u32::from_le_bytes(*length)) as usize;
        if length < 16 || length > rest.len() {
            break;
        }
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..length]).map(|message| message.payload) {
            Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))) => links.push(link),
            Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address))) => addresses.push(address),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    for message in &links {
        let Some(link) = served_link(message, &addresses, &filter) else { continue };
        assert_eq!(link.index, message.header.index);
        assert_link(&link, &filter);
    }
}

fn assert_link(link: &Link, filter: &LinkFilter) {
    assert!(!link.name.is_empty() || filter.interfaces.is_empty(), "{link:?}");
    assert!(!link.ipv4.is_empty() || !link.ipv6.is_empty(), "nothing to serve: {link:?}");
    assert!(link.ipv6.is_empty() || link.link_local().is_some(), "no source for replies over IPv6: {link:?}");
    assert!(!link.ipv6.iter().any(|network| network.address.is_loopback()), "{link:?}");
    for network in &link.ipv4 {
        assert!(network.contains(network.address) && link.owns(network.address));
        let broadcast = network.broadcast();
        assert!(broadcast.is_none_or(|broadcast| network.contains(broadcast) && link.is_broadcast(broadcast)));
    }
    assert!(link.ipv6.iter().all(|network| network.contains(network.address) && link.owns(network.address)));
    let is_listed = |address: IpAddr| filter.addresses.contains(&address);
    let mut ipv4 = link.ipv4.iter().map(|network| network.address.into());
    let mut ipv6 = link.ipv6.iter().map(|network| network.address.into());
    if filter.addresses.iter().any(IpAddr::is_ipv4) {
        assert!(ipv4.all(is_listed), "{link:?}");
    }
    if filter.addresses.iter().any(IpAddr::is_ipv6) {
        let is_local = |address: IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        assert!(ipv6.all(|address| is_listed(address) || is_local(address)), "{link:?}");
    }
    assert!(filter.ipv6.as_ref().is_none_or(|names| !names.is_empty()) || link.ipv6.is_empty(), "{link:?}");
}

fn filter(choice: u8) -> LinkFilter {
    let has = |bit: u8| choice & 1 << bit != 0;
    LinkFilter {
        interfaces: if has(0) { vec!["eth*".into(), "lo".into()] } else { Vec::new() },
        addresses: [(1, IpAddr::from(Ipv4Addr::new(192, 0, 2, 10))), (2, Ipv6Addr::LOCALHOST.into())]
            .into_iter()
            .filter_map(|(bit, address)| has(bit).then_some(address))
            .collect(),
        ipv4: has(3).then(|| vec!["e?h1".into()]),
        ipv6: has(4).then(Vec::new),
    }
}

/// The messages of a real kernel, about a host with a bridge and cables.
pub fn seeds() -> Vec<Vec<u8>> {
    let files = seeds::files("properties/seeds", &["hex"]).into_iter();
    files.flat_map(|text| seeds::hex_lines(&String::from_utf8_lossy(&text))).collect()
}
