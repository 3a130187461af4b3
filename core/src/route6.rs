//! Determines the destination and the source address of a DHCPv6 reply (protocol.md 5.3, 5.7), with the refusals of
//! protocol.md 9.

use crate::arrival::{Arrival, Port};
use crate::client::Client;
use crate::plan::Plan;
use crate::route::{Destination, HARMFUL_PORTS, RefuseReason};
use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// The port on which clients listen, even if they send from a different port (RFC 8415 7.2).
const CLIENT_PORT: u16 = 546;

/// The destination of the reply, and the server's address for URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination of the reply.
    pub destination: Destination,
    /// The address that the DHCPv6 server assigned to the machine, if the client has another one, as the destination of
    /// a second copy of the reply (see `ReplyPath::boot_server`).
    pub second_destination: Option<Destination>,
    /// The server's address for URLs.
    pub local_addr: Ipv6Addr,
}

/// Returns the route of a reply, or the reason why the server refuses to reply. `was_offered` returns whether the
/// server sent this machine an ADVERTISE recently. `lease` returns the address that the DHCPv6 server assigned to this
/// machine.
pub fn route(
    plan: &Plan,
    arrival: &Arrival<'_>,
    source: SocketAddrV6,
    client: &Client,
    was_offered: impl FnOnce() -> bool,
    lease: impl FnOnce() -> Option<Ipv6Addr>,
) -> Result<Route, RefuseReason> {
    let local_addr = arrival.server_address6().ok_or(RefuseReason::NoAddress)?;
    let address = *source.ip();
    // The probe of this host sends from an address of this host.
    if !is_unicast(address) || arrival.is_local(address) && !client.machine.is_probe() {
        return Err(RefuseReason::Source(address.into()));
    }
    let path = ReplyPath { arrival, source, local_addr };
    match (client.port, &client.machine.relay) {
        (Port::Dhcp, Some(relay)) => {
            if !plan.policy.relays.is_empty() && !relay.is_listed(&plan.policy.relays) {
                return Err(RefuseReason::RelayNotListed(relay.address));
            }
            path.relay(relay.reply_to_source_port)
        }
        (Port::Dhcp, None) => path.neighbour(CLIENT_PORT),
        (Port::BootServer, _) if HARMFUL_PORTS.contains(&source.port()) => Err(RefuseReason::SourcePort(source.port())),
        // The firmware listens only on the port from which it sends.
        (Port::BootServer, _) if address.is_unicast_link_local() => path.neighbour(source.port()),
        (Port::BootServer, _) => path.boot_server(|| plan.offer.dhcp6.ignores_relays || was_offered(), lease),
    }
}

struct ReplyPath<'a> {
    arrival: &'a Arrival<'a>,
    source: SocketAddrV6,
    local_addr: Ipv6Addr,
}

impl ReplyPath<'_> {
    /// The route to the relay, which may be on the link. The client behind the relay must be able to reach the server's
    /// address in a URL, so the server refuses if it has only a link-local address.
    fn relay(&self, source_port: bool) -> Result<Route, RefuseReason> {
        if self.local_addr.is_unicast_link_local() {
            return Err(RefuseReason::NoAddress);
        }
        let port = if source_port { self.source.port() } else { Port::Dhcp.number6() };
        // A relay that requests replies at its source port may use 547.
        if port != Port::Dhcp.number6() && HARMFUL_PORTS.contains(&port) {
            return Err(RefuseReason::SourcePort(port));
        }
        let from = if self.source.ip().is_unicast_link_local() { self.link_local()? } else { self.local_addr };
        Ok(self.single(from, Port::Dhcp, port))
    }

    /// The route to a client on the link, which sends to the multicast group or to the server's address on the link.
    /// The client has only a link-local address so far.
    fn neighbour(&self, port: u16) -> Result<Route, RefuseReason> {
        let (address, local_port) = (*self.source.ip(), self.arrival.port);
        if self.arrival.via_other_link {
            return Err(RefuseReason::UnservedInterface);
        }
        if !address.is_unicast_link_local() {
            return Err(RefuseReason::Source(address.into()));
        }
        Ok(self.single(self.link_local()?, local_port, port))
    }

    /// The route to a client that has an address and knows the server's address from a URL.
    ///
    /// In a network whose router advertises managed addresses, EDK2 has two addresses: its IPv6 stack leases the
    /// address from which EDK2 sends, and its PXE driver leases the address on which EDK2 listens.
    fn boot_server(
        &self,
        is_remote: impl FnOnce() -> bool,
        lease: impl FnOnce() -> Option<Ipv6Addr>,
    ) -> Result<Route, RefuseReason> {
        let address = *self.source.ip();
        if !self.arrival.reaches(address) && !is_remote() {
            return Err(RefuseReason::UnservedNetwork(address.into()));
        }
        let route = self.single(self.local_addr, Port::BootServer, self.source.port());
        // Both addresses must be in the same /64 network, so that a forged request cannot aim the reply at a third host
        // elsewhere.
        let same_network = |lease: &Ipv6Addr| lease.segments()[..4] == address.segments()[..4] && *lease != address;
        let is_valid = |lease: &Ipv6Addr| same_network(lease) && is_unicast(*lease) && !self.arrival.is_local(*lease);
        let second = lease().filter(is_valid);
        let to = |address| SocketAddrV6::new(address, self.source.port(), 0, 0).into();
        Ok(Route {
            second_destination: second.map(|lease| Destination { to: to(lease), ..route.destination }),
            ..route
        })
    }

    fn single(&self, from: Ipv6Addr, local_port: Port, port: u16) -> Route {
        let link = self.arrival.link().index;
        let address = *self.source.ip();
        let on_link = address.is_unicast_link_local();
        let scope = if on_link { link } else { 0 };
        let to = Destination {
            to: SocketAddrV6::new(address, port, 0, scope).into(),
            from: SocketAddr::new(from.into(), local_port.number6()),
            interface_index: on_link.then_some(link),
        };
        Route { destination: to, second_destination: None, local_addr: self.local_addr }
    }

    fn link_local(&self) -> Result<Ipv6Addr, RefuseReason> {
        self.arrival.link().link_local().ok_or(RefuseReason::NoAddress)
    }
}

fn is_unicast(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() && address.to_ipv4_mapped().is_none()
}
