//! Bytes to values and back. This room knows what may stand in a packet, never what it is good for.

pub mod dhcp4;
pub mod dhcp6;
pub mod pxe;
pub mod tftp;
pub mod uuid;

use core::fmt;

/// A DHCP datagram of either family, taken apart.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
pub enum DhcpPacket<'a> {
    Dhcp4(dhcp4::Message<'a>),
    Dhcp6(dhcp6::Packet<'a>),
}

/// What makes it unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedDhcp {
    Dhcp4(dhcp4::Malformed),
    Dhcp6(dhcp6::Malformed),
}

/// What a message says it is, in either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpMessageType {
    Dhcp4(dhcp4::MessageType),
    Dhcp6(dhcp6::MessageType),
}

impl<'a> DhcpPacket<'a> {
    /// Nothing in a datagram tells the family: it is that of the addresses that it came by.
    pub fn parse(datagram: &'a [u8], is_v6: bool) -> Result<Self, MalformedDhcp> {
        if is_v6 {
            dhcp6::Packet::parse(datagram).map(DhcpPacket::Dhcp6).map_err(MalformedDhcp::Dhcp6)
        } else {
            dhcp4::Message::parse(datagram).map(DhcpPacket::Dhcp4).map_err(MalformedDhcp::Dhcp4)
        }
    }

    /// What its sender says it is; a DHCPv4 packet may not say.
    pub fn message_type(&self) -> Option<DhcpMessageType> {
        match self {
            DhcpPacket::Dhcp4(message) => message.message_type().map(DhcpMessageType::Dhcp4),
            DhcpPacket::Dhcp6(packet) => Some(DhcpMessageType::Dhcp6(packet.message.message_type)),
        }
    }
}

impl fmt::Display for MalformedDhcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MalformedDhcp::Dhcp4(reason) => reason.fmt(f),
            MalformedDhcp::Dhcp6(reason) => reason.fmt(f),
        }
    }
}

impl From<DhcpMessageType> for u8 {
    fn from(kind: DhcpMessageType) -> Self {
        match kind {
            DhcpMessageType::Dhcp4(kind) => kind.into(),
            DhcpMessageType::Dhcp6(kind) => kind.into(),
        }
    }
}

impl fmt::Display for DhcpMessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DhcpMessageType::Dhcp4(kind) => kind.fmt(f),
            DhcpMessageType::Dhcp6(kind) => kind.fmt(f),
        }
    }
}
