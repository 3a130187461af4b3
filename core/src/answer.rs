//! Answers a packet: all steps from its octets to the replies. The daemon, `explain`, the tests and the fuzz targets
//! call the same function, [`answer`].

use crate::arrival::{Arrival, Port};
use crate::choose::{Boot, BootSource, NoBoot, choose, packet_rule};
use crate::client::{
    Class, Client, IgnoreReason, Relay, Stage, architecture4, architecture6, class6, hardware6, recognise4, recognise6,
};
use crate::decide::{self, Decision, decide};
use crate::identity::HardwareAddress;
use crate::link::Link;
use crate::observations::boot_attempts::{AddressRequest, SentOffer};
use crate::observations::finding::NextContact;
use crate::observations::{AddressOwner, FirmwareInfo, Observations};
use crate::plan::Plan;
use crate::plan::policy::LoopGuard;
use crate::plan::rule::{Condition, Rule, RuleRef, Subject};
use crate::quirks::Quirks;
use crate::required_features::required_features;
use crate::route::{Destination, RefuseReason, route};
use crate::route6::{self, Route};
use crate::shape::{Shape, ShapeName};
use crate::shape6::Shape6;
use crate::url::host;
use crate::wire::dhcp4::{MessageType, code};
use crate::wire::pxe::{Features, MachineId, SubOptions, user_classes};
use crate::wire::{DhcpMessageType, DhcpPacket, MalformedDhcp, dhcp4, dhcp6};
use crate::{reply4, reply6};
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use core::{fmt, iter};

/// The result for one packet: its sender, the decision, and the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The sender, if the packet was recognised.
    pub client: Option<Client>,
    /// The plan's decision for the client, if the server processed the packet that far.
    pub decision: Option<Decision>,
    /// The quirks of the client's firmware that applied.
    pub quirks: Quirks,
    /// The reply, or the reason for silence.
    pub verdict: Verdict,
}

/// The outcome of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server replies.
    Respond(Response),
    /// The server does not reply, for this reason.
    Silent(Silence),
}

/// The content of a reply; its octets are in [`Replies`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The message type of the reply.
    pub message_type: DhcpMessageType,
    /// The kind of shape.
    pub shape: ShapeName,
    /// The file that the client boots, and how.
    pub boot: Boot,
    /// The destination.
    pub destination: Destination,
    /// How long the reply waits before it is sent; `None` if the server sends it at once.
    pub delay: Option<Duration>,
}

/// Why the server does not reply. Silence always has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The packet cannot be parsed.
    Malformed(MalformedDhcp),
    /// The packet is not for this server.
    Ignored(IgnoreReason),
    /// The server refuses to answer this request.
    Refused(RefuseReason),
    /// The server has nothing that this client can boot.
    NoBoot(NoBoot),
}

/// The datagrams to send, in one buffer that the next packet reuses.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    ranges: Vec<(Range<usize>, Destination)>,
}

/// Answers a datagram: puts the replies into `replies`, after clearing it, and records in `observations` what later
/// answers need.
pub fn answer(plan: &Plan, observations: &mut Observations, arrival: &Arrival<'_>, replies: &mut Replies) -> Answer {
    replies.clear();
    let mut answer = Answer::from(Silence::Ignored(IgnoreReason::Reply));
    answer.verdict = match process(plan, observations, arrival, replies, &mut answer) {
        Ok(response) => Verdict::Respond(response),
        Err(silence) => Verdict::Silent(silence),
    };
    answer
}

/// Performs the steps: parse - overhear - recognise - route - limit - decide - choose - shape - write. The first step
/// that fails gives the reason for silence. Three of the nine steps serve both families; the other six have one
/// function for each family. Quirks apply after recognise, choose and shape.
fn process(
    plan: &Plan,
    observations: &mut Observations,
    arrival: &Arrival<'_>,
    replies: &mut Replies,
    partial: &mut Answer,
) -> Result<Response, Silence> {
    let packet = DhcpPacket::parse(arrival.datagram, arrival.from.is_ipv6())?;
    overhear(plan, &packet, arrival, observations);
    let (client, applied) = recognise(plan, arrival, &packet)?;
    let (client, quirks) = (partial.client.insert(client), &mut partial.quirks);
    *quirks = applied;
    let request = match (&packet, arrival.from) {
        (DhcpPacket::Dhcp4(message), SocketAddr::V4(from)) => {
            let (destination, local_addr) =
                route(plan, arrival, from, client, || observations.was_offered(client, arrival.now))?;
            RoutedRequest::Dhcp4(message, destination, local_addr)
        }
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => {
            let was_offered = || observations.was_offered(client, arrival.now);
            let lease = || client.duid.and_then(|duid| observations.lease(&duid));
            RoutedRequest::Dhcp6(packet, route6::route(plan, arrival, from, client, was_offered, lease)?)
        }
        _ => return Err(IgnoreReason::Reply.into()),
    };
    observations.rate_limits.check(plan, arrival, client)?;
    if plan.policy.loop_guard == LoopGuard::Stop && observations.is_looping(client, arrival.now) {
        return Err(RefuseReason::BootLoop.into());
    }
    observations.uuid_claims.note(plan, client, arrival.now);
    add_observed_mac(client, observations);
    let decision = *partial.decision.insert(decide_for_packet(plan, observations, arrival, &packet, client));
    if client.class == Class::UBoot && !decision.rule(plan).is_some_and(Rule::names_u_boot) {
        return Err(IgnoreReason::OtherVendorClass.into());
    }
    if let Some(dialect) = decision.as_dialect.filter(|dialect| client.can_have(dialect)) {
        quirks.declare(client, dialect);
    }
    let recognised_stage = client.stage;
    if let Stage::Ipxe(features) = client.stage {
        client.stage = ipxe_stage(plan, observations, client, features, &decision, arrival.now);
    }
    let choice = observations.choice(client, arrival.now);
    let boot = match choose(plan, client, &decision, choice, request.local_addr()) {
        // If none of our loaders can replace this iPXE, it boots with the features that it has.
        Err(_) if matches!(client.stage, Stage::ReplacedIpxe(lacks) if !lacks.is_empty()) => {
            client.stage = recognised_stage;
            choose(plan, client, &decision, choice, request.local_addr())
        }
        chosen => chosen,
    }?;
    if matches!(client.stage, Stage::Ipxe(_)) {
        observations.note_ipxe(client, arrival.now);
    }
    let response = request.write(plan, client, &packet, boot, quirks, replies)?;
    record(observations, arrival, &packet, client, packet_rule(plan, &decision), &response);
    Ok(response)
}

/// The stage of an iPXE. It receives its script at once, unless a rule requires our loader first, or the iPXE lacks a
/// feature that its script needs. The machine receives our loader only once: its next request comes from that loader,
/// or from an iPXE that the loader could not replace.
fn ipxe_stage(
    plan: &Plan,
    observations: &mut Observations,
    client: &Client,
    features: Option<Features>,
    decision: &Decision,
    now: u64,
) -> Stage {
    if decision.as_firmware {
        let has_loaded = observations.loaded_at(client, now).is_some();
        return if has_loaded { client.stage } else { Stage::ReplacedIpxe(Features::default()) };
    }
    let missing = features.unwrap_or_default().missing(required_features(plan, decision, client.arch));
    if missing.is_empty() {
        observations.note_capable(client);
        return client.stage;
    }
    if observations.was_replaced(client, now) { client.stage } else { Stage::ReplacedIpxe(missing) }
}

/// Recognises the sender of a packet, from the packet alone, with the quirks that apply to it.
pub fn recognise(
    plan: &Plan,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
) -> Result<(Client, Quirks), IgnoreReason> {
    let (port, classes) = (arrival.port, &plan.policy.user_classes);
    let mut client = match (packet, arrival.from) {
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => {
            recognise6(packet, port, *from.ip(), &plan.offer.dhcp6.duid, classes)
        }
        (DhcpPacket::Dhcp4(message), _) => {
            let client =
                recognise4(message, port, classes, &plan.policy.vendor_classes, || plan.policy.serves_u_boot())?;
            // On port 4011, iPXE sends the identifier of the server whose offer it accepted. EDK2 sends no server
            // identifier.
            let server_id = message
                .address(code::SERVER_ID)
                .filter(|_| client.message_type == DhcpMessageType::Dhcp4(MessageType::Request));
            let is_ours = server_id.is_none_or(|server| arrival.is_local(server));
            is_ours.then_some(client).ok_or(IgnoreReason::OtherServer)
        }
        (DhcpPacket::Dhcp6(_), SocketAddr::V4(_)) => Err(IgnoreReason::Reply),
    }?;
    let quirks = Quirks::recognise(&mut client, packet);
    Ok((client, quirks))
}

/// A request and the destination of its reply.
enum RoutedRequest<'a> {
    Dhcp4(&'a dhcp4::Message<'a>, Destination, Ipv4Addr),
    Dhcp6(&'a dhcp6::Packet<'a>, Route),
}

impl RoutedRequest<'_> {
    /// The server's address as the client reaches it.
    fn local_addr(&self) -> IpAddr {
        match self {
            RoutedRequest::Dhcp4(_, _, local_addr) => (*local_addr).into(),
            RoutedRequest::Dhcp6(_, route) => route.local_addr.into(),
        }
    }

    /// Performs the steps shape and write: adds the datagrams to `replies`, and returns the content of the reply.
    fn write(
        &self,
        plan: &Plan,
        client: &Client,
        packet: &DhcpPacket<'_>,
        boot: Boot,
        quirks: &mut Quirks,
        replies: &mut Replies,
    ) -> Result<Response, Silence> {
        match *self {
            RoutedRequest::Dhcp4(message, destination, local_addr) => {
                let file_shape = || quirks.file_shape(client, packet, plan.offer.boot_server);
                let shape = Shape::new(client, boot.clone(), local_addr, file_shape)?;
                replies.push(destination, |out| reply4::write(message, client.port, &shape, local_addr, out))?;
                Ok(Response {
                    message_type: DhcpMessageType::Dhcp4(shape.message_type),
                    shape: shape.name,
                    boot,
                    destination,
                    delay: quirks.delay(client, packet),
                })
            }
            RoutedRequest::Dhcp6(message, Route { destination, second_destination, local_addr }) => {
                let boot_server_url =
                    || (!quirks.hides_url(client, packet)).then(|| format!("tftp://{}/", host(local_addr)));
                let shape = Shape6::new(plan, client, &boot, boot_server_url);
                let second = second_destination.filter(|_| quirks.reaches_lease(client, packet));
                for to in iter::once(destination).chain(second) {
                    replies.push(to, |out| {
                        reply6::write(message, &shape, &plan.offer.dhcp6.duid, out);
                        Ok::<_, Silence>(())
                    })?;
                }
                Ok(Response {
                    message_type: DhcpMessageType::Dhcp6(shape.message_type),
                    shape: shape.name,
                    boot,
                    destination,
                    delay: quirks.delay(client, packet),
                })
            }
        }
    }
}

/// Records what later answers need about a request that the server answers.
fn record(
    observations: &mut Observations,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    rule: Option<RuleRef>,
    response: &Response,
) {
    if client.port == Port::Dhcp {
        observations.note_offer(client, rule.filter(|_| client.relay.is_some()), arrival.now);
    }
    if matches!(client.stage, Stage::ReplacedIpxe(lacks) if !lacks.is_empty()) {
        observations.note_replaced(client, arrival.now);
    }
    if let Some(item) = client.boot_item {
        observations.note_choice(client, item.server_type, arrival.now);
        observations.boot_attempts.note_contact(&client.hardware, false, arrival.now);
    }
    if let DhcpPacket::Dhcp4(message) = packet
        && client.message_type == DhcpMessageType::Dhcp4(MessageType::Discover)
        && client.port == Port::Dhcp
    {
        let offer = SentOffer { xid: message.header.xid, link: arrival.link().index, next: next_contact(response) };
        observations.boot_attempts.note_offer(client, offer, arrival.now);
    }
}

/// Where a machine that accepts the offer sends its next request.
fn next_contact(Response { shape, boot, destination, .. }: &Response) -> NextContact {
    let is_external_url = boot.source == BootSource::ConfiguredScript && boot.file.contains("://");
    match (shape, boot.file.strip_prefix("http://")) {
        (ShapeName::Redirect, _) => NextContact::BootServer,
        (ShapeName::Direct, _) if boot.server != destination.from.ip() || is_external_url => NextContact::Elsewhere,
        (ShapeName::Direct, None) => NextContact::Tftp,
        (ShapeName::Direct, Some(url)) => {
            let host = url.split('/').next().unwrap_or_default();
            NextContact::Http(host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80))
        }
        _ => NextContact::Elsewhere,
    }
}

/// Overhears a message that another DHCP server or boot server sends to a client on port 68. The message needs no
/// answer, but may explain why a machine does not take our offer. If the server identifier is absent or is an address
/// of this host, the message counts as our own offer and is ignored, unless it assigns an IP address: the DHCP server
/// may run on this host. Returns an error if the message cannot be parsed.
pub fn overhear_offer(
    observations: &mut Observations,
    links: &[Link],
    datagram: &[u8],
    now: u64,
) -> Result<(), dhcp4::Malformed> {
    let message = dhcp4::Message::parse(datagram)?;
    let is_ours = |server: Ipv4Addr| links.iter().any(|link| link.owns(server));
    let is_our_offer = message.header.yiaddr.is_unspecified() && message.address(code::SERVER_ID).is_none_or(is_ours);
    if !is_our_offer {
        observations.boot_attempts.note_overheard(&message, now);
    }
    Ok(())
}

fn overhear(plan: &Plan, packet: &DhcpPacket<'_>, arrival: &Arrival<'_>, observations: &mut Observations) {
    match (packet, arrival.from) {
        (DhcpPacket::Dhcp4(message), _) => overhear4(plan, message, arrival, observations),
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => overhear6(plan, packet, arrival, *from.ip(), observations),
        (DhcpPacket::Dhcp6(_), SocketAddr::V4(_)) => {}
    }
}

/// Overhears the address that a REQUEST states: the address that the client has, or is about to have. The client
/// broadcasts the REQUEST to the DHCP server (RFC 2131 4.3.2), or sends it to this server. The client's file requests
/// will come from that address.
fn overhear4(plan: &Plan, message: &dhcp4::Message<'_>, arrival: &Arrival<'_>, observations: &mut Observations) {
    let (header, now) = (&message.header, arrival.now);
    // All clients without a hardware address would count as one machine.
    if header.hlen == 0 {
        return;
    }
    let hardware = HardwareAddress::from_header(header);
    let machine_id = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
    if arrival.port == Port::BootServer {
        observations.note_boot_server_request(&hardware, header.ciaddr.into(), now);
    } else if message.message_type() == Some(MessageType::Request) {
        let request = message.address(code::SERVER_ID).map(|server| AddressRequest {
            server,
            is_remote: !arrival.reaches(server),
            at: now,
            secs: header.secs,
        });
        observations.boot_attempts.note_request(&hardware, header.xid, request, now);
    }
    let Some(vendor_class) = message.option(code::VENDOR_CLASS) else { return };
    let (Some(class), Some(MessageType::Request)) = (Class::from_vendor_class(&vendor_class), message.message_type())
    else {
        return;
    };
    let ciaddr = Some(header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified());
    if let Some(address) = ciaddr.or_else(|| message.address(code::REQUESTED_ADDRESS)) {
        let hardware = observations.resolve_hardware(Some(address.into()), &hardware, machine_id);
        let firmware = FirmwareInfo {
            arch: architecture4(message, class, &vendor_class).ok().map(|(arch, _)| arch),
            features: message.option(code::IPXE).and_then(|value| Features::parse(&value)),
        };
        observations.note_address(address, AddressOwner { hardware, machine_id, firmware }, now);
        if proves_address(plan, arrival, Relay::from_message(message).as_ref(), address.into()) {
            observations.note_vouched(address.into(), now);
        }
    }
}

/// Whether a packet proves that its sender has this address: the packet comes from the link of the address, or from a
/// listed relay. The source address must be that of a listed relay as well, because any host can forge the relay fields
/// of a packet. Without a relay, the packet must be a broadcast or a multicast, because only those cannot come from
/// beyond the link.
fn proves_address(plan: &Plan, arrival: &Arrival<'_>, relay: Option<&Relay>, address: IpAddr) -> bool {
    let is_link_wide = match arrival.to {
        IpAddr::V4(to) => to.is_broadcast(),
        IpAddr::V6(to) => to.is_multicast(),
    };
    match relay {
        Some(relay) => relay.is_listed(&plan.policy.relays) && plan.policy.relays.contains(&arrival.from.ip()),
        None => {
            is_link_wide && !arrival.via_other_link && arrival.port == Port::Dhcp && arrival.link().reaches(address)
        }
    }
}

/// Does for DHCPv6 what [`overhear4`] does for DHCPv4, with or without a relay. The client multicasts a REQUEST for an
/// address, which contains the address that the DHCPv6 server offered.
fn overhear6(
    plan: &Plan,
    packet: &dhcp6::Packet<'_>,
    arrival: &Arrival<'_>,
    source: Ipv6Addr,
    observations: &mut Observations,
) {
    let message = &packet.message;
    let Ok((class, vendor_class)) = class6(message) else { return };
    if message.message_type != dhcp6::MessageType::Request || arrival.port != Port::Dhcp {
        return;
    }
    let duid = message.option(dhcp6::code::CLIENT_ID).map(HardwareAddress::from_duid);
    let firmware =
        FirmwareInfo { arch: architecture6(message, class, vendor_class).ok().map(|(arch, _)| arch), features: None };
    let hardware = observations.resolve_hardware(None, &hardware6(packet, source), None);
    let owner = AddressOwner { hardware, machine_id: None, firmware };
    let relay = Relay::from_hops(&packet.hops, source);
    for address in message.addresses() {
        observations.note_address(address, owner, arrival.now);
        if proves_address(plan, arrival, relay.as_ref(), address.into()) {
            observations.note_vouched(address.into(), arrival.now);
        }
        duid.iter().for_each(|duid| observations.note_lease(duid, address, arrival.now));
    }
}

/// The unmet conditions of each rule, up to and including the rule that matches, for which the list is empty. `explain`
/// shows them.
pub fn unmet(
    plan: &Plan,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    decision: &Decision,
) -> Vec<Vec<Condition>> {
    with_subject(arrival, packet, client, |subject| {
        let subject = &decision.certain_subject(subject);
        let known = decision.entry(plan).is_some();
        let mut all = Vec::new();
        for (index, rule) in plan.policy.rules.iter().enumerate() {
            let unmet: Vec<Condition> = rule.unmet(index, subject, known).collect();
            let matched = unmet.is_empty();
            all.push(unmet);
            if matched {
                break;
            }
        }
        all
    })
}

/// Adds the MAC address that the server has observed for the machine, if the packet states only a UUID or a DUID.
fn add_observed_mac(client: &mut Client, observations: &Observations) {
    if client.identifiers.macs == [None; 3] {
        client.identifiers.macs[0] =
            observations.resolve_hardware(client.address, &client.hardware, client.machine_id).mac();
    }
}

fn decide_for_packet(
    plan: &Plan,
    observations: &Observations,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
) -> Decision {
    // A request on port 4011 does not contain the relay's options, so the rule that matched the earlier request decides
    // again.
    let asks_boot_server = client.port == Port::BootServer;
    let rule_ref = if asks_boot_server { observations.relay_rule(client, arrival.now) } else { None };
    let dhcp_rule = rule_ref.and_then(|rule_ref| plan.policy.resolve_rule(rule_ref));
    with_subject(arrival, packet, client, |subject| {
        let subject = Subject { dhcp_rule, is_file_request: dhcp_rule.is_some(), ..subject.clone() };
        decide(plan, observations, &subject, None)
    })
}

fn with_subject<T>(
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    then: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let link = arrival.link();
    let on_link = || if client.is_v6() { link.address6().map(IpAddr::V6) } else { link.address().map(IpAddr::V4) };
    let relay = client.relay.map(|relay| relay.address);
    let client_subnet = client.relay.and_then(|relay| relay.subnet);
    let subject = Subject {
        identifiers: client.identifiers,
        arch: Some(client.arch),
        firmware: decide::firmware_kinds(client),
        interface: &link.name,
        subnet: client_subnet.or(relay).or(client.address).or_else(on_link),
        relays: [relay, client_subnet.filter(|_| client.is_v6())],
        ..Subject::default()
    };
    match packet {
        DhcpPacket::Dhcp4(message) => {
            let option = |code| message.option(code).unwrap_or_default();
            let (vendor_class, user_class) = (option(code::VENDOR_CLASS), option(code::USER_CLASS));
            let agent = option(code::RELAY_AGENT);
            then(&Subject {
                vendor_class: &vendor_class,
                user_classes: if user_class.is_empty() { Vec::new() } else { user_classes(&user_class) },
                circuit_id: SubOptions(&agent).find(|(code, _)| *code == 1).map_or(&[], |(_, value)| value),
                ..subject
            })
        }
        DhcpPacket::Dhcp6(packet) => then(&Subject {
            vendor_class: class6(&packet.message).map_or(&[], |(_, text)| text),
            user_classes: packet.message.user_classes(),
            interface_ids: packet.hops.iter().filter_map(|hop| hop.option(dhcp6::code::INTERFACE_ID)).collect(),
            ..subject
        }),
    }
}

impl Replies {
    /// The datagrams with their destinations.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Destination)> {
        self.ranges.iter().map(|(range, to)| (&self.octets[range.clone()], *to))
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.ranges.clear();
    }

    fn push<E>(&mut self, to: Destination, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.octets.len();
        write(&mut self.octets)?;
        self.ranges.push((start..self.octets.len(), to));
        Ok(())
    }
}

impl Answer {
    /// How long the reply waits before it is sent; `None` if the server sends it at once, or sends none.
    pub fn delay(&self) -> Option<Duration> {
        match &self.verdict {
            Verdict::Respond(response) => response.delay,
            Verdict::Silent(_) => None,
        }
    }
}

/// An answer without a reply, to a packet whose sender was not recognised.
impl From<Silence> for Answer {
    fn from(silence: Silence) -> Self {
        Answer { client: None, decision: None, quirks: Quirks::default(), verdict: Verdict::Silent(silence) }
    }
}

impl Silence {
    /// The label for counters, logs and scripts.
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
    fn from(reply4::TooLarge { octets, max }: reply4::TooLarge) -> Self {
        Self::Refused(RefuseReason::TooLarge { octets, max })
    }
}
