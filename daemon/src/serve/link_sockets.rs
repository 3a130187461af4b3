//! The DHCP sockets that depend on the interfaces: for multicast groups, for relayed requests, and for the offers of
//! other servers.

use super::listeners::{BOOT_SERVER6, DHCP_BROADCAST, DHCP6_MULTICAST, Listeners};
use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::overhear;
use crate::net::socket::Socket;
use crate::net::socket_set::SocketSet;
use crate::net::udp::{UnicastChange, YieldingSocket};
use crate::net::udp6::{self, ALL_SERVERS_AND_RELAYS, MulticastGroups};
use nix::time::{ClockId, clock_gettime};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::port::PortEvent;
use proxydhcpd_core::event::socket::SocketOperation;
use proxydhcpd_core::link::Link;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The DHCP sockets that depend on the interfaces.
#[derive(Debug)]
pub struct LinkSockets {
    /// Unicast sockets on port 67, for relayed requests.
    relayed: YieldingSocket,
    /// Unicast sockets on port 547, for relayed requests over IPv6.
    relayed6: YieldingSocket,
    groups: MulticastGroups,
    /// Whether the server has tried to open the socket for other servers' offers.
    tried_offer_socket: bool,
}

impl LinkSockets {
    /// No sockets yet.
    pub fn new(now: Instant) -> Self {
        LinkSockets {
            relayed: YieldingSocket::new(Port::Dhcp.number(), uptime(), now),
            relayed6: YieldingSocket::new(Port::Dhcp.number6(), uptime(), now),
            groups: MulticastGroups::new(Port::Dhcp.number6()),
            tried_offer_socket: false,
        }
    }

    /// Whether relayed requests can arrive, over IPv4 and over IPv6.
    pub fn receive_relayed(&self) -> [bool; 2] {
        [self.relayed.has_open_socket(), self.relayed6.has_open_socket()]
    }

    /// Opens and closes the sockets, and adds them to `sockets` or removes them. Call this when the links change, and
    /// every few seconds, because a DHCP server may start on this host.
    pub fn update(
        &mut self,
        listeners: &Listeners,
        sockets: &SocketSet,
        links: &[Link],
        now: Instant,
        events: &Events,
    ) -> io::Result<()> {
        self.open_offer_socket(sockets, events)?;
        for (address, groups) in [(BOOT_SERVER6, &[ALL_SERVERS_AND_RELAYS][..]), (DHCP6_MULTICAST, &udp6::GROUPS)] {
            if let Some(socket) = sockets.get(address) {
                groups.iter().for_each(|group| udp6::join(&socket.membership_socket(), *group, links));
            }
        }
        // The server opens more sockets on port 67 or 547 only if a DHCP server on this host can share the port.
        if listeners.shares_dhcp_port {
            let addresses = links.iter().flat_map(|link| &link.ipv4).map(|network| network.address.into());
            let (port, addresses) = (Port::Dhcp.number(), addresses.collect());
            update_relay_sockets(&mut self.relayed, sockets, port, addresses, now, events);
        }
        if listeners.shares_dhcp6_port {
            self.update_group_sockets(sockets, links, events);
            let is_routable = |address: &Ipv6Addr| !address.is_unicast_link_local();
            let addresses = links.iter().flat_map(|link| &link.ipv6).map(|network| network.address).filter(is_routable);
            let addresses = addresses.map(IpAddr::V6).collect();
            let port = Port::Dhcp.number6();
            update_relay_sockets(&mut self.relayed6, sockets, port, addresses, now, events);
        }
        Ok(())
    }

    /// Opens the socket that overhears the offers of other servers. The server tries this only once, because a later
    /// attempt could take port 68 from a DHCP client of this host that does not share the port and is restarting at
    /// that moment.
    fn open_offer_socket(&mut self, sockets: &SocketSet, events: &Events) -> io::Result<()> {
        if self.tried_offer_socket || sockets.get(DHCP_BROADCAST).is_none() {
            return Ok(());
        }
        self.tried_offer_socket = true;
        match overhear::open() {
            Ok(socket) => sockets.insert(overhear::ADDRESS, socket),
            Err(error) => {
                events.socket_failed(SocketOperation::OverhearOffers, &error);
                Ok(())
            }
        }
    }

    /// Opens and closes the sockets for DHCPv6 clients, which send to a multicast group. Each link needs a socket for
    /// the group.
    fn update_group_sockets(&mut self, sockets: &SocketSet, links: &[Link], events: &Events) {
        let mut failed = Vec::new();
        for change in self.groups.update(links) {
            match change {
                udp6::GroupChange::Opened(address, socket) => {
                    if let Err(error) = sockets.insert(address.into(), Socket::Udp(socket)) {
                        events.socket_failed(SocketOperation::WaitForGroup(address.into()), &error);
                    }
                }
                udp6::GroupChange::Lost(address) => sockets.remove(address.into()),
                udp6::GroupChange::Failed(bind_error) => failed.push(bind_error),
            }
        }
        // One event lists all links, because a host may have hundreds of VLANs.
        if let Some(first) = failed.first() {
            let names: Vec<&str> = failed.iter().map(|bind_error| link_name(links, bind_error)).collect();
            events.record_host(What::Port(PortEvent::GroupFailed {
                failure: first.failure(format_args!("{first}")),
                links: &names,
            }));
        }
    }
}

/// Opens and closes the sockets for relayed requests, which relays send by unicast. Each local address has a socket,
/// which the server closes if a DHCP server of this host binds the port.
fn update_relay_sockets(
    relay_sockets: &mut YieldingSocket,
    sockets: &SocketSet,
    port: u16,
    addresses: Vec<IpAddr>,
    now: Instant,
    events: &Events,
) {
    let socket_at = |address| SocketAddr::new(address, port);
    for change in relay_sockets.update(&addresses, now) {
        match change {
            UnicastChange::Opened(address, socket) => {
                if let Err(error) = sockets.insert(socket_at(address), Socket::Udp(socket)) {
                    events.socket_failed(SocketOperation::WaitForRelayed(address), &error);
                }
            }
            UnicastChange::Lost(address) => sockets.remove(socket_at(address)),
            UnicastChange::Yielded(address, owner) => {
                sockets.remove(socket_at(address));
                let (address, owner) = (socket_at(address), owner.for_event());
                events.record_host(What::Port(PortEvent::RelayedYielded { address, owner }));
            }
            UnicastChange::Failed(bind_error) => {
                events.record_host(What::Port(PortEvent::RelayedFailed(
                    bind_error.failure(format_args!("{bind_error}")),
                )));
            }
        }
    }
}

/// The name of the link on which joining a group failed.
fn link_name<'a>(links: &'a [Link], bind_error: &BindError) -> &'a str {
    let index = if let SocketAddr::V6(address) = bind_error.address { address.scope_id() } else { 0 };
    links.iter().find(|link| link.index == index).map_or("any link", |link| &link.name)
}

/// Time since this host booted, or the maximum duration if the clock cannot be read (which does not happen on Linux).
fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}
