//! `/api/v1/status`: what the server is, where it serves, and what it has seen.

use super::heard_servers::{Effect, effect};
use super::shared::Api;
use crate::events::wall_clock::rfc3339;
use crate::state::State;
use axum::extract;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::event::port::ListenerKind;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::heard_servers::HeardServer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The server, where it serves, and what it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of the server.
    pub version: String,
    /// When it started: RFC 3339, in UTC.
    pub started: String,
    /// How long it has been running, in seconds.
    pub uptime_seconds: u64,
    /// The served interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// The open ports.
    pub ports: Vec<PortStatus>,
    /// The other DHCP and boot servers whose offers were heard, at most 256.
    pub servers: Vec<HeardServerStatus>,
    /// The number of machines that have an entry.
    pub machines: usize,
    /// The number of events since the start, by label: silences, refusals, failures and findings.
    pub counters: BTreeMap<String, u64>,
}

/// A served interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its addresses with the lengths of their prefixes, such as `192.0.2.10/24`.
    pub addresses: Vec<String>,
}

/// An open port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortStatus {
    /// The service, such as `DHCP` or `TFTP`.
    pub service: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// The number of the port.
    pub port: u16,
}

/// Another DHCP or boot server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeardServerStatus {
    /// The address with which it identifies itself (option 54).
    pub address: String,
    /// The interface on which its offers arrive; absent if that is no longer served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// When its last offer arrived: RFC 3339, in UTC.
    pub last_heard: String,
    /// Whether it assigns addresses.
    pub assigns_addresses: bool,
    /// Whether it sends option 60 (PXEClient).
    pub sends_option_60: bool,
    /// Whether it names a boot file.
    pub names_boot_file: bool,
    /// Whether machines may boot from that server instead of this one.
    pub interferes: bool,
    /// The effect on this server, and what to do about it. The text follows the address.
    pub effect: String,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/status", get(status))
}

/// The state of the server
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
pub async fn status(extract::State(api): extract::State<Api>) -> Json<Status> {
    Json(Status::new(&api.state))
}

impl Status {
    /// The status of the server with this state.
    pub fn new(state: &State) -> Status {
        let links = state.links.load();
        let counts = state.events.counts();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(state.events.wall_clock(0)),
            uptime_seconds: state.now() / 1000,
            interfaces: links.iter().map(InterfaceStatus::new).collect(),
            ports: open_ports(&state.events.open_ports()),
            servers: heard_servers(state),
            machines: state.site().plan.inventory.len(),
            counters: counts.into_iter().map(|(label, count)| (label.to_owned(), count)).collect(),
        }
    }
}

/// The other DHCP and boot servers whose offers were heard.
pub fn heard_servers(state: &State) -> Vec<HeardServerStatus> {
    let links = state.links.load();
    let heard = state.observations().heard_servers.list();
    heard.iter().map(|server| HeardServerStatus::new(server, &links, state)).collect()
}

impl InterfaceStatus {
    fn new(link: &Link) -> InterfaceStatus {
        let ipv4 = link.ipv4.iter().map(|network| format!("{}/{}", network.address, network.prefix));
        let ipv6 = link.ipv6.iter().map(|network| format!("{}/{}", network.address, network.prefix));
        InterfaceStatus { name: link.name.clone(), addresses: ipv4.chain(ipv6).collect() }
    }
}

impl HeardServerStatus {
    fn new(server: &HeardServer, links: &[Link], state: &State) -> HeardServerStatus {
        let Effect { interferes, text } = effect(server);
        HeardServerStatus {
            address: server.address.to_string(),
            interface: links.iter().find(|link| link.index == server.link).map(|link| link.name.clone()),
            last_heard: rfc3339(state.events.wall_clock(server.last)),
            assigns_addresses: server.assigns_addresses,
            sends_option_60: server.is_pxe,
            names_boot_file: server.names_boot_file,
            interferes,
            effect: text.to_owned(),
        }
    }
}

/// The open ports. A service that has a listener for each address family on one port is listed once.
fn open_ports(listeners: &[(ListenerKind, u16)]) -> Vec<PortStatus> {
    let mut ports: Vec<PortStatus> = Vec::new();
    for (listener, port) in listeners {
        let (service, transport) = match listener {
            ListenerKind::DhcpBroadcast => ("DHCP", "udp"),
            ListenerKind::Dhcp6Multicast => ("DHCPv6", "udp"),
            ListenerKind::BootServer | ListenerKind::BootServer6 => ("boot server", "udp"),
            ListenerKind::Tftp | ListenerKind::Tftp6 => ("TFTP", "udp"),
            ListenerKind::Http => ("HTTP", "tcp"),
            ListenerKind::Syslog => ("syslog", "udp"),
        };
        let port = PortStatus { service: service.to_owned(), transport: transport.to_owned(), port: *port };
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_both_families_is_listed_once() {
        let listeners = [(ListenerKind::BootServer, 4011), (ListenerKind::BootServer6, 4011), (ListenerKind::Http, 80)];
        let ports: Vec<_> = open_ports(&listeners).into_iter().map(|port| (port.service, port.port)).collect();
        assert_eq!(ports, [("boot server".to_owned(), 4011), ("HTTP".to_owned(), 80)]);
    }

    #[test]
    fn a_server_interferes_if_machines_may_boot_from_it() {
        let server = |assigns_addresses, is_pxe, names_boot_file| {
            let (address, link, last) = ([192, 0, 2, 1].into(), 1, 0);
            effect(&HeardServer { address, link, last, assigns_addresses, is_pxe, names_boot_file })
        };
        assert!(!server(true, false, false).interferes && !server(false, false, false).interferes);
        assert!(server(true, true, false).text.contains("remove option 60"));
        assert!(server(true, false, true).text.contains("option 67"));
        assert!(server(false, true, false).interferes && server(false, false, true).interferes);
    }
}
