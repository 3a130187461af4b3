//! Boot requests on an interface that the server does not serve. The usual causes: the configuration omits the
//! interface, or the interface has no IPv4 address.

use crate::events::Events;
use crate::net::sys::Datagram;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_indextoname;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::client::{Client, identify, recognise4};
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::quirks::Quirks;
use proxydhcpd_core::wire::DhcpPacket;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A boot request, and the interface on which it arrived.
pub struct UnservedRequest {
    client: Client,
    link: u32,
}

impl UnservedRequest {
    /// Recognises the client that sent this packet. Returns `None` if the packet is not a boot request over IPv4.
    pub fn from_datagram(plan: &Plan, port: Port, datagram: &Datagram<'_>) -> Option<UnservedRequest> {
        let packet = DhcpPacket::parse(datagram.payload, datagram.from.is_ipv6()).ok()?;
        let DhcpPacket::Dhcp4(message) = &packet else { return None };
        let machine = identify(&packet, datagram.from, &plan.policy.user_classes);
        let mut client =
            recognise4(message, machine, port, &plan.policy.user_classes, &plan.policy.vendor_classes, || {
                plan.policy.serves_u_boot()
            })
            .ok()?;
        Quirks::recognise(&mut client, &packet);
        Some(UnservedRequest { client, link: datagram.link })
    }
}

/// The interfaces that are not served although a machine sent a request on them.
#[derive(Debug, Default)]
pub struct UnservedLinks(BTreeSet<u32>);

const MAX_UNSERVED_LINKS: usize = 256;

impl UnservedLinks {
    /// Records a request, and its interface if it is the first one there.
    pub fn record(&mut self, request: &UnservedRequest, listener: SocketAddr, events: &Events, served: &[Link]) {
        let UnservedRequest { client, link } = request;
        let name =
            if_indextoname(*link).map_or_else(|_| format!("interface {link}"), |name| name.to_string_lossy().into());
        let machine = EventMachine { identity: Some(&client.machine), ..EventMachine::default() };
        let is_new = self.0.len() < MAX_UNSERVED_LINKS && self.0.insert(*link);
        let has_ipv4 = is_new && has_ipv4(&name);
        let mut recorder = events.lock();
        let mut record = |what| recorder.record(Some(&name), machine, Service::Dhcp(listener.port()), what);
        record(What::UnservedRequest(client));
        if is_new {
            record(What::UnservedLink { client, has_ipv4, served });
        }
    }
}

fn has_ipv4(name: &str) -> bool {
    let has_address = |interface: nix::ifaddrs::InterfaceAddress| {
        interface.interface_name == name && interface.address.is_some_and(|address| address.as_sockaddr_in().is_some())
    };
    getifaddrs().is_ok_and(|mut all| all.any(has_address))
}
