//! The sockets of TFTP: the one that hears requests, and the way back to a client.

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrStorage, recvmsg, sendmsg, sendto, setsockopt,
    sockopt,
};
use nix::{cmsg_space, libc};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Hears what is sent to the port, and by which link and to which address.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    control: Vec<u8>,
}

/// How a datagram came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub client: SocketAddr,
    /// Where it was sent to, which may be a broadcast address.
    pub to: IpAddr,
    /// Index of the link that it came by.
    pub link: u32,
}

/// The way between one client and an address of ours.
#[derive(Debug)]
pub struct Path {
    pub client: SocketAddr,
    pub from: IpAddr,
    /// The transfer's own. Not connected: the kernel would answer a packet from a foreign port itself, by ICMP, where
    /// RFC 1350 section 4 has ERROR 5. `None`: everything goes over the socket that all share, and the listener hears it.
    own: Option<UdpSocket>,
}

/// Which local ports transfers take.
#[derive(Debug)]
pub struct Ports {
    range: Option<RangeInclusive<u16>>,
    next: u16,
}

/// The kernel cuts no send into more, on any version that can do it at all.
const MOST_SEGMENTS: usize = 64;

/// The largest UDP payload in an IPv4 packet, which a send is before it is cut.
const MOST_OCTETS: usize = 65_507;

/// Errors that are read at once.
const MOST_ERRORS: usize = 64;

/// What a busy port holds for us in a boot storm: some thousand requests.
const RECEIVE_BUFFER: usize = 1 << 20;

// `IP_PMTUDISC_DONT` leaves the flag off that forbids routers to fragment, which Linux sets otherwise: where they cannot
// say that a packet was too long, the transfer would only stall.
#[derive(Clone)]
struct MtuDiscover;
nix::setsockopt_impl!(
    MtuDiscover,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int,
    sockopt::SetStruct<'_, libc::c_int>
);

impl Listener {
    pub fn bind(address: Ipv4Addr, port: u16) -> io::Result<Listener> {
        let socket = UdpSocket::bind((address, port))?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        setsockopt(&socket, MtuDiscover, &libc::IP_PMTUDISC_DONT)?;
        Ok(Listener { socket, control: cmsg_space!(libc::in_pktinfo) })
    }

    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Takes a datagram, if there is one that says how it came.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Option<(Arrival, &'a [u8])> {
        let mut pieces = [IoSliceMut::new(buffer)];
        let control = Some(&mut self.control[..]);
        let message =
            recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut pieces, control, MsgFlags::MSG_DONTWAIT).ok()?;
        let client = SocketAddr::V4(SocketAddrV4::from(message.address?));
        let (to, link) = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some((Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()), u32::try_from(info.ipi_ifindex).ok()?))
            }
            _ => None,
        })?;
        let length = message.bytes;
        Some((Arrival { client, to: to.into(), link }, &buffer[..length]))
    }

    /// Sends one datagram from this address of ours, which need not be the one that the socket is bound to.
    pub fn send(&self, octets: &[u8], client: SocketAddr, from: IpAddr) -> nix::Result<()> {
        send_from(&self.socket, octets, None, MsgFlags::empty(), client, from)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Path {
    /// A new socket between this address of ours and the client.
    pub fn own(ports: &mut Ports, from: IpAddr, client: SocketAddr) -> io::Result<Path> {
        let socket = ports.bind(from)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, MtuDiscover, &libc::IP_PMTUDISC_DONT)?;
        // Without it a socket that is not connected never hears that the client's port is closed.
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        Ok(Path { client, from, own: Some(socket) })
    }

    pub fn shared(from: IpAddr, client: SocketAddr) -> Path {
        Path { client, from, own: None }
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
    /// the driver cannot (no checksum offload, a tunnel), with `EMSGSIZE` where the way is narrower than a block. `heard`
    /// says that the client has just been heard of, which keeps its neighbour entry alive: the ROM of the Raspberry Pi 3
    /// answers no ARP during a transfer.
    pub fn send(
        &self,
        listener: &Listener,
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
                None => send_from(&listener.socket, run, segment, confirm, self.client, self.from)?,
            }
        }
        Ok(())
    }

    /// Sends one datagram from the transfer's own socket to somebody who is not its client.
    pub fn send_to_foreign(&self, octets: &[u8], foreign: SocketAddr) -> nix::Result<()> {
        self.own.as_ref().map_or(Ok(()), |socket| send_to(socket, octets, None, MsgFlags::empty(), foreign))
    }

    /// The kernel keeps an error and has the next call fail with it, also one about a foreign port to which we have sent
    /// ERROR 5. Then nothing has gone out yet, and the client must not pay for it.
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
        let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        // What is left of a flood brings the next event.
        for _ in 0..MOST_ERRORS {
            let Ok(message) = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut [], Some(&mut control), flags) else {
                break;
            };
            errors.any = true;
            // The address is that to which the packet had been sent.
            let ours = message.address.is_some_and(|to| SocketAddr::V4(SocketAddrV4::from(to)) == self.client);
            let refused = |control| match control {
                ControlMessageOwned::Ipv4RecvErr(error, _) => error.ee_errno == libc::ECONNREFUSED as u32,
                _ => false,
            };
            errors.client_refused |= ours && message.cmsgs().is_ok_and(|mut controls| controls.any(refused));
        }
        errors
    }
}

struct Errors {
    any: bool,
    client_refused: bool,
}

impl Ports {
    pub fn new(range: Option<RangeInclusive<u16>>) -> Ports {
        let next = range.as_ref().map_or(0, |range| *range.start());
        Ports { range, next }
    }

    /// The next free port of the range, round and round so that a port rests before it is used again; without a range,
    /// whichever the kernel gives.
    fn bind(&mut self, from: IpAddr) -> io::Result<UdpSocket> {
        let Some(range) = &self.range else { return UdpSocket::bind((from, 0)) };
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in range.clone() {
            let port = self.next;
            self.next = if port >= *range.end() { *range.start() } else { port + 1 };
            match UdpSocket::bind((from, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                done => return done,
            }
        }
        Err(last)
    }
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

fn send_from(
    socket: &UdpSocket,
    octets: &[u8],
    segment: Option<u16>,
    flags: MsgFlags,
    client: SocketAddr,
    from: IpAddr,
) -> nix::Result<()> {
    let IpAddr::V4(from) = from else { return Err(Errno::EAFNOSUPPORT) };
    let info = libc::in_pktinfo {
        // A client beyond a router is not always reached by the link that its request came by.
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let info = ControlMessage::Ipv4PacketInfo(&info);
    let segments = segment.as_ref().map(ControlMessage::UdpGsoSegments);
    let control: &[ControlMessage<'_>] = match segments {
        Some(segments) => &[info, segments],
        None => &[info],
    };
    let to = SockaddrStorage::from(client);
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(octets)], control, flags | MsgFlags::MSG_DONTWAIT, Some(&to)).map(drop)
}
