//! The networks that we serve, as values: which interface, which addresses, how large a frame.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// An IPv4 address of an interface and the network it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network4 {
    pub address: Ipv4Addr,
    /// Prefix length, 0-32.
    pub prefix: u8,
}

/// A served interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's interface index: names change, this does not.
    pub index: u32,
    pub name: String,
    /// Largest IP packet, in octets.
    pub mtu: u32,
    /// Its IPv4 addresses, primary first. Empty: it cannot be served over IPv4.
    pub ipv4: Vec<Network4>,
}

impl Network4 {
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        (u32::from(address) ^ u32::from(self.address)) & mask == 0
    }

    /// The directed broadcast address; none for /31 and /32.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let host = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        (self.prefix < 31).then(|| Ipv4Addr::from(u32::from(self.address) | host))
    }
}

impl Link {
    /// The address that names us on this link: server identifier, source of replies, default siaddr.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.ipv4.first().map(|network| network.address)
    }

    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.ipv4.iter().any(|network| network.address == address)
    }

    pub fn reaches(&self, address: Ipv4Addr) -> bool {
        self.ipv4.iter().any(|network| network.contains(address))
    }

    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address == Ipv4Addr::BROADCAST || self.ipv4.iter().any(|network| network.broadcast() == Some(address))
    }
}

/// The link that a datagram belongs to: the one it came by, else the one whose address it was sent to, for what crosses
/// networks may come by a tunnel that nobody boots on. True: by such another way.
pub fn of_datagram(links: &[Link], index: u32, to: Ipv4Addr) -> Option<(usize, bool)> {
    let came_by = links.iter().position(|link| link.index == index);
    came_by.map(|link| (link, false)).or_else(|| Some((links.iter().position(|link| link.owns(to))?, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_members_and_its_broadcast_address() {
        let net = Network4 { address: Ipv4Addr::new(192, 0, 2, 10), prefix: 24 };
        assert!(net.contains(Ipv4Addr::new(192, 0, 2, 255)));
        assert!(!net.contains(Ipv4Addr::new(192, 0, 3, 1)));
        assert_eq!(net.broadcast(), Some(Ipv4Addr::new(192, 0, 2, 255)));
    }

    #[test]
    fn the_edges_of_the_prefix_length_do_not_overflow() {
        let all = Network4 { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 0 };
        assert!(all.contains(Ipv4Addr::new(203, 0, 113, 1)));
        let one = Network4 { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 32 };
        assert!(one.contains(Ipv4Addr::new(10, 0, 0, 1)) && !one.contains(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(one.broadcast(), None);
    }
}
