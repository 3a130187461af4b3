//! What is sent to all on a port that belongs to somebody else: a DHCP server that takes all of port 67 or 547 for
//! itself, as dnsmasq does unless told otherwise. A packet socket hears it beside them, and a raw socket answers from
//! that port, which stays theirs; they lose nothing and notice nothing. Needs CAP_NET_RAW.
//!
//! The kernel hands a frame to us before it has looked at it as IP does, so what IP and UDP would check is checked
//! here.

mod checksum;
mod v4;
mod v6;

use crate::net::reply_sender::Reply;
use crate::net::sys::{self, ReceiveBatch, ParsedDatagram, Frame, SendBatch};
use crate::net::udp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Debug)]
pub struct PacketSocket {
    frames: Socket,
    /// Joins groups, and sends. It has no port and receives nothing: of protocol 255 there are no packets.
    raw: Socket,
    port: u16,
    read: fn(Frame<'_>) -> Option<ParsedDatagram>,
}

/// For all limited broadcasts to this port, on all interfaces.
pub fn open_broadcast(port: u16) -> io::Result<PacketSocket> {
    let raw = sender(Domain::IPV4)?;
    let frames = frames(&v4::broadcast_filter(port), libc::ETH_P_IP)?;
    Ok(PacketSocket { frames, raw, port, read: v4::parse_datagram })
}

/// For all that is sent to one of these groups and this port, on all interfaces. A network card may keep from us what
/// it has not been told of: [`PacketSocket::member`] is to join them there.
pub fn open_multicast(port: u16, groups: [Ipv6Addr; 2]) -> io::Result<PacketSocket> {
    let raw = sender(Domain::IPV6)?;
    let frames = frames(&v6::multicast_filter(groups, port), libc::ETH_P_IPV6)?;
    Ok(PacketSocket { frames, raw, port, read: v6::parse_datagram })
}

fn sender(family: Domain) -> io::Result<Socket> {
    let raw = Socket::new(family, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    if family == Domain::IPV4 {
        raw.set_broadcast(true)?;
    }
    Ok(raw)
}

fn frames(filter: &[SockFilter], protocol: libc::c_int) -> io::Result<Socket> {
    // Of no protocol until the filter is there, so that nothing comes in before.
    let frames = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    frames.attach_filter(filter)?;
    sys::enable_checksum_status(frames.as_fd())?;
    udp::enlarge_receive_buffer(&frames)?;
    sys::bind_to_all_links(frames.as_fd(), protocol as u16)?;
    Ok(frames)
}

impl PacketSocket {
    /// As [`Batch::receive`].
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        batch.receive_frames(self.frames.as_fd(), self.read)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// So many more raw sockets as the one that it has. The kernel does not fragment what they send: what is longer
    /// than the link takes is refused.
    pub fn senders(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        let family = self.raw.domain()?;
        (0..count).map(|_| sender(family).map(OwnedFd::from)).collect()
    }

    /// The socket that is in the groups.
    pub fn membership_socket(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

/// As [`SendBatch::push`] with headers, from this port of ours; nobody chooses `from` for us.
pub fn push(out: &mut SendBatch, port: u16, reply: &Reply<'_>) {
    let Reply { octets, link, tag: mark, .. } = *reply;
    match (reply.to, reply.from) {
        (SocketAddr::V4(to), IpAddr::V4(from)) => {
            let headers = v4::headers(SocketAddrV4::new(from, port), to, octets);
            out.push_parts([&headers, octets], to.into(), from.into(), link, mark);
        }
        (SocketAddr::V6(to), IpAddr::V6(from)) => {
            let headers = v6::headers(SocketAddrV6::new(from, port, 0, 0), to, octets);
            // The port is in the headers. Where a raw socket of IPv6 is told one, the kernel takes it for a protocol.
            let to = SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id());
            out.push_parts([&headers, octets], to.into(), from.into(), link, mark);
        }
        // Answers are of the family of the question.
        _ => {}
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}
