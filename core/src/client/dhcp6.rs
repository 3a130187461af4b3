//! Recognises a client from its DHCPv6 packet (protocol.md 5.3, 5.6).

use super::architecture::{accept_for_script, select_architecture};
use super::user_class::is_ipxe_class;
use super::{ArchSource, Class, Client, IgnoreReason, Program};
use crate::arch::Arch;
use crate::arrival::Port;
use crate::identity::{HardwareAddress, Identifiers, MachineIdentity};
use crate::relay::Relay;
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::{Duid, Message, MessageType, Packet, RelayHop, code, mac_from_eui64};
use crate::wire::pxe::MachineId;
use alloc::string::String;
use core::net::{IpAddr, Ipv6Addr};

/// Recognises the sender of a packet, which `machine` identifies, or returns the reason why the packet is not for this
/// server. `server_duid` is the DUID of this server. `ipxe_user_classes` are the user classes that
/// identify iPXE, in addition to `iPXE`.
pub fn recognise6(
    packet: &Packet<'_>,
    machine: MachineIdentity,
    port: Port,
    server_duid: &[u8],
    ipxe_user_classes: &[String],
) -> Result<Client, IgnoreReason> {
    let Packet { hops, message } = packet;
    let message_type = message.message_type;
    let is_server_message =
        matches!(message_type, MessageType::Advertise | MessageType::Reply | MessageType::Reconfigure);
    if is_server_message || hops.iter().any(|hop| hop.message_type == MessageType::RelayReply) {
        return Err(IgnoreReason::Reply);
    }
    let (class, vendor_class) = class6(message).map_err(|reason| match message.option(code::ARCHITECTURE) {
        Some(codes) if reason == IgnoreReason::NoVendorClass => {
            let code = codes.first_chunk().map(|code| Arch(u16::from_be_bytes(*code)));
            IgnoreReason::NoVendorClass6(code)
        }
        _ => reason,
    })?;
    let program = program(message, ipxe_user_classes);
    let is_served = match (port, message_type) {
        (Port::Dhcp, MessageType::Solicit) => true,
        // iPXE requests its file with an INFORMATION-REQUEST; firmware never sends one.
        (Port::Dhcp, MessageType::InformationRequest) => program != Program::Firmware,
        // Relays do not forward packets to port 4011.
        (Port::BootServer, MessageType::Request) => hops.is_empty(),
        _ => false,
    };
    if !is_served {
        return Err(IgnoreReason::Message(port, DhcpMessageType::Dhcp6(message_type)));
    }
    if port == Port::BootServer && message.option(code::SERVER_ID) != Some(server_duid) {
        return Err(IgnoreReason::OtherServer);
    }
    message.option(code::CLIENT_ID).ok_or(IgnoreReason::NoClientId)?;
    let (arch, arch_source) =
        accept_for_script(architecture6(message, class, vendor_class), program, ArchSource::Option61)?;
    Ok(Client {
        machine,
        class,
        port,
        message_type: DhcpMessageType::Dhcp6(message_type),
        arch,
        arch_source,
        program,
        dialect: None,
        boot_item: None,
    })
}

fn program(message: &Message<'_>, ipxe_user_classes: &[String]) -> Program {
    if is_ipxe_class(message.user_classes(), ipxe_user_classes) { Program::Ipxe(None) } else { Program::Firmware }
}

/// The machine that sent a packet from this address, as far as the packet alone identifies it.
pub fn identify6(packet: &Packet<'_>, source: Ipv6Addr, ipxe_user_classes: &[String]) -> MachineIdentity {
    let duid = packet.message.option(code::CLIENT_ID);
    // EDK2 writes the UUID in SMBIOS order, iPXE in printed order. The DUID does not show its order, so the likelier
    // interpretation comes first.
    let machine_ids = duid.and_then(|duid| Duid::parse(duid).machine_ids());
    let machine_ids = machine_ids.map(|[stored, printed]| match program(&packet.message, ipxe_user_classes) {
        Program::Firmware => [stored, printed],
        _ => [printed, stored],
    });
    let uuid = |id: MachineId| Some(id).filter(MachineId::is_unique).map(|id| id.uuid());
    let is_own_address = packet.hops.is_empty() && !source.is_unicast_link_local();
    MachineIdentity {
        duid: duid.map(HardwareAddress::from_duid),
        machine_id: machine_ids.map(|[likely, _]| likely),
        identifiers: Identifiers {
            macs: macs(packet, source),
            uuids: machine_ids.map_or([None; 2], |ids| ids.map(uuid)),
        },
        address: is_own_address.then_some(source.into()),
        relay: Relay::from_hops(&packet.hops, source),
        ..MachineIdentity::from_hardware(hardware6(packet, source))
    }
}

/// The hardware address by which the server knows the sender: its MAC address, or else the end of its DUID.
fn hardware6(packet: &Packet<'_>, source: Ipv6Addr) -> HardwareAddress {
    let duid = packet.message.option(code::CLIENT_ID).unwrap_or_default();
    let mac = macs(packet, source).into_iter().flatten().next();
    mac.map_or_else(|| HardwareAddress::from_duid(duid), HardwareAddress::from_mac)
}

/// The class of a boot client, and the text that states it; an error for any other client. Only a class under Intel's
/// enterprise number counts. The reply must contain the firmware's own class: firmware that receives another class
/// mistakes the reply for that of a DHCP server that assigns no address, and stops booting for good.
pub fn class6<'a>(message: &Message<'a>) -> Result<(Class, &'a [u8]), IgnoreReason> {
    if message.option(code::VENDOR_CLASS).is_none() {
        return Err(IgnoreReason::NoVendorClass);
    }
    let known = |text: &'a [u8]| Some((Class::from_vendor_class(text).filter(|class| *class != Class::UBoot)?, text));
    message.vendor_classes().find_map(known).ok_or(IgnoreReason::OtherVendorClass)
}

/// The architecture from option 61, or from the digits of the vendor class. Returns an error if the client sends
/// neither: it cannot be an old BIOS ROM, because those do not support IPv6.
pub fn architecture6(
    message: &Message<'_>,
    class: Class,
    vendor_class: &[u8],
) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = message.option(code::ARCHITECTURE).unwrap_or_default();
    match select_architecture(option, class, vendor_class, ArchSource::Option61) {
        Ok((_, ArchSource::Assumed)) => Err(IgnoreReason::NoArchitecture),
        found => found,
    }
}

/// The MAC addresses that three sources state: the relay next to the client (RFC 6939), the client's link-local
/// address, and the DUID.
fn macs(packet: &Packet<'_>, source: Ipv6Addr) -> [Option<[u8; 6]>; 3] {
    let nearest_relay = packet.hops.last();
    let from_relay = nearest_relay.and_then(|hop| match hop.option(code::CLIENT_LINK_LAYER) {
        Some([0, 1, mac @ ..]) => mac.try_into().ok(),
        _ => None,
    });
    let from_duid = match packet.message.option(code::CLIENT_ID).map(Duid::parse) {
        Some(Duid::Mac(mac)) => Some(mac),
        _ => None,
    };
    [from_relay, mac_from_eui64(nearest_relay.map_or(source, |hop| hop.peer_address)), from_duid]
}

impl HardwareAddress {
    /// The last 16 octets of a DUID, because no more octets fit. In a DUID-UUID, they are the whole UUID.
    pub fn from_duid(duid: &[u8]) -> Self {
        let end = &duid[duid.len().saturating_sub(16)..];
        let mut octets = [0; 16];
        octets[..end.len()].copy_from_slice(end);
        HardwareAddress { htype: HardwareAddress::DUID, hlen: end.len() as u8, octets }
    }
}

impl Relay {
    /// The relay that sent the packet to this server; `None` if the message came without a relay.
    pub fn from_hops(hops: &[RelayHop<'_>], source: Ipv6Addr) -> Option<Self> {
        let outermost = hops.first()?;
        let link = hops.iter().rev().map(|hop| hop.link_address).find(|link| !link.is_unspecified());
        Some(Relay {
            address: source.into(),
            reply_to_source_port: outermost.option(code::RELAY_PORT).is_some(),
            subnet: link.map(IpAddr::V6),
        })
    }
}
