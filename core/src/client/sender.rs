//! Identifies the sender of a packet of either family.

use super::dhcp4::identify4;
use super::dhcp6::identify6;
use crate::identity::MachineIdentity;
use crate::wire::DhcpPacket;
use alloc::string::String;
use core::net::SocketAddr;

/// The machine that sent a packet from this address, as far as the packet alone identifies it. `ipxe_user_classes` are
/// the user classes that identify iPXE, in addition to `iPXE`.
pub fn identify(packet: &DhcpPacket<'_>, from: SocketAddr, ipxe_user_classes: &[String]) -> MachineIdentity {
    match (packet, from) {
        (DhcpPacket::Dhcp4(message), _) => identify4(message),
        (DhcpPacket::Dhcp6(packet), SocketAddr::V6(from)) => identify6(packet, *from.ip(), ipxe_user_classes),
        (DhcpPacket::Dhcp6(_), SocketAddr::V4(_)) => MachineIdentity::default(),
    }
}
