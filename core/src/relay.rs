//! The relay that forwarded a packet.

use core::net::IpAddr;

/// The relay agent that forwarded a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The destination of the reply: giaddr, or the source address of the RELAY-FORW.
    pub address: IpAddr,
    /// Whether the relay expects the reply at its source port (RFC 8357: sub-option 19 of option 82, DHCPv6 option
    /// 135).
    pub reply_to_source_port: bool,
    /// An address in the client's subnet, which may differ from the subnet of `address`: sub-option 5 of option 82 (RFC
    /// 3527), or the link-address of the relay nearest to the client. `None` if the packet states none.
    pub subnet: Option<IpAddr>,
}

impl Relay {
    /// The address by which people know the relay: giaddr, or the link-address of the relay nearest to the client.
    pub fn shown_address(&self) -> IpAddr {
        self.subnet.filter(IpAddr::is_ipv6).unwrap_or(self.address)
    }

    /// Whether the list contains the relay. For a DHCPv6 relay, the list may contain its source address or its address
    /// on the client's link.
    pub fn is_listed(&self, relays: &[IpAddr]) -> bool {
        let by_link = self.subnet.filter(IpAddr::is_ipv6);
        relays.contains(&self.address) || by_link.is_some_and(|link| relays.contains(&link))
    }
}
