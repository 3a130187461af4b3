//! Recognises a client from its DHCPv4 packet.

use super::architecture::{accept_for_script, select_architecture};
use super::user_class::{is_gpxe_class, is_ipxe_class};
use super::{ArchSource, Class, Client, IgnoreReason, Program};
use crate::arch::Arch;
use crate::arrival::Port;
use crate::identity::{HardwareAddress, Identifiers, MachineIdentity};
use crate::relay::Relay;
use crate::wire::DhcpMessageType;
use crate::wire::dhcp4::{Header, Message, MessageType, OP_REQUEST, code};
use crate::wire::pxe::{BootItem, Features, MachineId, SubOptions};
use crate::wire::user_classes::UserClasses;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

/// Recognises the sender of a message, which `machine` identifies, or returns the reason why the message is not for
/// this server. `ipxe_user_classes` are the user classes that identify iPXE, in addition to `iPXE`.
/// `pxe_vendor_classes` are the beginnings of the vendor classes that identify PXE, in addition to `PXEClient`.
/// `serves_u_boot` returns whether a rule lists U-Boot.
pub fn recognise4(
    message: &Message<'_>,
    machine: MachineIdentity,
    port: Port,
    ipxe_user_classes: &[String],
    pxe_vendor_classes: &[String],
    serves_u_boot: impl FnOnce() -> bool,
) -> Result<Client, IgnoreReason> {
    if message.header.op != OP_REQUEST {
        return Err(IgnoreReason::Reply);
    }
    let message_type = message.message_type().ok_or(IgnoreReason::Bootp)?;
    let vendor_class = message.option(code::VENDOR_CLASS).ok_or(IgnoreReason::NoVendorClass)?;
    let class = Class::from_vendor_class(&vendor_class)
        .filter(|class| *class != Class::UBoot || serves_u_boot())
        .or_else(|| {
            pxe_vendor_classes.iter().any(|word| vendor_class.starts_with(word.as_bytes())).then_some(Class::Pxe)
        })
        .ok_or(IgnoreReason::OtherVendorClass)?;
    if message.header.hlen == 0 {
        return Err(IgnoreReason::NoHardwareAddress);
    }
    let boot_item = message.option(code::VENDOR_SPECIFIC).and_then(|value| BootItem::parse(&value));
    let is_served = match port {
        Port::Dhcp => match message_type {
            MessageType::Discover => true,
            MessageType::Request | MessageType::Inform => boot_item.is_some(),
            _ => false,
        },
        Port::BootServer => matches!(message_type, MessageType::Discover | MessageType::Request | MessageType::Inform),
    };
    if !is_served {
        return Err(IgnoreReason::Message(port, DhcpMessageType::Dhcp4(message_type)));
    }
    let program = program(message, ipxe_user_classes);
    let arch = match (architecture4(message, class, &vendor_class), program) {
        // iPXE does not need to state its architecture, because its script is the same for every architecture.
        (Err(IgnoreReason::NoArchitecture), Program::Ipxe(_)) if class == Class::Pxe => {
            Ok((Arch::BIOS, ArchSource::Assumed))
        }
        (arch, _) => arch,
    };
    let (arch, arch_source) = accept_for_script(arch, program, ArchSource::Option93)?;
    Ok(Client {
        machine,
        class,
        port,
        message_type: DhcpMessageType::Dhcp4(message_type),
        arch,
        arch_source,
        program,
        dialect: None,
        boot_item,
    })
}

/// The machine that sent a message, as far as the message alone identifies it.
pub fn identify4(message: &Message<'_>) -> MachineIdentity {
    let hardware = HardwareAddress::from_header(&message.header);
    let machine_id = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
    let uuid = machine_id.filter(MachineId::is_unique).map(|id| id.uuid());
    MachineIdentity {
        machine_id,
        identifiers: Identifiers::new(hardware.mac(), uuid),
        address: Some(message.header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified()).map(IpAddr::V4),
        relay: Relay::from_message(message),
        ..MachineIdentity::from_hardware(hardware)
    }
}

impl HardwareAddress {
    /// The hardware address in htype, hlen and chaddr of a header.
    pub fn from_header(header: &Header) -> Self {
        HardwareAddress { htype: header.htype, hlen: header.hlen, octets: header.chaddr }
    }
}

impl Relay {
    /// The relay that giaddr and option 82 describe; `None` if giaddr is 0.
    pub fn from_message(message: &Message<'_>) -> Option<Self> {
        let giaddr = message.header.giaddr;
        if giaddr.is_unspecified() {
            return None;
        }
        let agent = message.option(code::RELAY_AGENT).unwrap_or_default();
        let find = |wanted: u8| SubOptions(&agent).find(|&(code, _)| code == wanted).map(|(_, value)| value);
        let link_selection = find(5).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(Ipv4Addr::from);
        Some(Relay {
            address: giaddr.into(),
            reply_to_source_port: find(19).is_some(),
            subnet: link_selection.map(IpAddr::V4),
        })
    }
}

/// The architecture from option 93, or from the digits of option 60. If both are absent, a client that may be an old
/// BIOS ROM counts as BIOS. Otherwise, returns an error.
pub fn architecture4(
    message: &Message<'_>,
    class: Class,
    vendor_class: &[u8],
) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = message.option(code::ARCHITECTURE).unwrap_or_default();
    match select_architecture(&option, class, vendor_class, ArchSource::Option93) {
        Ok((_, ArchSource::Assumed)) if !may_be_old_rom(message) => Err(IgnoreReason::NoArchitecture),
        arch => arch,
    }
}

/// Whether a PXE client without an architecture can be a BIOS ROM older than option 93. The UNDI version in option 94
/// shows this: a BIOS ROM has UNDI 1 or 2, UEFI has 3. If a relay forwarded a request without option 94, the relay has
/// probably removed the options: a ROM that old is less likely, and a wrong loader would prevent the boot that the
/// site's DHCP server offers to the machine.
fn may_be_old_rom(message: &Message<'_>) -> bool {
    match message.option(code::NETWORK_INTERFACE).as_deref() {
        Some([1, major, _]) => *major < 3,
        _ => message.header.giaddr.is_unspecified(),
    }
}

fn program(message: &Message<'_>, ipxe_user_classes: &[String]) -> Program {
    let features = message.option(code::IPXE).and_then(|value| Features::parse(&value));
    let user_class = message.option(code::USER_CLASS);
    let classes = user_class.as_deref().map(UserClasses::from_option77).unwrap_or_default();
    if is_ipxe_class(classes, ipxe_user_classes) {
        Program::Ipxe(features)
    } else if is_gpxe_class(classes) {
        // gPXE sends option 175 as well.
        Program::Gpxe
    } else if features.is_some() {
        Program::Ipxe(features)
    } else {
        Program::Firmware
    }
}
