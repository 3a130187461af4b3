//! The way back to a client.

use super::family::{Family, LocalAddress, peer_address, error_queue_space, is_port_unreachable};
use super::listener::TftpSocket;
use super::ports::PortPool;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, recvmsg, sendmsg, sendto};
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// The way between one client and an address of ours.
#[derive(Debug)]
pub struct Channel {
    pub client: SocketAddr,
    pub local: LocalAddress,
    /// The transfer's own. Not connected: the kernel would answer a packet from a foreign port itself, by ICMP, where
    /// RFC 1350 section 4 has ERROR 5. `None`: everything goes over the socket that all share, and the listener hears
    /// it.
    own: Option<UdpSocket>,
    /// The port of it that is to be given back to [`Ports`].
    port: Option<u16>,
}

/// The kernel cuts no send into more, on any version that can do it at all.
const MOST_SEGMENTS: usize = 64;

/// The largest UDP payload in an IPv4 packet, which a send is before it is cut. IPv6 would take twenty octets more.
const MOST_OCTETS: usize = 65_507;

/// Errors that are read at once.
const MOST_ERRORS: usize = 64;

impl Channel {
    /// A new socket between this address of ours and the client.
    pub fn bind(ports: &mut PortPool, from: LocalAddress, client: SocketAddr) -> io::Result<Channel> {
        let (socket, port) = ports.bind(from)?;
        let path = Channel { client, local: from, own: Some(socket), port };
        if let Err(error) = path.prepare() {
            path.close(ports);
            return Err(error);
        }
        Ok(path)
    }

    fn prepare(&self) -> io::Result<()> {
        let Some(socket) = &self.own else { return Ok(()) };
        socket.set_nonblocking(true)?;
        let family = Family::from_ip(self.local.address);
        family.allow_fragments(socket)?;
        // Without it a socket that is not connected never hears that the client's port is closed.
        Ok(family.enable_error_queue(socket)?)
    }

    /// Its port may be used again.
    pub fn close(self, ports: &mut PortPool) {
        drop(self.own);
        if let Some(port) = self.port {
            ports.release(self.local.address, port);
        }
    }

    pub fn shared(from: LocalAddress, client: SocketAddr) -> Channel {
        Channel { client, local: from, own: None, port: None }
    }

    pub fn socket(&self) -> Option<&UdpSocket> {
        self.own.as_ref()
    }

    /// A datagram that came to the transfer's own socket, and from whom. `ECONNREFUSED`: the client's port is closed.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> nix::Result<(SocketAddr, &'a [u8])> {
        let Some(socket) = &self.own else { return Err(Errno::EAGAIN) };
        match socket.recv_from(buffer) {
            Ok((length, sender)) => Ok((sender, &buffer[..length])),
            Err(_) if self.take_errors(socket).client_refused => Err(Errno::ECONNREFUSED),
            // Nothing, or an error about a foreign port.
            Err(_) => Err(Errno::EAGAIN),
        }
    }

    /// Sends datagrams that lie one behind the other, each `stride` long but the last.
    ///
    /// `segmented` leaves it to the kernel to cut them, which costs a fraction; it fails with `EIO` or `EINVAL` where
    /// the driver cannot (no checksum offload, a tunnel), with `EMSGSIZE` where the way is narrower than a block.
    /// `heard` says that the client has just been heard of, which keeps its neighbour entry alive: the ROM of the
    /// Raspberry Pi 3 answers no ARP during a transfer.
    pub fn send(
        &self,
        listener: &TftpSocket,
        frames: &[u8],
        stride: usize,
        segmented: bool,
        heard: bool,
    ) -> nix::Result<()> {
        let confirm = if heard { MsgFlags::from_bits_retain(libc::MSG_CONFIRM) } else { MsgFlags::empty() };
        let most = if segmented { MOST_SEGMENTS.min(MOST_OCTETS / stride).max(1) } else { 1 };
        for run in frames.chunks(most * stride) {
            let segment = (run.len() > stride).then_some(stride as u16);
            match &self.own {
                Some(socket) => self.send_own(socket, run, segment, confirm)?,
                None => listener.send(run, segment, confirm, self.client, self.local)?,
            }
        }
        Ok(())
    }

    /// Sends one datagram from the transfer's own socket to somebody who is not its client.
    pub fn send_to_other(&self, octets: &[u8], foreign: SocketAddr) -> nix::Result<()> {
        self.own.as_ref().map_or(Ok(()), |socket| send_to(socket, octets, None, MsgFlags::empty(), foreign))
    }

    /// The kernel keeps an error and has the next call fail with it, also one about a foreign port to which we have
    /// sent ERROR 5. Then nothing has gone out yet, and the client must not pay for it.
    fn send_own(&self, socket: &UdpSocket, octets: &[u8], segment: Option<u16>, flags: MsgFlags) -> nix::Result<()> {
        let sent = send_to(socket, octets, segment, flags, self.client);
        let Err(errno) = sent else { return Ok(()) };
        match self.take_errors(socket) {
            Errors { client_refused: true, .. } => Err(Errno::ECONNREFUSED),
            Errors { any: true, .. } => send_to(socket, octets, segment, flags, self.client),
            Errors { any: false, .. } => Err(errno),
        }
    }

    /// Empties the queue of what ICMP has said about packets from this socket.
    fn take_errors(&self, socket: &UdpSocket) -> Errors {
        let mut errors = Errors { any: false, client_refused: false };
        let mut control = error_queue_space();
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        // What is left of a flood brings the next event.
        for _ in 0..MOST_ERRORS {
            let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut [], Some(&mut control), flags);
            let Ok(message) = message else { break };
            errors.any = true;
            // The address is that to which the packet had been sent.
            let ours = message.address.and_then(peer_address) == Some(self.client);
            errors.client_refused |= ours && message.cmsgs().is_ok_and(|mut controls| controls.any(is_port_unreachable));
        }
        errors
    }
}

struct Errors {
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
