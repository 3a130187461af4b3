//! The ports of the server: open, busy, or left to another process.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// A listener that the server may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// DHCPv4 broadcasts on UDP port 67.
    DhcpBroadcast,
    /// UDP port 4011 over IPv4.
    BootServer,
    /// DHCPv6 multicasts on UDP port 547.
    Dhcp6Multicast,
    /// UDP port 4011 over IPv6.
    BootServer6,
    /// TFTP over IPv4.
    Tftp,
    /// TFTP over IPv6.
    Tftp6,
    /// HTTP over both families.
    Http,
    /// Syslog over both families.
    Syslog,
}

/// Something that happened to a port of the server.
#[derive(Clone, Copy, Debug)]
pub enum PortEvent<'a> {
    /// The server has opened the ports of these listeners at its start.
    Listening(&'a [(ListenerKind, u16)]),
    /// A port that was busy at the start is open now.
    Opened {
        /// The listener.
        listener: ListenerKind,
        /// The number of the port.
        port: u16,
        /// Whether no other process has the port.
        is_alone: bool,
    },
    /// The owner of a port does not share it. The server receives broadcasts or multicasts through a packet socket.
    PacketSocketOpened {
        /// The listener.
        listener: ListenerKind,
        /// The number of the port.
        port: u16,
        /// The owner, if /proc shows it.
        owner: Option<PortOwner<'a>>,
    },
    /// A listener cannot be opened, because this host has no IPv6. The value is the kernel's error.
    NoIpv6(fmt::Arguments<'a>),
    /// A listener cannot be opened.
    Failed {
        /// The listener.
        listener: ListenerKind,
        /// The failed bind.
        failure: BindFailure<'a>,
        /// Why a packet socket does not replace it, if the server tried that.
        packet_socket: Option<PacketSocketFailure<'a>>,
        /// Whether the port was free for a moment after it was busy, and the server does not try again.
        is_final: bool,
    },
    /// The sockets for DHCPv6 multicasts cannot be opened on some links.
    GroupFailed {
        /// The failed bind on the first of them.
        failure: BindFailure<'a>,
        /// The names of the links.
        links: &'a [&'a str],
    },
    /// The socket for requests that relays send to one address cannot be opened.
    RelayedFailed(BindFailure<'a>),
    /// Another process receives the requests that relays send to this address.
    RelayedYielded {
        /// The address of this host, and the port.
        address: SocketAddr,
        /// The other process.
        owner: PortOwner<'a>,
    },
}

/// A port that cannot be bound.
#[derive(Clone, Copy, Debug)]
pub struct BindFailure<'a> {
    /// The address and the port.
    pub address: SocketAddr,
    /// The owner of the port, if the address is in use, and /proc shows the owner.
    pub owner: Option<PortOwner<'a>>,
    /// The reason and the remedy.
    pub error: fmt::Arguments<'a>,
}

/// A packet socket that cannot be opened.
#[derive(Clone, Copy, Debug)]
pub struct PacketSocketFailure<'a> {
    /// Whether this process lacks the permission.
    pub is_denied: bool,
    /// The kernel's error.
    pub error: fmt::Arguments<'a>,
}

/// The owner of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortOwner<'a> {
    /// The address of the owner's socket, which may be a wildcard.
    pub address: IpAddr,
    /// The process ID and the name of the process, if /proc shows it.
    pub process: Option<(u32, &'a str)>,
}

impl fmt::Display for PortOwner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some((pid, name)) => write!(f, "{} (pid {pid}) on {}", name.escape_debug(), self.address),
            None => write!(f, "a process that /proc does not show on {}", self.address),
        }
    }
}
