//! `explain`: what a machine would get and why, by the very calls that serve. Nothing is sent.

mod reasons;
mod ipv6;
mod script;
mod steps;
#[cfg(test)]
mod tests;

use super::client::{EXAMPLE_MAC, PacketHex};
use super::boot_once_records::BootOnceRecords;
use super::client_packet::SimulatedClient;
use super::{ClientKind, Explain, context};
use crate::config::ConfigError;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Replies, Response, Silence, Verdict, answer};
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::{BootMethod, NoBoot, BootSource};
use proxydhcpd_core::client::{HardwareAddress, IgnoreReason, Stage};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::{FirmwareInfo, AddressOwner, Observations};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::machines::Machine;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::dissect::{self, Node};
use proxydhcpd_core::wire::dhcp4::Message;
use proxydhcpd_core::wire::pxe::Features;
use proxydhcpd_core::wire::{DhcpPacket, dhcp6};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::process::ExitCode;

/// Prints one section for each visit of the machine.
pub fn run(args: &Explain, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let setting = context::load(flags)?;
    let mut memory = setting.observations();
    let marks = BootOnceRecords::load(&setting, &mut memory);
    let has_family = |link: &Link| if args.ipv6 { !link.ipv6.is_empty() } else { !link.ipv4.is_empty() };
    if let Some(why) = family_mismatch(args) {
        return Err(ConfigError(vec![Diagnostic::error(why)]));
    }
    let mut links: Vec<Link> = setting.links.into_iter().filter(has_family).collect();
    let is_local = |link: &Link| link.address6().is_none_or(|address| address.is_unicast_link_local());
    links.sort_by_key(|link| args.ipv6 && is_local(link));
    let links = match (args.server, links) {
        (None, links) if !links.is_empty() => links,
        (server, _) => {
            let name = flags.interfaces.first().map(String::as_str);
            context::example_links(name, server.map(|server| server.0))
        }
    };
    let mut journey = BootSimulation {
        site: &setting.site,
        links: &links,
        proxy_only: setting.loaded.settings.proxy_only,
        memory,
        records_are_readable: marks.are_readable,
        now: 0,
        explanations: Vec::new(),
    };
    match &args.packet {
        Some(packet) => journey.explain_packet(&SimulatedPacket::from_octets(packet_octets(packet)?, args, &links)),
        None => journey.simulate_boot(args)?,
    }
    let told = journey.explanations;
    if args.json {
        let all: Vec<Value> = told.iter().map(Explanation::json).collect();
        anstream::println!("{:#}", Value::Array(all));
    } else {
        told.iter().for_each(|told| anstream::print!("{}", told.tree));
    }
    let answered = told.iter().filter(|told| !told.follows).all(|told| told.answered);
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn packet_octets(packet: &PacketHex) -> Result<Vec<u8>, ConfigError> {
    let wrong = |message: String| ConfigError(vec![Diagnostic::error(message)]);
    match packet {
        PacketHex::Octets(octets) => Ok(octets.clone()),
        PacketHex::Stdin => {
            let text =
                std::io::read_to_string(std::io::stdin()).map_err(|error| wrong(format!("standard input: {error}")))?;
            PacketHex::parse_octets(&text).map_err(|why| wrong(format!("standard input is no packet in hex: {why}")))
        }
    }
}

/// A packet and how it arrives.
#[derive(Debug)]
struct SimulatedPacket {
    octets: Vec<u8>,
    port: Port,
    from: SocketAddr,
    to: IpAddr,
    /// The loader that the machine was given is taken for an iPXE, and asks.
    follows: bool,
}

/// A reply, and where it would go.
type Sent = (Vec<u8>, SocketAddr);

/// What came of it.
struct Explanation {
    tree: Node,
    answered: bool,
    /// In hex.
    replies: Vec<String>,
    label: &'static str,
    follows: bool,
}

/// A machine on its way, from visit to visit: what it did before bears on what it is given.
struct BootSimulation<'a> {
    site: &'a Site,
    links: &'a [Link],
    /// Nothing hears port 67, or 547.
    proxy_only: bool,
    memory: Observations,
    /// Whether it has the marks of used-up boots.
    records_are_readable: bool,
    now: u64,
    explanations: Vec<Explanation>,
}

impl BootSimulation<'_> {
    /// A packet as it stands; where an iPXE has sent it, that fetches its script.
    fn explain_packet(&mut self, visit: &SimulatedPacket) {
        let answer = self.deliver(visit);
        let (Some(client), Some(response)) = (&answer.client, response_of(&answer.verdict)) else { return };
        let (Stage::Ipxe(features), [Some(mac), ..]) = (client.stage, client.identifiers.macs) else { return };
        let address = self.links[0].ipv4.first().map_or(Ipv4Addr::UNSPECIFIED, |network| neighbour(*network));
        let own = client.address.unwrap_or(if visit.from.is_ipv6() { visit.from.ip() } else { address.into() });
        let described = SimulatedClient {
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
        self.explain_script(&described, response, own, features, None);
    }

    /// A described machine asks on 67; where that sends it on to 4011, it asks there too; then the iPXE that it was
    /// given asks, and fetches its script.
    fn simulate_boot(&mut self, args: &Explain) -> Result<(), ConfigError> {
        let Some(kind) = args.client else { return Ok(()) };
        let network = self.links[0].ipv4.first().copied();
        let described = describe(args, kind, self.site, network)?;
        if args.ipv6 {
            self.simulate_boot6(&described, args.port());
            return Ok(());
        }
        let item = args.item;
        if args.port() == Some(Port::BootServer) {
            if described.relay.is_some() {
                self.answer(&self.packet_from(&described, Port::Dhcp, None, false));
            }
            drop(self.deliver(&self.packet_from(&described, Port::BootServer, item, false)));
            return Ok(());
        }
        let first = self.deliver(&self.packet_from(&described, Port::Dhcp, None, false));
        if args.port() == Some(Port::Dhcp) {
            return Ok(());
        }
        let comes_unasked = self.proxy_only && kind.arch.transport() != Some(Transport::Http);
        if comes_unasked {
            self.explanations.iter_mut().for_each(|told| told.follows = true);
        }
        let goes_on = match &first.verdict {
            _ if comes_unasked => Some(item),
            Verdict::Respond(Response { shape: ShapeName::Redirect, .. }) => Some(None),
            Verdict::Respond(Response { shape: ShapeName::Menu, .. }) if item.is_some() => Some(item),
            _ => None,
        };
        let last = match goes_on {
            Some(item) => self.deliver(&self.packet_from(&described, Port::BootServer, item, false)),
            None => first,
        };
        // An iPXE that a rule takes for firmware is given one more.
        if leads_to_ipxe(&last, &self.site.plan) {
            let kind = ClientKind { arch: kind.arch.base(), ipxe: true };
            self.note_loader_fetched(&described, &last);
            self.now += 10_000;
            let described = SimulatedClient { kind, vendor_class: None, user_class: None, ..described };
            let port = if self.proxy_only { Port::BootServer } else { Port::Dhcp };
            let asked = self.deliver(&self.packet_from(&described, port, None, true));
            if let Some(response) = response_of(&asked.verdict) {
                self.explain_script(&described, response, described.address.into(), described.features(), item);
            }
        } else if let Some(response) = kind.ipxe.then_some(&last.verdict).and_then(response_of) {
            self.explain_script(&described, response, described.address.into(), described.features(), item);
        }
        Ok(())
    }

    fn packet_from(&self, described: &SimulatedClient, port: Port, item: Option<u16>, follows: bool) -> SimulatedPacket {
        let here = self.links[0].ipv4[0].address;
        let (from, to) = match (port, described.relay) {
            (Port::BootServer, _) => (described.source_address(), here),
            (Port::Dhcp, Some(IpAddr::V4(relay))) => (SocketAddrV4::new(relay, 67), here),
            (Port::Dhcp, _) => (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), Ipv4Addr::BROADCAST),
        };
        SimulatedPacket { octets: described.packet(port, item), port, from: from.into(), to: to.into(), follows }
    }

    /// It fetches the loader that it was given: by that, one whom a rule takes for firmware is known again.
    fn note_loader_fetched(&mut self, described: &SimulatedClient, given: &Answer) {
        let (Some(client), Some(response)) = (&given.client, response_of(&given.verdict)) else { return };
        let firmware = FirmwareInfo { arch: Some(client.arch), features: None };
        let holder = AddressOwner { hardware: client.hardware, machine: client.machine_id, firmware };
        self.memory.note_address(described.address, holder, self.now);
        self.memory.note_loader(described.address.into(), &response.boot.file, self.now);
    }

    /// What the script says is not of a packet, and answers nobody.
    fn explain_script(
        &mut self,
        described: &SimulatedClient,
        response: &Response,
        address: IpAddr,
        features: Option<Features>,
        item: Option<u16>,
    ) {
        // Its DHCP request has said so by now.
        let hardware = HardwareAddress::from_mac(described.mac);
        let firmware = FirmwareInfo { arch: Some(described.kind.arch), features };
        self.memory.note_address(address, AddressOwner { hardware, machine: None, firmware }, self.now);
        let tree = script::explain_script(self.site, &self.memory, described, response, (address, &self.links[0].name), item);
        let told = |tree| Explanation { tree, answered: true, replies: Vec::new(), label: "script", follows: true };
        self.explanations.extend(tree.map(told));
    }

    fn deliver(&mut self, visit: &SimulatedPacket) -> Answer {
        if self.proxy_only && visit.port == Port::Dhcp {
            self.explanations.push(unheard(visit));
            let kind = DhcpPacket::parse(&visit.octets, visit.from.is_ipv6()).ok().and_then(|packet| packet.message_type());
            let reason = kind.map_or(IgnoreReason::Reply, |kind| IgnoreReason::Message(visit.port, kind));
            return Answer { client: None, decision: None, verdict: Verdict::Silent(Silence::Ignored(reason)) };
        }
        let (answer, replies, near) = self.answer(visit);
        let told = tell(visit, self.site, self.links, &answer, &replies, near);
        self.explanations.push(told);
        answer
    }

    fn answer(&mut self, visit: &SimulatedPacket) -> (Answer, Vec<Sent>, Vec<Node>) {
        let plan = &self.site.plan;
        self.now += 1000;
        let SimulatedPacket { octets, port, from, to, .. } = visit;
        let (links, now) = (self.links, self.now);
        let arrival =
            Arrival { datagram: octets, port: *port, from: *from, to: *to, links, link: 0, via_other_link: false, now };
        let mut replies = Replies::default();
        let answer = answer(plan, &mut self.memory, &arrival, &mut replies);
        let near = reasons::explain_decision(plan, &arrival, &answer, self.records_are_readable);
        let replies = replies.iter().map(|(octets, to)| (octets.to_vec(), to.to)).collect();
        (answer, replies, near)
    }
}

fn response_of(verdict: &Verdict) -> Option<&Response> {
    match verdict {
        Verdict::Respond(response) => Some(response),
        Verdict::Silent(_) => None,
    }
}

/// Whether what the machine was given may be an iPXE, which asks again. Loaders of a profile are what they are.
fn leads_to_ipxe(answer: &Answer, plan: &Plan) -> bool {
    let Some(response) = response_of(&answer.verdict) else { return false };
    let boots = answer.decision.as_ref().map_or(&BootTarget::BootDir, |decision| decision.boots(plan));
    let program = matches!(response.boot.source, BootSource::Loader(_) | BootSource::DefaultLoader);
    let taken = matches!(response.boot.method, BootMethod::File | BootMethod::Item(_));
    let is_firmware = answer.client.as_ref().is_some_and(|client| !matches!(client.stage, Stage::Ipxe(_)));
    // An iPXE of ours takes a firmware to a loader that it cannot fetch by itself.
    let on_the_way = || plan.loaders.values().any(|site| site.is_ipxe() && response.boot.file.ends_with(&site.name));
    program && taken && is_firmware && (*boots != BootTarget::Loader || has_url(plan, answer) && on_the_way())
}

/// Whether the profile names a URL as the loader of this machine.
fn has_url(plan: &Plan, answer: &Answer) -> bool {
    let profile = answer.decision.as_ref().and_then(|decision| plan.profile(decision.profile));
    let arch = answer.client.as_ref().map(|client| client.arch.base());
    let loader = profile
        .and_then(|profile| arch.and_then(|arch| profile.loaders.get(&arch)).or(profile.default_loader.as_ref()));
    loader.is_some_and(|loader| loader.remote_location().is_some())
}

/// The machine of the command line: by its flags, or by its entry.
fn describe(
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
    // Over IPv6 it has none of these.
    let address = network.map_or(Ipv4Addr::UNSPECIFIED, neighbour);
    let of_entry = entry.and_then(|entry| entry.macs.first().copied());
    Ok(SimulatedClient {
        kind,
        mac: args.mac.map(|mac| mac.0).or(of_entry).unwrap_or(EXAMPLE_MAC.0),
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
    let wrong = || ConfigError(vec![Diagnostic::error(format!("no machine of the configuration is called {name}"))]);
    plan.machines.get_by_name(name).ok_or_else(wrong)
}

impl SimulatedPacket {
    /// A packet arrives as its header says, unless the command line knows better.
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
        let here = links[0].ipv4[0].address;
        let (from, to) = match (port, giaddr) {
            (Port::Dhcp, Some(relay)) => (SocketAddrV4::new(relay, 67), here),
            (Port::Dhcp, None) => (SocketAddrV4::new(ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED), 68), Ipv4Addr::BROADCAST),
            (Port::BootServer, _) => (SocketAddrV4::new(ciaddr.unwrap_or(neighbour(links[0].ipv4[0])), 4011), here),
        };
        SimulatedPacket { octets, port, from: args.from.unwrap_or(from.into()), to: to.into(), follows: false }
    }

    /// A client writes to the group from its link-local address, which the packet does not hold; a relay to us.
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

/// What of the command line belongs to the family that is not asked about.
fn family_mismatch(args: &Explain) -> Option<&'static str> {
    let is_ipv6 = |address: IpAddr| address.is_ipv6();
    let other = |address: Option<IpAddr>| address.is_some_and(|address| is_ipv6(address) != args.ipv6);
    match args.port.as_deref() {
        _ if args.ipv6 && args.client.is_some_and(|client| client.arch == Arch::BIOS && !client.ipxe) => {
            Some("no BIOS boots over IPv6: ipxe-bios may be what is meant")
        }
        Some("547") if !args.ipv6 => Some("port 547 is DHCPv6's: add --ipv6"),
        Some("67") if args.ipv6 => Some("port 67 is not heard over IPv6: 547 is"),
        _ if other(args.relay) && args.ipv6 => Some("--relay is an IPv6 address with --ipv6"),
        _ if other(args.relay) => Some("--relay is an IPv6 address: add --ipv6"),
        _ if other(args.server.map(|server| server.address())) => {
            Some("--server is of the other family; --ipv6 chooses")
        }
        _ if other(args.from.map(|from| from.ip())) => Some("--from is of the other family; --ipv6 chooses"),
        _ => None,
    }
}

/// With `proxy-only`, what comes to the DHCP server's port.
fn unheard(visit: &SimulatedPacket) -> Explanation {
    let is_ipv6 = visit.from.is_ipv6();
    let port = if is_ipv6 { visit.port.number6() } else { visit.port.number() };
    let kind = DhcpPacket::parse(&visit.octets, is_ipv6).ok().and_then(|packet| packet.message_type());
    let title = kind.map_or_else(|| format!("packet on port {port}"), |kind| format!("{kind} on port {port}"));
    let silence = format!("port {port} is not heard: `proxy-only` is set, so this machine gets no offer from here");
    let then = "the machine comes to port 4011 if the DHCP server on this host sends it option 60, `PXEClient`";
    let mut parts = vec![Node::new("silence", silence)];
    parts.extend((!is_ipv6).then(|| Node::new("then", then)));
    let tree = Node::new(title, "").with_children(parts);
    Explanation { tree, answered: false, replies: Vec::new(), label: "unheard", follows: visit.follows }
}

fn tell(visit: &SimulatedPacket, site: &Site, links: &[Link], answer: &Answer, replies: &[Sent], grounds: Vec<Node>) -> Explanation {
    let plan = &site.plan;
    let heard = Node::new("packet", format!("{} octets", visit.octets.len())).with_children([
        Node::new("from", visit.from),
        Node::new(
            "to",
            format!(
                "{} port {}",
                visit.to,
                if visit.from.is_ipv6() { visit.port.number6() } else { visit.port.number() }
            ),
        ),
        Node::new("on", &links[0].name),
    ]);
    let then = if visit.follows { "then, if that was an iPXE: " } else { "" };
    let is_ipv6 = visit.from.is_ipv6();
    let port = if is_ipv6 { visit.port.number6() } else { visit.port.number() };
    let title = match DhcpPacket::parse(&visit.octets, is_ipv6).ok().and_then(|packet| packet.message_type()) {
        Some(kind) => format!("{then}{kind} on port {port}"),
        None => format!("packet on port {port}"),
    };
    let mut parts = vec![heard];
    parts.extend(answer.client.as_ref().map(steps::explain_client));
    parts.extend(grounds);
    let (answered, label) = match &answer.verdict {
        Verdict::Respond(response) => {
            parts.extend(steps::explain_response(response, plan));
            (true, "answered")
        }
        Verdict::Silent(silence) => {
            let counted = Node::new("counted as", silence.label());
            let cure = match silence {
                Silence::NoBoot(NoBoot::NoLoader(arch)) => {
                    let profile = answer.decision.as_ref().and_then(|decision| decision.profile);
                    Some(Node::new("cure", site.no_loader_reason(*arch, profile)))
                }
                Silence::Ignored(IgnoreReason::NoVendorClass6(_)) => {
                    Some(Node::new("cure", "have the DHCPv6 server name its file: a tftp:// URL in option 59"))
                }
                Silence::NoBoot(NoBoot::NoScript) => Some(Node::new(
                    "cure",
                    "switch one of them on: `enabled = true` in [http] or [tftp], and neither --no-http nor --no-tftp",
                )),
                Silence::NoBoot(NoBoot::LoaderUrl(arch)) => Some(Node::new("cure", site.ipxe_hint(*arch))),
                Silence::NoBoot(NoBoot::StatefulIpxe) => Some(Node::new(
                    "cure",
                    "the DHCPv6 server names it in option 59, or what started iPXE has brought one along",
                )),
                _ => None,
            };
            parts.push(Node::new("silence", silence).with_children([counted].into_iter().chain(cure)));
            (false, silence.label())
        }
    };
    for (number, (octets, to)) in replies.iter().enumerate() {
        let to = if number == 0 { String::new() } else { format!("once more, to {to}") };
        let shown = DhcpPacket::parse(octets, is_ipv6).ok().map(|packet| dissect::packet(&packet));
        parts.extend(shown.map(|tree| Node::new("reply", to).with_children([tree])));
    }
    let replies = replies.iter().map(|(octets, _)| hex(octets)).collect();
    Explanation { tree: Node::new(title, "").with_children(parts), answered, replies, label, follows: visit.follows }
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

/// Another address of the same network.
pub fn neighbour(network: Network4) -> Ipv4Addr {
    let address = u32::from(network.address);
    let other = Ipv4Addr::from(address ^ 0b0110_0000);
    if network.contains(other) { other } else { Ipv4Addr::from(address ^ 1) }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
