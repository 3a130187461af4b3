//! A datagram and how it came: what the network says, before anybody looks into it.

use crate::link::Link;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port a packet came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 67, in DHCPv6 547, shared with the primary DHCP server.
    Dhcp,
    /// 4011, where PXE clients ask a boot server.
    BootServer,
}

/// A datagram and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub datagram: &'a [u8],
    pub port: Port,
    pub from: SocketAddr,
    /// The address that it was sent to: a broadcast, a group, or one of ours.
    pub to: IpAddr,
    /// The networks that we serve, and which of them it came by.
    pub links: &'a [Link],
    pub link: usize,
    /// It came to an address of that link by another way: a tunnel, a network that nobody boots on. Only what crosses
    /// networks can, a relay's request or one to the boot server.
    pub via_other_link: bool,
    /// Milliseconds of any clock that does not go back.
    pub now: u64,
}

impl Arrival<'_> {
    pub fn link(&self) -> &Link {
        &self.links[self.link]
    }

    /// Our address as this client knows it: the one it sent to, else the one of the link it came by.
    pub fn server_address4(&self) -> Option<Ipv4Addr> {
        match self.to {
            IpAddr::V4(to) if self.is_local(to) => Some(to),
            _ => self.link().address(),
        }
    }

    /// The address that URLs for this client name: the same, but for one that means nothing beyond the link.
    pub fn server_address6(&self) -> Option<Ipv6Addr> {
        match self.to {
            IpAddr::V6(to) if !to.is_unicast_link_local() && self.is_local(to) => Some(to),
            _ => self.link().address6(),
        }
    }

    pub(crate) fn is_local(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        self.links.iter().any(|link| link.owns(address))
    }

    pub(crate) fn reaches(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        self.links.iter().any(|link| link.reaches(address))
    }

    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.links.iter().any(|link| link.is_broadcast(address))
    }
}

impl Port {
    pub fn number(self) -> u16 {
        match self {
            Self::Dhcp => 67,
            Self::BootServer => 4011,
        }
    }

    /// The same in DHCPv6.
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
