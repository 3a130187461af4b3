//! Wire formats: converts octets to values, and values to octets. These modules know what a packet can contain, but not
//! what the server uses it for.

pub mod dhcp4;
pub mod dhcp6;
pub mod pxe;
pub mod syslog;
pub mod tftp;
pub mod user_classes;
pub mod uuid;

use core::fmt;

/// A parsed DHCP datagram of either family.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, on the stack")]
pub enum DhcpPacket<'a> {
    /// A DHCPv4 message.
    Dhcp4(dhcp4::Message<'a>),
    /// A DHCPv6 message, with the relays that forwarded it.
    Dhcp6(dhcp6::Packet<'a>),
}

/// Why a datagram cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedDhcp {
    /// Why the datagram is not a DHCPv4 message.
    Dhcp4(dhcp4::Malformed),
    /// Why the datagram is not a DHCPv6 message.
    Dhcp6(dhcp6::Malformed),
}

/// The message type, in either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpMessageType {
    /// The type in option 53 of a DHCPv4 message.
    Dhcp4(dhcp4::MessageType),
    /// The type in the first octet of a DHCPv6 message.
    Dhcp6(dhcp6::MessageType),
}

impl<'a> DhcpPacket<'a> {
    /// Parses a datagram. Its octets do not identify the family, so the caller derives `is_v6` from the addresses of
    /// the datagram.
    pub fn parse(datagram: &'a [u8], is_v6: bool) -> Result<Self, MalformedDhcp> {
        if is_v6 {
            dhcp6::Packet::parse(datagram).map(DhcpPacket::Dhcp6).map_err(MalformedDhcp::Dhcp6)
        } else {
            dhcp4::Message::parse(datagram).map(DhcpPacket::Dhcp4).map_err(MalformedDhcp::Dhcp4)
        }
    }

    /// The message type; `None` for a DHCPv4 packet without option 53.
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
