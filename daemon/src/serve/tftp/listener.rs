//! The sockets that hear requests: there from the start, or from when their port became free.

use super::TftpSettings;
use super::family::{Family, LocalAddress, peer_address, packet_info_space, parse_packet_info};
use crate::serve::heartbeat::Heartbeat;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, getsockopt, recvmsg, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, OnceLock};

/// Those of each family, which the thread that serves waits for.
#[derive(Debug)]
pub struct TftpListeners {
    pub epoll: Epoll,
    /// Of the thread that serves.
    pub heartbeat: Arc<Heartbeat>,
    v4: OnceLock<TftpListener>,
    v6: OnceLock<TftpListener>,
}

/// Those of one family.
#[derive(Debug)]
pub struct TftpListener {
    pub request_socket: TftpSocket,
    /// Sends what is no transfer, as RFC 1350 wants it: from a port of its own. `None` where the firewall may not let
    /// that through.
    refuser: Option<TftpSocket>,
}

/// Hears what is sent to the port, and by which link and to which address.
#[derive(Debug)]
pub struct TftpSocket {
    family: Family,
    socket: UdpSocket,
}

/// How a datagram came.
#[derive(Clone, Copy, Debug)]
pub struct DatagramInfo {
    pub client: SocketAddr,
    /// Where it was sent to, which may be a broadcast address or a group.
    pub to: IpAddr,
    /// Index of the link that it came by.
    pub link: u32,
}

/// What epoll knows the listeners by; everything below is a session.
pub const LISTENER4: u64 = u64::MAX;
pub const LISTENER6: u64 = u64::MAX - 1;
/// What only wakes the thread that waits.
pub const WAKE: u64 = u64::MAX - 3;

/// What a busy port holds for us in a boot storm: some thousand requests.
const RECEIVE_BUFFER: usize = 1 << 20;

/// What waits to be sent from a socket that many clients share, if the kernel lets us have it: `net.core.wmem_max`
/// holds for those without CAP_NET_ADMIN.
const SEND_BUFFER: usize = 4 << 20;

// How much of its buffers a socket has used (Linux 4.12): the kernel's `SK_MEMINFO_...`, of which we want the first
// four.
#[derive(Clone, Copy)]
struct MemInfo;
const SO_MEMINFO: libc::c_int = 55;
const WAITING: usize = 2;
const SEND_BUFFER_OF: usize = 3;
nix::getsockopt_impl!(MemInfo, libc::SOL_SOCKET, SO_MEMINFO, [u32; 4], sockopt::GetStruct<[u32; 4]>);

/// On this wildcard address.
pub fn bind(any: IpAddr, settings: &TftpSettings) -> io::Result<TftpListener> {
    let one_port = settings.single_port || settings.ports.is_some();
    let refuser = if one_port { None } else { Some(TftpSocket::bind(any, 0)?) };
    Ok(TftpListener { request_socket: TftpSocket::bind(any, settings.port)?, refuser })
}

impl TftpListeners {
    pub fn new() -> io::Result<TftpListeners> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let pulse = Arc::new(Heartbeat::new("TFTP", &epoll, WAKE)?);
        Ok(TftpListeners { epoll, heartbeat: pulse, v4: OnceLock::new(), v6: OnceLock::new() })
    }

    /// From now on these are heard, too. The first of a family stay.
    pub fn add(&self, sockets: TftpListener) -> io::Result<()> {
        let (place, name) = match sockets.family() {
            Family::V4 => (&self.v4, LISTENER4),
            Family::V6 => (&self.v6, LISTENER6),
        };
        let sockets = place.get_or_init(|| sockets);
        Ok(self.epoll.add(&sockets.request_socket.socket, EpollEvent::new(EpollFlags::EPOLLIN, name))?)
    }

    pub fn for_family(&self, family: Family) -> Option<&TftpListener> {
        match family {
            Family::V4 => self.v4.get(),
            Family::V6 => self.v6.get(),
        }
    }

    /// The listener that a client has written to.
    pub fn for_client(&self, client: SocketAddr) -> Option<&TftpSocket> {
        self.for_family(Family::from_ip(client.ip())).map(|sockets| &sockets.request_socket)
    }
}

impl TftpListener {
    pub fn family(&self) -> Family {
        self.request_socket.family
    }

    pub fn port(&self) -> io::Result<u16> {
        Ok(self.request_socket.socket.local_addr()?.port())
    }

    pub fn error_socket(&self) -> &TftpSocket {
        self.refuser.as_ref().unwrap_or(&self.request_socket)
    }
}

impl TftpSocket {
    fn bind(any: IpAddr, port: u16) -> io::Result<TftpSocket> {
        let (address, family) = (SocketAddr::new(any, port), Family::from_ip(any));
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if family == Family::V6 {
            // The port of IPv4 is another socket's.
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        family.enable_packet_info(&socket)?;
        family.allow_fragments(&socket)?;
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER)?;
        }
        Ok(TftpSocket { family, socket })
    }

    /// Takes a datagram, if there is one that says how it came.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Option<(DatagramInfo, &'a [u8])> {
        let mut control = packet_info_space();
        let mut pieces = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut pieces, Some(&mut control), flags).ok()?;
        let client = peer_address(message.address?)?;
        let (to, link) = message.cmsgs().ok()?.find_map(parse_packet_info)?;
        let length = message.bytes;
        Some((DatagramInfo { client, to, link }, &buffer[..length]))
    }

    /// Whether a datagram may be added for an address that may not exist. On a link it waits for up to three seconds
    /// for an answer to ARP and takes room in the buffer as long; half of that is kept for clients who are known to be
    /// there.
    pub fn has_room_for_unverified(&self) -> bool {
        getsockopt(&self.socket, MemInfo).is_ok_and(|info| info[WAITING] < info[SEND_BUFFER_OF] / 2)
    }

    /// Sends one datagram from this address of ours, which the socket is not bound to; or several that lie one behind
    /// the other, each `segment` long but the last.
    pub fn send(
        &self,
        octets: &[u8],
        segment: Option<u16>,
        flags: MsgFlags,
        client: SocketAddr,
        from: LocalAddress,
    ) -> nix::Result<()> {
        let info = from.packet_info();
        let segments = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        let control: &[ControlMessage<'_>] = match segments {
            Some(segments) => &[info.control_message(), segments],
            None => &[info.control_message()],
        };
        let (to, flags) = (SockaddrStorage::from(client), flags | MsgFlags::MSG_DONTWAIT);
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(octets)], control, flags, Some(&to)).map(drop)
    }
}
