//! Simulates a boot over IPv6.

use super::client::ClientKind;
use super::client_packet::SimulatedClient;
use super::client_packet6::{address_behind_relay, duid, packet, relayed, sender};
use super::explanation::Explanation;
use super::packet::SimulatedPacket;
use super::script;
use super::simulation::{BootSimulation, leads_to_ipxe, response_of};
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::choose::IPXE_WRAPPER_PREFIX;
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::request::Protocol;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::wire::dhcp6::MessageType;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

impl BootSimulation<'_> {
    /// Simulates a boot. The client sends a request to port 547, and another to port 4011 if the reply redirects it
    /// there. Then the iPXE that the machine received fetches its autoexec.ipxe.
    pub fn simulate_boot6(&mut self, simulated: &SimulatedClient, port: Option<Port>) {
        let stateless = self.site.plan.policy.stateless_dhcp6.is_some();
        if simulated.kind.ipxe && stateless {
            return self.simulate_stateless_ipxe(simulated, false);
        }
        let first = self.packet_from6(simulated, Port::Dhcp, MessageType::Solicit);
        let first = if port == Some(Port::BootServer) { self.answer(&first).0 } else { self.deliver(&first) };
        if port == Some(Port::Dhcp) {
            return;
        }
        if let Some(IpAddr::V6(relay)) = simulated.relay {
            // The relay also forwarded the client's REQUEST for an address, so that the server knows the client's
            // lease.
            let lease = Ipv6Addr::from(u128::from(relay) & !0xffff | 0x0100);
            self.observations.note_lease(&HardwareAddress::from_duid(&duid(simulated)), lease, self.now);
        }
        if self.proxy_only {
            self.explanations.iter_mut().for_each(|explanation| explanation.follows = true);
        }
        let redirected = response_of(&first.reply).is_some_and(|response| response.shape == ShapeName::Redirect);
        let last = if redirected || port.is_some() || self.proxy_only {
            self.deliver(&self.packet_from6(simulated, Port::BootServer, MessageType::Request))
        } else {
            first
        };
        if leads_to_ipxe(&last, &self.site.plan) {
            let finds_script = self.explain_autoexec(simulated, &last);
            if stateless && !finds_script {
                let kind = ClientKind { arch: simulated.kind.arch.base(), ipxe: true };
                self.simulate_stateless_ipxe(
                    &SimulatedClient { kind, vendor_class: None, user_class: None, ..simulated.clone() },
                    true,
                );
            }
        }
    }

    /// Simulates an iPXE in a network with stateless DHCPv6. iPXE accepts the first REPLY.
    fn simulate_stateless_ipxe(&mut self, simulated: &SimulatedClient, follows: bool) {
        let packet =
            SimulatedPacket { follows, ..self.packet_from6(simulated, Port::Dhcp, MessageType::InformationRequest) };
        let answer = self.deliver(&packet);
        if let Some(response) = response_of(&answer.reply) {
            self.explain_script(simulated, response, self.client_address6(simulated), simulated.features(), None);
        }
    }

    /// The client's address in its network.
    fn client_address6(&self, simulated: &SimulatedClient) -> IpAddr {
        let network = match simulated.relay {
            Some(IpAddr::V6(relay)) => relay,
            _ => self.links[0].address6().unwrap_or(Ipv6Addr::UNSPECIFIED),
        };
        address_behind_relay(simulated, network)
    }

    /// The client's DHCPv6 message to this port.
    fn packet_from6(&self, simulated: &SimulatedClient, port: Port, kind: MessageType) -> SimulatedPacket {
        let link = &self.links[0];
        let octets = packet(simulated, kind, &self.site.plan.offer.dhcp6.duid);
        let server = IpAddr::from(link.address6().unwrap_or(Ipv6Addr::UNSPECIFIED));
        let (octets, from, to) = match (simulated.relay, port) {
            (Some(IpAddr::V6(relay)), Port::Dhcp) => {
                (relayed(simulated, relay, &octets), SocketAddr::new(relay.into(), port.number6()), server)
            }
            (Some(IpAddr::V6(relay)), _) => {
                (octets, SocketAddr::new(address_behind_relay(simulated, relay), port.number6()), server)
            }
            _ => (octets, sender(simulated, port, link.index), ALL_SERVERS_AND_RELAYS.into()),
        };
        SimulatedPacket { octets, port, from, to, follows: false }
    }

    /// Explains the autoexec.ipxe in the directory of the loader. Returns whether iPXE looks for it there. Over IPv6,
    /// only a DHCPv6 server could name another script.
    fn explain_autoexec(&mut self, simulated: &SimulatedClient, answer: &Answer) -> bool {
        let Ok(response) = &answer.reply else { return false };
        let Some((directory, _)) = response.boot.file.rsplit_once('/') else { return false };
        let Some((protocol, name)) = protocol_and_path(directory, self.site.plan.offer.http) else { return false };
        let client = SocketAddr::new(self.client_address6(simulated), 49152);
        let with_script = name.contains(IPXE_WRAPPER_PREFIX);
        let name = format!("{}autoexec.ipxe", name.replacen(IPXE_WRAPPER_PREFIX, "", 1));
        let parts = script::explain_request(
            self.site,
            &self.observations,
            protocol,
            &name,
            response.boot.server,
            client,
            &self.links[0].name,
        );
        let title = match protocol {
            Protocol::Http(_) => {
                "then, if the loader is iPXE from 2021 or later: fetches the script next to the loader"
            }
            Protocol::Tftp if with_script => "then: starts with the script next to the loader",
            // iPXE reads the URL of its file from its EFI device path, which contains no URL if PXE firmware loaded
            // it.
            Protocol::Tftp => {
                "then, if the loader is iPXE: uses DHCPv4, as its DHCPv6 server names no script; next to the loader is"
            }
        };
        let tree = Node::new(title, &name).with_children(parts);
        self.explanations.push(Explanation::of_script(tree));
        with_script || protocol != Protocol::Tftp
    }
}

/// The protocol and the path of a directory's URL. `None` if it is no URL, or a URL for HTTP while HTTP is disabled.
fn protocol_and_path(directory: &str, http: Option<u16>) -> Option<(Protocol, String)> {
    let (scheme, rest) = directory.split_once("://")?;
    let protocol = if scheme == "tftp" { Protocol::Tftp } else { Protocol::Http(http?) };
    let path = rest.split_once('/').map(|(_, path)| format!("{path}/"));
    Some((protocol, path.unwrap_or_default()))
}
