//! Sockets that share a port with a DHCP server on the same host. `tests/sockets.rs` measures which of two sockets on
//! one port receives a packet. In short:
//!
//! - A socket on 255.255.255.255 receives a copy of every limited broadcast, but no unicast. So it cannot intercept a
//!   renewal or a relayed request that the DHCP server should receive.
//! - A socket on an address of this host receives the unicast to that address, which a wildcard socket then no longer
//!   receives. The server opens such sockets, to receive relayed requests, only while no other process uses the port.
//! - All sockets set SO_REUSEADDR, the only option that dnsmasq, systemd-networkd and dhcpd all set. SO_REUSEPORT would
//!   distribute the packets among the processes.
//! - If the DHCP server does not share the port, `net/packet.rs` opens a packet socket instead.

use crate::net::bind_error::BindError;
use crate::net::port_owner::{BoundSocket, PortOwner, Transport, addresses_overlap, bound_sockets};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::stat::fstat;
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long this server waits before it binds a port that a DHCP server has released. A server that does not share its
/// port (Kea's fallback socket) could not restart if this server had bound the port meanwhile.
pub const HOLD_OFF: Duration = Duration::from_secs(300);

/// How long after its start the server binds no address if the host has been up for less than [`BOOT_TIME`]. The host's
/// services start in parallel, and their order only means that the DHCP server's process was created first: a Kea that
/// finds another socket on its address does not serve that network, and by default does not try again.
const GRACE: Duration = Duration::from_secs(30);
const BOOT_TIME: Duration = Duration::from_secs(120);

/// Binds a socket that receives only limited broadcasts to this port. The socket can also send broadcasts.
///
/// The socket is not bound to a device: if that interface were deleted, the socket would receive nothing more, even
/// after a new interface got the same name.
pub fn bind_broadcast(port: u16) -> Result<UdpSocket, BindError> {
    bind_udp((Ipv4Addr::BROADCAST, port).into(), true)
}

/// Binds a socket for broadcasts or multicasts on a port that another process uses. `None` if that process does not
/// share the port, or no longer uses it.
pub fn bind_shared(address: SocketAddr) -> Option<UdpSocket> {
    let socket = bind(address, true).ok()?;
    let inode = fstat(&socket).ok()?.st_ino;
    // The bind also succeeds while a process that does not share the port is being restarted.
    let others = bound_sockets(Transport::Udp, address.port()).ok()?;
    let conflicts = |other: &BoundSocket| other.inode != inode && addresses_overlap(address.ip(), other.address);
    others.iter().any(conflicts).then_some(socket)
}

/// Binds a port exclusively: the bind of any other process fails.
pub fn bind_exclusive(address: SocketAddr) -> Result<UdpSocket, BindError> {
    bind_udp(address, false)
}

/// Opens sockets that send from the port of the listening socket and receive nothing. They are bound to a reserved
/// group (RFC 5771, RFC 4291), so that no process loses a packet to them. They share the port only if the listening
/// socket does.
pub fn open_senders(listening: &UdpSocket, count: usize) -> io::Result<Vec<OwnedFd>> {
    const RESERVED_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 0);
    const RESERVED_GROUP6: Ipv6Addr = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 0);
    let port = listening.local_addr()?.port();
    let address = match listening.local_addr()? {
        SocketAddr::V4(_) => SocketAddr::from((RESERVED_GROUP, port)),
        SocketAddr::V6(_) => SocketAddr::from((RESERVED_GROUP6, port)),
    };
    let listening = SockRef::from(listening);
    let shared = listening.reuse_address()?;
    listening.set_reuse_address(true)?;
    let opened: io::Result<Vec<UdpSocket>> = (0..count).map(|_| bind(address, true)).collect();
    listening.set_reuse_address(shared)?;
    opened?
        .into_iter()
        .map(|sender| {
            SockRef::from(&sender).set_reuse_address(shared)?;
            Ok(sender.into())
        })
        .collect()
}

/// The sockets for unicast to this host's addresses. The server closes them when another process uses the port.
#[derive(Debug)]
pub struct YieldingSocket {
    port: u16,
    /// No address is bound before this time.
    not_before: Instant,
    addresses: BTreeMap<IpAddr, AddressState>,
}

/// A change of the unicast sockets.
#[derive(Debug)]
pub enum UnicastChange {
    /// A socket was opened: the caller must receive from it.
    Opened(IpAddr, UdpSocket),
    /// The host no longer has the address: the socket must be closed.
    Lost(IpAddr),
    /// Another process uses this address and port, or a wildcard, and receives the unicast, including relayed requests.
    /// A socket on this address must be closed.
    Yielded(IpAddr, PortOwner),
    /// The bind failed.
    Failed(BindError),
}

impl YieldingSocket {
    /// Starts without sockets. `uptime` is the time since the host booted.
    pub fn new(port: u16, uptime: Duration, now: Instant) -> Self {
        let not_before = if uptime < BOOT_TIME { now + GRACE } else { now };
        YieldingSocket { port, not_before, addresses: BTreeMap::new() }
    }

    /// Whether a socket is open.
    pub fn has_open_socket(&self) -> bool {
        self.addresses.values().any(|state| matches!(state, AddressState::Open { .. }))
    }

    /// Opens sockets, and yields those whose port another process uses. Call it when the host's addresses change, and
    /// every few seconds, because a DHCP server may start later. Returns each change once.
    pub fn update(&mut self, addresses: &[IpAddr], now: Instant) -> Vec<UnicastChange> {
        let removed = self.addresses.keys().filter(|address| !addresses.contains(address));
        let mut changes: Vec<UnicastChange> = removed.copied().map(UnicastChange::Lost).collect();
        self.addresses.retain(|address, _| addresses.contains(address));
        let inodes: Vec<u64> = self.addresses.values().filter_map(AddressState::inode).collect();
        let others = bound_sockets(Transport::Udp, self.port)
            .map(|bound| bound.into_iter().filter(|socket| !inodes.contains(&socket.inode)).collect::<Vec<_>>());
        changes.extend(addresses.iter().filter_map(|&address| self.update_address(address, &others, now)));
        changes
    }

    /// Updates the socket of one address and returns the change, if there is one. `others` are the sockets of other
    /// processes on the port.
    fn update_address(
        &mut self,
        address: IpAddr,
        others: &io::Result<Vec<BoundSocket>>,
        now: Instant,
    ) -> Option<UnicastChange> {
        let socket_address = SocketAddr::new(address, self.port);
        let before = self.addresses.get(&address);
        let conflicts = |other: &&BoundSocket| addresses_overlap(address, other.address);
        let other = others.as_ref().map(|others| others.iter().find(conflicts));
        let (after, change) = match (other, before) {
            (Ok(Some(_)), Some(AddressState::Yielded(_))) => {
                self.addresses.insert(address, AddressState::Yielded(now));
                return None;
            }
            (Ok(Some(other)), _) => (AddressState::Yielded(now), UnicastChange::Yielded(address, other.owner())),
            (Ok(None), Some(AddressState::Open { .. })) => return None,
            (Ok(None), Some(AddressState::Yielded(last))) if now.duration_since(*last) < HOLD_OFF => return None,
            (Ok(None), _) if now < self.not_before => return None,
            (Ok(None), _) => match bind_udp(socket_address, true) {
                Ok(socket) => (AddressState::open(&socket), UnicastChange::Opened(address, socket)),
                Err(_) if matches!(before, Some(AddressState::Failed)) => return None,
                Err(error) => (AddressState::Failed, UnicastChange::Failed(error)),
            },
            // The list of other sockets cannot be read. A bind now could make a DHCP server on this host fail to start.
            (Err(_), Some(AddressState::Failed)) => return None,
            (Err(error), _) => {
                let error = io::Error::new(error.kind(), error.to_string());
                (AddressState::Failed, UnicastChange::Failed(BindError::new(Transport::Udp, socket_address, error)))
            }
        };
        self.addresses.insert(address, after);
        Some(change)
    }
}

#[derive(Debug)]
enum AddressState {
    Open {
        inode: Option<u64>,
    },
    /// The time at which another process last used the address.
    Yielded(Instant),
    Failed,
}

impl AddressState {
    fn open(socket: &UdpSocket) -> Self {
        AddressState::Open { inode: fstat(socket).ok().map(|stat| stat.st_ino) }
    }

    fn inode(&self) -> Option<u64> {
        match self {
            AddressState::Open { inode } => *inode,
            AddressState::Yielded(_) | AddressState::Failed => None,
        }
    }
}

/// Size of a receive buffer, in octets: some thousand packets of machines that boot at once.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Lets a socket keep the packets of a boot storm until the server reads them.
pub fn enlarge_receive_buffer(socket: &Socket) -> io::Result<()> {
    // With CAP_NET_ADMIN, the size may exceed the system's limit (net.core.rmem_max). Without it, the limit applies.
    if setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    Ok(())
}

pub(super) fn bind_udp(address: SocketAddr, shared: bool) -> Result<UdpSocket, BindError> {
    bind(address, shared).map_err(|error| BindError::new(Transport::Udp, address, error))
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_reuse_address(shared)?;
    match address {
        SocketAddr::V4(_) => {
            socket.set_broadcast(true)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        SocketAddr::V6(_) => {
            // A separate socket receives IPv4 on this port.
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
    }
    enlarge_receive_buffer(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
