//! Machines and relays that send requests over IPv6. Each one has a separate link.

use super::server::vector;
use proxydhcpd_core::wire::dhcp6::{Packet, code};
use proxydhcpd_testbed::{Host, wait_for};
use socket2::SockRef;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

/// The multicast group of all DHCPv6 servers and relays on a link.
pub const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// The multicast group of all DHCPv6 servers in a site.
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);

/// The timeout for a reply, and the time to wait for additional replies.
const REPLY_TIMEOUT: Duration = Duration::from_millis(500);

/// Connects a link of the host to eth0 of a new machine, and returns the machine. The host's addresses on the link are
/// 2001:db8:NUMBER::10 and fe80::NUMBER:10. The machine's addresses end with ::207.
pub fn plug_in(host: &Host, link: &str, number: u8) -> Host {
    let machine = Host::new();
    host.cable(link, &machine, "eth0");
    host.run(&format!("ip address add fe80::{number}:10/64 dev {link} nodad"));
    host.run(&format!("ip address add 2001:db8:{number}::10/64 dev {link} nodad"));
    machine.run(&format!("ip address add 2001:db8:{number}::207/64 dev eth0 nodad"));
    machine.run("ip address add fe80::207/64 dev eth0 nodad");
    machine
}

/// A UDP socket of a machine, bound to an address of the machine's eth0.
pub struct Client {
    link: u32,
    socket: UdpSocket,
}

impl Client {
    /// Binds a socket to the machine's link-local address.
    pub fn at_link_local(machine: &Host, port: u16) -> Client {
        Client::at_address(machine, "fe80::207", port)
    }

    pub fn at_address(machine: &Host, address: &str, port: u16) -> Client {
        let link = machine.index("eth0");
        let address = SocketAddrV6::new(address.parse().unwrap(), port, 0, link);
        // A previous socket may remain open for a moment in a process that another test is starting.
        let socket = machine.on(|| wait_for("the machine's port", || UdpSocket::bind(address).ok()));
        SockRef::from(&socket).set_multicast_if_v6(link).unwrap();
        socket.set_read_timeout(Some(REPLY_TIMEOUT)).unwrap();
        Client { link, socket }
    }

    pub fn send(&self, octets: &[u8], to: Ipv6Addr, port: u16) {
        self.socket.send_to(octets, SocketAddrV6::new(to, port, 0, self.link)).unwrap();
    }

    /// Receives the next datagram, and returns it with its source, or `None` after the timeout.
    pub fn receive(&self) -> Option<(Vec<u8>, SocketAddr)> {
        let mut reply = [0; 1500];
        let (length, from) = self.socket.recv_from(&mut reply).ok()?;
        Some((reply[..length].to_vec(), from))
    }

    /// Sends a request to the group of servers and relays. Returns the first reply with its source, or `None` after the
    /// timeout.
    pub fn ask(&self, octets: &[u8], port: u16) -> Option<(Vec<u8>, SocketAddr)> {
        self.send(octets, ALL_SERVERS_AND_RELAYS, port);
        self.receive()
    }

    /// Repeats the request until the server has started and replies.
    pub fn wait_for_reply(&self, octets: &[u8], port: u16) -> (Vec<u8>, SocketAddr) {
        wait_for("a reply", || self.ask(octets, port))
    }

    /// Sends a request once, and returns all replies.
    pub fn replies(&self, octets: &[u8], to: Ipv6Addr, port: u16) -> Vec<(Vec<u8>, SocketAddr)> {
        self.send(octets, to, port);
        let end = Instant::now() + REPLY_TIMEOUT;
        let mut replies = Vec::new();
        while Instant::now() < end {
            replies.extend(self.receive());
        }
        replies
    }
}

/// Returns the server's DUID from a reply, relayed or not.
pub fn server_id(reply: &[u8]) -> Vec<u8> {
    Packet::parse(reply).unwrap().message.option(code::SERVER_ID).unwrap().to_vec()
}

/// Returns the boot file URL from a reply, or `None` if the reply has no URL.
pub fn url(reply: &[u8]) -> Option<String> {
    let packet = Packet::parse(reply).unwrap();
    packet.message.option(code::BOOT_FILE_URL).map(|url| String::from_utf8(url.to_vec()).unwrap())
}

/// Returns the REQUEST of a vector, addressed to the server with this DUID.
pub fn request_for(server: &[u8]) -> Vec<u8> {
    let (request, duid) = (vector("ovmf-pxe6-request-4011"), [0, 2, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    let at = request.windows(duid.len()).position(|window| window == duid).unwrap();
    let option = [&[0, 2, 0, server.len() as u8][..], server].concat();
    [&request[..at], &option, &request[at + duid.len()..]].concat()
}
