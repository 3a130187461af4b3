//! `explain`: what a machine would get and why, by the very call that serves. Nothing is sent.

use super::client::PacketHex;
use super::synthetic::Described;
use super::{Explain, setting};
use crate::config::ConfigError;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Replies, Response, Silence, Verdict, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::Nothing;
use proxydhcpd_core::client::{ArchFrom, Client, Stage};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::shape::Name;
use proxydhcpd_core::show::{self, Node};
use proxydhcpd_core::wire::dhcp4::{Message, MessageType};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;

/// Prints one section for each visit of the machine.
pub fn run(args: &Explain, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let setting = setting::of(flags)?;
    let plan = &setting.site.plan;
    let links = match (args.server, setting.links) {
        (None, links) if links.iter().any(|link| !link.ipv4.is_empty()) => links,
        (server, _) => setting::example(server.map(|server| server.0)),
    };
    let visits = match &args.packet {
        Some(packet) => vec![Visit::of_packet(octets(packet)?, args, &links)],
        None => journey(args, plan, &links),
    };
    let told: Vec<Told> = visits.iter().map(|visit| tell(visit, &setting.site, &links)).collect();
    if args.json {
        let all: Vec<Value> = told.iter().map(Told::json).collect();
        anstream::println!("{:#}", Value::Array(all));
    } else {
        told.iter().for_each(|told| anstream::print!("{}", told.tree));
    }
    Ok(if told.iter().all(|told| told.answered) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn octets(packet: &PacketHex) -> Result<Vec<u8>, ConfigError> {
    let wrong = |message: String| ConfigError(vec![Diagnostic::error(message)]);
    match packet {
        PacketHex::Octets(octets) => Ok(octets.clone()),
        PacketHex::Stdin => {
            let text =
                std::io::read_to_string(std::io::stdin()).map_err(|error| wrong(format!("standard input: {error}")))?;
            PacketHex::octets(&text).map_err(|why| wrong(format!("standard input is no packet in hex: {why}")))
        }
    }
}

/// A packet and how it arrives.
struct Visit {
    octets: Vec<u8>,
    port: Port,
    from: SocketAddrV4,
    to: Ipv4Addr,
    link: usize,
    /// The machine's OFFER went through a relay before.
    relayed: bool,
}

/// What came of it.
struct Told {
    tree: Node,
    answered: bool,
    reply: Option<String>,
    label: &'static str,
}

/// A described machine asks on 67; where that sends it on to 4011, it asks there too.
fn journey(args: &Explain, plan: &Plan, links: &[Link]) -> Vec<Visit> {
    let Some(kind) = args.client else { return Vec::new() };
    let network = links[0].ipv4[0];
    let address =
        args.relay.map_or_else(|| neighbour(network), |relay| neighbour(Network4 { address: relay, prefix: 24 }));
    let described = Described { kind, mac: args.mac.0, uuid: args.uuid.map(|uuid| uuid.0), relay: args.relay, address };
    let on_67 = Visit {
        octets: described.packet(Port::Dhcp),
        port: Port::Dhcp,
        from: args.relay.map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), |relay| SocketAddrV4::new(relay, 67)),
        to: if args.relay.is_some() { network.address } else { Ipv4Addr::BROADCAST },
        link: 0,
        relayed: false,
    };
    let on_4011 = Visit {
        octets: described.packet(Port::BootServer),
        port: Port::BootServer,
        from: SocketAddrV4::new(address, if kind.ipxe { 68 } else { 4011 }),
        to: network.address,
        link: 0,
        relayed: args.relay.is_some(),
    };
    let (first, _) = ask(&on_67, plan, links);
    let redirected = matches!(first.verdict, Verdict::Respond(Response { shape: Name::Redirect, .. }));
    match (args.port(), redirected) {
        (Some(Port::Dhcp), _) | (None, false) => vec![on_67],
        (Some(Port::BootServer), _) => vec![on_4011],
        (None, true) => vec![on_67, on_4011],
    }
}

impl Visit {
    /// A packet arrives as its header says, unless the command line knows better.
    fn of_packet(octets: Vec<u8>, args: &Explain, links: &[Link]) -> Visit {
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
        Visit { octets, port, from: args.from.unwrap_or(from), to, link: 0, relayed: false }
    }
}

fn ask(visit: &Visit, plan: &Plan, links: &[Link]) -> (Answer, Option<Vec<u8>>) {
    let Visit { octets, port, from, to, link, relayed } = visit;
    let mut memory = Memory::new(0);
    let client = Message::parse(octets)
        .ok()
        .and_then(|m| Client::recognise(&m, *port, &plan.user_classes, || plan.knows_u_boot()).ok());
    if let Some(client) = client.filter(|_| *relayed) {
        memory.note_relayed_offer(&client, 0);
    }
    let arrival =
        Arrival { datagram: octets, port: *port, from: *from, to: *to, links, link: *link, foreign: false, now: 0 };
    let mut replies = Replies::default();
    let answer = answer(plan, &mut memory, &arrival, &mut replies);
    let reply = replies.iter().next().map(|(octets, _)| octets.to_vec());
    (answer, reply)
}

fn tell(visit: &Visit, site: &Site, links: &[Link]) -> Told {
    let plan = &site.plan;
    let (answer, reply) = ask(visit, plan, links);
    let heard = Node::new("packet", format!("{} octets", visit.octets.len())).with([
        Node::new("from", visit.from),
        Node::new("to", format!("{} {}", visit.to, visit.port)),
        Node::new("on", &links[visit.link].name),
    ]);
    let title = match Message::parse(&visit.octets).ok().and_then(|message| message.message_type()) {
        Some(kind) => format!("{kind} on {}", visit.port),
        None => format!("packet on {}", visit.port),
    };
    let mut parts = vec![heard];
    parts.extend(answer.client.as_ref().map(recognised));
    let (answered, label) = match &answer.verdict {
        Verdict::Respond(response) => {
            parts.extend(decided(response, plan));
            (true, "answered")
        }
        Verdict::Silent(silence) => {
            let counted = Node::new("counted as", silence.label());
            let cure = match silence {
                Silence::Nothing(Nothing::NoLoader(arch)) => Some(Node::new("cure", site.no_loader(*arch))),
                _ => None,
            };
            parts.push(Node::new("silence", silence).with([counted].into_iter().chain(cure)));
            (false, silence.label())
        }
    };
    let shown = reply.as_deref().and_then(|octets| Message::parse(octets).ok().map(|message| show::dhcp4(&message)));
    parts.extend(shown.map(|tree| Node::new("reply", "").with([tree])));
    Told { tree: Node::new(title, "").with(parts), answered, reply: reply.map(|octets| hex(&octets)), label }
}

fn recognised(client: &Client) -> Node {
    let arch_from = match client.arch_from {
        ArchFrom::Option93(index) => format!("option 93, code {}", index + 1),
        ArchFrom::ClassDigits => "the digits of option 60".to_owned(),
        ArchFrom::Assumed => "nothing said: an old BIOS ROM".to_owned(),
    };
    let stage = match client.stage {
        Stage::Firmware => "firmware: no iPXE in option 77, no option 175",
        Stage::Ipxe(Some(_)) => "iPXE, with a list of its features (option 175)",
        Stage::Ipxe(None) => "iPXE by its user class (option 77), without a list of features",
        Stage::BootProgram => "a program that the firmware loaded: bare class on 4011",
    };
    let mut parts = vec![
        Node::new("hardware address", client.hardware),
        Node::new("architecture", format!("{} ({}), from {arch_from}", client.arch, client.arch.0)),
        Node::new("stage", stage),
    ];
    parts.extend(client.machine.map(|machine| Node::new("machine identifier", machine)));
    parts.extend(client.relay.map(|relay| Node::new("relay", relay.giaddr)));
    Node::new("client", client).with(parts)
}

fn decided(response: &Response, plan: &Plan) -> Vec<Node> {
    let Response { kind, shape, boot, to } = response;
    let why_shape = match shape {
        Name::Direct if !plan.boot_server => {
            "option 43 says: load this file. (4011 is not open, so nobody is sent there)"
        }
        Name::Direct => "option 43 says: load this file, ask nobody else",
        Name::Redirect if *kind == MessageType::Ack => "the second visit, which names the file",
        Name::Redirect => "no option 43: it comes to port 4011 for its file, as every UEFI since 2010 does",
        Name::Http => "a URL, and no second visit",
        Name::Menu => "option 43 holds the menu; it comes to port 4011 with what is chosen",
        Name::Item => "what was chosen from the menu, and its file",
        Name::RaspberryPi => "the text in option 43 that its boot ROM looks for; it asks for names of its own",
    };
    let mut boot_parts = vec![Node::new("from", boot.server), Node::new("why", boot.why)];
    let path = plan.loaders.values().find(|loader| loader.name == boot.file).and_then(|loader| loader.path.as_ref());
    boot_parts.extend(path.map(|path| Node::new("file", path)));
    let destination = match to.link {
        Some(_) => format!("{}, a broadcast on the link it came by", to.to),
        None => to.to.to_string(),
    };
    vec![
        Node::new("boot", &boot.file).with(boot_parts),
        Node::new("shape", format!("{shape}: {why_shape}")),
        Node::new("answer", format!("{kind} to {destination}")).with([Node::new("from", to.from)]),
    ]
}

impl Told {
    fn json(&self) -> Value {
        json!({ "answered": self.answered, "verdict": self.label, "reply": self.reply, "steps": node_json(&self.tree) })
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
