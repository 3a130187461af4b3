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
pub enum Packet<'a> {
    Dhcp4(dhcp4::Message<'a>),
    Dhcp6(dhcp6::Packet<'a>),
}

/// What makes it unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    Dhcp4(dhcp4::Malformed),
    Dhcp6(dhcp6::Malformed),
}

/// What a message says it is, in either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Dhcp4(dhcp4::MessageType),
    Dhcp6(dhcp6::MessageType),
}

impl<'a> Packet<'a> {
    /// Nothing in a datagram tells the family: it is that of the addresses that it came by.
    pub fn parse(datagram: &'a [u8], is_v6: bool) -> Result<Self, Malformed> {
        if is_v6 {
            dhcp6::Packet::parse(datagram).map(Packet::Dhcp6).map_err(Malformed::Dhcp6)
        } else {
            dhcp4::Message::parse(datagram).map(Packet::Dhcp4).map_err(Malformed::Dhcp4)
        }
    }

    /// What its sender says it is; a DHCPv4 packet may not say.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Packet::Dhcp4(message) => message.message_type().map(Kind::Dhcp4),
            Packet::Dhcp6(packet) => Some(Kind::Dhcp6(packet.message.kind)),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Dhcp4(reason) => reason.fmt(f),
            Malformed::Dhcp6(reason) => reason.fmt(f),
        }
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Dhcp4(kind) => kind.into(),
            Kind::Dhcp6(kind) => kind.into(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Dhcp4(kind) => kind.fmt(f),
            Kind::Dhcp6(kind) => kind.fmt(f),
        }
    }
}
