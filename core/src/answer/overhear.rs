//! Overhears what messages show of their senders, also those that the server does not answer: the addresses of
//! machines, their requests to other servers, and the offers of those servers.

use crate::arrival::{Arrival, Port};
use crate::client::{Class, architecture4, architecture6, class6};
use crate::identity::{HardwareAddress, MachineIdentity};
use crate::link::Link;
use crate::observations::boot_attempts::AddressRequest;
use crate::observations::{AddressOwner, FirmwareInfo, Observations};
use crate::plan::Plan;
use crate::relay::Relay;
use crate::wire::dhcp4::{MessageType, code};
use crate::wire::pxe::Features;
use crate::wire::{DhcpPacket, dhcp4, dhcp6};
use core::net::{IpAddr, Ipv4Addr};

/// Overhears a message that another DHCP server or boot server sends to a client on port 68. The message needs no
/// answer, but may explain why a machine does not take our offer. If the server identifier is absent or is an address
/// of this host, the message counts as our own offer and is ignored, unless it assigns an IP address: the DHCP server
/// may run on this host. `link` is the kernel's index of the interface on which the message arrived. Returns the
/// hardware address of the client, or `None` for our own offer; an error if the message cannot be parsed.
pub fn overhear_offer(
    observations: &mut Observations,
    links: &[Link],
    link: u32,
    datagram: &[u8],
    now: u64,
) -> Result<Option<HardwareAddress>, dhcp4::Malformed> {
    let message = dhcp4::Message::parse(datagram)?;
    let is_ours = |server: Ipv4Addr| links.iter().any(|link| link.owns(server));
    let is_our_offer = message.header.yiaddr.is_unspecified() && message.address(code::SERVER_ID).is_none_or(is_ours);
    if is_our_offer {
        return Ok(None);
    }
    observations.note_overheard(&message, link, now);
    Ok(Some(HardwareAddress::from_header(&message.header)))
}

/// Overhears the address of the sender of a packet, and its request to a DHCP server.
pub fn overhear(
    plan: &Plan,
    packet: &DhcpPacket<'_>,
    arrival: &Arrival<'_>,
    machine: &MachineIdentity,
    observations: &mut Observations,
) {
    match packet {
        DhcpPacket::Dhcp4(message) => overhear4(plan, message, arrival, machine, observations),
        DhcpPacket::Dhcp6(packet) => overhear6(plan, &packet.message, arrival, machine, observations),
    }
}

/// Overhears the address that a REQUEST states: the address that the client has, or is about to have. The client
/// broadcasts the REQUEST to the DHCP server (RFC 2131 4.3.2), or sends it to this server. The client's file requests
/// will come from that address.
fn overhear4(
    plan: &Plan,
    message: &dhcp4::Message<'_>,
    arrival: &Arrival<'_>,
    machine: &MachineIdentity,
    observations: &mut Observations,
) {
    let (header, now) = (&message.header, arrival.now);
    // All clients without a hardware address would count as one machine.
    let Some(hardware) = machine.hardware.filter(|hardware| hardware.hlen > 0) else { return };
    if arrival.port == Port::BootServer {
        observations.note_boot_server_request(machine.key, header.ciaddr.into(), now);
    } else if message.message_type() == Some(MessageType::Request) {
        let request = message.address(code::SERVER_ID).map(|server| AddressRequest {
            server,
            is_remote: !arrival.reaches(server),
            at: now,
            secs: header.secs,
        });
        observations.boot_attempts.note_request(machine.key, header.xid, request, now);
    }
    let Some(vendor_class) = message.option(code::VENDOR_CLASS) else { return };
    let (Some(class), Some(MessageType::Request)) = (Class::from_vendor_class(&vendor_class), message.message_type())
    else {
        return;
    };
    let requested = || message.address(code::REQUESTED_ADDRESS).map(IpAddr::V4);
    if let Some(address) = machine.address.or_else(requested) {
        let machine_id = machine.machine_id;
        let hardware = observations.resolve_hardware(Some(address), &hardware, machine_id);
        let firmware = FirmwareInfo {
            arch: architecture4(message, class, &vendor_class).ok().map(|(arch, _)| arch),
            features: message.option(code::IPXE).and_then(|value| Features::parse(&value)),
        };
        observations.note_address(address, AddressOwner { hardware, machine_id, firmware }, now);
        if proves_address(plan, arrival, machine.relay.as_ref(), address) {
            observations.note_vouched(address, now);
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
    message: &dhcp6::Message<'_>,
    arrival: &Arrival<'_>,
    machine: &MachineIdentity,
    observations: &mut Observations,
) {
    let Ok((class, vendor_class)) = class6(message) else { return };
    if message.message_type != dhcp6::MessageType::Request || arrival.port != Port::Dhcp {
        return;
    }
    let Some(hardware) = machine.hardware else { return };
    let (link, relay) = (arrival.link().index, machine.relay.map(|relay| relay.address));
    observations.boot_attempts.note_request6(machine.key, link, relay, arrival.now);
    let firmware =
        FirmwareInfo { arch: architecture6(message, class, vendor_class).ok().map(|(arch, _)| arch), features: None };
    let hardware = observations.resolve_hardware(None, &hardware, None);
    let owner = AddressOwner { hardware, machine_id: None, firmware };
    for address in message.addresses() {
        observations.note_address(address, owner, arrival.now);
        if proves_address(plan, arrival, machine.relay.as_ref(), address.into()) {
            observations.note_vouched(address.into(), arrival.now);
        }
        machine.duid.iter().for_each(|duid| observations.note_lease(duid, address, arrival.now));
    }
}
