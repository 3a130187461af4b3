//! Where a reply may go, stated from the octets of its request alone.

use crate::plans::{RELAY, is_limited};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp4::Message;
use proxydhcpd_core::wire::dhcp6::Packet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The hardware address of `proxydhcpd probe`, which sends from an address of the server's host.
const PROBE: [u8; 6] = [0x02, 0x50, 0x58, 0x45, 0x00, 0x01];
/// The ports of services that answer anything: a reply to them would begin a loop.
const ANSWERING: [u16; 4] = [0, 7, 19, 53];

/// Panics if a DHCPv4 reply may not go there.
pub fn check4(arrival: &Arrival<'_>, from: SocketAddrV4, destination: &Destination, plan: &Plan) {
    let request = arrival.datagram;
    let field = |at: usize| Ipv4Addr::from(*request[at..].first_chunk().expect("a header"));
    let (ciaddr, giaddr) = (field(12), field(24));
    let is_probe = request[28..34] == PROBE;
    assert_eq!(request[0], 1, "a reply to a reply");
    let SocketAddr::V4(to) = destination.to else { panic!("{destination:?}") };
    let server = match arrival.to {
        IpAddr::V4(to) if !to.is_broadcast() => to,
        _ => arrival.link().ipv4[0].address,
    };
    let expected_from = SocketAddr::from((server, if arrival.port == Port::Dhcp { 67 } else { 4011 }));
    assert_eq!(destination.from, expected_from, "the server identifier");
    assert!(!to.ip().is_multicast() && !to.ip().is_loopback() && !to.ip().is_unspecified(), "{to}");
    assert!(is_probe || !is_own4(arrival, *to.ip()), "a reply to the server itself, at {to}");
    match (arrival.port, giaddr.is_unspecified(), ciaddr.is_unspecified()) {
        (Port::BootServer, ..) => {
            assert_eq!(to, from, "port 4011 answers the source");
            assert!(!ANSWERING.contains(&to.port()) && to.port() != 67, "{to}");
            assert!(ciaddr.is_unspecified() || ciaddr == *from.ip(), "ciaddr {ciaddr} of {from}");
            assert!(!is_broadcast(arrival, *to.ip()), "{to}");
        }
        (Port::Dhcp, false, _) => {
            assert_eq!(*to.ip(), giaddr, "a relay");
            assert!((1..=223).contains(&giaddr.octets()[0]) && !is_broadcast(arrival, giaddr), "{giaddr}");
            assert!(!is_limited(plan) || giaddr == RELAY, "the relay {giaddr} is not listed");
            let may_be_source = has_source_port_suboption(request) && to.port() == from.port();
            assert!(to.port() == 67 || may_be_source && !ANSWERING.contains(&to.port()), "{to}");
        }
        (Port::Dhcp, true, true) => {
            assert_eq!(to, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68));
            assert_eq!(destination.interface_index, Some(arrival.link().index), "the interface of the request");
            assert!(!arrival.via_other_link, "a broadcast on another interface than that of the request");
        }
        (Port::Dhcp, true, false) => {
            assert_eq!(to, SocketAddrV4::new(*from.ip(), 68), "ciaddr {ciaddr}");
            assert_eq!(ciaddr, *from.ip());
        }
    }
}

/// Whether option 82 has sub-option 19 (RFC 8357).
fn has_source_port_suboption(request: &[u8]) -> bool {
    let message = Message::parse(request).expect("an answered request is valid");
    let relay = message.option(82).unwrap_or_default().into_owned();
    let mut rest = &relay[..];
    while let [code, length, after @ ..] = rest {
        if *code == 19 {
            return true;
        }
        rest = after.get(usize::from(*length)..).unwrap_or_default();
    }
    false
}

fn is_own4(arrival: &Arrival<'_>, address: Ipv4Addr) -> bool {
    arrival.links.iter().flat_map(|link| &link.ipv4).any(|network| network.address == address)
}

/// Whether the address is a broadcast: 255.255.255.255, or the last address of a served network.
fn is_broadcast(arrival: &Arrival<'_>, address: Ipv4Addr) -> bool {
    let last = |address: Ipv4Addr, prefix: u8| u32::from(address) | (u32::MAX >> prefix);
    let mut networks = arrival.links.iter().flat_map(|link| &link.ipv4);
    address.is_broadcast() || networks.any(|network| u32::from(address) == last(network.address, network.prefix))
}

/// Panics if the DHCPv6 reply with this index may not go there.
pub fn check6(arrival: &Arrival<'_>, from: SocketAddrV6, destination: &Destination, index: usize) {
    let SocketAddr::V6(to) = destination.to else { panic!("{destination:?}") };
    let is_own =
        |address: Ipv6Addr| arrival.links.iter().flat_map(|link| &link.ipv6).any(|network| network.address == address);
    let request = Packet::parse(arrival.datagram).expect("an answered request is valid");
    let is_probe = arrival.datagram.windows(6).any(|octets| octets == PROBE);
    assert!(!to.ip().is_multicast() && !to.ip().is_loopback() && !to.ip().is_unspecified(), "{to}");
    assert!(to.ip().to_ipv4_mapped().is_none() && (is_probe || !is_own(*to.ip())), "{to}");
    if index > 0 {
        // The address that the DHCPv6 server assigned to the machine (docs/protocol.md 5.3).
        assert_eq!((index, arrival.port), (1, Port::BootServer));
        assert_eq!(to.ip().segments()[..4], from.ip().segments()[..4], "another network");
        assert!(to.port() == from.port() && to.ip() != from.ip());
        return;
    }
    assert_eq!(to.ip(), from.ip(), "a DHCPv6 reply goes to the source");
    match (arrival.port, request.hops.first()) {
        (Port::BootServer, _) => {
            assert!(to.port() == from.port() && !ANSWERING.contains(&to.port()) && to.port() != 67, "{to}");
        }
        (Port::Dhcp, Some(relay)) => {
            let may_be_source = relay.option(135).is_some() && to.port() == from.port();
            assert!(to.port() == 547 || may_be_source && !ANSWERING.contains(&to.port()), "{to}");
        }
        (Port::Dhcp, None) => {
            assert_eq!(to.port(), 546);
            // No router forwards a packet from a link-local address, so the reply stays on the link.
            assert!(matches!(destination.from.ip(), IpAddr::V6(from) if from.is_unicast_link_local()));
            assert!(!arrival.via_other_link);
        }
    }
}
