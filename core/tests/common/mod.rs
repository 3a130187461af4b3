//! The site of the test vectors, and one call that answers a datagram on it.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use proxydhcpd_core::answer::{Answer, Replies, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::plan::{Loader, Plan, Tftp};
use proxydhcpd_core::route::Destination;
use std::net::{Ipv4Addr, SocketAddrV4};

pub const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

pub fn links() -> Vec<Link> {
    vec![Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4: vec![Network4 { address: HERE, prefix: 24 }] }]
}

/// TFTP and HTTP (port 8080) by ourselves, the loaders under the names that the vectors expect.
pub fn plan() -> Plan {
    let loader =
        |code, name: &str| (Arch(code), Loader { name: name.into(), path: Some(format!("/usr/lib/ipxe/{name}")) });
    Plan {
        tftp: Some(Tftp::Ours),
        http: Some(8080),
        http_clients: true,
        boot_server: true,
        loaders: [
            loader(0, "undionly.kpxe"),
            loader(6, "ipxe-ia32.efi"),
            loader(7, "ipxe.efi"),
            loader(11, "ipxe-arm64.efi"),
        ]
        .into(),
        ..Plan::default()
    }
}

/// What a new server with this plan says to one datagram.
pub fn ask(plan: &Plan, datagram: &[u8], port: Port, from: &str, to: &str) -> (Answer, Vec<(Vec<u8>, Destination)>) {
    ask_again(plan, &mut Memory::new(1), datagram, port, from, to, 0)
}

pub fn ask_again(
    plan: &Plan,
    memory: &mut Memory,
    datagram: &[u8],
    port: Port,
    from: &str,
    to: &str,
    now: u64,
) -> (Answer, Vec<(Vec<u8>, Destination)>) {
    let links = links();
    let from: SocketAddrV4 = from.parse().unwrap();
    let arrival = Arrival { datagram, port, from, to: to.parse().unwrap(), links: &links, link: 0, now };
    let mut replies = Replies::default();
    let answer = answer(plan, memory, &arrival, &mut replies);
    let sent = replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect();
    (answer, sent)
}
