//! A datagram and how it came: what the network says, before anybody looks into it.

use crate::link::Link;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

/// The port a packet came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 67, shared with the primary DHCP server.
    Dhcp,
    /// 4011, where PXE clients ask a boot server.
    BootServer,
}

/// A datagram and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub datagram: &'a [u8],
    pub port: Port,
    pub from: SocketAddrV4,
    /// The address that it was sent to: a broadcast, or one of ours.
    pub to: Ipv4Addr,
    /// The networks that we serve, and which of them it came by.
    pub links: &'a [Link],
    pub link: usize,
    /// It came to an address of that link by another way: a tunnel, a network that nobody boots on. Only what crosses
    /// networks can, a relay's request or one to the boot server.
    pub foreign: bool,
    /// Milliseconds of any clock that does not go back.
    pub now: u64,
}

impl Arrival<'_> {
    pub fn link(&self) -> &Link {
        &self.links[self.link]
    }

    /// Our address as this client knows it: the one it sent to, else the one of the link it came by.
    pub fn server(&self) -> Option<Ipv4Addr> {
        if self.is_ours(self.to) { Some(self.to) } else { self.link().address() }
    }

    pub(crate) fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.links.iter().any(|link| link.owns(address))
    }

    pub(crate) fn reaches(&self, address: Ipv4Addr) -> bool {
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
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.number())
    }
}
