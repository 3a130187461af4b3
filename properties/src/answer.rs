//! Any datagrams of either family, on either port and at any times, lead to verdicts; every reply is valid and goes
//! where a reply may go (docs/protocol.md 2.2, 5.3, 9), and no client receives more replies than its rate allows.

mod destination;
mod rates;

use crate::input::{Input, sized};
use crate::plans::{DUID, plan};
use crate::seeds::{self, SeedPacket};
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::wire::{dhcp4, dhcp6};
use rates::Rates;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses of this server on its two links.
const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(203, 0, 113, 10)];
const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// The number of datagrams that are sent for one input.
const MAX_SENT: usize = 256;

/// Reads a choice of the plan and then datagrams: each with its flags, its sender, the number of times that it is sent,
/// and the pause before each time.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.next();
    let (links, plan) = (links(), plan(choice));
    let (mut observations, mut replies, mut rates) = (Observations::new(0), Replies::default(), Rates::default());
    let (mut now, mut sent) = (1000, 0);
    while !input.is_empty() {
        let (flags, times, pause): (u8, u8, u16) = (input.next(), input.next(), input.next());
        let (network, host, source_port): (u8, [u8; 16], u16) = (input.next(), input.next(), input.next());
        let arrival = arrival(&links, flags, source(network, host), source_port, input.octets());
        for _ in 0..=times % 16 {
            sent += 1;
            if sent > MAX_SENT {
                return;
            }
            now += milliseconds(pause);
            let arrival = Arrival { now, ..arrival };
            if answer(plan, &mut observations, &arrival, &mut replies).reply.is_err() {
                assert!(replies.is_empty(), "a reply of a silence");
                continue;
            }
            for (index, (octets, destination)) in replies.iter().enumerate() {
                match arrival.from {
                    SocketAddr::V4(from) => {
                        assert_valid(octets);
                        destination::check4(&arrival, from, &destination, plan);
                    }
                    SocketAddr::V6(from) => {
                        assert_valid6(octets);
                        destination::check6(&arrival, from, &destination, index);
                    }
                }
            }
            rates.count(&arrival, plan);
        }
    }
}

/// A pause of up to 33 s in milliseconds, or of up to an hour.
fn milliseconds(pause: u16) -> u64 {
    let (is_long, pause) = (pause & 0x8000 != 0, u64::from(pause & 0x7fff));
    if is_long { pause * 110 } else { pause }
}

fn links() -> [Link; 2] {
    let network6 = |address| Network6 { address, prefix: 64 };
    let network4 = |index: usize, prefix| vec![Network4 { address: SERVERS[index], prefix }];
    let ipv6 = vec![network6(SERVER6), network6(LINK_LOCAL)];
    [
        Link { index: 1, name: "eth0".into(), mtu: 1500, ipv4: network4(0, 24), ipv6 },
        Link { index: 2, name: "eth1".into(), mtu: 1500, ipv4: network4(1, 26), ipv6: Vec::new() },
    ]
}

/// The flags: port 4011; another interface than the link; sent to the server's address; the second link.
fn arrival<'a>(links: &'a [Link], flags: u8, source: IpAddr, source_port: u16, datagram: &'a [u8]) -> Arrival<'a> {
    let has = |bit: u8| flags & 1 << bit != 0;
    let port = if has(0) { Port::BootServer } else { Port::Dhcp };
    // Only the first link has IPv6.
    let link = usize::from(has(3) && source.is_ipv4());
    let is_unicast = has(0) || has(1) || has(2);
    let to: IpAddr = match source {
        IpAddr::V4(_) if is_unicast => SERVERS[link].into(),
        IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
        IpAddr::V6(source) if source.is_unicast_link_local() => GROUP.into(),
        IpAddr::V6(_) => SERVER6.into(),
    };
    let via_other_link = has(1) && to != IpAddr::from(GROUP);
    Arrival { datagram, port, from: (source, source_port).into(), to, links, link, via_other_link, now: 0 }
}

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
    match network % 6 {
        0 => [a, b, c, d].into(),
        1 => [192, 0, 2, d].into(),
        2 => [203, 0, 113, d].into(),
        3 => octets.into(),
        4 => in_network(LINK_LOCAL).into(),
        _ => in_network(SERVER6).into(),
    }
}

/// The packets of vectors and captures: each alone, again and again, and both together.
pub fn seeds() -> Vec<Vec<u8>> {
    let packets = seeds::vectors(&["dhcp4", "dhcp6"]).into_iter().chain(seeds::captured(&[67, 547, 4011]));
    let inputs = packets.flat_map(|packet| {
        let (once, often) = (sent(&packet, 0, 0), sent(&packet, 15, 90));
        let later = sent(&packet, 3, 0x8100);
        (0..3).flat_map(move |plan| [[&[plan][..], &once].concat(), [&[plan][..], &often, &later].concat()])
    });
    inputs.collect()
}

fn sent(packet: &SeedPacket, times: u8, pause: u16) -> Vec<u8> {
    let (network, host) = match packet.from.ip() {
        IpAddr::V4(address) => (0, [&[0; 12][..], &address.octets()].concat()),
        IpAddr::V6(address) => (3, address.octets().into()),
    };
    let flags = u8::from(packet.port == 4011);
    let head = [&[flags, times][..], &pause.to_le_bytes(), &[network], &host, &packet.from.port().to_le_bytes()];
    [head.concat(), sized(&packet.octets)].concat()
}
