//! The sockets that receive requests. The server opens them at the start, or later, when their port becomes free.

use super::family::{Family, LocalAddress, packet_info_space, parse_packet_info, peer_address};
use crate::net::udp::enlarge_receive_buffer;
use crate::serve::heartbeat::Heartbeat;
use crate::settings::TftpConfig;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, getsockopt, recvmsg, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, OnceLock};

/// The sockets of both families, shared with the thread that serves.
#[derive(Debug)]
pub struct TftpListeners {
    /// The epoll set in which the thread waits.
    pub epoll: Epoll,
    /// The thread's heartbeat.
    pub heartbeat: Arc<Heartbeat>,
    /// The maximum number of descriptors for all transfers together; each transfer holds one or two. Also the maximum
    /// number of transfers.
    pub descriptors: usize,
    v4: OnceLock<TftpListener>,
    v6: OnceLock<TftpListener>,
}

/// The sockets of one family.
#[derive(Debug)]
pub struct TftpListener {
    /// Receives requests, and sends the packets of transfers that have no socket.
    pub request_socket: TftpSocket,
    /// Sends ERRORs that belong to no transfer, from a port other than the request port, as RFC 1350 section 4
    /// requires. `None` if a firewall may block that port.
    error_socket: Option<TftpSocket>,
}

/// A socket that many clients share; it reports the link and the destination address of each datagram.
#[derive(Debug)]
pub struct TftpSocket {
    family: Family,
    socket: UdpSocket,
}

/// The addresses of a received datagram.
#[derive(Clone, Copy, Debug)]
pub struct DatagramInfo {
    /// The source.
    pub client: SocketAddr,
    /// The destination, which may be a broadcast or multicast address.
    pub to: IpAddr,
    /// Index of the link on which the datagram arrived.
    pub link: u32,
}

/// The epoll data of the IPv4 listener; the data of a session is its index.
pub const LISTENER4: u64 = u64::MAX;
/// The epoll data of the IPv6 listener.
pub const LISTENER6: u64 = u64::MAX - 1;
/// The epoll data of the heartbeat, which only wakes the thread.
pub const WAKE: u64 = u64::MAX - 3;

/// Size of the send buffer of a socket that many clients share, in octets. Without CAP_NET_ADMIN, the kernel permits at
/// most `net.core.wmem_max`.
const SEND_BUFFER: usize = 4 << 20;

// SO_MEMINFO (Linux 4.12): how much of its buffers a socket uses. The option reads the first four of the kernel's
// `SK_MEMINFO_...` values.
#[derive(Clone, Copy)]
struct MemInfo;
const SO_MEMINFO: libc::c_int = 55;
const SEND_BUFFER_USED: usize = 2;
const SEND_BUFFER_SIZE: usize = 3;
nix::getsockopt_impl!(MemInfo, libc::SOL_SOCKET, SO_MEMINFO, [u32; 4], sockopt::GetStruct<[u32; 4]>);

/// Opens the sockets of one family, bound to the wildcard address `any`. `port` is the port for requests; 0 is any free
/// port.
pub fn bind(any: IpAddr, port: u16, settings: &TftpConfig) -> io::Result<TftpListener> {
    let is_firewalled = settings.single_port || settings.ports.is_some();
    let error_socket = if is_firewalled { None } else { Some(TftpSocket::bind(any, 0)?) };
    Ok(TftpListener { request_socket: TftpSocket::bind(any, port)?, error_socket })
}

impl TftpListeners {
    /// Creates an epoll set with the heartbeat, but without sockets.
    pub fn new(descriptors: usize) -> io::Result<TftpListeners> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let heartbeat = Arc::new(Heartbeat::new("TFTP", &epoll, WAKE)?);
        Ok(TftpListeners { epoll, heartbeat, descriptors, v4: OnceLock::new(), v6: OnceLock::new() })
    }

    /// Adds the sockets of an address family, unless that family already has sockets.
    pub fn add(&self, sockets: TftpListener) -> io::Result<()> {
        let (listener, key) = match sockets.family() {
            Family::V4 => (&self.v4, LISTENER4),
            Family::V6 => (&self.v6, LISTENER6),
        };
        let sockets = listener.get_or_init(|| sockets);
        Ok(self.epoll.add(&sockets.request_socket.socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?)
    }

    /// The sockets of a family, if they are open.
    pub fn for_family(&self, family: Family) -> Option<&TftpListener> {
        match family {
            Family::V4 => self.v4.get(),
            Family::V6 => self.v6.get(),
        }
    }

    /// The request socket of the client's address family, if it is open.
    pub fn for_client(&self, client: SocketAddr) -> Option<&TftpSocket> {
        self.for_family(Family::from_ip(client.ip())).map(|sockets| &sockets.request_socket)
    }
}

impl TftpListener {
    /// The address family.
    pub fn family(&self) -> Family {
        self.request_socket.family
    }

    /// The port for requests.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.request_socket.socket.local_addr()?.port())
    }

    /// The socket for ERRORs that belong to no transfer.
    pub fn error_socket(&self) -> &TftpSocket {
        self.error_socket.as_ref().unwrap_or(&self.request_socket)
    }
}

impl TftpSocket {
    fn bind(any: IpAddr, port: u16) -> io::Result<TftpSocket> {
        let (address, family) = (SocketAddr::new(any, port), Family::from_ip(any));
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if family == Family::V6 {
            // Another socket serves IPv4.
            socket.set_only_v6(true)?;
        }
        enlarge_receive_buffer(&socket)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        family.enable_packet_info(&socket)?;
        family.allow_fragments(&socket)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER)?;
        }
        Ok(TftpSocket { family, socket })
    }

    /// Receives a datagram, and returns its addresses and its octets. Returns `None` if there is no datagram.
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

    /// Whether the send buffer has room for a datagram to an address that may not exist. Such a datagram can occupy the
    /// buffer for three seconds, while the kernel waits for an ARP reply. So half of the buffer is reserved for clients
    /// that are known to exist.
    pub fn has_room_for_unverified(&self) -> bool {
        getsockopt(&self.socket, MemInfo).is_ok_and(|info| info[SEND_BUFFER_USED] < info[SEND_BUFFER_SIZE] / 2)
    }

    /// Sends one datagram from the local address `from`, to which the socket is not bound. With `segment`, sends
    /// several consecutive datagrams, each `segment` octets long except the last.
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
