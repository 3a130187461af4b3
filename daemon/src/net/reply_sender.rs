//! What replies leave by.
//!
//! No send waits. A reply to a host that answers no ARP stays in the send buffer of its socket for three seconds, until
//! the kernel gives up, and enough of them fill it. So what goes to all leaves by a socket that nothing else goes by,
//! and what goes to single hosts by several sockets: where one is full, the next one has room. Without CAP_NET_ADMIN a
//! send buffer holds some 300 replies; all of them together hold what 800 absent hosts a second leave there.

use crate::net::packet;
use crate::net::socket::Socket;
use crate::net::sys::SendBatch;
use crate::net::udp;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use std::array;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sockets for single hosts.
const SENDERS: usize = 8;

/// What a socket may hold that has not left yet.
const SEND_BUFFER: usize = 1 << 20;

/// The sockets that send from one port of ours.
#[derive(Debug)]
pub struct ReplySender {
    /// The port where another process has it and we write the headers ourselves.
    raw_port: Option<u16>,
    to_all: OwnedFd,
    to_one: Vec<OwnedFd>,
    /// The one that had room last.
    turn: AtomicUsize,
}

/// The outlets of the ports that are open.
#[derive(Debug, Default)]
pub struct ReplySenders(Mutex<HashMap<Port, Arc<ReplySender>>>);

/// Whether it is IPv6's, and its number.
type Port = (bool, u16);

/// Replies that wait for the end of their batch.
#[derive(Debug, Default)]
pub struct OutgoingReplies {
    to_all: SendBatch,
    to_one: SendBatch,
}

/// A reply, and how it is to leave.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    pub octets: &'a [u8],
    pub to: SocketAddr,
    /// An address of ours.
    pub from: IpAddr,
    /// The interface to leave by, where the address does not tell.
    pub link: Option<u32>,
    /// What a refusal is reported with.
    pub tag: usize,
}

impl ReplySenders {
    /// In the place of the one that was there for this port.
    pub fn insert(&self, heard_at: SocketAddr, outlet: ReplySender) {
        self.outlets().insert((heard_at.is_ipv6(), heard_at.port()), Arc::new(outlet));
    }

    /// The one by which what is heard at this address is answered.
    pub fn get(&self, heard_at: SocketAddr) -> Option<Arc<ReplySender>> {
        self.outlets().get(&(heard_at.is_ipv6(), heard_at.port())).map(Arc::clone)
    }

    /// Nothing that can panic is done while it is locked.
    fn outlets(&self) -> MutexGuard<'_, HashMap<Port, Arc<ReplySender>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplySender {
    /// From the port that this socket hears. Where the system gives no more sockets, one has to do.
    pub fn new(heard: &Socket) -> io::Result<ReplySender> {
        let (raw_port, to_all, opened) = match heard {
            Socket::Udp(socket) => (None, socket.as_fd().try_clone_to_owned()?, udp::open_senders(socket, SENDERS)),
            Socket::Packet(socket) => {
                (Some(socket.port()), socket.membership_socket().try_clone_to_owned()?, socket.senders(SENDERS))
            }
        };
        let to_one = match opened {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::debug!("one socket sends what several should: {error}");
                vec![to_all.try_clone()?]
            }
        };
        to_one.iter().chain([&to_all]).for_each(enlarge_send_buffer);
        Ok(ReplySender { raw_port, to_all, to_one, turn: AtomicUsize::new(0) })
    }

    /// For the [`Outlet::flush`] of this outlet only.
    pub fn push(&self, out: &mut OutgoingReplies, reply: &Reply<'_>) {
        let batch = if is_for_all(reply.to.ip()) { &mut out.to_all } else { &mut out.to_one };
        match self.raw_port {
            None => batch.push(reply.octets, reply.to, reply.from, reply.link, reply.tag),
            Some(port) => packet::push(batch, port, reply),
        }
    }

    /// Sends all; says how many the kernel took. One that it refuses is reported with its mark.
    pub fn flush(&self, out: &mut OutgoingReplies, mut refused: impl FnMut(usize, SocketAddr, io::Error)) -> usize {
        let sent = out.to_all.flush(self.to_all.as_fd(), &mut refused);
        let turn = self.turn.load(Relaxed);
        let count = self.to_one.len();
        let sockets: [BorrowedFd<'_>; SENDERS] = array::from_fn(|index| self.to_one[(turn + index) % count].as_fd());
        let (more, full) = out.to_one.flush_to_any(&sockets[..count], &mut refused);
        self.turn.store((turn + full) % count, Relaxed);
        sent + more
    }
}

/// What the kernel keeps of a socket until it can send it: beyond the system's limit with CAP_NET_ADMIN, up to it
/// without.
fn enlarge_send_buffer(socket: &impl AsFd) {
    if setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_err()
        && let Err(error) = SockRef::from(socket).set_send_buffer_size(SEND_BUFFER)
    {
        tracing::debug!("the send buffer stays as it is: {error}");
    }
}

fn is_for_all(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}
