//! Receives broadcasts and multicasts on a port that another process has bound exclusively: a DHCP server on port 67 or
//! 547, such as dnsmasq by default. A packet socket receives copies, and a raw socket sends replies from that port.
//! This does not affect the other process. Both sockets need CAP_NET_RAW.
//!
//! The kernel passes a frame to a packet socket before IP and UDP validate it, so this module validates it.

mod checksum;
mod v4;
mod v6;

use crate::net::reply::Reply;
use crate::net::sys::{self, Frame, ParsedDatagram, ReceiveBatch, SendBatch};
use crate::net::udp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A packet socket for one UDP port, and a raw socket to send from that port.
#[derive(Debug)]
pub struct PacketSocket {
    frames: Socket,
    /// The raw socket, which joins groups and sends. It has no port, and receives nothing because no packet has
    /// protocol 255.
    raw: Socket,
    port: u16,
    parse: fn(Frame<'_>) -> Option<ParsedDatagram>,
}

/// Opens a socket that receives limited broadcasts to this port, on all interfaces.
pub fn open_broadcast(port: u16) -> io::Result<PacketSocket> {
    let raw = raw_socket(Domain::IPV4)?;
    let frames = packet_socket(&v4::broadcast_filter(port), libc::ETH_P_IP)?;
    Ok(PacketSocket { frames, raw, port, parse: v4::parse_datagram })
}

/// Opens a socket that receives multicasts to these groups and this port, on all interfaces. A network card may discard
/// multicasts to groups that no socket has joined, so join them with [`PacketSocket::membership_socket`].
pub fn open_multicast(port: u16, groups: [Ipv6Addr; 2]) -> io::Result<PacketSocket> {
    let raw = raw_socket(Domain::IPV6)?;
    let frames = packet_socket(&v6::multicast_filter(groups, port), libc::ETH_P_IPV6)?;
    Ok(PacketSocket { frames, raw, port, parse: v6::parse_datagram })
}

/// Opens a socket that receives every DHCPv4 message to these ports, on all interfaces: to any address and any hardware
/// address, and also the messages that this host sends. For a client that has no address. A message may arrive twice.
pub fn open_replies(ports: [u16; 3]) -> io::Result<PacketSocket> {
    let raw = raw_socket(Domain::IPV4)?;
    let frames = packet_socket(&v4::reply_filter(ports), libc::ETH_P_ALL)?;
    let [port, ..] = ports;
    Ok(PacketSocket { frames, raw, port, parse: v4::parse_datagram })
}

/// Does the same as [`open_replies`] for IPv6 and one port.
pub fn open_replies6(port: u16) -> io::Result<PacketSocket> {
    let raw = raw_socket(Domain::IPV6)?;
    let frames = packet_socket(&v6::reply_filter(port), libc::ETH_P_ALL)?;
    Ok(PacketSocket { frames, raw, port, parse: v6::parse_datagram })
}

fn raw_socket(family: Domain) -> io::Result<Socket> {
    let raw = Socket::new(family, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    if family == Domain::IPV4 {
        raw.set_broadcast(true)?;
    }
    Ok(raw)
}

fn packet_socket(filter: &[SockFilter], protocol: libc::c_int) -> io::Result<Socket> {
    // The socket has no protocol until the filter is attached, so that the kernel queues no unfiltered packet.
    let frames = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    frames.attach_filter(filter)?;
    sys::enable_checksum_status(frames.as_fd())?;
    udp::enlarge_receive_buffer(&frames)?;
    sys::bind_to_all_links(frames.as_fd(), protocol as u16)?;
    Ok(frames)
}

impl PacketSocket {
    /// Receives queued datagrams, as [`ReceiveBatch::receive_frames`] does.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        batch.receive_frames(self.frames.as_fd(), self.parse)
    }

    /// Makes the network card of the interface with this index accept frames to this hardware address, too, while the
    /// socket exists.
    pub fn accept_hardware_address(&self, link: u32, mac: [u8; 6]) -> io::Result<()> {
        sys::accept_hardware_address(self.frames.as_fd(), link, mac)
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens more raw sockets. The kernel does not fragment their packets, and refuses those that exceed the link's
    /// MTU.
    pub fn senders(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        let family = self.raw.domain()?;
        (0..count).map(|_| raw_socket(family).map(OwnedFd::from)).collect()
    }

    /// The socket that joins groups.
    pub fn membership_socket(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

/// Queues a reply as [`SendBatch::push`] does, with IP and UDP headers in which `port` is the source port. The reply's
/// `from` must not be unspecified.
pub fn push(out: &mut SendBatch, port: u16, reply: &Reply<'_>) {
    let Reply { octets, link, tag, .. } = *reply;
    match (reply.to, reply.from) {
        (SocketAddr::V4(to), IpAddr::V4(from)) => {
            let headers = v4::headers(SocketAddrV4::new(from, port), to, octets);
            out.push_parts([&headers, octets], to.into(), from.into(), link, tag);
        }
        (SocketAddr::V6(to), IpAddr::V6(from)) => {
            let headers = v6::headers(SocketAddrV6::new(from, port, 0, 0), to, octets);
            // The headers contain the port. It is 0 here: a raw IPv6 socket interprets `sin6_port` as the protocol
            // number.
            let to = SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id());
            out.push_parts([&headers, octets], to.into(), from.into(), link, tag);
        }
        // Unreachable: `to` and `from` of a reply both have the address family of the request.
        _ => {}
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}
