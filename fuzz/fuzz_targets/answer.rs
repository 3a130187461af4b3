//! Any datagram of either family on either port leads to a verdict, and every reply is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::wire::{dhcp4, dhcp6};
use proxydhcpd_fuzz::{DUID, site};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// The observations of all runs. The runs share them, because they are large. Between two runs a minute passes, so no
/// rate limit applies.
static SHARED: Mutex<(Option<Observations>, u64)> = Mutex::new((None, 0));

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

fuzz_target!(|input: (bool, bool, u8, [u8; 16], u16, &[u8])| {
    let (on_4011, is_configured, network, host, source_port, datagram) = input;
    let network6 = |address| Network6 { address, prefix: 64 };
    let links = [Link {
        index: 1,
        name: "eth0".into(),
        mtu: 1500,
        ipv4: vec![Network4 { address: SERVER, prefix: 24 }],
        ipv6: vec![network6(SERVER6), network6(LINK_LOCAL)],
    }];
    let source = source(network, host);
    let to = match (source, on_4011) {
        (IpAddr::V4(_), false) => Ipv4Addr::BROADCAST.into(),
        (IpAddr::V4(_), true) => SERVER.into(),
        (IpAddr::V6(source), _) if source.is_unicast_link_local() => GROUP.into(),
        (IpAddr::V6(_), _) => SERVER6.into(),
    };
    let port = if on_4011 { Port::BootServer } else { Port::Dhcp };
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.1 += 60_000;
    let now = shared.1;
    let observations = shared.0.get_or_insert_with(|| Observations::new(0));
    let from = (source, source_port).into();
    let arrival = Arrival { datagram, port, from, to, links: &links, link: 0, via_other_link: false, now };
    let mut replies = Replies::default();
    let answer = answer(site(is_configured), observations, &arrival, &mut replies);
    let Ok(response) = answer.reply else {
        assert_eq!(replies.iter().count(), 0);
        return;
    };
    for (octets, _) in replies.iter() {
        match source {
            IpAddr::V4(_) => assert_valid(octets),
            IpAddr::V6(_) => assert_valid6(octets),
        }
    }
    if on_4011 {
        assert_eq!((response.destination.to.ip(), response.destination.to.port()), (source, source_port));
    }
});

fn assert_valid(octets: &[u8]) {
    let reply = dhcp4::Message::parse(octets).expect("a reply is valid");
    assert!(reply.header.op == 2 && reply.header.yiaddr.is_unspecified());
    assert!((300..=1472).contains(&octets.len()));
}

/// Checks a DHCPv6 reply. A URL without the firmware's class, or any option about addresses, would stop a machine for
/// good.
fn assert_valid6(octets: &[u8]) {
    let reply = dhcp6::Packet::parse(octets).expect("a reply is valid").message;
    assert!(matches!(reply.message_type, dhcp6::MessageType::Advertise | dhcp6::MessageType::Reply));
    assert!(reply.option(1).is_some() && reply.option(2) == Some(&DUID));
    assert!([3, 7, 13, 60].iter().all(|code| reply.option(*code).is_none()));
    let classes: Vec<&[u8]> = reply.vendor_classes().collect();
    assert!(classes == [b"PXEClient"] || classes == [&b"HTTPClient"[..]]);
}

/// Returns any address, or an address in a served network.
fn source(network: u8, octets: [u8; 16]) -> IpAddr {
    let [.., a, b, c, d] = octets;
    let in_network = |network: Ipv6Addr| {
        let low = u128::from_be_bytes(octets) & u128::from(u64::MAX);
        Ipv6Addr::from(u128::from(network) >> 64 << 64 | low)
    };
    match network % 5 {
        0 => [a, b, c, d].into(),
        1 => [192, 0, 2, d].into(),
        2 => octets.into(),
        3 => in_network(LINK_LOCAL).into(),
        _ => in_network(SERVER6).into(),
    }
}
