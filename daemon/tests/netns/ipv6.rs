//! Machines and relays that ask over IPv6, on links of their own.

use super::server::vector;
use super::{Host, wait_for};
use proxydhcpd_core::wire::dhcp6::{Packet, code};
use socket2::SockRef;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

/// All DHCPv6 servers and relays of a link.
pub const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All DHCPv6 servers of a site.
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);

/// How long an answer may take, and for how long a second one is waited for.
const SOON: Duration = Duration::from_millis(500);

/// A cable from this link of the host to the eth0 of a machine. The host is 2001:db8:NUMBER::10 and fe80::NUMBER:10
/// there, the machine ::207 of both.
pub fn plug_in(host: &Host, link: &str, number: u8) -> Host {
    let machine = Host::new();
    host.cable(link, &machine, "eth0");
    host.run(&format!("ip address add fe80::{number}:10/64 dev {link} nodad"));
    host.run(&format!("ip address add 2001:db8:{number}::10/64 dev {link} nodad"));
    machine.run(&format!("ip address add 2001:db8:{number}::207/64 dev eth0 nodad"));
    machine.run("ip address add fe80::207/64 dev eth0 nodad");
    machine
}

/// A port of a machine, at an address of its eth0.
pub struct Client {
    link: u32,
    socket: UdpSocket,
}

impl Client {
    /// At its link-local address.
    pub fn at_link_local(machine: &Host, port: u16) -> Client {
        Client::at_address(machine, "fe80::207", port)
    }

    pub fn at_address(machine: &Host, address: &str, port: u16) -> Client {
        let link = machine.index("eth0");
        let address = SocketAddrV6::new(address.parse().unwrap(), port, 0, link);
        // The one of before may live on for a moment in a process that another test is just starting.
        let socket = machine.on(|| wait_for("the machine's port", || UdpSocket::bind(address).ok()));
        SockRef::from(&socket).set_multicast_if_v6(link).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Client { link, socket }
    }

    pub fn send(&self, octets: &[u8], to: Ipv6Addr, port: u16) {
        self.socket.send_to(octets, SocketAddrV6::new(to, port, 0, self.link)).unwrap();
    }

    /// What comes next, and from where.
    pub fn receive(&self) -> Option<(Vec<u8>, SocketAddr)> {
        let mut reply = [0; 1500];
        let (length, from) = self.socket.recv_from(&mut reply).ok()?;
        Some((reply[..length].to_vec(), from))
    }

    /// What the group's first answer is.
    pub fn ask(&self, octets: &[u8], port: u16) -> Option<(Vec<u8>, SocketAddr)> {
        self.send(octets, ALL_SERVERS_AND_RELAYS, port);
        self.receive()
    }

    /// The same, asked until a server that has just been started hears it.
    pub fn wait_for_answer(&self, octets: &[u8], port: u16) -> (Vec<u8>, SocketAddr) {
        wait_for("an answer", || self.ask(octets, port))
    }

    /// Asked once: every answer that comes.
    pub fn answers(&self, octets: &[u8], to: Ipv6Addr, port: u16) -> Vec<(Vec<u8>, SocketAddr)> {
        self.send(octets, to, port);
        let end = Instant::now() + SOON;
        let mut answers = Vec::new();
        while Instant::now() < end {
            answers.extend(self.receive());
        }
        answers
    }
}

/// The DUID in an answer, through a relay or not.
pub fn server_id(reply: &[u8]) -> Vec<u8> {
    Packet::parse(reply).unwrap().message.option(code::SERVER_ID).unwrap().to_vec()
}

/// The URL in an answer, if there is one.
pub fn url(reply: &[u8]) -> Option<String> {
    let packet = Packet::parse(reply).unwrap();
    packet.message.option(code::BOOT_FILE_URL).map(|url| String::from_utf8(url.to_vec()).unwrap())
}

/// The REQUEST of a vector, for the server of this DUID.
pub fn request_for(server: &[u8]) -> Vec<u8> {
    let (request, of_vector) = (vector("ovmf-pxe6-request-4011"), [0, 2, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    let at = request.windows(of_vector.len()).position(|window| window == of_vector).unwrap();
    let option = [&[0, 2, 0, server.len() as u8][..], server].concat();
    [&request[..at], &option, &request[at + of_vector.len()..]].concat()
}
