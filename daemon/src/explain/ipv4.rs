//! Simulates a boot over IPv4.

use super::client::ClientKind;
use super::client_packet::SimulatedClient;
use super::packet::SimulatedPacket;
use super::simulation::{BootSimulation, leads_to_ipxe, response_of};
use proxydhcpd_core::answer::Response;
use proxydhcpd_core::arch::Transport;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::shape::ShapeName;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

impl BootSimulation<'_> {
    /// Simulates a boot. The client sends a request to port 67, and another to port 4011 if the reply redirects it
    /// there. Then the iPXE that the machine received sends a request, and fetches its script.
    pub fn simulate_boot4(&mut self, simulated: &SimulatedClient, only: Option<Port>, item: Option<u16>) {
        let kind = simulated.kind;
        if only == Some(Port::BootServer) {
            if simulated.relay.is_some() {
                self.answer(&self.packet_from(simulated, Port::Dhcp, None, false));
            }
            drop(self.deliver(&self.packet_from(simulated, Port::BootServer, item, false)));
            return;
        }
        let first = self.deliver(&self.packet_from(simulated, Port::Dhcp, None, false));
        if only == Some(Port::Dhcp) {
            return;
        }
        let contacts_4011_first = self.proxy_only && kind.arch.transport() != Some(Transport::Http);
        if contacts_4011_first {
            self.explanations.iter_mut().for_each(|explanation| explanation.follows = true);
        }
        let next_item = match &first.reply {
            _ if contacts_4011_first => Some(item),
            Ok(Response { shape: ShapeName::Redirect, .. }) => Some(None),
            Ok(Response { shape: ShapeName::Menu, .. }) if item.is_some() => Some(item),
            _ => None,
        };
        let last = match next_item {
            Some(item) => self.deliver(&self.packet_from(simulated, Port::BootServer, item, false)),
            None => first,
        };
        // This also applies to an iPXE that a rule treats as firmware: it receives another iPXE.
        if leads_to_ipxe(&last, &self.site.plan) {
            let kind = ClientKind { arch: kind.arch.base(), ipxe: true };
            self.note_loader_fetched(&last);
            self.now += 10_000;
            let ipxe = SimulatedClient { kind, vendor_class: None, user_class: None, ..simulated.clone() };
            let port = if self.proxy_only { Port::BootServer } else { Port::Dhcp };
            let answer = self.deliver(&self.packet_from(&ipxe, port, None, true));
            if let Some(response) = response_of(&answer.reply) {
                self.explain_script(&ipxe, response, ipxe.address.into(), ipxe.features(), item);
            }
        } else if let Some(response) = kind.ipxe.then_some(&last.reply).and_then(response_of) {
            self.explain_script(simulated, response, simulated.address.into(), simulated.features(), item);
        }
    }

    /// The client's DHCPv4 request to this port.
    fn packet_from(
        &self,
        simulated: &SimulatedClient,
        port: Port,
        item: Option<u16>,
        follows: bool,
    ) -> SimulatedPacket {
        let server = self.links[0].ipv4[0].address;
        let (from, to) = match (port, simulated.relay) {
            (Port::BootServer, _) => (simulated.source_address(), server),
            (Port::Dhcp, Some(IpAddr::V4(relay))) => (SocketAddrV4::new(relay, 67), server),
            (Port::Dhcp, _) => (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), Ipv4Addr::BROADCAST),
        };
        SimulatedPacket { octets: simulated.packet(port, item), port, from: from.into(), to: to.into(), follows }
    }
}
