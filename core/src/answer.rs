//! answer(): the way of a packet, in reading order. One call serves the daemon, `explain`, tests and fuzzing.

use crate::arrival::{Arrival, Port};
use crate::choose::{Boot, Nothing, Why, choose};
use crate::client::{Class, Client, Hardware, NotOurs, Stage, architecture};
use crate::decide::{self, Decision, decide};
use crate::memory::rivals::Offer;
use crate::memory::{Heard, Holder, Memory};
use crate::plan::machines::Identity;
use crate::plan::rule::{Condition, Subject};
use crate::plan::{LoopGuard, Plan};
use crate::reply4;
use crate::route::{Destination, Refused, route};
use crate::shape::{Name, Shape};
use crate::wire::dhcp4::{Malformed, Message, MessageType, code};
use crate::wire::pxe::{Features, MachineId, SubOptions, user_classes};
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Range;

/// Who asked, if that could be told, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub client: Option<Client>,
    /// What the plan decides for it, where it came to that.
    pub decision: Option<Decision>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Respond(Response),
    Silent(Silence),
}

/// What was answered. The octets are in [`Replies`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub kind: MessageType,
    pub shape: Name,
    pub boot: Boot,
    pub to: Destination,
}

/// Silence always has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Malformed(Malformed),
    NotOurs(NotOurs),
    Refused(Refused),
    Nothing(Nothing),
}

/// The datagrams to send, in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    list: Vec<(Range<usize>, Destination)>,
}

/// What to say to a datagram. `replies` is emptied first; `memory` learns what later answers need.
pub fn answer(plan: &Plan, memory: &mut Memory, arrival: &Arrival<'_>, replies: &mut Replies) -> Answer {
    replies.clear();
    let mut answer =
        Answer { client: None, decision: None, verdict: Verdict::Silent(Silence::NotOurs(NotOurs::Reply)) };
    answer.verdict = match way(plan, memory, arrival, replies, &mut answer) {
        Ok(response) => Verdict::Respond(response),
        Err(silence) => Verdict::Silent(silence),
    };
    answer
}

/// parse - overhear - recognise - route - limit - decide - choose - shape - build. The first step that fails is the
/// reason for silence.
fn way(
    plan: &Plan,
    memory: &mut Memory,
    arrival: &Arrival<'_>,
    replies: &mut Replies,
    told: &mut Answer,
) -> Result<Response, Silence> {
    let message = Message::parse(arrival.datagram)?;
    overhear(&message, arrival, memory);
    let recognised =
        Client::recognise(&message, arrival.port, &plan.user_classes, &plan.vendor_classes, || plan.knows_u_boot())?;
    let client = told.client.insert(recognised);
    let to = route(plan, arrival, client, || memory.offered_through_relay(client, arrival.now))?;
    limit(plan, memory, arrival, client)?;
    if client.is_ipxe() {
        memory.note_ipxe(client, arrival.now);
    }
    let here = *to.from.ip();
    let decision = *told.decision.insert(of_packet(plan, memory, arrival, &message, client));
    if client.class == Class::UBoot && !decision.rule.is_some_and(|rule| plan.rules[rule].names_u_boot()) {
        return Err(NotOurs::OtherVendorClass.into());
    }
    // What asks after the loader was fetched is that loader.
    if decision.as_firmware && !memory.has_loaded(client, arrival.now) {
        client.stage = Stage::Firmware;
    }
    let choice = memory.choice(client, arrival.now);
    let boot = choose(plan, client, &decision, choice, here)?;
    let shape = Shape::of(client, boot.clone(), here, plan.boot_server)?;
    replies.push(to, |out| reply4::write(&message, arrival.port, &shape, here, out))?;
    if client.relay.is_some() && client.port == Port::Dhcp {
        memory.note_relayed_offer(client, arrival.now);
    }
    if let Some(item) = client.boot_item {
        memory.note_choice(client, item.kind, arrival.now);
        memory.rivals.came(&client.hardware, false, arrival.now);
    }
    if client.message == MessageType::Discover && client.port == Port::Dhcp {
        let leads_here = leads_here(&shape, &boot, here);
        let offer = Offer { xid: message.header.xid, link: arrival.link().index, leads_here };
        memory.rivals.offered(client, offer, arrival.now);
    }
    Ok(Response { kind: shape.kind, shape: shape.name, boot, to })
}

/// Whether a machine that takes the offer comes to us next: to port 4011, or for a file.
fn leads_here(shape: &Shape, boot: &Boot, here: Ipv4Addr) -> bool {
    let url_elsewhere = boot.why == Why::ScriptGiven && boot.file.contains("://");
    match shape.name {
        Name::Redirect => true,
        Name::Direct => boot.server == here && !url_elsewhere,
        _ => false,
    }
}

/// A REQUEST says which address its sender has, or is about to have: to the DHCP server, in a broadcast (RFC 2131 4.3.2),
/// or to us. Files are asked for from that address.
fn overhear(message: &Message<'_>, arrival: &Arrival<'_>, memory: &mut Memory) {
    let (header, now) = (&message.header, arrival.now);
    let hardware = Hardware::of(header);
    if arrival.port == Port::BootServer {
        memory.note_visit(&hardware, header.ciaddr, now);
    } else if message.message_type() == Some(MessageType::Request) {
        memory.rivals.requested(&hardware, header.xid, message.address(code::SERVER_ID), header.secs, now);
    }
    let Some(vendor_class) = message.option(code::VENDOR_CLASS) else { return };
    let (Some(class), Some(MessageType::Request)) = (Class::of(&vendor_class), message.message_type()) else { return };
    let ciaddr = Some(header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified());
    if let Some(address) = ciaddr.or_else(|| message.address(code::REQUESTED_ADDRESS)) {
        let machine = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
        let firmware = Heard {
            arch: architecture(message, class, &vendor_class).ok().map(|(arch, _)| arch),
            features: message.option(code::IPXE).and_then(|value| Features::parse(&value)),
        };
        memory.note_address(address, Holder { hardware, machine, firmware }, now);
    }
}

/// Of each rule up to the one that matches, the conditions that do not hold: what `explain` tells of a packet.
pub fn misses(plan: &Plan, arrival: &Arrival<'_>, message: &Message<'_>, client: &Client) -> Vec<Vec<Condition>> {
    with_subject(arrival, message, client, |subject| {
        let identity = Identity { mac: subject.mac, uuid: subject.uuid, serial: subject.serial, name: None };
        let known = plan.machines.find(&identity).is_some();
        let mut all = Vec::new();
        for (index, rule) in plan.rules.iter().enumerate() {
            let misses: Vec<Condition> = rule.misses(index, subject, known).collect();
            let matched = misses.is_empty();
            all.push(misses);
            if matched {
                break;
            }
        }
        all
    })
}

fn of_packet(plan: &Plan, memory: &Memory, arrival: &Arrival<'_>, message: &Message<'_>, client: &Client) -> Decision {
    with_subject(arrival, message, client, |subject| decide(plan, memory, subject, None))
}

fn with_subject<T>(
    arrival: &Arrival<'_>,
    message: &Message<'_>,
    client: &Client,
    look: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let option = |code| message.option(code).unwrap_or_default();
    let (vendor_class, user_class, agent) =
        (option(code::VENDOR_CLASS), option(code::USER_CLASS), option(code::RELAY_AGENT));
    let relay = client.relay.map(|relay| relay.giaddr);
    let link_selection = client.relay.and_then(|relay| relay.link_selection);
    let own = Some(client.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified());
    let subject = Subject {
        mac: client.hardware.mac(),
        uuid: client.machine.filter(MachineId::is_key).map(|machine| machine.uuid()),
        serial: None,
        arch: Some(client.arch),
        firmware: decide::firmware(client),
        vendor_class: &vendor_class,
        user_classes: if user_class.is_empty() { Vec::new() } else { user_classes(&user_class) },
        interface: &arrival.link().name,
        subnet: link_selection.or(relay).or(own).or_else(|| arrival.link().address()),
        relay,
        circuit_id: SubOptions(&agent).find(|(code, _)| *code == 1).map_or(&[], |(_, value)| value),
        heard: None,
        request: false,
    };
    look(&subject)
}

/// Per machine always, per source on 4011, per interface where the plan says so (protocol note 9). A relay's address
/// stands for thousands of machines and has no limit of its own.
fn limit(plan: &Plan, memory: &mut Memory, arrival: &Arrival<'_>, client: &Client) -> Result<(), Refused> {
    if !memory.allows_client(&client.hardware, arrival.now) {
        return Err(Refused::TooManyFromClient);
    }
    if client.port == Port::BootServer && !memory.allows_source(*arrival.from.ip(), arrival.now) {
        return Err(Refused::TooManyFromSource);
    }
    if plan.loop_guard == LoopGuard::Stop && memory.is_looping(client, arrival.now) {
        return Err(Refused::Looping);
    }
    match plan.most_per_second {
        Some(most) if !memory.allows_link(arrival.link().index, most, arrival.now) => Err(Refused::TooManyOnLink),
        _ => Ok(()),
    }
}

impl Replies {
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Destination)> {
        self.list.iter().map(|(range, to)| (&self.octets[range.clone()], *to))
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.list.clear();
    }

    fn push<E>(&mut self, to: Destination, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.octets.len();
        write(&mut self.octets)?;
        self.list.push((start..self.octets.len(), to));
        Ok(())
    }
}

impl Silence {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotOurs(reason) => reason.label(),
            Self::Refused(reason) => reason.label(),
            Self::Nothing(reason) => reason.label(),
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::NotOurs(reason) => reason.fmt(f),
            Self::Refused(reason) => reason.fmt(f),
            Self::Nothing(reason) => reason.fmt(f),
        }
    }
}

impl From<Malformed> for Silence {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<NotOurs> for Silence {
    fn from(reason: NotOurs) -> Self {
        Self::NotOurs(reason)
    }
}

impl From<Refused> for Silence {
    fn from(reason: Refused) -> Self {
        Self::Refused(reason)
    }
}

impl From<Nothing> for Silence {
    fn from(reason: Nothing) -> Self {
        Self::Nothing(reason)
    }
}

impl From<reply4::TooLarge> for Silence {
    fn from(reply4::TooLarge { octets, most }: reply4::TooLarge) -> Self {
        Self::Refused(Refused::TooLarge { octets, most })
    }
}
