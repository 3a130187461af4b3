//! Sends replies.
//!
//! No send blocks. A reply to a host that does not answer ARP stays in the socket's send buffer for three seconds,
//! until the kernel gives up. Many such replies fill the buffer. So broadcasts and multicasts have a separate socket,
//! and unicasts have several sockets: if the buffer of one is full, the next one sends. Without CAP_NET_ADMIN, a send
//! buffer holds some 300 replies. All buffers together hold the replies to 800 absent hosts a second.

use crate::net::packet;
use crate::net::reply::Reply;
use crate::net::socket::Socket;
use crate::net::sys::{BATCH_SIZE, SendBatch};
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

/// Unicast sockets per port.
const UNICAST_SOCKETS: usize = 8;

/// Size of a send buffer, in octets.
const SEND_BUFFER: usize = 1 << 20;

/// The sockets that send from one port.
#[derive(Debug)]
pub struct ReplySender {
    /// The port, if another process has bound it exclusively: this program then writes the IP and UDP headers itself.
    raw_port: Option<u16>,
    multicast: OwnedFd,
    unicast: Vec<OwnedFd>,
    /// Index of the unicast socket that had space last.
    next: AtomicUsize,
    /// Why one socket sends all replies; `None` if there are several.
    shortage: Option<io::Error>,
}

/// The senders of all open ports.
#[derive(Debug, Default)]
pub struct ReplySenders(Mutex<HashMap<PortKey, Arc<ReplySender>>>);

/// Whether the port belongs to IPv6, and the port's number.
type PortKey = (bool, u16);

/// Queued replies, which [`ReplySender::flush`] sends at the end of a batch.
#[derive(Debug)]
pub struct OutgoingReplies {
    multicast: SendBatch,
    unicast: SendBatch,
}

impl Default for OutgoingReplies {
    fn default() -> Self {
        // Some requests have two replies. A reply rarely exceeds the size that every host accepts.
        let batch = || SendBatch::with_capacity(2 * BATCH_SIZE, 576);
        OutgoingReplies { multicast: batch(), unicast: batch() }
    }
}

impl ReplySenders {
    /// Adds a sender, which replaces the previous sender for this port.
    pub fn insert(&self, listening_at: SocketAddr, sender: ReplySender) {
        self.senders().insert((listening_at.is_ipv6(), listening_at.port()), Arc::new(sender));
    }

    /// The sender for replies to requests that arrive at this address. `None` if its port is not open.
    pub fn get(&self, listening_at: SocketAddr) -> Option<Arc<ReplySender>> {
        self.senders().get(&(listening_at.is_ipv6(), listening_at.port())).map(Arc::clone)
    }

    /// Locks the senders. No code that can panic runs under this lock, so that its poison can be ignored.
    fn senders(&self) -> MutexGuard<'_, HashMap<PortKey, Arc<ReplySender>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplySender {
    /// Creates a sender for the port of this listening socket. If no more sockets can be opened, one socket sends all
    /// replies.
    pub fn new(listening: &Socket) -> io::Result<ReplySender> {
        let (raw_port, multicast, opened) = match listening {
            Socket::Udp(socket) => {
                (None, socket.as_fd().try_clone_to_owned()?, udp::open_senders(socket, UNICAST_SOCKETS))
            }
            Socket::Packet(socket) => {
                (Some(socket.port()), socket.membership_socket().try_clone_to_owned()?, socket.senders(UNICAST_SOCKETS))
            }
        };
        let (unicast, shortage) = match opened {
            Ok(sockets) => (sockets, None),
            Err(error) => (vec![multicast.try_clone()?], Some(error)),
        };
        unicast.iter().chain([&multicast]).for_each(enlarge_send_buffer);
        Ok(ReplySender { raw_port, multicast, unicast, next: AtomicUsize::new(0), shortage })
    }

    /// The error because of which one socket sends all replies.
    pub fn shortage(&self) -> Option<&io::Error> {
        self.shortage.as_ref()
    }

    /// Queues a reply. The same sender must flush the queue.
    pub fn push(&self, out: &mut OutgoingReplies, reply: &Reply<'_>) {
        let batch = if is_multicast(reply.to.ip()) { &mut out.multicast } else { &mut out.unicast };
        match self.raw_port {
            None => batch.push(reply.octets, reply.to, reply.from, reply.link, reply.tag),
            Some(port) => packet::push(batch, port, reply),
        }
    }

    /// Sends all queued replies, and returns how many the kernel accepted. `refused` gets the tag, the destination and
    /// the error of each reply that the kernel refused.
    pub fn flush(&self, out: &mut OutgoingReplies, mut refused: impl FnMut(usize, SocketAddr, io::Error)) -> usize {
        let sent = out.multicast.flush(self.multicast.as_fd(), &mut refused);
        let next = self.next.load(Relaxed);
        let count = self.unicast.len();
        let sockets: [BorrowedFd<'_>; UNICAST_SOCKETS] =
            array::from_fn(|index| self.unicast[(next + index) % count].as_fd());
        let (more, full) = out.unicast.flush_to_any(&sockets[..count], &mut refused);
        self.next.store((next + full) % count, Relaxed);
        sent + more
    }
}

/// Enlarges a send buffer. With CAP_NET_ADMIN, the size may exceed the system's limit (net.core.wmem_max). Without it,
/// the limit applies, and the kernel refuses no size (socket(7)).
fn enlarge_send_buffer(socket: &impl AsFd) {
    if setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        SockRef::from(socket).set_send_buffer_size(SEND_BUFFER).ok();
    }
}

/// Whether the address is a multicast or broadcast address.
fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}
