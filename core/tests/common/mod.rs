//! The site of the test vectors, and functions that send a datagram to the server of this site.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod capture;
pub mod vector;

use proxydhcpd_core::answer::{Answer, Replies, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::identity::MachineIdentity;
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Ipv6Services, Loader, Offer, TftpServer};
use proxydhcpd_core::plan::policy::Policy;
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp4::{Header, Writer};
use proxydhcpd_core::wire::dhcp6;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The server's DUID, which contains the link-layer address 02:00:00:00:00:10.
pub const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10];

/// The address of the server.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

pub fn links() -> Vec<Link> {
    let network6 = |address: &str, prefix| Network6 { address: address.parse().unwrap(), prefix };
    vec![Link {
        index: 2,
        name: "eth0".into(),
        mtu: 1500,
        ipv4: vec![Network4 { address: SERVER, prefix: 24 }],
        ipv6: vec![network6("2001:db8::10", 64), network6("fe80::10", 64)],
    }]
}

/// Returns a plan for a server of TFTP and HTTP (port 8080). The loaders have the names that the vectors expect.
pub fn plan() -> Plan {
    let loader =
        |code, name: &str| (Arch(code), Loader { name: name.into(), path: Some(format!("/usr/lib/ipxe/{name}")) });
    Plan {
        policy: Policy { http_clients: true, ..Policy::default() }.into(),
        offer: Offer {
            tftp: Some(TftpServer::Local),
            http: Some(8080),
            boot_server: true,
            loaders: [
                loader(0, "undionly.kpxe"),
                loader(6, "ipxe-ia32.efi"),
                loader(7, "ipxe.efi"),
                loader(11, "ipxe-arm64.efi"),
            ]
            .into(),
            dialects: Dialect::all().collect(),
            dhcp6: Ipv6Services { duid: DUID.into(), boot_server: true, tftp: true, ..Ipv6Services::default() },
            ..Offer::default()
        }
        .into(),
        ..Plan::default()
    }
}

/// Sends a datagram to a new server with this plan. Returns the answer, and the replies with their destinations.
pub fn ask(plan: &Plan, datagram: &[u8], port: Port, from: &str, to: &str) -> (Answer, Vec<(Vec<u8>, Destination)>) {
    ask_again(plan, &mut Observations::new(1), datagram, port, from, to, 0)
}

/// The machine that the server knows at this address.
pub fn machine_at(observations: &Observations, address: Ipv4Addr) -> MachineIdentity {
    ClaimedIdentity::default().resolve(observations, address.into()).0
}

/// Does the same as [`ask`], at a later time, and with the observations of an earlier call.
pub fn ask_again(
    plan: &Plan,
    observations: &mut Observations,
    datagram: &[u8],
    port: Port,
    from: &str,
    to: &str,
    now: u64,
) -> (Answer, Vec<(Vec<u8>, Destination)>) {
    let links = links();
    let from: SocketAddr = from.parse().unwrap();
    let arrival =
        Arrival { datagram, port, from, to: to.parse().unwrap(), links: &links, link: 0, via_other_link: false, now };
    let mut replies = Replies::default();
    let answer = answer(plan, observations, &arrival, &mut replies);
    let sent = replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect();
    (answer, sent)
}

/// A builder of DHCPv4 requests. By default, a request has the options that OVMF x64 sends on port 67.
#[derive(Clone)]
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

    /// Replaces all instances of an option, or adds the option at the end.
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

/// A builder of DHCPv6 messages. By default, a message has the options that OVMF x64 sends.
#[derive(Clone, Debug)]
pub struct Packet6 {
    pub kind: u8,
    pub options: Vec<(u16, Vec<u8>)>,
}

/// The source address of an OVMF with the link-layer address 02:00:00:00:02:07, and the group to which it sends.
pub const NEIGHBOUR: &str = "fe80::ff:fe00:207";
pub const GROUP: &str = "ff02::1:2";
pub const RELAY: &str = "2001:db8:1::1";
/// The address of the server to which a relay sends.
pub const SERVER6: &str = "2001:db8::10";
/// The DUID of the machine with the UUID 00112233-4455-6677-8899-aabbccddeeff, in the octet order of firmware.
pub const CLIENT_DUID: &[u8] = b"\0\x04\x33\x22\x11\0\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

impl Packet6 {
    pub fn solicit() -> Packet6 {
        let class = vendor_class(343, b"PXEClient:Arch:00007:UNDI:003000");
        Packet6 { kind: 1, options: vec![(1, CLIENT_DUID.into()), (8, vec![0, 0]), (61, vec![0, 7]), (16, class)] }
    }

    /// Returns a REQUEST to this server.
    pub fn request_4011() -> Packet6 {
        Packet6 { kind: 3, ..Packet6::solicit() }.set(2, &DUID)
    }

    /// Returns a REQUEST to the DHCPv6 server for this address.
    pub fn request_for(address: &str) -> Packet6 {
        let address: Ipv6Addr = address.parse().unwrap();
        let lifetimes = [0; 8];
        let inner = [&[0, 5, 0, 24][..], &address.octets(), &lifetimes].concat();
        let association = [&[0; 12][..], &inner].concat();
        Packet6 { kind: 3, ..Packet6::solicit() }.set(2, b"\0\x03\0\x01another").set(3, &association)
    }

    pub fn http_solicit() -> Packet6 {
        let class = vendor_class(343, b"HTTPClient:Arch:00016:UNDI:003000");
        Packet6::solicit().set(61, &[0, 16]).set(16, &class)
    }

    /// Returns the INFORMATION-REQUEST of an iPXE, whose DUID contains the UUID in printed order.
    pub fn information_request() -> Packet6 {
        let duid = b"\0\x04\0\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        Packet6 { kind: 11, ..Packet6::solicit() }.set(1, duid).set(15, b"\0\x04iPXE")
    }

    pub fn set(self, code: u16, value: &[u8]) -> Packet6 {
        self.without(code).add(code, value)
    }

    pub fn add(mut self, code: u16, value: &[u8]) -> Packet6 {
        self.options.push((code, value.to_vec()));
        self
    }

    pub fn without(mut self, code: u16) -> Packet6 {
        self.options.retain(|(c, _)| *c != code);
        self
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = dhcp6::Writer::new(self.kind.into(), [1, 2, 3], &mut out);
        self.options.iter().for_each(|(code, value)| {
            writer.option(*code, value);
        });
        out
    }
}

/// Returns the value of option 16 with this enterprise number and one text.
pub fn vendor_class(enterprise: u32, text: &[u8]) -> Vec<u8> {
    [&enterprise.to_be_bytes()[..], &(text.len() as u16).to_be_bytes(), text].concat()
}

/// Returns a RELAY-FORW with `options`, followed by the option that contains this message.
pub fn relayed(message: &[u8], link: &str, peer: &str, options: &[(u16, &[u8])]) -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let mut out = [&[12, 0][..], &address(link), &address(peer)].concat();
    for (code, value) in options.iter().chain(&[(9, message)]) {
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
    out
}
