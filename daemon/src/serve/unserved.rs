//! Boot requests on an interface that the server does not serve. The usual causes: the configuration omits the
//! interface, or the interface has no IPv4 address.

use crate::net::sys::Datagram;
use crate::report::Report;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_indextoname;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::client::{Client, recognise4};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::quirks::Quirks;
use proxydhcpd_core::wire::DhcpPacket;

/// A boot request, and the interface on which it arrived.
pub struct UnservedRequest {
    client: Client,
    link: u32,
}

impl UnservedRequest {
    /// Recognizes the client that sent this packet. Returns `None` if the packet is not a boot request over IPv4.
    pub fn from_datagram(plan: &Plan, port: Port, datagram: &Datagram<'_>) -> Option<UnservedRequest> {
        let packet = DhcpPacket::parse(datagram.payload, datagram.from.is_ipv6()).ok()?;
        let DhcpPacket::Dhcp4(message) = &packet else { return None };
        let mut client = recognise4(message, port, &plan.policy.user_classes, &plan.policy.vendor_classes, || {
            plan.policy.serves_u_boot()
        })
        .ok()?;
        Quirks::recognise(&mut client, &packet);
        Some(UnservedRequest { client, link: datagram.link })
    }

    /// Logs a warning for the first request on an interface, and a debug line for each.
    pub fn report(&self, report: &mut Report, served: &[Link]) {
        let UnservedRequest { client, link } = self;
        let name =
            if_indextoname(*link).map_or_else(|_| format!("interface {link}"), |name| name.to_string_lossy().into());
        tracing::debug!("{} ({client}) on {name}: no reply: {name} is not served over IPv4", client.hardware);
        if !report.is_new_unserved_link(*link) {
            return;
        }
        if has_ipv4(&name) {
            let names: Vec<&str> = served.iter().map(|link| link.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            tracing::warn!(
                MAC = %client.hardware,
                LINK = name,
                "{} ({client}) on {name}: no reply: {name} is not among the served interfaces ({names}). To serve it, \
                 change `interfaces` or `ipv4-interfaces` in the configuration, or the flag -i",
                client.hardware
            );
        } else {
            tracing::warn!(
                MAC = %client.hardware,
                LINK = name,
                "{} ({client}) on {name}: no reply: {name} has no IPv4 address. Add one in the network of its \
                 machines; the server then serves {name} at once",
                client.hardware
            );
        }
    }
}

fn has_ipv4(name: &str) -> bool {
    let has_address = |interface: nix::ifaddrs::InterfaceAddress| {
        interface.interface_name == name && interface.address.is_some_and(|address| address.as_sockaddr_in().is_some())
    };
    getifaddrs().is_ok_and(|mut all| all.any(has_address))
}
