//! answer(): the way of a packet, in reading order. One call serves the daemon, `explain`, tests and fuzzing.

use crate::arrival::{Arrival, Port};
use crate::choose::{Boot, NoBoot, BootSource, choose};
use crate::client::{
    Class, Client, HardwareAddress, IgnoreReason, Relay, Stage, architecture, architecture6, class6, hardware6, recognise4,
    recognise6,
};
use crate::decide::{self, Decision, decide};
use crate::link::Link;
use crate::observations::finding::NextContact;
use crate::observations::boot_attempts::{SentOffer, AddressRequest};
use crate::observations::{FirmwareInfo, AddressOwner, Observations};
use crate::required_features::required_features;
use crate::plan::rule::{Condition, RuleRef, Subject};
use crate::plan::{LoopGuard, Plan};
use crate::route::{Destination, RefuseReason, route};
use crate::route6::{self, Route};
use crate::shape::{ShapeName, Shape};
use crate::shape6::Shape6;
use crate::url::host;
use crate::wire::dhcp4::{MessageType, code};
use crate::wire::pxe::{Features, MachineId, SubOptions, user_classes};
use crate::wire::{DhcpMessageType, MalformedDhcp, DhcpPacket, dhcp4, dhcp6};
use crate::{reply4, reply6};
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;
use core::{fmt, iter};

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
    pub message_type: DhcpMessageType,
    pub shape: ShapeName,
    pub boot: Boot,
    pub destination: Destination,
}

/// Silence always has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Malformed(MalformedDhcp),
    Ignored(IgnoreReason),
    Refused(RefuseReason),
    NoBoot(NoBoot),
}

/// The datagrams to send, in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    list: Vec<(Range<usize>, Destination)>,
}

/// What to say to a datagram. `replies` is emptied first; `memory` learns what later answers need.
pub fn answer(plan: &Plan, memory: &mut Observations, arrival: &Arrival<'_>, replies: &mut Replies) -> Answer {
    replies.clear();
    let mut answer =
        Answer { client: None, decision: None, verdict: Verdict::Silent(Silence::Ignored(IgnoreReason::Reply)) };
    answer.verdict = match way(plan, memory, arrival, replies, &mut answer) {
        Ok(response) => Verdict::Respond(response),
        Err(silence) => Verdict::Silent(silence),
    };
    answer
}

/// parse - overhear - recognise - route - limit - decide - choose - shape - build. The first step that fails is the
/// reason for silence. Of the nine, the families share three; the others are a function each.
fn way(
    plan: &Plan,
    memory: &mut Observations,
    arrival: &Arrival<'_>,
    replies: &mut Replies,
    told: &mut Answer,
) -> Result<Response, Silence> {
    let packet = DhcpPacket::parse(arrival.datagram, arrival.from.is_ipv6())?;
    overhear(plan, &packet, arrival, memory);
    let client = told.client.insert(recognise(plan, arrival, &packet)?);
    let way = match (&packet, arrival.from) {
        (DhcpPacket::Dhcp4(message), SocketAddr::V4(from)) => {
            let (to, here) = route(plan, arrival, from, client, || memory.was_offered(client, arrival.now))?;
            Way::Dhcp4(message, to, here)
        }
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => {
            let heard = || memory.was_offered(client, arrival.now);
            let lease = || client.duid.and_then(|duid| memory.lease(&duid));
            Way::Dhcp6(packet, route6::route(plan, arrival, from, client, heard, lease)?)
        }
        _ => return Err(IgnoreReason::Reply.into()),
    };
    memory.rate_limits.check(plan, arrival, client)?;
    if plan.loop_guard == LoopGuard::Stop && memory.is_looping(client, arrival.now) {
        return Err(RefuseReason::BootLoop.into());
    }
    memory.uuid_claims.note(plan, client, arrival.now);
    complete(client, memory);
    let decision = *told.decision.insert(of_packet(plan, memory, arrival, &packet, client));
    if client.class == Class::UBoot && !decision.rule.is_some_and(|rule| plan.rules[rule].names_u_boot()) {
        return Err(IgnoreReason::OtherVendorClass.into());
    }
    client.raspberry_pi |= decision.as_raspberry_pi && client.can_be_raspberry_pi();
    let as_recognised = client.stage;
    if let Stage::Ipxe(features) = client.stage {
        client.stage = stage_of_ipxe(plan, memory, client, features, &decision, arrival.now);
    }
    let choice = memory.choice(client, arrival.now);
    let boot = match choose(plan, client, &decision, choice, way.here()) {
        // No loader of ours could take its place: it does what it can by itself.
        Err(_) if matches!(client.stage, Stage::ReplacedIpxe(lacks) if !lacks.is_empty()) => {
            client.stage = as_recognised;
            choose(plan, client, &decision, choice, way.here())
        }
        chosen => chosen,
    }?;
    if matches!(client.stage, Stage::Ipxe(_)) {
        memory.note_ipxe(client, arrival.now);
    }
    let response = way.write(plan, client, boot, replies)?;
    let rule = decision.rule.filter(|rule| plan.rules[*rule].needs_dhcp_packet());
    note(memory, arrival, &packet, client, rule.map(|rule| plan.rule_ref(rule)), &response);
    Ok(response)
}

/// Whether an iPXE is given what it asks for, or our loader first. It is given that where a rule says so, or where its
/// list of features lacks what it needs; once, because what asks after that is our loader, or no better off with it.
fn stage_of_ipxe(
    plan: &Plan,
    memory: &mut Observations,
    client: &Client,
    features: Option<Features>,
    decision: &Decision,
    now: u64,
) -> Stage {
    if decision.as_firmware {
        let loaded = memory.loaded_at(client, now).is_some();
        return if loaded { client.stage } else { Stage::ReplacedIpxe(Features::default()) };
    }
    let lacks = features.unwrap_or_default().missing(required_features(plan, decision, client.arch));
    if lacks.is_empty() {
        memory.note_capable(client);
        return client.stage;
    }
    if memory.was_replaced(client, now) { client.stage } else { Stage::ReplacedIpxe(lacks) }
}

/// Who has sent a packet, as far as it says so itself.
pub fn recognise(plan: &Plan, arrival: &Arrival<'_>, packet: &DhcpPacket<'_>) -> Result<Client, IgnoreReason> {
    let (port, words) = (arrival.port, &plan.user_classes);
    match (packet, arrival.from) {
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => recognise6(packet, port, *from.ip(), &plan.dhcp6.duid, words),
        (DhcpPacket::Dhcp4(message), _) => {
            let client = recognise4(message, port, words, &plan.vendor_classes, || plan.serves_u_boot())?;
            // iPXE says on 4011 whose offer it took; EDK2 says nothing.
            let asked =
                message.address(code::SERVER_ID).filter(|_| client.message_type == DhcpMessageType::Dhcp4(MessageType::Request));
            let is_ours = asked.is_none_or(|server| arrival.is_local(server));
            is_ours.then_some(client).ok_or(IgnoreReason::OtherServer)
        }
        (DhcpPacket::Dhcp6(_), SocketAddr::V4(_)) => Err(IgnoreReason::Reply),
    }
}

/// The request and the way back.
enum Way<'a> {
    Dhcp4(&'a dhcp4::Message<'a>, Destination, Ipv4Addr),
    Dhcp6(&'a dhcp6::Packet<'a>, Route),
}

impl Way<'_> {
    /// Our address as the client knows it.
    fn here(&self) -> IpAddr {
        match self {
            Way::Dhcp4(_, _, here) => (*here).into(),
            Way::Dhcp6(_, route) => route.local_addr.into(),
        }
    }

    /// shape - build
    fn write(&self, plan: &Plan, client: &Client, boot: Boot, replies: &mut Replies) -> Result<Response, Silence> {
        match *self {
            Way::Dhcp4(message, to, here) => {
                let shape = Shape::new(client, boot.clone(), here, plan.boot_server)?;
                replies.push(to, |out| reply4::write(message, client.port, &shape, here, out))?;
                Ok(Response { message_type: DhcpMessageType::Dhcp4(shape.message_type), shape: shape.name, boot, destination: to })
            }
            Way::Dhcp6(packet, Route { destination: to, second_destination: also, local_addr: here }) => {
                let shape = Shape6::new(plan, client, &boot, || format!("tftp://{}/", host(here)));
                for to in iter::once(to).chain(also) {
                    replies.push(to, |out| {
                        reply6::write(packet, &shape, &plan.dhcp6.duid, out);
                        Ok::<_, Silence>(())
                    })?;
                }
                Ok(Response { message_type: DhcpMessageType::Dhcp6(shape.message_type), shape: shape.name, boot, destination: to })
            }
        }
    }
}

/// What later answers need to know of this one.
fn note(
    memory: &mut Observations,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    rule: Option<RuleRef>,
    response: &Response,
) {
    if client.port == Port::Dhcp {
        memory.note_offer(client, rule.filter(|_| client.relay.is_some()), arrival.now);
    }
    if matches!(client.stage, Stage::ReplacedIpxe(lacks) if !lacks.is_empty()) {
        memory.note_replaced(client, arrival.now);
    }
    if let Some(item) = client.boot_item {
        memory.note_choice(client, item.server_type, arrival.now);
        memory.boot_attempts.note_contact(&client.hardware, false, arrival.now);
    }
    if let DhcpPacket::Dhcp4(message) = packet
        && client.message_type == DhcpMessageType::Dhcp4(MessageType::Discover)
        && client.port == Port::Dhcp
    {
        let offer = SentOffer { xid: message.header.xid, link: arrival.link().index, next: next(response) };
        memory.boot_attempts.note_offer(client, offer, arrival.now);
    }
}

/// Where a machine that takes the offer comes next.
fn next(Response { shape, boot, destination: to, .. }: &Response) -> NextContact {
    let url_elsewhere = boot.source == BootSource::ConfiguredScript && boot.file.contains("://");
    match (shape, boot.file.strip_prefix("http://")) {
        (ShapeName::Redirect, _) => NextContact::BootServer,
        (ShapeName::Direct, _) if boot.server != to.from.ip() || url_elsewhere => NextContact::Elsewhere,
        (ShapeName::Direct, None) => NextContact::Tftp,
        (ShapeName::Direct, Some(url)) => {
            let host = url.split('/').next().unwrap_or_default();
            NextContact::Http(host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80))
        }
        _ => NextContact::Elsewhere,
    }
}

/// What another DHCP or boot server says to a machine, heard on port 68: nothing to answer, but it shows why a machine
/// does not take what we offer. One on our own address is no other.
pub fn overhear_offer(memory: &mut Observations, links: &[Link], datagram: &[u8], now: u64) -> Result<(), dhcp4::Malformed> {
    let message = dhcp4::Message::parse(datagram)?;
    let is_ours = |server: Ipv4Addr| links.iter().any(|link| link.owns(server));
    // The DHCP server may be on this host: it gives addresses.
    let is_our_offer = message.header.yiaddr.is_unspecified() && message.address(code::SERVER_ID).is_none_or(is_ours);
    if !is_our_offer {
        memory.boot_attempts.note_overheard(&message, now);
    }
    Ok(())
}

fn overhear(plan: &Plan, packet: &DhcpPacket<'_>, arrival: &Arrival<'_>, memory: &mut Observations) {
    match (packet, arrival.from) {
        (DhcpPacket::Dhcp4(message), _) => overhear4(plan, message, arrival, memory),
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => overhear6(plan, packet, arrival, *from.ip(), memory),
        (DhcpPacket::Dhcp6(_), SocketAddr::V4(_)) => {}
    }
}

/// A REQUEST says which address its sender has, or is about to have: to the DHCP server, in a broadcast (RFC 2131
/// 4.3.2), or to us. Files are asked for from that address.
fn overhear4(plan: &Plan, message: &dhcp4::Message<'_>, arrival: &Arrival<'_>, memory: &mut Observations) {
    let (header, now) = (&message.header, arrival.now);
    // All who have no hardware address would be one machine.
    if header.hlen == 0 {
        return;
    }
    let hardware = HardwareAddress::from_header(header);
    let machine = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
    if arrival.port == Port::BootServer {
        memory.note_boot_server_request(&hardware, header.ciaddr.into(), now);
    } else if message.message_type() == Some(MessageType::Request) {
        let request = message.address(code::SERVER_ID).map(|server| AddressRequest {
            server,
            is_remote: !arrival.reaches(server),
            at: now,
            secs: header.secs,
        });
        memory.boot_attempts.note_request(&hardware, header.xid, request, now);
    }
    let Some(vendor_class) = message.option(code::VENDOR_CLASS) else { return };
    let (Some(class), Some(MessageType::Request)) = (Class::from_vendor_class(&vendor_class), message.message_type()) else { return };
    let ciaddr = Some(header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified());
    if let Some(address) = ciaddr.or_else(|| message.address(code::REQUESTED_ADDRESS)) {
        let hardware = memory.resolve_hardware(Some(address.into()), &hardware, machine);
        let firmware = FirmwareInfo {
            arch: architecture(message, class, &vendor_class).ok().map(|(arch, _)| arch),
            features: message.option(code::IPXE).and_then(|value| Features::parse(&value)),
        };
        memory.note_address(address, AddressOwner { hardware, machine, firmware }, now);
        if vouches(plan, arrival, Relay::from_message(message).as_ref(), address.into()) {
            memory.note_vouched(address.into(), now);
        }
    }
}

/// Whether what was heard comes from the link of this address, or from a relay that the plan lists: what a packet says
/// of its relay, any host can write. Only a datagram to all of a link cannot have come from beyond it.
fn vouches(plan: &Plan, arrival: &Arrival<'_>, relay: Option<&Relay>, address: IpAddr) -> bool {
    let to_all = match arrival.to {
        IpAddr::V4(to) => to.is_broadcast(),
        IpAddr::V6(to) => to.is_multicast(),
    };
    match relay {
        Some(relay) => relay.is_listed(&plan.relays) && plan.relays.contains(&arrival.from.ip()),
        None => to_all && !arrival.via_other_link && arrival.port == Port::Dhcp && arrival.link().reaches(address),
    }
}

/// The same of DHCPv6, through a relay or not: the REQUEST for an address is a multicast, and names the one that the
/// server has offered.
fn overhear6(plan: &Plan, packet: &dhcp6::Packet<'_>, arrival: &Arrival<'_>, source: Ipv6Addr, memory: &mut Observations) {
    let message = &packet.message;
    let Ok((class, vendor_class)) = class6(message) else { return };
    if message.message_type != dhcp6::MessageType::Request || arrival.port != Port::Dhcp {
        return;
    }
    let duid = message.option(dhcp6::code::CLIENT_ID).map(HardwareAddress::from_duid);
    let firmware =
        FirmwareInfo { arch: architecture6(message, class, vendor_class).ok().map(|(arch, _)| arch), features: None };
    let hardware = memory.resolve_hardware(None, &hardware6(packet, source), None);
    let holder = AddressOwner { hardware, machine: None, firmware };
    let relay = Relay::from_hops(&packet.hops, source);
    for address in message.addresses() {
        memory.note_address(address, holder, arrival.now);
        if vouches(plan, arrival, relay.as_ref(), address.into()) {
            memory.note_vouched(address.into(), arrival.now);
        }
        duid.iter().for_each(|duid| memory.note_lease(duid, address, arrival.now));
    }
}

/// Of each rule up to the one that matches, the conditions that do not hold: what `explain` tells of a packet.
pub fn unmet(
    plan: &Plan,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    decision: &Decision,
) -> Vec<Vec<Condition>> {
    with_subject(arrival, packet, client, |subject| {
        let subject = &decision.certain_subject(subject);
        let known = decision.entry().is_some();
        let mut all = Vec::new();
        for (index, rule) in plan.rules.iter().enumerate() {
            let misses: Vec<Condition> = rule.unmet(index, subject, known).collect();
            let matched = misses.is_empty();
            all.push(misses);
            if matched {
                break;
            }
        }
        all
    })
}

/// The address of a machine that shows its UUID or DUID in the place of it.
fn complete(client: &mut Client, memory: &Observations) {
    if client.identifiers.macs == [None; 3] {
        client.identifiers.macs[0] = memory.resolve_hardware(client.address, &client.hardware, client.machine_id).mac();
    }
}

fn of_packet(plan: &Plan, memory: &Observations, arrival: &Arrival<'_>, packet: &DhcpPacket<'_>, client: &Client) -> Decision {
    // What the relay said is not said again to the boot server.
    let asks_boot_server = client.port == Port::BootServer;
    let met = if asks_boot_server { memory.relay_rule(client, arrival.now) } else { None };
    let heard = met.and_then(|met| plan.resolve_rule(met));
    with_subject(arrival, packet, client, |subject| {
        let subject = Subject { dhcp_rule: heard, is_file_request: heard.is_some(), ..subject.clone() };
        decide(plan, memory, &subject, None)
    })
}

fn with_subject<T>(
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    look: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let link = arrival.link();
    let on_link = || if client.is_v6() { link.address6().map(IpAddr::V6) } else { link.address().map(IpAddr::V4) };
    let relay = client.relay.map(|relay| relay.address);
    let beyond = client.relay.and_then(|relay| relay.subnet);
    let subject = Subject {
        readings: client.identifiers,
        arch: Some(client.arch),
        firmware: decide::firmware_kinds(client),
        interface: &link.name,
        subnet: beyond.or(relay).or(client.address).or_else(on_link),
        relays: [relay, beyond.filter(|_| client.is_v6())],
        ..Subject::default()
    };
    match packet {
        DhcpPacket::Dhcp4(message) => {
            let option = |code| message.option(code).unwrap_or_default();
            let (vendor_class, user_class) = (option(code::VENDOR_CLASS), option(code::USER_CLASS));
            let agent = option(code::RELAY_AGENT);
            look(&Subject {
                vendor_class: &vendor_class,
                user_classes: if user_class.is_empty() { Vec::new() } else { user_classes(&user_class) },
                circuit_id: SubOptions(&agent).find(|(code, _)| *code == 1).map_or(&[], |(_, value)| value),
                ..subject
            })
        }
        DhcpPacket::Dhcp6(packet) => look(&Subject {
            vendor_class: class6(&packet.message).map_or(&[], |(_, text)| text),
            user_classes: packet.message.user_classes(),
            interface_ids: packet.hops.iter().filter_map(|hop| hop.option(dhcp6::code::INTERFACE_ID)).collect(),
            ..subject
        }),
    }
}

impl Replies {
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Destination)> {
        self.list.iter().map(|(range, to)| (&self.octets[range.clone()], *to))
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
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
            Self::Ignored(reason) => reason.label(),
            Self::Refused(reason) => reason.label(),
            Self::NoBoot(reason) => reason.label(),
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::Ignored(reason) => reason.fmt(f),
            Self::Refused(reason) => reason.fmt(f),
            Self::NoBoot(reason) => reason.fmt(f),
        }
    }
}

impl From<MalformedDhcp> for Silence {
    fn from(reason: MalformedDhcp) -> Self {
        Self::Malformed(reason)
    }
}

impl From<IgnoreReason> for Silence {
    fn from(reason: IgnoreReason) -> Self {
        Self::Ignored(reason)
    }
}

impl From<RefuseReason> for Silence {
    fn from(reason: RefuseReason) -> Self {
        Self::Refused(reason)
    }
}

impl From<NoBoot> for Silence {
    fn from(reason: NoBoot) -> Self {
        Self::NoBoot(reason)
    }
}

impl From<reply4::TooLarge> for Silence {
    fn from(reply4::TooLarge { octets, max: most }: reply4::TooLarge) -> Self {
        Self::Refused(RefuseReason::TooLarge { octets, most })
    }
}
