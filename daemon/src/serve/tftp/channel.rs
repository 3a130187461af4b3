//! The channel to a client: a socket of the transfer, or the shared request socket.

use super::family::{Family, LocalAddress, error_queue_space, is_port_unreachable, peer_address};
use super::listener::TftpSocket;
use super::ports::PortPool;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, recvmsg, sendmsg, sendto};
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// The channel between a client and a local address.
#[derive(Debug)]
pub struct Channel {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The local address from which packets are sent.
    pub local: LocalAddress,
    /// The socket of the transfer. It is not connected: if it were, the kernel would reply to a packet from another
    /// port by ICMP, but RFC 1350 section 4 requires ERROR 5. `None` if the transfer uses the shared request socket.
    socket: Option<UdpSocket>,
    /// The port of the socket, if it must be returned to the [`PortPool`].
    port: Option<u16>,
}

/// Maximum number of segments of one send with UDP_SEGMENT. Every kernel that has UDP_SEGMENT accepts this number.
const MAX_SEGMENTS: usize = 64;

/// The largest UDP payload of an IPv4 packet, in octets. The data of one send may not be longer, even if the kernel
/// splits the data into segments. (IPv6 allows 20 octets more.)
const MAX_OCTETS: usize = 65_507;

/// Maximum number of errors to read from the error queue at a time.
const MAX_ERRORS: usize = 64;

impl Channel {
    /// Opens a socket for a transfer between this local address and the client.
    pub fn bind(ports: &mut PortPool, from: LocalAddress, client: SocketAddr) -> io::Result<Channel> {
        let (socket, port) = ports.bind(from)?;
        let channel = Channel { client, local: from, socket: Some(socket), port };
        if let Err(error) = channel.prepare() {
            channel.close(ports);
            return Err(error);
        }
        Ok(channel)
    }

    fn prepare(&self) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        socket.set_nonblocking(true)?;
        let family = Family::from_ip(self.local.address);
        family.allow_fragments(socket)?;
        // An unconnected socket reports a closed client port only through the error queue.
        Ok(family.enable_error_queue(socket)?)
    }

    /// Closes the socket, and frees its port.
    pub fn close(self, ports: &mut PortPool) {
        drop(self.socket);
        if let Some(port) = self.port {
            ports.release(self.local.address, port);
        }
    }

    /// A channel over the shared request socket.
    pub fn shared(from: LocalAddress, client: SocketAddr) -> Channel {
        Channel { client, local: from, socket: None, port: None }
    }

    /// The transfer's socket, if it has one.
    pub fn socket(&self) -> Option<&UdpSocket> {
        self.socket.as_ref()
    }

    /// Receives a datagram on the transfer's socket, and returns its source and its octets. Fails with `ECONNREFUSED`
    /// if the client's port is closed, and with `EAGAIN` if there is no datagram.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> nix::Result<(SocketAddr, &'a [u8])> {
        let Some(socket) = &self.socket else { return Err(Errno::EAGAIN) };
        match socket.recv_from(buffer) {
            Ok((length, sender)) => Ok((sender, &buffer[..length])),
            Err(_) if self.take_errors(socket).client_refused => Err(Errno::ECONNREFUSED),
            // There is no datagram, or the error is about a port other than the client's.
            Err(_) => Err(Errno::EAGAIN),
        }
    }

    /// Sends consecutive datagrams, each `stride` octets long except the last.
    ///
    /// With `segmented`, the kernel splits the data into datagrams (UDP_SEGMENT), which costs a fraction of sending
    /// each datagram by a separate call. It fails with `EIO` or `EINVAL` if the driver lacks support (no checksum
    /// offload, a tunnel), and with `EMSGSIZE` if the path MTU is too small for a block. `is_client_alive` is true if a
    /// packet from the client has just arrived. The kernel then keeps the client's neighbour entry alive (MSG_CONFIRM),
    /// because the ROM of the Raspberry Pi 3 does not reply to ARP during a transfer.
    pub fn send(
        &self,
        listener: &TftpSocket,
        frames: &[u8],
        stride: usize,
        segmented: bool,
        is_client_alive: bool,
    ) -> nix::Result<()> {
        let confirm = if is_client_alive { MsgFlags::from_bits_retain(libc::MSG_CONFIRM) } else { MsgFlags::empty() };
        let max_segments = if segmented { MAX_SEGMENTS.min(MAX_OCTETS / stride).max(1) } else { 1 };
        for run in frames.chunks(max_segments * stride) {
            let segment = (run.len() > stride).then_some(stride as u16);
            match &self.socket {
                Some(socket) => self.send_own(socket, run, segment, confirm)?,
                None => listener.send(run, segment, confirm, self.client, self.local)?,
            }
        }
        Ok(())
    }

    /// Sends one datagram from the transfer's socket to an address other than the client's.
    pub fn send_to_other(&self, octets: &[u8], other: SocketAddr) -> nix::Result<()> {
        self.socket.as_ref().map_or(Ok(()), |socket| send_to(socket, octets, None, MsgFlags::empty(), other))
    }

    /// Sends on the transfer's socket. A pending error of the socket makes the next call fail before it sends, even if
    /// the error is about another port, to which the server sent ERROR 5. In that case this function sends again, so
    /// that the client misses no packet.
    fn send_own(&self, socket: &UdpSocket, octets: &[u8], segment: Option<u16>, flags: MsgFlags) -> nix::Result<()> {
        let sent = send_to(socket, octets, segment, flags, self.client);
        let Err(errno) = sent else { return Ok(()) };
        match self.take_errors(socket) {
            QueuedErrors { client_refused: true, .. } => Err(Errno::ECONNREFUSED),
            QueuedErrors { any: true, .. } => send_to(socket, octets, segment, flags, self.client),
            QueuedErrors { any: false, .. } => Err(errno),
        }
    }

    /// Empties the error queue of the socket, which contains ICMP errors about packets that the socket sent.
    fn take_errors(&self, socket: &UdpSocket) -> QueuedErrors {
        let mut errors = QueuedErrors { any: false, client_refused: false };
        let mut control = error_queue_space();
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        // If more errors remain in the queue, epoll reports another event.
        for _ in 0..MAX_ERRORS {
            let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut [], Some(&mut control), flags);
            let Ok(message) = message else { break };
            errors.any = true;
            // The address is that to which the server sent the packet that caused the error.
            let is_from_client = message.address.and_then(peer_address) == Some(self.client);
            errors.client_refused |=
                is_from_client && message.cmsgs().is_ok_and(|mut controls| controls.any(is_port_unreachable));
        }
        errors
    }
}

struct QueuedErrors {
    any: bool,
    client_refused: bool,
}

fn send_to(
    socket: &UdpSocket,
    octets: &[u8],
    segment: Option<u16>,
    flags: MsgFlags,
    to: SocketAddr,
) -> nix::Result<()> {
    let (socket, to, flags) = (socket.as_raw_fd(), SockaddrStorage::from(to), flags | MsgFlags::MSG_DONTWAIT);
    match segment {
        None => sendto(socket, octets, &to, flags).map(drop),
        Some(segment) => {
            let control = [ControlMessage::UdpGsoSegments(&segment)];
            sendmsg(socket, &[IoSlice::new(octets)], &control, flags, Some(&to)).map(drop)
        }
    }
}
