//! `explain`: simulates a boot with the code that answers packets, and explains each decision. Sends nothing.

mod ipv6;
mod reasons;
mod script;
mod steps;
#[cfg(test)]
mod tests;

use super::boot_once_records::BootOnceRecords;
use super::client::{EXAMPLE_MAC, PacketHex};
use super::client_packet::SimulatedClient;
use super::{ClientKind, Explain, context};
use crate::config::ConfigError;
use crate::config::flags::Flags;
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use crate::reading::diagnostic::Diagnostic;
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Replies, Response, Silence, Verdict, answer};
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::{BootMethod, BootSource, NoBoot};
use proxydhcpd_core::client::{HardwareAddress, IgnoreReason, Stage};
use proxydhcpd_core::dissect::{self, Node};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::{AddressOwner, FirmwareInfo, Observations};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::machines::Machine;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::wire::dhcp4::Message;
use proxydhcpd_core::wire::pxe::Features;
use proxydhcpd_core::wire::{DhcpPacket, dhcp6};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::process::ExitCode;

/// Prints a section for each packet of the client.
pub fn run(args: &Explain, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let context = context::load(flags)?;
    let mut observations = context.observations();
    let records = BootOnceRecords::load(&context, &mut observations);
    let has_family = |link: &Link| if args.ipv6 { !link.ipv6.is_empty() } else { !link.ipv4.is_empty() };
    if let Some(message) = family_mismatch(args) {
        return Err(ConfigError(vec![Diagnostic::error(message)]));
    }
    let mut links: Vec<Link> = context.links.into_iter().filter(has_family).collect();
    let is_link_local = |link: &Link| link.address6().is_none_or(|address| address.is_unicast_link_local());
    links.sort_by_key(|link| args.ipv6 && is_link_local(link));
    let links = match (args.server, links) {
        (None, links) if !links.is_empty() => links,
        (server, _) => {
            let name = flags.interfaces.first().map(String::as_str);
            context::example_links(name, server.map(|server| server.0))
        }
    };
    let mut simulation = BootSimulation {
        site: &context.site,
        links: &links,
        proxy_only: context.loaded.settings.proxy_only,
        observations,
        records_are_readable: records.are_readable,
        now: 0,
        explanations: Vec::new(),
    };
    match &args.packet {
        Some(packet) => simulation.explain_packet(&SimulatedPacket::from_octets(packet_octets(packet)?, args, &links)),
        None => simulation.simulate_boot(args)?,
    }
    let explanations = simulation.explanations;
    if args.json {
        let all: Vec<Value> = explanations.iter().map(Explanation::json).collect();
        anstream::println!("{:#}", Value::Array(all));
    } else {
        explanations.iter().for_each(|explanation| anstream::print!("{}", explanation.tree));
    }
    let answered =
        explanations.iter().filter(|explanation| !explanation.follows).all(|explanation| explanation.answered);
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The octets of the packet to explain, from the command line or from standard input.
fn packet_octets(packet: &PacketHex) -> Result<Vec<u8>, ConfigError> {
    let config_error = |message: String| ConfigError(vec![Diagnostic::error(message)]);
    match packet {
        PacketHex::Octets(octets) => Ok(octets.clone()),
        PacketHex::Stdin => {
            let text = std::io::read_to_string(std::io::stdin())
                .map_err(|error| config_error(format!("cannot read standard input: {error}")))?;
            PacketHex::parse_octets(&text)
                .map_err(|error| config_error(format!("standard input is not a packet in hex: {error}")))
        }
    }
}

/// A packet of the client, and the port and addresses with which it arrives.
#[derive(Debug)]
struct SimulatedPacket {
    octets: Vec<u8>,
    port: Port,
    from: SocketAddr,
    to: IpAddr,
    /// Whether the loader that the machine received sends the packet, on the assumption that this loader is iPXE.
    follows: bool,
}

/// The octets of a reply, and its destination.
type SentReply = (Vec<u8>, SocketAddr);

/// The explanation of the server's answer to one packet, or of one file.
struct Explanation {
    /// The decision and the replies, as text.
    tree: Node,
    answered: bool,
    /// The replies in hexadecimal.
    replies: Vec<String>,
    /// The verdict in one word, for JSON.
    label: &'static str,
    /// See [`SimulatedPacket::follows`].
    follows: bool,
}

/// A simulated boot. Earlier packets affect later replies through the observations.
struct BootSimulation<'a> {
    site: &'a Site,
    links: &'a [Link],
    /// Whether `proxy-only` is set, so that the server does not listen on port 67 or 547.
    proxy_only: bool,
    observations: Observations,
    /// Whether the records of completed boot-onces can be read.
    records_are_readable: bool,
    /// The simulated time in milliseconds.
    now: u64,
    explanations: Vec<Explanation>,
}

impl BootSimulation<'_> {
    /// Explains the packet of the command line. If an iPXE sent it, also explains the script.
    fn explain_packet(&mut self, packet: &SimulatedPacket) {
        let answer = self.deliver(packet);
        let (Some(client), Some(response)) = (&answer.client, response_of(&answer.verdict)) else { return };
        let (Stage::Ipxe(features), [Some(mac), ..]) = (client.stage, client.identifiers.macs) else { return };
        let address = self.links[0].ipv4.first().map_or(Ipv4Addr::UNSPECIFIED, |network| neighbour(*network));
        let own = client.address.unwrap_or(if packet.from.is_ipv6() { packet.from.ip() } else { address.into() });
        let simulated = SimulatedClient {
            kind: ClientKind { arch: client.arch, ipxe: true },
            mac,
            uuid: client.identifiers.uuids[0],
            serial: None,
            vendor_class: None,
            user_class: None,
            relay: client.relay.map(|relay| relay.address),
            circuit_id: None,
            interface_id: None,
            address,
        };
        self.explain_script(&simulated, response, own, features, None);
    }

    /// Simulates a boot. The client sends a request to port 67, and another to port 4011 if the reply redirects it
    /// there. Then the iPXE that the machine received sends a request, and fetches its script.
    fn simulate_boot(&mut self, args: &Explain) -> Result<(), ConfigError> {
        let Some(kind) = args.client else { return Ok(()) };
        let network = self.links[0].ipv4.first().copied();
        let simulated = simulated_client(args, kind, self.site, network)?;
        if args.ipv6 {
            self.simulate_boot6(&simulated, args.port());
            return Ok(());
        }
        let item = args.item;
        if args.port() == Some(Port::BootServer) {
            if simulated.relay.is_some() {
                self.answer(&self.packet_from(&simulated, Port::Dhcp, None, false));
            }
            drop(self.deliver(&self.packet_from(&simulated, Port::BootServer, item, false)));
            return Ok(());
        }
        let first = self.deliver(&self.packet_from(&simulated, Port::Dhcp, None, false));
        if args.port() == Some(Port::Dhcp) {
            return Ok(());
        }
        let contacts_4011_first = self.proxy_only && kind.arch.transport() != Some(Transport::Http);
        if contacts_4011_first {
            self.explanations.iter_mut().for_each(|explanation| explanation.follows = true);
        }
        let next_item = match &first.verdict {
            _ if contacts_4011_first => Some(item),
            Verdict::Respond(Response { shape: ShapeName::Redirect, .. }) => Some(None),
            Verdict::Respond(Response { shape: ShapeName::Menu, .. }) if item.is_some() => Some(item),
            _ => None,
        };
        let last = match next_item {
            Some(item) => self.deliver(&self.packet_from(&simulated, Port::BootServer, item, false)),
            None => first,
        };
        // This also applies to an iPXE that a rule treats as firmware: it receives another iPXE.
        if leads_to_ipxe(&last, &self.site.plan) {
            let kind = ClientKind { arch: kind.arch.base(), ipxe: true };
            self.note_loader_fetched(&simulated, &last);
            self.now += 10_000;
            let simulated = SimulatedClient { kind, vendor_class: None, user_class: None, ..simulated };
            let port = if self.proxy_only { Port::BootServer } else { Port::Dhcp };
            let answer = self.deliver(&self.packet_from(&simulated, port, None, true));
            if let Some(response) = response_of(&answer.verdict) {
                self.explain_script(&simulated, response, simulated.address.into(), simulated.features(), item);
            }
        } else if let Some(response) = kind.ipxe.then_some(&last.verdict).and_then(response_of) {
            self.explain_script(&simulated, response, simulated.address.into(), simulated.features(), item);
        }
        Ok(())
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

    /// Notes that the machine fetched its loader. The server then knows that the machine's next iPXE is that loader,
    /// and does not apply a rule that treats iPXE as firmware.
    fn note_loader_fetched(&mut self, simulated: &SimulatedClient, answer: &Answer) {
        let (Some(client), Some(response)) = (&answer.client, response_of(&answer.verdict)) else { return };
        let firmware = FirmwareInfo { arch: Some(client.arch), features: None };
        let owner = AddressOwner { hardware: client.hardware, machine_id: client.machine_id, firmware };
        self.observations.note_address(simulated.address, owner, self.now);
        self.observations.note_loader(simulated.address.into(), &response.boot.file, self.now);
    }

    /// Explains the script that iPXE fetches.
    fn explain_script(
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
        let explanation =
            |tree| Explanation { tree, answered: true, replies: Vec::new(), label: "script", follows: true };
        self.explanations.extend(tree.map(explanation));
    }

    /// Delivers a packet to the server, adds the explanation, and returns the answer.
    fn deliver(&mut self, packet: &SimulatedPacket) -> Answer {
        if self.proxy_only && packet.port == Port::Dhcp {
            self.explanations.push(not_received(packet));
            let kind =
                DhcpPacket::parse(&packet.octets, packet.from.is_ipv6()).ok().and_then(|packet| packet.message_type());
            let reason = kind.map_or(IgnoreReason::Reply, |kind| IgnoreReason::Message(packet.port, kind));
            return Answer { client: None, decision: None, verdict: Verdict::Silent(Silence::Ignored(reason)) };
        }
        let (answer, replies, reasons) = self.answer(packet);
        let explanation = explain_answer(packet, self.site, self.links, &answer, &replies, reasons);
        self.explanations.push(explanation);
        answer
    }

    /// The server's answer to a packet, with its replies and the reasons for the decision.
    fn answer(&mut self, packet: &SimulatedPacket) -> (Answer, Vec<SentReply>, Vec<Node>) {
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

fn response_of(verdict: &Verdict) -> Option<&Response> {
    match verdict {
        Verdict::Respond(response) => Some(response),
        Verdict::Silent(_) => None,
    }
}

/// Whether firmware received a loader that may be iPXE, so that the loader would send a request. This must be a loader
/// of the site: a profile's loader is not assumed to be iPXE.
fn leads_to_ipxe(answer: &Answer, plan: &Plan) -> bool {
    let Some(response) = response_of(&answer.verdict) else { return false };
    let boots = answer.decision.as_ref().map_or(&BootTarget::BootDir, |decision| decision.boots(plan));
    let program = matches!(response.boot.source, BootSource::Loader(_) | BootSource::DefaultLoader);
    let is_fetched = matches!(response.boot.method, BootMethod::File | BootMethod::Item(_));
    let is_firmware = answer.client.as_ref().is_some_and(|client| !matches!(client.stage, Stage::Ipxe(_)));
    // If firmware cannot fetch the URL of a profile's loader, it receives the site's iPXE, which fetches the loader.
    let is_site_ipxe = || plan.loaders.values().any(|site| site.is_ipxe() && response.boot.file.ends_with(&site.name));
    program && is_fetched && is_firmware && (*boots != BootTarget::Loader || has_url(plan, answer) && is_site_ipxe())
}

/// Whether the loader of the machine's profile is a URL.
fn has_url(plan: &Plan, answer: &Answer) -> bool {
    let profile = answer.decision.as_ref().and_then(|decision| plan.profile(decision.profile));
    let arch = answer.client.as_ref().map(|client| client.arch.base());
    let loader = profile
        .and_then(|profile| arch.and_then(|arch| profile.loaders.get(&arch)).or(profile.default_loader.as_ref()));
    loader.is_some_and(|loader| loader.remote_location().is_some())
}

/// The client that the flags describe. The entry that `--machine` names supplies the identities that the flags omit.
fn simulated_client(
    args: &Explain,
    kind: ClientKind,
    site: &Site,
    network: Option<Network4>,
) -> Result<SimulatedClient, ConfigError> {
    let entry = args.machine.as_deref().map(|name| find_machine(name, &site.plan)).transpose()?;
    let network = match args.relay {
        Some(IpAddr::V4(relay)) => Some(Network4 { address: relay, prefix: 24 }),
        _ => network,
    };
    // The client has no IPv4 address on a link with only IPv6.
    let address = network.map_or(Ipv4Addr::UNSPECIFIED, neighbour);
    let mac_of_entry = entry.and_then(|entry| entry.macs.first().copied());
    Ok(SimulatedClient {
        kind,
        mac: args.mac.map(|mac| mac.0).or(mac_of_entry).unwrap_or(EXAMPLE_MAC.0),
        uuid: args.uuid.map(|uuid| uuid.0).or(entry.and_then(|entry| entry.uuid)),
        serial: args.serial.clone().or(entry.and_then(|entry| entry.serial.map(str::to_owned))),
        vendor_class: args.vendor_class.clone(),
        user_class: args.user_class.clone(),
        relay: args.relay,
        circuit_id: args.circuit_id.clone(),
        interface_id: args.interface_id.clone(),
        address,
    })
}

fn find_machine<'a>(name: &str, plan: &'a Plan) -> Result<Machine<'a>, ConfigError> {
    let unknown = || {
        ConfigError(vec![Diagnostic::error(format!("unknown machine `{name}`: the configuration has no such entry"))])
    };
    plan.machines.get_by_name(name).ok_or_else(unknown)
}

impl SimulatedPacket {
    /// The packet of the command line. Its header determines how it arrives, unless flags override this.
    fn from_octets(octets: Vec<u8>, args: &Explain, links: &[Link]) -> SimulatedPacket {
        if args.ipv6 {
            return SimulatedPacket::from_octets6(octets, args, &links[0]);
        }
        let header = Message::parse(&octets).ok().map(|message| message.header);
        let address = |pick: fn(&proxydhcpd_core::wire::dhcp4::Header) -> Ipv4Addr| {
            header.as_ref().map(pick).filter(|address| !address.is_unspecified())
        };
        let (giaddr, ciaddr) = (address(|header| header.giaddr), address(|header| header.ciaddr));
        let port = args.port().unwrap_or(Port::Dhcp);
        let server = links[0].ipv4[0].address;
        let (from, to) = match (port, giaddr) {
            (Port::Dhcp, Some(relay)) => (SocketAddrV4::new(relay, 67), server),
            (Port::Dhcp, None) => (SocketAddrV4::new(ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED), 68), Ipv4Addr::BROADCAST),
            (Port::BootServer, _) => (SocketAddrV4::new(ciaddr.unwrap_or(neighbour(links[0].ipv4[0])), 4011), server),
        };
        SimulatedPacket { octets, port, from: args.from.unwrap_or(from.into()), to: to.into(), follows: false }
    }

    /// The DHCPv6 message of the command line. A client sends to the multicast group from its link-local address, which
    /// the message does not contain. A relay sends to the server.
    fn from_octets6(octets: Vec<u8>, args: &Explain, link: &Link) -> SimulatedPacket {
        let port = args.port().unwrap_or(Port::Dhcp);
        let hop = dhcp6::Packet::parse(&octets).ok().and_then(|packet| packet.hops.first().map(|hop| hop.link_address));
        let (from, to) = match hop {
            Some(relay) => (SocketAddr::from((relay, port.number6())), link.address6().map(IpAddr::V6)),
            None => {
                let client = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x207);
                let from_port = if port == Port::Dhcp { 546 } else { port.number6() };
                (SocketAddrV6::new(client, from_port, 0, link.index).into(), None)
            }
        };
        let to = to.unwrap_or(ALL_SERVERS_AND_RELAYS.into());
        SimulatedPacket { octets, port, from: args.from.unwrap_or(from), to, follows: false }
    }
}

/// The error if a flag does not belong to the address family that `--ipv6` selects.
fn family_mismatch(args: &Explain) -> Option<&'static str> {
    let is_ipv6 = |address: IpAddr| address.is_ipv6();
    let other = |address: Option<IpAddr>| address.is_some_and(|address| is_ipv6(address) != args.ipv6);
    match args.port.as_deref() {
        _ if args.ipv6 && args.client.is_some_and(|client| client.arch == Arch::BIOS && !client.ipxe) => {
            Some("BIOS cannot boot over IPv6; did you mean `ipxe-bios`?")
        }
        Some("547") if !args.ipv6 => Some("port 547 is for DHCPv6: add --ipv6"),
        Some("67") if args.ipv6 => Some("port 67 is for DHCPv4: with --ipv6 use 547"),
        _ if other(args.relay) && args.ipv6 => Some("with --ipv6, --relay must be an IPv6 address"),
        _ if other(args.relay) => Some("--relay is an IPv6 address: add --ipv6"),
        _ if other(args.server.map(|server| server.address())) => {
            Some("--server is an address of the other family: add or remove --ipv6")
        }
        _ if other(args.from.map(|from| from.ip())) => {
            Some("--from is an address of the other family: add or remove --ipv6")
        }
        _ => None,
    }
}

/// The explanation of a packet to the DHCP port that the server does not receive because `proxy-only` is set.
fn not_received(sent: &SimulatedPacket) -> Explanation {
    let is_ipv6 = sent.from.is_ipv6();
    let port = if is_ipv6 { sent.port.number6() } else { sent.port.number() };
    let kind = DhcpPacket::parse(&sent.octets, is_ipv6).ok().and_then(|packet| packet.message_type());
    let title = kind.map_or_else(|| format!("packet on port {port}"), |kind| format!("{kind} on port {port}"));
    let silence =
        format!("`proxy-only` is set: the server does not listen on port {port}, and sends this machine no offer");
    let next = "the machine contacts port 4011 if the DHCP server on this host sends option 60, `PXEClient`";
    let mut parts = vec![Node::new("silence", silence)];
    parts.extend((!is_ipv6).then(|| Node::new("next", next)));
    let tree = Node::new(title, "").with_children(parts);
    Explanation { tree, answered: false, replies: Vec::new(), label: "unheard", follows: sent.follows }
}

/// The explanation of a packet and of the server's answer to it.
fn explain_answer(
    packet: &SimulatedPacket,
    site: &Site,
    links: &[Link],
    answer: &Answer,
    replies: &[SentReply],
    reasons: Vec<Node>,
) -> Explanation {
    let plan = &site.plan;
    let received = Node::new("packet", format!("{} octets", packet.octets.len())).with_children([
        Node::new("from", packet.from),
        Node::new(
            "to",
            format!(
                "{} port {}",
                packet.to,
                if packet.from.is_ipv6() { packet.port.number6() } else { packet.port.number() }
            ),
        ),
        Node::new("interface", &links[0].name),
    ]);
    let prefix = if packet.follows { "then, if the loader is iPXE: " } else { "" };
    let is_ipv6 = packet.from.is_ipv6();
    let port = if is_ipv6 { packet.port.number6() } else { packet.port.number() };
    let title = match DhcpPacket::parse(&packet.octets, is_ipv6).ok().and_then(|packet| packet.message_type()) {
        Some(kind) => format!("{prefix}{kind} on port {port}"),
        None => format!("packet on port {port}"),
    };
    let mut parts = vec![received];
    parts.extend(answer.client.as_ref().map(steps::explain_client));
    parts.extend(reasons);
    let (answered, label) = match &answer.verdict {
        Verdict::Respond(response) => {
            parts.extend(steps::explain_response(response, plan));
            (true, "answered")
        }
        Verdict::Silent(silence) => {
            let counted = Node::new("counted as", silence.label());
            let fix = match silence {
                Silence::NoBoot(NoBoot::NoLoader(arch)) => {
                    let profile = answer.decision.as_ref().and_then(|decision| decision.profile);
                    Some(Node::new("fix", site.no_loader_reason(*arch, profile)))
                }
                Silence::Ignored(IgnoreReason::NoVendorClass6(_)) => {
                    Some(Node::new("fix", "configure the DHCPv6 server to send a tftp:// URL in option 59"))
                }
                Silence::NoBoot(NoBoot::NoScript) => Some(Node::new(
                    "fix",
                    "enable one of them: `enabled = true` under [http] or [tftp], without --no-http and --no-tftp",
                )),
                Silence::NoBoot(NoBoot::LoaderUrl(arch)) => Some(Node::new("fix", site.ipxe_hint(*arch))),
                Silence::NoBoot(NoBoot::StatefulIpxe) => Some(Node::new(
                    "fix",
                    "configure the DHCPv6 server to send the script's URL in option 59, or start iPXE with a script",
                )),
                _ => None,
            };
            parts.push(Node::new("silence", silence).with_children([counted].into_iter().chain(fix)));
            (false, silence.label())
        }
    };
    for (number, (octets, to)) in replies.iter().enumerate() {
        let to = if number == 0 { String::new() } else { format!("also to {to}") };
        let shown = DhcpPacket::parse(octets, is_ipv6).ok().map(|packet| dissect::packet(&packet));
        parts.extend(shown.map(|tree| Node::new("reply", to).with_children([tree])));
    }
    let replies = replies.iter().map(|(octets, _)| hex(octets)).collect();
    Explanation { tree: Node::new(title, "").with_children(parts), answered, replies, label, follows: packet.follows }
}

impl Explanation {
    fn json(&self) -> Value {
        json!({
            "answered": self.answered,
            "verdict": self.label,
            "follows": self.follows,
            "reply": self.replies.first(),
            "replies": self.replies,
            "steps": node_json(&self.tree),
        })
    }
}

fn node_json(node: &Node) -> Value {
    let children: Vec<Value> = node.children.iter().map(node_json).collect();
    json!({ "name": node.name, "value": node.value, "parts": children })
}

/// An address of this network other than the server's, for a simulated machine.
pub fn neighbour(network: Network4) -> Ipv4Addr {
    let address = u32::from(network.address);
    let other = Ipv4Addr::from(address ^ 0b0110_0000);
    if network.contains(other) { other } else { Ipv4Addr::from(address ^ 1) }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
