//! A client by its DHCPv4 packet.

use super::{
    ArchSource, Class, Client, HardwareAddress, IgnoreReason, Identifiers, Relay, Stage, select_architecture, raspberry_pi, is_gpxe_class,
    is_ipxe_class, accept_for_script,
};
use crate::arch::Arch;
use crate::arrival::Port;
use crate::wire::DhcpMessageType;
use crate::wire::dhcp4::{Header, Message, MessageType, OP_REQUEST, code};
use crate::wire::pxe::{BootItem, Features, MachineId, SubOptions, user_classes};
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

/// Recognises the sender of a sound message. `ipxe_words` mean "already iPXE" beside `iPXE`, `vendor_words` "PXE"
/// beside `PXEClient`; `u_boot` says whether U-Boot is let in.
pub fn recognise(
    message: &Message<'_>,
    port: Port,
    ipxe_words: &[String],
    vendor_words: &[String],
    u_boot: impl FnOnce() -> bool,
) -> Result<Client, IgnoreReason> {
    if message.header.op != OP_REQUEST {
        return Err(IgnoreReason::Reply);
    }
    let kind = message.message_type().ok_or(IgnoreReason::Bootp)?;
    let vendor_class = message.option(code::VENDOR_CLASS).ok_or(IgnoreReason::NoVendorClass)?;
    let class = Class::from_vendor_class(&vendor_class)
        .filter(|class| *class != Class::UBoot || u_boot())
        .or_else(|| vendor_words.iter().any(|word| vendor_class.starts_with(word.as_bytes())).then_some(Class::Pxe))
        .ok_or(IgnoreReason::OtherVendorClass)?;
    if message.header.hlen == 0 {
        return Err(IgnoreReason::NoHardwareAddress);
    }
    let boot_item = message.option(code::VENDOR_SPECIFIC).and_then(|value| BootItem::parse(&value));
    let heard = match port {
        Port::Dhcp => match kind {
            MessageType::Discover => true,
            MessageType::Request | MessageType::Inform => boot_item.is_some(),
            _ => false,
        },
        Port::BootServer => matches!(kind, MessageType::Discover | MessageType::Request | MessageType::Inform),
    };
    if !heard {
        return Err(IgnoreReason::Message(port, DhcpMessageType::Dhcp4(kind)));
    }
    let stage = stage(message, port, &vendor_class, ipxe_words);
    let found = match (architecture(message, class, &vendor_class), stage) {
        // Its script suits every architecture.
        (Err(IgnoreReason::NoArchitecture), Stage::Ipxe(_)) if class == Class::Pxe => Ok((Arch::BIOS, ArchSource::Assumed)),
        (found, _) => found,
    };
    let (arch, arch_from) = accept_for_script(found, stage, ArchSource::Option93)?;
    let hardware = HardwareAddress::from_header(&message.header);
    let machine = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
    let uuid = machine.filter(MachineId::is_unique).map(|machine| machine.uuid());
    Ok(Client {
        raspberry_pi: raspberry_pi::is_raspberry_pi(arch, &hardware, &vendor_class, machine.as_ref()),
        u_boot: class == Class::UBoot || is_u_boot(message),
        identifiers: Identifiers::new(hardware.mac(), uuid),
        stage,
        relay: Relay::from_message(message),
        address: Some(message.header.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified()).map(IpAddr::V4),
        message_type: DhcpMessageType::Dhcp4(kind),
        duid: None,
        hardware,
        machine_id: machine,
        class,
        port,
        arch,
        arch_source: arch_from,
        boot_item,
    })
}

impl HardwareAddress {
    pub fn from_header(header: &Header) -> Self {
        HardwareAddress { htype: header.htype, hlen: header.hlen, octets: header.chaddr }
    }
}

impl Relay {
    pub fn from_message(message: &Message<'_>) -> Option<Self> {
        let giaddr = message.header.giaddr;
        if giaddr.is_unspecified() {
            return None;
        }
        let agent = message.option(code::RELAY_AGENT).unwrap_or_default();
        let find = |wanted: u8| SubOptions(&agent).find(|&(code, _)| code == wanted).map(|(_, value)| value);
        let link_selection = find(5).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(Ipv4Addr::from);
        Some(Relay { address: giaddr.into(), reply_to_source_port: find(19).is_some(), subnet: link_selection.map(IpAddr::V4) })
    }
}

/// By option 93, or the digits of option 60.
pub fn architecture(message: &Message<'_>, class: Class, vendor_class: &[u8]) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = message.option(code::ARCHITECTURE).unwrap_or_default();
    match select_architecture(&option, class, vendor_class, ArchSource::Option93) {
        Ok((_, ArchSource::Assumed)) if !may_be_old_rom(message) => Err(IgnoreReason::NoArchitecture),
        found => found,
    }
}

/// Whether a PXE client that says nothing of its architecture can be a BIOS ROM from before option 93. The version of
/// its network interface (option 94) tells: a BIOS has UNDI 1 or 2, UEFI has 3. Without that, a relay that drops the
/// option is likelier than a ROM that old, and a loader that does not fit keeps a machine from the boot that its DHCP
/// server has for it.
fn may_be_old_rom(message: &Message<'_>) -> bool {
    match message.option(code::NETWORK_INTERFACE).as_deref() {
        Some([1, major, _]) => *major < 3,
        _ => message.header.giaddr.is_unspecified(),
    }
}

/// U-Boot that calls itself a PXEClient: its boot flow for EFI programs does, with UNDI 0.0 in option 94 where EDK2
/// says 3.0.
fn is_u_boot(message: &Message<'_>) -> bool {
    message.option(code::NETWORK_INTERFACE).is_some_and(|value| *value == [1, 0, 0])
}

fn stage(message: &Message<'_>, port: Port, vendor_class: &[u8], ipxe_words: &[String]) -> Stage {
    let features = message.option(code::IPXE).and_then(|value| Features::parse(&value));
    let user_class = message.option(code::USER_CLASS).unwrap_or_default();
    let words = user_classes(&user_class);
    if is_ipxe_class(&words, ipxe_words) {
        Stage::Ipxe(features)
    } else if is_gpxe_class(&words) {
        // It sends option 175 as well.
        Stage::Gpxe
    } else if features.is_some() {
        Stage::Ipxe(features)
    } else if port == Port::BootServer && vendor_class == Class::Pxe.vendor_class().as_bytes() {
        Stage::BootProgram
    } else {
        Stage::Firmware
    }
}
