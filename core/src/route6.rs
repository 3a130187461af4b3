//! Where a DHCPv6 reply goes, and from which address (protocol.md 5.3, 5.7), with the refusals of protocol.md 9.

use crate::arrival::{Arrival, Port};
use crate::client::Client;
use crate::plan::Plan;
use crate::route::{Destination, HARMFUL_PORTS, RefuseReason};
use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// Clients listen here, wherever they write from (RFC 8415 7.2).
const CLIENT_PORT: u16 = 546;

/// The way back, and our address for URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub destination: Destination,
    /// A second copy goes there.
    pub second_destination: Option<Destination>,
    pub local_addr: Ipv6Addr,
}

/// `offered` says whether an ADVERTISE went to this machine lately; `lease`, which address it has been given.
pub fn route(
    plan: &Plan,
    arrival: &Arrival<'_>,
    source: SocketAddrV6,
    client: &Client,
    offered: impl FnOnce() -> bool,
    lease: impl FnOnce() -> Option<Ipv6Addr>,
) -> Result<Route, RefuseReason> {
    let here = arrival.server_address6().ok_or(RefuseReason::NoAddress)?;
    let address = *source.ip();
    if !is_unicast(address) || arrival.is_local(address) {
        return Err(RefuseReason::Source(address.into()));
    }
    let way = Way { arrival, source, here };
    match (client.port, &client.relay) {
        (Port::Dhcp, Some(relay)) => {
            if !plan.relays.is_empty() && !relay.is_listed(&plan.relays) {
                return Err(RefuseReason::RelayNotListed(relay.address));
            }
            way.relay(relay.reply_to_source_port)
        }
        (Port::Dhcp, None) => way.neighbour(CLIENT_PORT),
        (Port::BootServer, _) if HARMFUL_PORTS.contains(&source.port()) => Err(RefuseReason::SourcePort(source.port())),
        // It is sent from the port that the firmware listens on, and that is not told otherwise.
        (Port::BootServer, _) if address.is_unicast_link_local() => way.neighbour(source.port()),
        (Port::BootServer, _) => way.boot_server(|| plan.dhcp6.ignores_relays || offered(), lease),
    }
}

struct Way<'a> {
    arrival: &'a Arrival<'a>,
    source: SocketAddrV6,
    here: Ipv6Addr,
}

impl Way<'_> {
    /// To the relay, which may be next to us. The client beyond it needs an address of ours that is good there.
    fn relay(&self, source_port: bool) -> Result<Route, RefuseReason> {
        if self.here.is_unicast_link_local() {
            return Err(RefuseReason::NoAddress);
        }
        let port = if source_port { self.source.port() } else { Port::Dhcp.number6() };
        // A relay that names its port may name 547.
        if port != Port::Dhcp.number6() && HARMFUL_PORTS.contains(&port) {
            return Err(RefuseReason::SourcePort(port));
        }
        let from = if self.source.ip().is_unicast_link_local() { self.link_local()? } else { self.here };
        Ok(self.one(from, Port::Dhcp, port))
    }

    /// To a client on the link, who asks the group or our own address there. It has no other address yet.
    fn neighbour(&self, port: u16) -> Result<Route, RefuseReason> {
        let (address, ours) = (*self.source.ip(), self.arrival.port);
        if self.arrival.via_other_link {
            return Err(RefuseReason::UnservedInterface);
        }
        if !address.is_unicast_link_local() {
            return Err(RefuseReason::Source(address.into()));
        }
        Ok(self.one(self.link_local()?, ours, port))
    }

    /// To a client that has an address and was told ours by a URL.
    ///
    /// In a network whose router advertises that addresses are managed, EDK2 has two: one that its IPv6 stack has
    /// leased, and writes from, and one that the PXE driver has leased, and listens on. The answer goes to both.
    fn boot_server(
        &self,
        from_afar: impl FnOnce() -> bool,
        lease: impl FnOnce() -> Option<Ipv6Addr>,
    ) -> Result<Route, RefuseReason> {
        let address = *self.source.ip();
        if !self.arrival.reaches(address) && !from_afar() {
            return Err(RefuseReason::UnservedNetwork(address.into()));
        }
        let route = self.one(self.here, Port::BootServer, self.source.port());
        // In the same network: the answer cannot be aimed at a third host elsewhere.
        let same_network = |lease: &Ipv6Addr| lease.segments()[..4] == address.segments()[..4] && *lease != address;
        let fits = |lease: &Ipv6Addr| same_network(lease) && is_unicast(*lease) && !self.arrival.is_local(*lease);
        let also = lease().filter(fits);
        let to = |address| SocketAddrV6::new(address, self.source.port(), 0, 0).into();
        Ok(Route { second_destination: also.map(|lease| Destination { to: to(lease), ..route.destination }), ..route })
    }

    fn one(&self, from: Ipv6Addr, ours: Port, port: u16) -> Route {
        let link = self.arrival.link().index;
        let address = *self.source.ip();
        let on_link = address.is_unicast_link_local();
        let scope = if on_link { link } else { 0 };
        let to = Destination {
            to: SocketAddrV6::new(address, port, 0, scope).into(),
            from: SocketAddr::new(from.into(), ours.number6()),
            interface_index: on_link.then_some(link),
        };
        Route { destination: to, second_destination: None, local_addr: self.here }
    }

    fn link_local(&self) -> Result<Ipv6Addr, RefuseReason> {
        self.arrival.link().link_local().ok_or(RefuseReason::NoAddress)
    }
}

fn is_unicast(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() && address.to_ipv4_mapped().is_none()
}
