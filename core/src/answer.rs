//! Answers a packet: all steps from its octets to the replies. The daemon, `explain`, the tests and the fuzz targets
//! call the same function, [`answer`].

mod overhear;
mod silence;
mod subject;

use crate::arrival::{Arrival, Port};
use crate::choose::{Boot, BootSource, choose, packet_rule};
use crate::client::{Class, Client, IgnoreReason, Program, identify, recognise4, recognise6};
use crate::decide::Decision;
use crate::identity::MachineIdentity;
use crate::observations::Observations;
use crate::observations::boot_attempts::SentOffer;
use crate::observations::finding::NextContact;
use crate::plan::Plan;
use crate::plan::policy::LoopGuard;
use crate::plan::rule::{Rule, RuleRef};
use crate::quirks::Quirks;
use crate::required_features::required_features;
use crate::route::{Destination, RefuseReason, route};
use crate::route6::{self, Route};
use crate::shape::{Shape, ShapeName};
use crate::shape6::Shape6;
use crate::url::host;
use crate::wire::dhcp4::{MessageType, code};
use crate::wire::pxe::Features;
use crate::wire::{DhcpMessageType, DhcpPacket, dhcp4, dhcp6};
use crate::{reply4, reply6};
use alloc::vec::Vec;
use core::iter;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
pub use overhear::{overhear, overhear_offer};
pub use silence::Silence;
use subject::decide_for_packet;
pub use subject::unmet;

/// The result for one packet: its sender, the decision, and the reply or the reason for silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The sender, if the packet was recognised.
    pub client: Option<Client>,
    /// The machine that sent a packet that is no boot request: a system that runs on it, for example.
    pub other_sender: Option<MachineIdentity>,
    /// The plan's decision for the client, if the server processed the packet that far.
    pub decision: Option<Decision>,
    /// The quirks of the client's firmware that applied.
    pub quirks: Quirks,
    /// The reply, or the reason for silence.
    pub reply: Result<Response, Silence>,
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
    answer.reply = process(plan, observations, arrival, replies, &mut answer);
    answer
}

/// Performs the steps: parse - identify - overhear - recognise - route - limit - decide - choose - shape - write. The
/// first step that fails gives the reason for silence. Three of the ten steps serve both families; the others have one
/// function for each family. Quirks apply after recognise, choose and shape.
fn process(
    plan: &Plan,
    observations: &mut Observations,
    arrival: &Arrival<'_>,
    replies: &mut Replies,
    partial: &mut Answer,
) -> Result<Response, Silence> {
    let packet = DhcpPacket::parse(arrival.datagram, arrival.from.is_ipv6())?;
    let machine = identify_sender(plan, observations, arrival, &packet);
    overhear(plan, &packet, arrival, &machine, observations);
    let (client, applied) = recognise(plan, arrival, &packet, machine).inspect_err(|_| {
        partial.other_sender = Some(identify_sender(plan, observations, arrival, &packet));
    })?;
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
            let lease = || client.machine.duid.and_then(|duid| observations.lease(&duid));
            RoutedRequest::Dhcp6(packet, route6::route(plan, arrival, from, client, was_offered, lease)?)
        }
        _ => return Err(IgnoreReason::Reply.into()),
    };
    observations.rate_limits.check(plan, arrival, client)?;
    if plan.policy.loop_guard == LoopGuard::Stop && observations.is_looping(client, arrival.now) {
        return Err(RefuseReason::BootLoop.into());
    }
    observations.uuid_claims.note(plan, client, arrival.now);
    let shared_mac = observations.shared_macs.note(plan, client, arrival.now);
    let decision = decide_for_packet(plan, observations, arrival, &packet, client);
    let decision = *partial.decision.insert(Decision { shared_mac, ..decision });
    if client.class == Class::UBoot && !decision.rule(plan).is_some_and(Rule::names_u_boot) {
        return Err(IgnoreReason::OtherVendorClass.into());
    }
    if let Some(dialect) = decision.as_dialect.filter(|dialect| client.can_have(dialect)) {
        quirks.declare(client, dialect);
    }
    let recognised_program = client.program;
    if let Program::Ipxe(features) = client.program {
        client.program = ipxe_program(plan, observations, client, features, &decision, arrival.now);
    }
    let choice = observations.choice(client, arrival.now);
    let boot = match choose(plan, client, &decision, choice, request.local_addr()) {
        // If none of our loaders can replace this iPXE, it boots with the features that it has.
        Err(_) if matches!(client.program, Program::ReplacedIpxe(lacks) if !lacks.is_empty()) => {
            client.program = recognised_program;
            choose(plan, client, &decision, choice, request.local_addr())
        }
        chosen => chosen,
    }?;
    if matches!(client.program, Program::Ipxe(_)) {
        observations.note_ipxe(client, arrival.now);
    }
    let response = request.write(plan, client, &packet, boot, quirks, replies)?;
    record(observations, arrival, &packet, client, packet_rule(plan, &decision), &response);
    Ok(response)
}

fn identify_sender(
    plan: &Plan,
    observations: &Observations,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
) -> MachineIdentity {
    let mut machine = identify(packet, arrival.from, &plan.policy.user_classes);
    observations.identify(&mut machine);
    machine
}

/// The program of an iPXE. It receives its script at once, unless a rule requires our loader first, or the iPXE lacks a
/// feature that its script needs. The machine receives our loader only once: its next request comes from that loader,
/// or from an iPXE that the loader could not replace.
fn ipxe_program(
    plan: &Plan,
    observations: &mut Observations,
    client: &Client,
    features: Option<Features>,
    decision: &Decision,
    now: u64,
) -> Program {
    if decision.as_firmware {
        let has_loaded = observations.loaded_at(client, now).is_some();
        return if has_loaded { client.program } else { Program::ReplacedIpxe(Features::default()) };
    }
    let missing = features.unwrap_or_default().missing(required_features(plan, decision, client.arch));
    if missing.is_empty() {
        observations.note_capable(client);
        return client.program;
    }
    if observations.was_replaced(client, now) { client.program } else { Program::ReplacedIpxe(missing) }
}

/// Recognises the sender of a packet, which `machine` identifies, with the quirks that apply to it.
pub fn recognise(
    plan: &Plan,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    machine: MachineIdentity,
) -> Result<(Client, Quirks), IgnoreReason> {
    let (port, classes) = (arrival.port, &plan.policy.user_classes);
    let mut client = match (packet, arrival.from) {
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(_)) => {
            recognise6(packet, machine, port, &plan.offer.dhcp6.duid, classes)
        }
        (DhcpPacket::Dhcp4(message), _) => {
            let client = recognise4(message, machine, port, classes, &plan.policy.vendor_classes, || {
                plan.policy.serves_u_boot()
            })?;
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
                let shape = Shape::new(client, &boot, local_addr, file_shape)?;
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
                    || (!quirks.hides_url(client, packet)).then(|| format_args!("tftp://{}/", host(local_addr)).into());
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
        observations.note_offer(client, rule.filter(|_| client.machine.relay.is_some()), arrival.now);
    }
    if matches!(client.program, Program::ReplacedIpxe(lacks) if !lacks.is_empty()) {
        observations.note_replaced(client, arrival.now);
    }
    if let Some(item) = client.boot_item {
        observations.note_choice(client, item.server_type, arrival.now);
        observations.boot_attempts.note_contact(client.machine.key, false, arrival.now);
    }
    if let DhcpPacket::Dhcp4(message) = packet
        && client.message_type == DhcpMessageType::Dhcp4(MessageType::Discover)
        && client.port == Port::Dhcp
    {
        let offer = SentOffer { xid: message.header.xid, link: arrival.link().index, next: response.next_contact() };
        observations.boot_attempts.note_offer(client, offer, arrival.now);
    }
    if let DhcpPacket::Dhcp6(packet) = packet
        && client.message_type == DhcpMessageType::Dhcp6(dhcp6::MessageType::Solicit)
    {
        let (transaction, link) = (packet.message.transaction_id, arrival.link().index);
        observations.boot_attempts.note_advertise(client, transaction, link, arrival.now);
    }
}

impl Response {
    /// The place to which a machine that accepts the offer sends its next request.
    pub fn next_contact(&self) -> NextContact {
        let Response { shape, boot, destination, .. } = self;
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
        self.reply.as_ref().ok()?.delay
    }
}

/// An answer without a reply, to a packet whose sender was not recognised.
impl From<Silence> for Answer {
    fn from(silence: Silence) -> Self {
        Answer { client: None, other_sender: None, decision: None, quirks: Quirks::default(), reply: Err(silence) }
    }
}
