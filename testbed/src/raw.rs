//! Packet sockets, and the Ethernet frames for them. Tests need this because no host has the source addresses of the
//! vectors.

use crate::{Host, TIMEOUT};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::net::{SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The Ethernet address of the server's end of the cable.
pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x10];
/// The Ethernet address of the client's end of the cable.
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x11];

/// Returns the address in the notation of `ip link`.
pub fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// A packet socket on eth0.
#[derive(Debug)]
pub struct RawSocket(OwnedFd);

/// A UDP datagram that the server sent.
#[derive(Debug)]
pub struct UdpDatagram {
    /// The address and the port of the server.
    pub from: SocketAddrV4,
    /// The destination.
    pub to: SocketAddrV4,
    /// The DHCP message.
    pub payload: Vec<u8>,
}

impl RawSocket {
    /// Opens a socket on the host of this thread.
    pub fn open() -> RawSocket {
        let raw = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
        let eth0 = getifaddrs().unwrap().filter(|interface| interface.interface_name == "eth0");
        let link = eth0.filter_map(|interface| interface.address?.as_link_addr().copied()).next().unwrap();
        bind(raw.as_raw_fd(), &link).unwrap();
        setsockopt(&raw, sockopt::ReceiveTimeout, &TimeVal::new(TIMEOUT.as_secs() as i64, 0)).unwrap();
        RawSocket(raw)
    }

    /// Sends a datagram from the client, in the frame that [`frame`] returns.
    pub fn send(&self, from: &SocketAddrV4, to: &SocketAddrV4, payload: &[u8]) {
        self.send_frame(&frame(from, to, payload));
    }

    /// Sends a frame unchanged.
    pub fn send_frame(&self, frame: &[u8]) {
        assert_eq!(send(self.0.as_raw_fd(), frame, MsgFlags::empty()), Ok(frame.len()));
    }

    /// Receives the server's DHCP messages until `last` accepts one. Returns the messages before that one.
    pub fn receive_until(&self, mut last: impl FnMut(&[u8]) -> bool) -> Vec<UdpDatagram> {
        let mut received = Vec::new();
        let mut frame = [0; 2048];
        loop {
            let length =
                recv(self.0.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a matching message of the server");
            let Some(datagram) = from_server(&frame[..length]) else { continue };
            if last(&datagram.payload) {
                return received;
            }
            received.push(datagram);
        }
    }

    /// Returns the server's DHCP messages that are in the receive queue.
    pub fn received_so_far(&self) -> Vec<UdpDatagram> {
        let mut received = Vec::new();
        let mut frame = [0; 2048];
        while let Ok(length) = recv(self.0.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            received.extend(from_server(&frame[..length]));
        }
        received
    }
}

/// For options of the socket.
impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Creates the network of the vectors: a server at 192.0.2.10/24 on eth0, and at the other end of its cable a client,
/// which has the addresses of all machines and relays.
pub fn network() -> (Host, Host) {
    let (server, client) = (Host::new(), Host::new());
    server.cable("eth0", &client, "eth0");
    client.run(&format!("ip link set eth0 address {}", format_mac(CLIENT_MAC)));
    server.run(&format!(
        "ip link set eth0 address {}\nip address add 192.0.2.10/24 dev eth0\nip route add 198.51.100.0/24 dev eth0",
        format_mac(SERVER_MAC)
    ));
    for neighbour in ["192.0.2.101", "192.0.2.107", "198.51.100.1"] {
        server.run(&format!("ip neighbour add {neighbour} lladdr {} dev eth0 nud permanent", format_mac(CLIENT_MAC)));
    }
    (server, client)
}

/// Returns a frame from the client to the server or to the broadcast address: 14 octets of Ethernet, 20 of IP, 8 of
/// UDP.
pub fn frame(from: &SocketAddrV4, to: &SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let destination = if to.ip().is_broadcast() { [0xff; 6] } else { SERVER_MAC };
    let mut frame = [&destination[..], &CLIENT_MAC, &[8, 0]].concat();
    let length = (28 + payload.len()) as u16;
    frame.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame.extend([from.ip().octets(), to.ip().octets()].concat());
    // A UDP checksum of 0 means that there is none.
    for field in [from.port(), to.port(), length - 20, 0] {
        frame.extend_from_slice(&field.to_be_bytes());
    }
    frame.extend_from_slice(payload);
    set_ip_checksum(&mut frame);
    frame
}

/// Returns an IPv6 frame from the client to a multicast group: 14 octets of Ethernet, 40 of IP, 8 of UDP.
pub fn frame6(from: &SocketAddrV6, to: &SocketAddrV6, payload: &[u8]) -> Vec<u8> {
    let group = to.ip().octets();
    let mut frame = [&[0x33, 0x33][..], &group[12..], &CLIENT_MAC, &[0x86, 0xdd]].concat();
    let length = ((8 + payload.len()) as u16).to_be_bytes();
    frame.extend([0x60, 0, 0, 0, length[0], length[1], 17, 1]);
    frame.extend([from.ip().octets(), group].concat());
    frame.extend([from.port().to_be_bytes(), to.port().to_be_bytes(), length, [0; 2]].concat());
    frame.extend_from_slice(payload);
    set_udp_checksum6(&mut frame);
    frame
}

/// Calculates and sets the UDP checksum of an IPv6 frame. The lengths and addresses in the headers must be final.
pub fn set_udp_checksum6(frame: &mut [u8]) {
    frame[60..62].fill(0);
    let words = frame[22..].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let length = u32::from(u16::from_be_bytes([frame[58], frame[59]]));
    let sum = words.sum::<u32>() + 17 + length;
    let folded = (sum & 0xffff) + (sum >> 16);
    frame[60..62].copy_from_slice(&(!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes());
}

/// Calculates and sets the checksum of the IPv4 header.
pub fn set_ip_checksum(frame: &mut [u8]) {
    let ip = &mut frame[14..34];
    ip[10..12].fill(0);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    ip[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
}

/// Parses a frame. Returns `None` unless it is a UDP datagram that the server sent from a DHCP port.
fn from_server(frame: &[u8]) -> Option<UdpDatagram> {
    let is_udp4 = frame.get(6..12)? == SERVER_MAC && frame.get(12..14)? == [8, 0] && frame.get(23)? == &17;
    let udp = frame.get(34..).filter(|_| is_udp4)?;
    let number = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let address = |at: usize| <[u8; 4]>::try_from(&frame[at..at + 4]).unwrap().into();
    let from = SocketAddrV4::new(address(26), number(0));
    let to = SocketAddrV4::new(address(30), number(2));
    let payload = udp.get(8..usize::from(number(4)))?.to_vec();
    matches!(from.port(), 67 | 4011).then_some(UdpDatagram { from, to, payload })
}
