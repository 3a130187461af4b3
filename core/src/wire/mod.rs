//! Bytes to values and back. This room knows what may stand in a packet, never what it is good for.

pub mod dhcp4;
pub mod pxe;

use core::fmt;

/// What makes a packet unreadable, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the fixed part.
    Short { length: usize, needs: usize },
    /// The four octets where the DHCP cookie should be.
    Cookie([u8; 4]),
    /// hlen is 0 or more than chaddr holds.
    HardwareLength(u8),
    /// An option claims more octets than its area has left.
    Overrun { code: u8, at: usize, claims: usize, left: usize },
    /// An option of fixed size has another one.
    Length { code: u8, length: usize },
    /// An option of fixed size occurs twice with different values.
    Contradiction { code: u8 },
    /// A TFTP text has no NUL behind it.
    Unterminated { at: usize },
    /// An opcode that nobody assigned.
    Opcode(u16),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { length, needs } => write!(f, "{length} octets where {needs} are the least"),
            Self::Cookie([a, b, c, d]) => write!(f, "cookie {a:02x}{b:02x}{c:02x}{d:02x} instead of 63825363"),
            Self::HardwareLength(length) => write!(f, "hardware address of {length} octets"),
            Self::Overrun { code, at, claims, left } => {
                write!(f, "option {code} at octet {at} claims {claims} octets, {left} are left")
            }
            Self::Length { code, length } => write!(f, "option {code} with {length} octets"),
            Self::Contradiction { code } => write!(f, "option {code} twice with different values"),
            Self::Unterminated { at } => write!(f, "text at octet {at} without its NUL"),
            Self::Opcode(opcode) => write!(f, "opcode {opcode}"),
        }
    }
}
