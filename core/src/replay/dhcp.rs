//! The DHCP requests of machines, the replies of the servers to them, and the offers of other servers.

use super::context::{Context, LINK_INDEX};
use super::offered::Offered;
use super::request::{Request, Transaction};
use crate::answer::{overhear, overhear_offer, recognise};
use crate::arrival::{Arrival, Port};
use crate::capture::Packet;
use crate::client::{IgnoreReason, identify};
use crate::identity::MachineKey;
use crate::observations::boot_attempts::SentOffer;
use crate::story::{OfferKind, ShortText, StoryWhat};
use crate::wire::dhcp4::{MessageType, OP_REQUEST};
use crate::wire::{DhcpMessageType, DhcpPacket, dhcp6};
use core::net::{IpAddr, SocketAddr};

/// A server replies within this time, in milliseconds.
const REPLY_WAIT: u64 = 2000;
/// The maximum number of requests that wait for a reply.
const MAX_REQUESTS: usize = 4096;

/// Adds a packet. Returns the machine, if the packet is a request for a boot.
pub fn packet(context: &mut Context, packet: &Packet<'_>) -> Option<MachineKey> {
    let is_v6 = packet.from.is_ipv6();
    let parsed = DhcpPacket::parse(packet.payload, is_v6).ok()?;
    let is_request = match &parsed {
        DhcpPacket::Dhcp4(message) => message.header.op == OP_REQUEST,
        DhcpPacket::Dhcp6(packet) => !matches!(
            packet.message.message_type,
            dhcp6::MessageType::Advertise | dhcp6::MessageType::Reply | dhcp6::MessageType::Reconfigure
        ),
    };
    if is_request {
        return request(context, packet, &parsed);
    }
    reply(context, packet, &parsed);
    None
}

/// Adds the requests without a reply.
pub fn expire(context: &mut Context, now: u64) {
    while context.requests.front().is_some_and(|request| now.saturating_sub(request.at) >= REPLY_WAIT) {
        let Some(request) = context.requests.pop_front() else { return };
        context.note_no_reply(&request);
    }
}

/// Adds the requests that have no reply at the end of the capture.
pub fn finish(context: &mut Context) {
    while let Some(request) = context.requests.pop_front() {
        context.note_no_reply(&request);
    }
}

fn request(context: &mut Context, packet: &Packet<'_>, parsed: &DhcpPacket<'_>) -> Option<MachineKey> {
    let Packet { from, to, payload, .. } = *packet;
    let port = match to.port() {
        67 | 547 => Port::Dhcp,
        4011 => Port::BootServer,
        _ => return None,
    };
    if !is_received(context, to.ip()) {
        return None;
    }
    let (links, now) = (&context.links, context.now);
    let (to, via_other_link) = (to.ip(), false);
    let arrival = Arrival { datagram: payload, port, from, to, links, link: 0, via_other_link, now };
    let mut machine = identify(parsed, from, &[]);
    context.observations.identify(&mut machine);
    overhear(&context.plan, parsed, &arrival, &machine, &mut context.observations);
    let recognised = recognise(&context.plan, &arrival, parsed, machine.clone());
    match recognised {
        Ok((client, _)) => {
            context.observations.uuid_claims.note(&context.plan, &client, now);
            let key = client.machine.key;
            add(context, Request { at: now, client, transaction: Transaction::new(parsed) });
            Some(key)
        }
        Err(reason) if is_system(reason) => {
            context.observations.identify(&mut machine);
            context.note_progress(now, &machine, StoryWhat::SystemRequest);
            None
        }
        Err(_) => None,
    }
}

fn add(context: &mut Context, request: Request) {
    // The same packet, received twice.
    let is_same =
        |known: &Request| known.transaction == request.transaction && known.client.port == request.client.port;
    if context.requests.iter().any(is_same) {
        return;
    }
    if context.requests.len() >= MAX_REQUESTS
        && let Some(oldest) = context.requests.pop_front()
    {
        context.note_no_reply(&oldest);
    }
    context.requests.push_back(request);
}

fn reply(context: &mut Context, packet: &Packet<'_>, parsed: &DhcpPacket<'_>) {
    let assigns_address = match parsed {
        DhcpPacket::Dhcp4(message) => !message.header.yiaddr.is_unspecified(),
        DhcpPacket::Dhcp6(packet) => packet.message.addresses().next().is_some(),
    };
    if packet.from.is_ipv4() {
        // The octets were parsed already.
        let _ = overhear_offer(&mut context.observations, &context.links, LINK_INDEX, packet.payload, context.now);
    }
    if assigns_address || !context.is_server(packet.from.ip()) {
        return;
    }
    let transaction = Transaction::new(parsed);
    let found = context.requests.iter().rposition(|request| request.transaction == transaction);
    let Some(request) = found.and_then(|index| context.requests.remove(index)) else { return };
    request.note_reply(context, packet.from.ip(), parsed);
}

impl Request {
    fn note_reply(self, context: &mut Context, from: IpAddr, reply: &DhcpPacket<'_>) {
        let (client, now) = (&self.client, context.now);
        let offered = match reply {
            DhcpPacket::Dhcp4(message) => Offered::from_dhcp4(context, client, from, message),
            DhcpPacket::Dhcp6(packet) => Offered::from_dhcp6(client, &packet.message),
        };
        self.record(context, reply, &offered);
        context.note(
            now,
            &client.machine,
            StoryWhat::Replied {
                client: client.into(),
                port: client.port,
                file: ShortText::new(&offered.file),
                offer: offered.kind,
                profile: ShortText::default(),
            },
        );
        if let Some(item) = client.boot_item {
            context.note(now, &client.machine, StoryWhat::MenuChoice(item.server_type));
        }
    }

    /// Records what the server records about a request that it answers.
    fn record(&self, context: &mut Context, reply: &DhcpPacket<'_>, offered: &Offered) {
        let (client, now) = (&self.client, context.now);
        let is_loader = matches!(offered.kind, OfferKind::Loader | OfferKind::LocalDisk);
        if is_loader && let Some(name) = offered.requested_name() {
            context.note_loader_name(name);
        }
        let observations = &mut context.observations;
        if client.is_ipxe() && !is_loader {
            observations.note_ipxe(client, now);
        }
        if client.port == Port::Dhcp {
            observations.note_offer(client, None, now);
        }
        if let Some(item) = client.boot_item {
            observations.note_choice(client, item.server_type, now);
            observations.boot_attempts.note_contact(client.machine.key, false, now);
        }
        if let DhcpPacket::Dhcp4(message) = reply
            && client.message_type == DhcpMessageType::Dhcp4(MessageType::Discover)
            && client.port == Port::Dhcp
        {
            let offer = SentOffer { xid: message.header.xid, link: LINK_INDEX, next: offered.next };
            observations.boot_attempts.note_offer(client, offer, now);
        }
    }
}

/// Whether the server receives a packet with this destination: an address of the server, a broadcast or a multicast.
fn is_received(context: &Context, to: IpAddr) -> bool {
    let is_link_wide = match to {
        IpAddr::V4(to) => {
            to.is_multicast() || to.is_broadcast() || context.links.iter().any(|link| link.is_broadcast(to))
        }
        IpAddr::V6(to) => to.is_multicast(),
    };
    is_link_wide || context.is_server(to)
}

/// Whether a system on the machine sent the request, and not a firmware or a boot program.
fn is_system(reason: IgnoreReason) -> bool {
    matches!(reason, IgnoreReason::NoVendorClass | IgnoreReason::OtherVendorClass | IgnoreReason::NoVendorClass6(None))
}

/// The addresses of a packet between a client and a server, the client's first; `None` if neither is a server.
pub fn client_and_server(context: &Context, packet: &Packet<'_>) -> Option<(SocketAddr, SocketAddr, bool)> {
    let Packet { from, to, .. } = *packet;
    if context.is_server(to.ip()) {
        return Some((from, to, true));
    }
    context.is_server(from.ip()).then_some((to, from, false))
}
