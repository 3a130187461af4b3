//! The site of the test vectors, and one call that answers a datagram on it.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use proxydhcpd_core::answer::{Answer, Replies, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::plan::{Dhcp6, Loader, Plan, Tftp};
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp4::{Header, Writer};
use std::net::{Ipv4Addr, SocketAddr};

/// Of the link-layer address 02:00:00:00:00:10.
pub const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10];

pub const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

pub fn links() -> Vec<Link> {
    let network6 = |address: &str, prefix| Network6 { address: address.parse().unwrap(), prefix };
    vec![Link {
        index: 2,
        name: "eth0".into(),
        mtu: 1500,
        ipv4: vec![Network4 { address: HERE, prefix: 24 }],
        ipv6: vec![network6("2001:db8::10", 64), network6("fe80::10", 64)],
    }]
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
        raspberry_pi: true,
        dhcp6: Dhcp6 { duid: DUID.into(), boot_server: true, stateless: None },
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
    let from: SocketAddr = from.parse().unwrap();
    let arrival =
        Arrival { datagram, port, from, to: to.parse().unwrap(), links: &links, link: 0, foreign: false, now };
    let mut replies = Replies::default();
    let answer = answer(plan, memory, &arrival, &mut replies);
    let sent = replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect();
    (answer, sent)
}

/// A request in the making: what a test does not say is as OVMF x64 says it on port 67.
pub struct Packet {
    pub header: Header,
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Packet {
    pub fn discover() -> Packet {
        let header = Header { xid: 7, chaddr: mac([2, 0, 0, 0, 1, 7]), ..Header::default() };
        let class = b"PXEClient:Arch:00007:UNDI:003000".to_vec();
        Packet { header, options: vec![(53, vec![1]), (93, vec![0, 7]), (60, class)] }
    }

    pub fn request_4011() -> Packet {
        let mut packet = Packet::discover().set(53, &[3]);
        packet.header.ciaddr = Ipv4Addr::new(192, 0, 2, 107);
        packet
    }

    /// Replaces every instance of an option, or adds it at the end.
    pub fn set(mut self, code: u8, value: &[u8]) -> Packet {
        self.options.retain(|(c, _)| *c != code);
        self.add(code, value)
    }

    pub fn add(mut self, code: u8, value: &[u8]) -> Packet {
        self.options.push((code, value.to_vec()));
        self
    }

    pub fn without(mut self, code: u8) -> Packet {
        self.options.retain(|(c, _)| *c != code);
        self
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&self.header, &mut out);
        self.options.iter().for_each(|(code, value)| {
            writer.option(*code, value);
        });
        writer.finish(0);
        out
    }
}

pub fn mac(octets: [u8; 6]) -> [u8; 16] {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&octets);
    chaddr
}
