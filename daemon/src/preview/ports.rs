//! The ports that the server needs on this host, and the processes that have them.

use super::Preview;
use crate::net::port_owner::{self, PortOwner, Transport};
use proxydhcpd_core::plan::offer::TftpServer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name of the server's processes in /proc.
const PROCESS_NAME: &str = "proxydhcpd";

/// A port that the server binds exclusively. A DHCP server may share port 67 and 547.
#[derive(Clone, Copy, Debug)]
pub struct NeededPort {
    /// The protocol.
    pub transport: Transport,
    /// The wildcard address of the port's address family.
    pub address: IpAddr,
    /// The number.
    pub port: u16,
    /// The service, for people.
    pub name: &'static str,
}

impl NeededPort {
    /// The process that has the port now.
    pub fn owner(&self) -> Option<PortOwner> {
        port_owner::port_owner(self.transport, self.address, self.port)
    }
}

/// The ports that the server would bind with this configuration.
pub fn needed(context: &Preview) -> Vec<NeededPort> {
    let plan = &context.site.plan;
    let (any, any6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    let needed = |transport, address, port, name| NeededPort { transport, address, port, name };
    let mut ports = Vec::new();
    if context.loaded.settings.serves_ipv4() {
        ports.push(needed(Transport::Udp, any, 4011, "boot server port"));
    }
    if plan.offer.tftp == Some(TftpServer::Local) {
        ports.push(needed(Transport::Udp, any, 69, "TFTP port"));
    }
    ports.extend(plan.offer.http.map(|port| needed(Transport::Tcp, any, port, "HTTP port")));
    if context.links.iter().any(|link| !link.ipv6.is_empty()) {
        ports.push(needed(Transport::Udp, any6, 4011, "IPv6 boot server port"));
        if plan.offer.dhcp6.tftp {
            ports.push(needed(Transport::Udp, any6, 69, "IPv6 TFTP port"));
        }
    }
    ports
}

/// Whether the owner is a process of proxydhcpd.
pub fn is_proxydhcpd(owner: &PortOwner) -> bool {
    owner.process.as_ref().is_some_and(|process| process.name == PROCESS_NAME)
}

/// The process of proxydhcpd that has port 4011, of either address family.
pub fn server_process() -> Option<u32> {
    let bound = port_owner::bound_sockets(Transport::Udp, 4011).unwrap_or_default();
    let owner = bound.iter().map(|socket| socket.owner()).find(is_proxydhcpd)?;
    owner.process.map(|process| process.pid)
}

/// Whether a process of proxydhcpd has port 4011.
pub fn is_running() -> bool {
    server_process().is_some()
}
