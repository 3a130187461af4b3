//! The served interfaces, as values: index, name, addresses, MTU.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address of an interface, with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network4 {
    /// The address of the interface.
    pub address: Ipv4Addr,
    /// Prefix length, 0-32.
    pub prefix: u8,
}

/// An IPv6 address of an interface, with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network6 {
    /// The address of the interface.
    pub address: Ipv6Addr,
    /// Prefix length, 0-128.
    pub prefix: u8,
}

/// A network of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// An IPv4 network.
    V4(Network4),
    /// An IPv6 network.
    V6(Network6),
}

/// A served interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's interface index; unlike the name, it does not change.
    pub index: u32,
    /// The interface name.
    pub name: String,
    /// MTU: the largest IP packet, in octets.
    pub mtu: u32,
    /// IPv4 addresses, primary first. If there is none, the server does not serve the link over IPv4.
    pub ipv4: Vec<Network4>,
    /// IPv6 addresses, the preferred ones first. Without a link-local address, the server does not serve the link over
    /// IPv6.
    pub ipv6: Vec<Network6>,
}

impl Network4 {
    /// Whether the address belongs to the network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        (u32::from(address) ^ u32::from(self.address)) & mask == 0
    }

    /// The directed broadcast address; a /31 or /32 has none.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let host = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        (self.prefix < 31).then(|| Ipv4Addr::from(u32::from(self.address) | host))
    }
}

impl Network6 {
    /// Whether the address belongs to the network.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
        (u128::from(address) ^ u128::from(self.address)) & mask == 0
    }
}

impl Network {
    /// Whether the address belongs to the network; never if the families differ.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4(network), IpAddr::V4(address)) => network.contains(address),
            (Network::V6(network), IpAddr::V6(address)) => network.contains(address),
            _ => false,
        }
    }
}

impl Link {
    /// The server's IPv4 address on this link: the server identifier, the source of replies and the default siaddr.
    /// `None` if the link has no IPv4 address.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.ipv4.first().map(|network| network.address)
    }

    /// The source address of DHCPv6 replies on this link; `None` if the link has no link-local address.
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.ipv6.iter().map(|network| network.address).find(Ipv6Addr::is_unicast_link_local)
    }

    /// The server's IPv6 address for URLs: an address that is valid beyond the link, or else the link-local address.
    pub fn address6(&self) -> Option<Ipv6Addr> {
        let mut addresses = self.ipv6.iter().map(|network| network.address);
        addresses.find(|address| !address.is_unicast_link_local()).or_else(|| self.link_local())
    }

    /// Whether the server has this address on the link.
    pub fn owns(&self, address: impl Into<IpAddr>) -> bool {
        match address.into() {
            IpAddr::V4(address) => self.ipv4.iter().any(|network| network.address == address),
            IpAddr::V6(address) => self.ipv6.iter().any(|network| network.address == address),
        }
    }

    /// Whether the address is in a network of the link.
    pub fn reaches(&self, address: impl Into<IpAddr>) -> bool {
        match address.into() {
            IpAddr::V4(address) => self.ipv4.iter().any(|network| network.contains(address)),
            IpAddr::V6(address) => self.ipv6.iter().any(|network| network.contains(address)),
        }
    }

    /// Whether the link is served over this family.
    fn serves(&self, is_ipv6: bool) -> bool {
        if is_ipv6 { !self.ipv6.is_empty() } else { !self.ipv4.is_empty() }
    }

    /// Whether the address is the limited broadcast address, or the directed broadcast address of a network of the
    /// link.
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address == Ipv4Addr::BROADCAST || self.ipv4.iter().any(|network| network.broadcast() == Some(address))
    }
}

/// Finds the link of a datagram by the index of its interface, or else by its destination address: a packet that
/// crosses networks may arrive by a tunnel on which no machine boots. Returns the index in `links`, and whether the
/// datagram came by an interface other than that of the link. Returns `None` if the datagram belongs to no link. A
/// link-local address identifies a different host on each link, so a datagram to such an address belongs to the link of
/// its interface.
pub fn for_datagram(links: &[Link], index: u32, to: IpAddr) -> Option<(usize, bool)> {
    let by_interface = links.iter().position(|link| link.index == index && link.serves(to.is_ipv6()));
    let is_global = !matches!(to, IpAddr::V6(to) if to.is_unicast_link_local());
    let owns_destination = |link: &Link| is_global && link.owns(to);
    by_interface.map(|link| (link, false)).or_else(|| Some((links.iter().position(owns_destination)?, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_members_and_has_a_broadcast_address() {
        let net = Network4 { address: Ipv4Addr::new(192, 0, 2, 10), prefix: 24 };
        assert!(net.contains(Ipv4Addr::new(192, 0, 2, 255)));
        assert!(!net.contains(Ipv4Addr::new(192, 0, 3, 1)));
        assert_eq!(net.broadcast(), Some(Ipv4Addr::new(192, 0, 2, 255)));
    }

    #[test]
    fn extreme_prefix_lengths_do_not_overflow() {
        let all = Network4 { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 0 };
        assert!(all.contains(Ipv4Addr::new(203, 0, 113, 1)));
        let one = Network4 { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 32 };
        assert!(one.contains(Ipv4Addr::new(10, 0, 0, 1)) && !one.contains(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(one.broadcast(), None);
        let any = Network6 { address: Ipv6Addr::LOCALHOST, prefix: 0 };
        assert!(any.contains("2001:db8::1".parse().unwrap()));
        let host = Network6 { address: Ipv6Addr::LOCALHOST, prefix: 128 };
        assert!(host.contains(Ipv6Addr::LOCALHOST) && !host.contains(Ipv6Addr::UNSPECIFIED));
    }

    #[test]
    fn urls_contain_an_address_that_is_valid_beyond_the_link() {
        let network = |text: &str| Network6 { address: text.parse().unwrap(), prefix: 64 };
        let link = |ipv6| Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4: Vec::new(), ipv6 };
        let (local, global) = (network("fe80::10"), network("2001:db8::10"));
        let both = link(Vec::from([local, global]));
        assert_eq!((both.link_local(), both.address6()), (Some(local.address), Some(global.address)));
        let only_local = link(Vec::from([local]));
        assert_eq!(only_local.address6(), Some(local.address));
        assert!(both.owns(global.address) && both.reaches("2001:db8::99".parse::<Ipv6Addr>().unwrap()));
        assert!(!both.reaches("2001:db8:1::1".parse::<Ipv6Addr>().unwrap()));
    }

    #[test]
    fn a_datagram_belongs_to_a_link_that_is_served_over_its_family() {
        let v6 = |text: &str| Network6 { address: text.parse().unwrap(), prefix: 64 };
        let v4 = Network4 { address: Ipv4Addr::new(192, 0, 2, 10), prefix: 24 };
        let link = |index, ipv4, ipv6| Link { index, name: "eth".into(), mtu: 1500, ipv4, ipv6 };
        let links = [
            link(2, Vec::from([v4]), Vec::new()),
            link(3, Vec::new(), Vec::from([v6("2001:db8::10"), v6("fe80::10")])),
        ];
        let of = |index, to: &str| for_datagram(&links, index, to.parse().unwrap());
        assert_eq!(of(2, "255.255.255.255"), Some((0, false)));
        assert_eq!(of(3, "fe80::10"), Some((1, false)));
        assert_eq!(of(3, "ff02::1:2"), Some((1, false)));
        // These datagrams come by another interface, which is not served, or not over this family.
        assert_eq!(of(3, "192.0.2.10"), Some((0, true)));
        for index in [2, 9] {
            assert_eq!(of(index, "2001:db8::10"), Some((1, true)));
            assert_eq!(of(index, "fe80::10"), None, "a link-local address identifies another host on another link");
            assert_eq!(of(index, "ff02::1:2"), None);
        }
        assert_eq!(of(3, "255.255.255.255"), None);
    }
}
