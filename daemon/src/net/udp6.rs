//! The groups in which DHCPv6 clients and relays look for servers, on every link that we serve over IPv6 (RFC 8415
//! 7.1).
//!
//! As with IPv4 (`net/udp.rs`), the DHCPv6 server on the same host comes first: a socket that is bound to a group hears
//! all that is sent to it, beside any other socket that does, and takes no unicast packet from anybody. A link-local
//! group has to be bound link by link; one that is not hears all links that any socket of this host has joined it on,
//! so that there must be only one such socket.

use crate::net::bind_error::BindError;
use crate::net::port_owner::Transport;
use crate::net::udp;
use proxydhcpd_core::link::Link;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;

/// All_DHCP_Relay_Agents_and_Servers.
pub const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All_DHCP_Servers, to which a relay writes that knows no server by its address.
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
/// All in which a DHCPv6 server is.
pub const GROUPS: [Ipv6Addr; 2] = [ALL_SERVERS_AND_RELAYS, ALL_SERVERS];

/// For what is sent to all DHCPv6 servers of a site, by the links on which it has joined them ([`join`]).
///
/// As with IPv4, who does not share the port is in its way, so that it tells whether we may have a socket there at all.
pub fn bind_site_group(port: u16) -> Result<UdpSocket, BindError> {
    udp::bind_udp((ALL_SERVERS, port).into(), true)
}

/// The group of clients and relays on each link, as far as it is heard.
#[derive(Debug)]
pub struct MulticastGroups {
    port: u16,
    /// With a second handle on its socket; `None`: it could not be had, and that was said.
    heard: BTreeMap<SocketAddrV6, Option<UdpSocket>>,
}

/// What a look around has changed. The group has the index of its link as scope.
#[derive(Debug)]
pub enum GroupChange {
    /// To be received from.
    Opened(SocketAddrV6, UdpSocket),
    /// Not ours any more: our socket is to be closed.
    Lost(SocketAddrV6),
    /// Said once; it is tried again.
    Failed(BindError),
}

impl MulticastGroups {
    pub fn new(port: u16) -> Self {
        MulticastGroups { port, heard: BTreeMap::new() }
    }

    /// To be called when the links change, and every few seconds, for one that could not be had may be had later.
    pub fn update(&mut self, links: &[Link]) -> Vec<GroupChange> {
        let on_link = |link: &Link| SocketAddrV6::new(ALL_SERVERS_AND_RELAYS, self.port, 0, link.index);
        let wanted: Vec<SocketAddrV6> = served(links).map(on_link).collect();
        let mut changes = Vec::new();
        self.heard.retain(|address, socket| {
            let stays = wanted.contains(address);
            changes.extend((!stays && socket.is_some()).then_some(GroupChange::Lost(*address)));
            stays
        });
        for address in wanted {
            let before = self.heard.get(&address);
            if let Some(Some(socket)) = before {
                join_on(socket, address.ip(), address.scope_id());
                continue;
            }
            let untold = before.is_none();
            match open(address) {
                Ok((socket, handle)) => {
                    self.heard.insert(address, Some(handle));
                    changes.push(GroupChange::Opened(address, socket));
                }
                Err(busy) => {
                    self.heard.insert(address, None);
                    changes.extend(untold.then_some(GroupChange::Failed(busy)));
                }
            }
        }
        changes
    }
}

/// Has a socket hear a group on all links that are served. Where it does already nothing is changed.
pub fn join(socket: &impl AsFd, group: Ipv6Addr, links: &[Link]) {
    served(links).for_each(|link| join_on(socket, &group, link.index));
}

fn join_on(socket: &impl AsFd, group: &Ipv6Addr, link: u32) {
    if let Err(error) = SockRef::from(socket).join_multicast_v6(group, link) {
        tracing::trace!("{group} on link {link}: {error}");
    }
}

/// Replies come from the link-local address.
fn served(links: &[Link]) -> impl Iterator<Item = &Link> {
    links.iter().filter(|link| link.link_local().is_some())
}

fn open(address: SocketAddrV6) -> Result<(UdpSocket, UdpSocket), BindError> {
    let busy = |error: io::Error| BindError::new(Transport::Udp, address.into(), error);
    let socket = udp::bind_udp(address.into(), true)?;
    let handle = socket.try_clone().map_err(busy)?;
    join_on(&socket, address.ip(), address.scope_id());
    Ok((socket, handle))
}
