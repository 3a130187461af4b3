//! A received datagram and how it arrived, before its content is parsed.

use crate::link::Link;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port that received a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 67, or 547 for DHCPv6, on which clients contact the site's DHCP server as well.
    Dhcp,
    /// 4011, where PXE clients contact a boot server.
    BootServer,
}

/// A received datagram and how it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The UDP payload.
    pub datagram: &'a [u8],
    /// The port that received the datagram.
    pub port: Port,
    /// The source address and port.
    pub from: SocketAddr,
    /// The destination address: a broadcast address, a multicast group, or an address of the server.
    pub to: IpAddr,
    /// The served links.
    pub links: &'a [Link],
    /// The index in `links` of the link that the datagram belongs to.
    pub link: usize,
    /// Whether the datagram came by an interface other than that of `link`, such as a tunnel, to an address of `link`.
    /// Only packets that cross networks can arrive in this way: a relay's request, or a request to the boot server.
    pub via_other_link: bool,
    /// Time of arrival, in milliseconds of a monotonic clock.
    pub now: u64,
}

impl Arrival<'_> {
    /// The link that the datagram belongs to.
    pub fn link(&self) -> &Link {
        &self.links[self.link]
    }

    /// The server's IPv4 address as this client reaches it: the destination of the datagram, or else the first address
    /// of the link.
    pub fn server_address4(&self) -> Option<Ipv4Addr> {
        match self.to {
            IpAddr::V4(to) if self.is_local(to) => Some(to),
            _ => self.link().address(),
        }
    }

    /// The server's IPv6 address for URLs to this client: the destination of the datagram, unless that is link-local,
    /// or else an address of the link.
    pub fn server_address6(&self) -> Option<Ipv6Addr> {
        match self.to {
            IpAddr::V6(to) if !to.is_unicast_link_local() && self.is_local(to) => Some(to),
            _ => self.link().address6(),
        }
    }

    /// Whether the server has this address on any link.
    pub(crate) fn is_local(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        self.links.iter().any(|link| link.owns(address))
    }

    /// Whether the address is in a network of any link.
    pub(crate) fn reaches(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        self.links.iter().any(|link| link.reaches(address))
    }

    /// Whether the address is a broadcast address on any link.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.links.iter().any(|link| link.is_broadcast(address))
    }
}

impl Port {
    /// The port number in DHCPv4.
    pub fn number(self) -> u16 {
        match self {
            Self::Dhcp => 67,
            Self::BootServer => 4011,
        }
    }

    /// The port number in DHCPv6.
    pub fn number6(self) -> u16 {
        match self {
            Self::Dhcp => 547,
            Self::BootServer => 4011,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.number())
    }
}
