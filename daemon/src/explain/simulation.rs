//! Simulates the server: delivers packets of a client, and collects the explanations. `ipv4` and `ipv6` decide which
//! packets the client sends.

use super::client::ClientKind;
use super::client_packet::SimulatedClient;
use super::explanation::{Explanation, SentReply, explain_answer, not_received};
use super::observed_client::neighbour;
use super::packet::SimulatedPacket;
use super::{reasons, script};
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Replies, Response, Silence, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::{BootMethod, BootSource};
use proxydhcpd_core::client::{IgnoreReason, Program};
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::{AddressOwner, FirmwareInfo, Observations};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::wire::pxe::Features;
use std::net::{IpAddr, Ipv4Addr};

/// A simulated boot. Earlier packets affect later replies through the observations.
#[derive(Debug)]
pub struct BootSimulation<'a> {
    /// The site that the server would build on this host.
    pub site: &'a Site,
    /// The links of the server. The client is on the first.
    pub links: &'a [Link],
    /// Whether `proxy-only` is set, so that the server does not listen on port 67 or 547.
    pub proxy_only: bool,
    /// The observations from the packets so far.
    pub observations: Observations,
    /// Whether the records of completed boot-onces can be read.
    pub records_are_readable: bool,
    /// The simulated time in milliseconds.
    pub now: u64,
    /// The explanations so far.
    pub explanations: Vec<Explanation>,
}

impl BootSimulation<'_> {
    /// Explains the packet of the command line. If an iPXE sent it, also explains the script.
    pub fn explain_packet(&mut self, packet: &SimulatedPacket) {
        let answer = self.deliver(packet);
        let (Some(client), Some(response)) = (&answer.client, response_of(&answer.reply)) else { return };
        let (Program::Ipxe(features), [Some(mac), ..]) = (client.program, client.machine.identifiers.macs) else {
            return;
        };
        let address = self.links[0].ipv4.first().map_or(Ipv4Addr::UNSPECIFIED, |network| neighbour(*network));
        let own =
            client.machine.address.unwrap_or(if packet.from.is_ipv6() { packet.from.ip() } else { address.into() });
        let simulated = SimulatedClient {
            kind: ClientKind { arch: client.arch, ipxe: true },
            mac,
            uuid: client.machine.identifiers.uuids[0],
            serial: None,
            vendor_class: None,
            user_class: None,
            relay: client.machine.relay.map(|relay| relay.address),
            circuit_id: None,
            interface_id: None,
            address,
        };
        self.explain_script(&simulated, response, own, features, None);
    }

    /// Notes that the machine fetched its loader. The server then knows that the machine's next iPXE is that loader,
    /// and does not apply a rule that treats iPXE as firmware.
    pub fn note_loader_fetched(&mut self, answer: &Answer) {
        let (Some(client), Some(response)) = (&answer.client, response_of(&answer.reply)) else { return };
        self.observations.note_loader(&client.machine, &response.boot.file, self.now);
    }

    /// Explains the script that iPXE fetches.
    pub fn explain_script(
        &mut self,
        simulated: &SimulatedClient,
        response: &Response,
        address: IpAddr,
        features: Option<Features>,
        item: Option<u16>,
    ) {
        // A server would know the hardware address and the firmware from the DHCP request of this iPXE.
        let hardware = HardwareAddress::from_mac(simulated.mac);
        let firmware = FirmwareInfo { arch: Some(simulated.kind.arch), features };
        self.observations.note_address(address, AddressOwner { hardware, machine_id: None, firmware }, self.now);
        let tree = script::explain_script(
            self.site,
            &self.observations,
            simulated,
            response,
            (address, &self.links[0].name),
            item,
        );
        self.explanations.extend(tree.map(Explanation::of_script));
    }

    /// Delivers a packet to the server, adds the explanation, and returns the answer.
    pub fn deliver(&mut self, packet: &SimulatedPacket) -> Answer {
        if self.proxy_only && packet.port == Port::Dhcp {
            self.explanations.push(not_received(packet));
            let reason =
                packet.message_type().map_or(IgnoreReason::Reply, |kind| IgnoreReason::Message(packet.port, kind));
            return Answer::from(Silence::Ignored(reason));
        }
        let (answer, replies, reasons) = self.answer(packet);
        let explanation = explain_answer(packet, self.site, self.links, &answer, &replies, reasons);
        self.explanations.push(explanation);
        answer
    }

    /// The server's answer to a packet, with its replies and the reasons for the decision.
    pub fn answer(&mut self, packet: &SimulatedPacket) -> (Answer, Vec<SentReply>, Vec<Node>) {
        let plan = &self.site.plan;
        self.now += 1000;
        let SimulatedPacket { octets, port, from, to, .. } = packet;
        let (links, now) = (self.links, self.now);
        let arrival =
            Arrival { datagram: octets, port: *port, from: *from, to: *to, links, link: 0, via_other_link: false, now };
        let mut replies = Replies::default();
        let answer = answer(plan, &mut self.observations, &arrival, &mut replies);
        let reasons = reasons::explain_decision(plan, &arrival, &answer, self.records_are_readable);
        let replies = replies.iter().map(|(octets, to)| (octets.to_vec(), to.to)).collect();
        (answer, replies, reasons)
    }
}

/// The response of an answer. `None` for silence.
pub fn response_of(verdict: &Result<Response, Silence>) -> Option<&Response> {
    verdict.as_ref().ok()
}

/// Whether firmware received a loader that may be iPXE, so that the loader would send a request. This must be a loader
/// of the site: a profile's loader is not assumed to be iPXE.
pub fn leads_to_ipxe(answer: &Answer, plan: &Plan) -> bool {
    let Some(response) = response_of(&answer.reply) else { return false };
    let boots = answer.decision.as_ref().map_or(&BootTarget::BootDir, |decision| decision.boots(plan));
    let program = matches!(response.boot.source, BootSource::Loader(_) | BootSource::DefaultLoader);
    let is_fetched = matches!(response.boot.method, BootMethod::File | BootMethod::Item(_));
    let is_firmware = answer.client.as_ref().is_some_and(|client| !matches!(client.program, Program::Ipxe(_)));
    // If firmware cannot fetch the URL of a profile's loader, it receives the site's iPXE, which fetches the loader.
    let is_site_ipxe =
        || plan.offer.loaders.values().any(|site| site.is_ipxe() && response.boot.file.ends_with(&site.name));
    program && is_fetched && is_firmware && (*boots != BootTarget::Loader || has_url(plan, answer) && is_site_ipxe())
}

/// Whether the loader of the machine's profile is a URL.
fn has_url(plan: &Plan, answer: &Answer) -> bool {
    let profile = answer.decision.as_ref().and_then(|decision| decision.profile(plan));
    let arch = answer.client.as_ref().map(|client| client.arch.base());
    let loader = profile
        .and_then(|profile| arch.and_then(|arch| profile.loaders.get(&arch)).or(profile.default_loader.as_ref()));
    loader.is_some_and(|loader| loader.remote_location().is_some())
}
