//! What is sent to all on a port that belongs to somebody else: a DHCP server that takes all of port 67 or 547 for itself, as
//! dnsmasq does unless told otherwise. A packet socket hears it beside them, and a raw socket answers from that port, which
//! stays theirs; they lose nothing and notice nothing. Needs CAP_NET_RAW.
//!
//! The kernel hands a frame to us before it has looked at it as IP does, so what IP and UDP would check is checked here.

mod checksum;
mod v4;
mod v6;

use crate::net::sys::{self, Batch, Content, Frame, SendBatch};
use crate::net::udp;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

#[derive(Debug)]
pub struct PacketSocket {
    frames: Socket,
    /// It has no port and receives nothing: of protocol 255 there are no packets.
    raw: Socket,
    port: u16,
    read: fn(Frame<'_>) -> Option<Content>,
}

/// For all limited broadcasts to this port, on all interfaces.
pub fn broadcast(port: u16) -> io::Result<PacketSocket> {
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    raw.set_broadcast(true)?;
    let frames = frames(&v4::broadcasts_to(port), libc::ETH_P_IP)?;
    Ok(PacketSocket { frames, raw, port, read: v4::content })
}

/// For all that is sent to one of these groups and this port, on all interfaces. A network card may keep from us what it has
/// not been told of: [`PacketSocket::member`] is to join them there.
pub fn groups(port: u16, groups: [Ipv6Addr; 2]) -> io::Result<PacketSocket> {
    let raw = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    let frames = frames(&v6::sent_to(groups, port), libc::ETH_P_IPV6)?;
    Ok(PacketSocket { frames, raw, port, read: v6::content })
}

fn frames(filter: &[SockFilter], protocol: libc::c_int) -> io::Result<Socket> {
    // Of no protocol until the filter is there, so that nothing comes in before.
    let frames = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    frames.attach_filter(filter)?;
    sys::tell_open_checksums(frames.as_fd())?;
    udp::enlarge_buffer(&frames)?;
    sys::bind_to_all_links(frames.as_fd(), protocol as u16)?;
    Ok(frames)
}

impl PacketSocket {
    /// As [`Batch::receive`].
    pub fn receive(&self, batch: &mut Batch) -> io::Result<usize> {
        batch.receive_frames(self.frames.as_fd(), self.read)
    }

    /// As [`SendBatch::push`], but nobody chooses `from` for us.
    pub fn push(&self, out: &mut SendBatch, payload: &[u8], to: SocketAddr, from: IpAddr, link: Option<u32>) {
        match (to, from) {
            (SocketAddr::V4(to), IpAddr::V4(from)) => {
                let headers = v4::headers(SocketAddrV4::new(from, self.port), to, payload);
                out.push_parts(&headers, payload, to.into(), from.into(), link);
            }
            (SocketAddr::V6(to), IpAddr::V6(from)) => {
                let headers = v6::headers(SocketAddrV6::new(from, self.port, 0, 0), to, payload);
                // The port is in the headers. Where a raw socket of IPv6 is told one, the kernel takes it for a protocol.
                let to = SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id());
                out.push_parts(&headers, payload, to.into(), from.into(), link);
            }
            // Answers are of the family of the question.
            _ => {}
        }
    }

    /// As [`SendBatch::flush`]. The kernel does not fragment these: what is longer than the link takes is refused.
    pub fn flush(&self, out: &mut SendBatch, refused: impl FnMut(SocketAddr, io::Error)) -> usize {
        out.flush(self.raw.as_fd(), refused)
    }

    /// The socket that is in the groups.
    pub fn member(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}
