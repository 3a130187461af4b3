//! A described machine on its way over IPv6.

use super::{BootSimulation, Explanation, SimulatedPacket, leads_to_ipxe, response_of, script};
use crate::cli::ClientKind;
use crate::cli::client_packet::SimulatedClient;
use crate::cli::client_packet6::{address_behind_relay, duid, packet, relayed, sender};
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use proxydhcpd_core::answer::{Answer, Verdict};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::choose::IPXE_WRAPPER_PREFIX;
use proxydhcpd_core::client::HardwareAddress;
use proxydhcpd_core::request::Protocol;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::wire::dhcp6::MessageType;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

impl BootSimulation<'_> {
    /// A described machine asks on 547, and on 4011 where that sends it on; then the iPXE that it was given looks
    /// beside itself for a script.
    pub(super) fn simulate_boot6(&mut self, described: &SimulatedClient, port: Option<Port>) {
        let stateless = self.site.plan.dhcp6.stateless.is_some();
        if described.kind.ipxe && stateless {
            return self.simulate_stateless_ipxe(described, false);
        }
        let first = self.packet_from6(described, Port::Dhcp, MessageType::Solicit);
        let first = if port == Some(Port::BootServer) { self.answer(&first).0 } else { self.deliver(&first) };
        if port == Some(Port::Dhcp) {
            return;
        }
        if let Some(IpAddr::V6(relay)) = described.relay {
            // Its REQUEST for an address has come through the relay, too.
            let lease = Ipv6Addr::from(u128::from(relay) & !0xffff | 0x0100);
            self.memory.note_lease(&HardwareAddress::from_duid(&duid(described)), lease, self.now);
        }
        if self.proxy_only {
            self.explanations.iter_mut().for_each(|told| told.follows = true);
        }
        let redirected = response_of(&first.verdict).is_some_and(|response| response.shape == ShapeName::Redirect);
        let last = if redirected || port.is_some() || self.proxy_only {
            self.deliver(&self.packet_from6(described, Port::BootServer, MessageType::Request))
        } else {
            first
        };
        if leads_to_ipxe(&last, &self.site.plan) {
            let knows_its_place = self.explain_autoexec(described, &last);
            if stateless && !knows_its_place {
                let kind = ClientKind { arch: described.kind.arch.base(), ipxe: true };
                self.simulate_stateless_ipxe(&SimulatedClient { kind, vendor_class: None, user_class: None, ..described.clone() }, true);
            }
        }
    }

    /// An iPXE in a network that leases nothing, which takes the first REPLY.
    fn simulate_stateless_ipxe(&mut self, described: &SimulatedClient, follows: bool) {
        let visit = SimulatedPacket { follows, ..self.packet_from6(described, Port::Dhcp, MessageType::InformationRequest) };
        let asked = self.deliver(&visit);
        if let Some(response) = response_of(&asked.verdict) {
            self.explain_script(described, response, self.client_address6(described), described.features(), None);
        }
    }

    /// The machine's own address in its network.
    fn client_address6(&self, described: &SimulatedClient) -> IpAddr {
        let network = match described.relay {
            Some(IpAddr::V6(relay)) => relay,
            _ => self.links[0].address6().unwrap_or(Ipv6Addr::UNSPECIFIED),
        };
        address_behind_relay(described, network)
    }

    fn packet_from6(&self, described: &SimulatedClient, port: Port, kind: MessageType) -> SimulatedPacket {
        let link = &self.links[0];
        let octets = packet(described, kind, &self.site.plan.dhcp6.duid);
        let here = IpAddr::from(link.address6().unwrap_or(Ipv6Addr::UNSPECIFIED));
        let (octets, from, to) = match (described.relay, port) {
            (Some(IpAddr::V6(relay)), Port::Dhcp) => {
                (relayed(described, relay, &octets), SocketAddr::new(relay.into(), port.number6()), here)
            }
            (Some(IpAddr::V6(relay)), _) => (octets, SocketAddr::new(address_behind_relay(described, relay), port.number6()), here),
            _ => (octets, sender(described, port, link.index), ALL_SERVERS_AND_RELAYS.into()),
        };
        SimulatedPacket { octets, port, from, to, follows: false }
    }

    /// What it finds there, and whether it looks. Over IPv6 nobody else tells it a script, but for a DHCPv6 server.
    fn explain_autoexec(&mut self, described: &SimulatedClient, given: &Answer) -> bool {
        let Verdict::Respond(response) = &given.verdict else { return false };
        let Some((directory, _)) = response.boot.file.rsplit_once('/') else { return false };
        let Some((door, name)) = door_and_path(directory, self.site.plan.http) else { return false };
        let client = SocketAddr::new(self.client_address6(described), 49152);
        let with_script = name.contains(IPXE_WRAPPER_PREFIX);
        let name = format!("{}autoexec.ipxe", name.replacen(IPXE_WRAPPER_PREFIX, "", 1));
        let told =
            script::explain_request(self.site, &self.memory, door, &name, response.boot.server, client, &self.links[0].name);
        let title = match door {
            Protocol::Http(_) => "then, if that was an iPXE of 2021 or later: looks beside itself",
            Protocol::Tftp if with_script => "then: is started with what lies beside it",
            // It takes the place that it came from out of its device path, which has none for PXE.
            Protocol::Tftp => {
                "then, if that was an iPXE: asks over DHCPv4, for its DHCPv6 server names no script; beside it lies"
            }
        };
        let tree = Node::new(title, &name).with_children(told);
        self.explanations.push(Explanation { tree, answered: true, replies: Vec::new(), label: "script", follows: true });
        with_script || door != Protocol::Tftp
    }
}

/// Of the URL of a directory.
fn door_and_path(directory: &str, http: Option<u16>) -> Option<(Protocol, String)> {
    let (scheme, rest) = directory.split_once("://")?;
    let door = if scheme == "tftp" { Protocol::Tftp } else { Protocol::Http(http?) };
    let path = rest.split_once('/').map(|(_, path)| format!("{path}/"));
    Some((door, path.unwrap_or_default()))
}
