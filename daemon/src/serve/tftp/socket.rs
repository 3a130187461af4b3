//! The sockets of TFTP: the one that hears requests, and the way back to a client.

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrStorage, recv, recvmsg, send, sendmsg,
    setsockopt, sockopt,
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

/// The way back to one client.
#[derive(Debug)]
pub enum Path {
    /// A connected socket. A packet from any other port finds no socket, and the kernel tells its sender so by ICMP,
    /// where RFC 1350 would have us send ERROR 5: either way the stray sender hears it and the transfer goes on.
    Own(UdpSocket),
    /// The socket that everybody shares.
    Shared { client: SocketAddr, from: IpAddr },
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
        setsockopt(&socket, MtuDiscover, &libc::IP_PMTUDISC_DONT)?;
        socket.connect(client)?;
        Ok(Path::Own(socket))
    }

    /// A datagram from the client. Over a shared socket, the listener hears it.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> nix::Result<&'a [u8]> {
        let Path::Own(socket) = self else { return Err(Errno::EAGAIN) };
        let length = recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?;
        Ok(&buffer[..length])
    }

    /// Sends datagrams that lie one behind the other, each `stride` long but the last.
    ///
    /// `segmented` leaves it to the kernel to cut them, which costs a fraction; it fails with `EIO` or `EINVAL` where
    /// the driver cannot (no checksum offload, a tunnel), with `EMSGSIZE` where the way is narrower than a block. `heard` says that the client has just been heard of, which
    /// keeps its neighbour entry alive: the ROM of the Raspberry Pi 3 answers no ARP during a transfer.
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
            self.send_run(listener, run, segment, confirm)?;
        }
        Ok(())
    }

    fn send_run(&self, listener: &Listener, octets: &[u8], segment: Option<u16>, flags: MsgFlags) -> nix::Result<()> {
        match (self, segment) {
            (Path::Own(socket), None) => {
                send(socket.as_raw_fd(), octets, flags | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL).map(drop)
            }
            (Path::Own(socket), Some(segment)) => {
                let control = [ControlMessage::UdpGsoSegments(&segment)];
                let pieces = [IoSlice::new(octets)];
                sendmsg::<()>(socket.as_raw_fd(), &pieces, &control, flags | MsgFlags::MSG_DONTWAIT, None).map(drop)
            }
            (&Path::Shared { client, from }, segment) => {
                send_from(&listener.socket, octets, segment, flags, client, from)
            }
        }
    }
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
