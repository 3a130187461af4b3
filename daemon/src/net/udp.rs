//! Sockets that live beside a DHCP server on the same host. Which of two sockets on one port receives what is measured
//! in `tests/sockets.rs`; the reasons are there, the short form here:
//!
//! - A socket on 255.255.255.255 gets every limited broadcast, beside any other socket that got it too, and no unicast:
//!   it cannot take a renewal or a relayed request from the DHCP server.
//! - A socket on an address of ours takes the unicast for it away from a wildcard socket. It is for relayed requests
//!   where we have the port for ourselves, and it yields as soon as somebody else wants it.
//! - All of them share by SO_REUSEADDR, the one option that dnsmasq, systemd-networkd and dhcpd all set. SO_REUSEPORT
//!   would spread the packets between us and them.
//! - Beside somebody who does not share, there is `net/packet.rs`.

use crate::net::bind_error::BindError;
use crate::net::port_owner::{BoundSocket, PortOwner, Transport, bound_sockets, addresses_overlap};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::stat::fstat;
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long a DHCP server that was seen is expected back: one that does not share its port (Kea's fallback socket)
/// could not start again while we have it.
pub const HOLD_OFF: Duration = Duration::from_secs(300);

/// How long after our start we take no address, if the machine has been up for less than [`BOOTING`]. Its services
/// start side by side, and an order among them says only that the DHCP server's process was made first: a Kea that
/// finds our socket on its address does not serve that network, and unless told to it does not try again.
const GRACE: Duration = Duration::from_secs(30);
const BOOTING: Duration = Duration::from_secs(120);

/// For all limited broadcasts to this port, and nothing else. Sends broadcasts too.
///
/// It is bound to no device: it would be deaf for good once that interface has been deleted, even if one of the same
/// name follows.
pub fn bind_broadcast(port: u16) -> Result<UdpSocket, BindError> {
    bind_udp((Ipv4Addr::BROADCAST, port).into(), true)
}

/// A socket for what is sent to all, where somebody has the port: ours only if they share it.
pub fn bind_shared(address: SocketAddr) -> Option<UdpSocket> {
    let socket = bind(address, true).ok()?;
    let ours = fstat(&socket).ok()?.st_ino;
    // One that does not share may have ended since we saw it, and not for long.
    let others = bound_sockets(Transport::Udp, address.port()).ok()?;
    let claims = |other: &BoundSocket| other.inode != ours && addresses_overlap(address.ip(), other.address);
    others.iter().any(claims).then_some(socket)
}

/// For everything that is sent to this port, alone: whoever else wants it is told so.
pub fn bind_exclusive(address: SocketAddr) -> Result<UdpSocket, BindError> {
    bind_udp(address, false)
}

/// So many sockets that send from the port of this one and hear nothing: they are bound to a group that is none
/// (reserved by RFC 5771 and RFC 4291), so that no packet is for them, and none is kept from anybody. What this one
/// does not share they do not share either.
pub fn open_senders(heard: &UdpSocket, count: usize) -> io::Result<Vec<OwnedFd>> {
    const NO_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 0);
    const NO_GROUP6: Ipv6Addr = Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0, 0);
    let port = heard.local_addr()?.port();
    let address = match heard.local_addr()? {
        SocketAddr::V4(_) => SocketAddr::from((NO_GROUP, port)),
        SocketAddr::V6(_) => SocketAddr::from((NO_GROUP6, port)),
    };
    let heard = SockRef::from(heard);
    let shared = heard.reuse_address()?;
    heard.set_reuse_address(true)?;
    let opened: io::Result<Vec<UdpSocket>> = (0..count).map(|_| bind(address, true)).collect();
    heard.set_reuse_address(shared)?;
    opened?
        .into_iter()
        .map(|sender| {
            SockRef::from(&sender).set_reuse_address(shared)?;
            Ok(sender.into())
        })
        .collect()
}

/// The sockets for unicast to our own addresses, as far as nobody else on this host wants the port.
#[derive(Debug)]
pub struct YieldingSocket {
    port: u16,
    /// None is taken before.
    from: Instant,
    addresses: BTreeMap<IpAddr, State>,
}

/// What a look around has changed.
#[derive(Debug)]
pub enum UnicastChange {
    /// To be received from.
    Opened(IpAddr, UdpSocket),
    /// Not ours any more: our socket is to be closed.
    Lost(IpAddr),
    /// Somebody else has this address and port or all of them, and unicast is theirs. Relayed requests do not reach us.
    /// If we have a socket it is to be closed.
    Yielded(IpAddr, PortOwner),
    Failed(BindError),
}

impl YieldingSocket {
    /// `uptime` is that of the machine.
    pub fn new(port: u16, uptime: Duration, now: Instant) -> Self {
        let from = if uptime < BOOTING { now + GRACE } else { now };
        YieldingSocket { port, from, addresses: BTreeMap::new() }
    }

    /// Whether any address of ours is heard.
    pub fn has_open_socket(&self) -> bool {
        self.addresses.values().any(|state| matches!(state, State::Open { .. }))
    }

    /// Looks around, and opens what that asks for: to be called when our addresses change, and every few seconds,
    /// because a DHCP server may start after us. Says each change once.
    pub fn update(&mut self, addresses: &[IpAddr], now: Instant) -> Vec<UnicastChange> {
        let lost = self.addresses.keys().filter(|address| !addresses.contains(address));
        let mut changes: Vec<UnicastChange> = lost.copied().map(UnicastChange::Lost).collect();
        self.addresses.retain(|address, _| addresses.contains(address));
        let ours: Vec<u64> = self.addresses.values().filter_map(State::inode).collect();
        let bound = bound_sockets(Transport::Udp, self.port)
            .map(|bound| bound.into_iter().filter(|socket| !ours.contains(&socket.inode)).collect::<Vec<_>>());
        changes.extend(addresses.iter().filter_map(|&address| self.look_at(address, &bound, now)));
        changes
    }

    /// `others` are the sockets on our port that are not ours.
    fn look_at(&mut self, address: IpAddr, others: &io::Result<Vec<BoundSocket>>, now: Instant) -> Option<UnicastChange> {
        let wanted = SocketAddr::new(address, self.port);
        let before = self.addresses.get(&address);
        let claims = |other: &&BoundSocket| addresses_overlap(address, other.address);
        let other = others.as_ref().map(|others| others.iter().find(claims));
        let (after, change) = match (other, before) {
            (Ok(Some(_)), Some(State::Yielded(_))) => {
                self.addresses.insert(address, State::Yielded(now));
                return None;
            }
            (Ok(Some(other)), _) => (State::Yielded(now), UnicastChange::Yielded(address, other.owner())),
            (Ok(None), Some(State::Open { .. })) => return None,
            (Ok(None), Some(State::Yielded(seen))) if now.duration_since(*seen) < HOLD_OFF => return None,
            (Ok(None), _) if now < self.from => return None,
            (Ok(None), _) => match bind_udp(wanted, true) {
                Ok(socket) => (State::open(&socket), UnicastChange::Opened(address, socket)),
                Err(_) if matches!(before, Some(State::Failed)) => return None,
                Err(busy) => (State::Failed, UnicastChange::Failed(busy)),
            },
            // Not to know who is there is no leave to take the port.
            (Err(_), Some(State::Failed)) => return None,
            (Err(error), _) => {
                let error = io::Error::new(error.kind(), error.to_string());
                (State::Failed, UnicastChange::Failed(BindError::new(Transport::Udp, wanted, error)))
            }
        };
        self.addresses.insert(address, after);
        Some(change)
    }
}

#[derive(Debug)]
enum State {
    Open {
        inode: Option<u64>,
    },
    /// Somebody else was seen there at this time.
    Yielded(Instant),
    Failed,
}

impl State {
    fn open(socket: &UdpSocket) -> Self {
        State::Open { inode: fstat(socket).ok().map(|stat| stat.st_ino) }
    }

    fn inode(&self) -> Option<u64> {
        match self {
            State::Open { inode } => *inode,
            State::Yielded(_) | State::Failed => None,
        }
    }
}

/// What the kernel may hold for us while we are busy: some thousand packets of machines that are switched on together.
const RECEIVE_BUFFER: usize = 4 << 20;

pub(super) fn enlarge_receive_buffer(socket: &Socket) -> io::Result<()> {
    // Beyond the system's limit with CAP_NET_ADMIN, up to it without.
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
            // The port of IPv4 is another socket's.
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
    }
    enlarge_receive_buffer(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
