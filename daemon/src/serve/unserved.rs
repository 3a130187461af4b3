//! Machines that ask on an interface that we do not serve: the commonest ones are forgotten in the configuration, or
//! have no IPv4 address.

use crate::net::sys::Datagram;
use crate::report::Report;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_indextoname;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::client::{Client, recognise4};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::wire::dhcp4::Message;

/// A boot request, and the interface that it came by.
pub struct UnservedRequest {
    client: Client,
    link: u32,
}

impl UnservedRequest {
    /// Any other packet there is none of our business.
    pub fn from_datagram(plan: &Plan, port: Port, datagram: &Datagram<'_>) -> Option<UnservedRequest> {
        let message = Message::parse(datagram.payload).ok().filter(|_| datagram.from.is_ipv4())?;
        let client =
            recognise4(&message, port, &plan.user_classes, &plan.vendor_classes, || plan.serves_u_boot()).ok()?;
        Some(UnservedRequest { client, link: datagram.link })
    }

    /// Once for an interface; at debug for each packet.
    pub fn report(&self, report: &mut Report, served: &[Link]) {
        let UnservedRequest { client, link } = self;
        let name =
            if_indextoname(*link).map_or_else(|_| format!("interface {link}"), |name| name.to_string_lossy().into());
        tracing::debug!("{} ({client}) on {name} is not answered: {name} is not served over IPv4", client.hardware);
        if !report.is_new_unserved_link(*link) {
            return;
        }
        if has_ipv4(&name) {
            let names: Vec<&str> = served.iter().map(|link| link.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            tracing::warn!(
                MAC = %client.hardware,
                LINK = name,
                "{} ({client}) on {name} is not answered: {name} is not among the interfaces that are served \
                 ({names}). To serve \
                 it, see `interfaces` and `ipv4-interfaces` in the configuration, and -i",
                client.hardware
            );
        } else {
            tracing::warn!(
                MAC = %client.hardware,
                LINK = name,
                "{} ({client}) on {name} is not answered: {name} has no IPv4 address. Give it one of the network that \
                 its \
                 machines boot in, and it is served at once",
                client.hardware
            );
        }
    }
}

fn has_ipv4(name: &str) -> bool {
    let of_it = |interface: nix::ifaddrs::InterfaceAddress| {
        interface.interface_name == name && interface.address.is_some_and(|address| address.as_sockaddr_in().is_some())
    };
    getifaddrs().is_ok_and(|mut all| all.any(of_it))
}
