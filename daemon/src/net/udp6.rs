//! Joins the multicast groups of DHCPv6 servers on every link that the server serves over IPv6 (RFC 8415 7.1).
//!
//! As with IPv4 (`net/udp.rs`), this does not affect a DHCPv6 server on the same host: a socket that is bound to a
//! group receives a copy of each multicast to the group, and no unicast. The link-local group
//! [`ALL_SERVERS_AND_RELAYS`] needs a socket per link. A socket on the site-local group [`ALL_SERVERS`] receives from
//! all links on which any socket of this host has joined that group, so that there must be only one such socket.

use crate::net::bind_error::BindError;
use crate::net::port_owner::Transport;
use crate::net::udp;
use proxydhcpd_core::link::Link;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;

/// All_DHCP_Relay_Agents_and_Servers, of link-local scope.
pub const ALL_SERVERS_AND_RELAYS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All_DHCP_Servers, to which a relay without a configured server address sends.
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
/// All groups of a DHCPv6 server.
pub const GROUPS: [Ipv6Addr; 2] = [ALL_SERVERS_AND_RELAYS, ALL_SERVERS];

/// Binds a socket for multicasts to [`ALL_SERVERS`]. The socket receives on the links on which [`join`] joins the
/// group.
///
/// The bind fails if another process does not share the port. So its result shows whether the server can use UDP
/// sockets on the port.
pub fn bind_site_group(port: u16) -> Result<UdpSocket, BindError> {
    udp::bind_udp((ALL_SERVERS, port).into(), true)
}

/// The sockets of the group [`ALL_SERVERS_AND_RELAYS`], one per link.
#[derive(Debug)]
pub struct MulticastGroups {
    port: u16,
    /// A second handle of each socket. `None` if the bind failed and [`GroupChange::Failed`] was returned.
    sockets: BTreeMap<SocketAddrV6, Option<UdpSocket>>,
}

/// A change of the sockets. The scope of the group's address is the index of its link.
#[derive(Debug)]
pub enum GroupChange {
    /// A socket was opened: the caller must receive from it.
    Opened(SocketAddrV6, UdpSocket),
    /// The link is no longer served: the socket must be closed.
    Lost(SocketAddrV6),
    /// The bind failed. Later updates try it again, and do not report another failure.
    Failed(BindError),
}

impl MulticastGroups {
    /// Starts without sockets.
    pub fn new(port: u16) -> Self {
        MulticastGroups { port, sockets: BTreeMap::new() }
    }

    /// Opens and closes sockets, and returns the changes. Call it when the links change, and every few seconds to retry
    /// failed binds.
    pub fn update(&mut self, links: &[Link]) -> Vec<GroupChange> {
        let on_link = |link: &Link| SocketAddrV6::new(ALL_SERVERS_AND_RELAYS, self.port, 0, link.index);
        let addresses: Vec<SocketAddrV6> = served_links(links).map(on_link).collect();
        let mut changes = Vec::new();
        self.sockets.retain(|address, socket| {
            let is_served = addresses.contains(address);
            changes.extend((!is_served && socket.is_some()).then_some(GroupChange::Lost(*address)));
            is_served
        });
        for address in addresses {
            let before = self.sockets.get(&address);
            if let Some(Some(socket)) = before {
                join_on(socket, address.ip(), address.scope_id());
                continue;
            }
            let is_first_try = before.is_none();
            match open(address) {
                Ok((socket, handle)) => {
                    self.sockets.insert(address, Some(handle));
                    changes.push(GroupChange::Opened(address, socket));
                }
                Err(error) => {
                    self.sockets.insert(address, None);
                    changes.extend(is_first_try.then_some(GroupChange::Failed(error)));
                }
            }
        }
        changes
    }
}

/// Joins a group on all served links. Nothing changes on a link on which the socket is already a member.
pub fn join(socket: &impl AsFd, group: Ipv6Addr, links: &[Link]) {
    served_links(links).for_each(|link| join_on(socket, &group, link.index));
}

fn join_on(socket: &impl AsFd, group: &Ipv6Addr, link: u32) {
    // On a link where the socket is a member already, the result is an error.
    SockRef::from(socket).join_multicast_v6(group, link).ok();
}

/// The links with a link-local address: the server needs it as the source of its replies.
fn served_links(links: &[Link]) -> impl Iterator<Item = &Link> {
    links.iter().filter(|link| link.link_local().is_some())
}

fn open(address: SocketAddrV6) -> Result<(UdpSocket, UdpSocket), BindError> {
    let bind_error = |error: io::Error| BindError::new(Transport::Udp, address.into(), error);
    let socket = udp::bind_udp(address.into(), true)?;
    let handle = socket.try_clone().map_err(bind_error)?;
    join_on(&socket, address.ip(), address.scope_id());
    Ok((socket, handle))
}
