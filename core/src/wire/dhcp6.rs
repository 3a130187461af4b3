//! DHCPv6 messages (RFC 8415 8, 9, 21): what a client says, its options in order, and the relays that it came through.
//!
//! As in [`super::dhcp4`], an option is its code and its octets, order is kept, and unknown ones survive.

use super::pxe::MachineId;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

/// Option codes by their RFC 8415 (and later) numbers.
pub mod code {
    pub const CLIENT_ID: u16 = 1;
    pub const SERVER_ID: u16 = 2;
    pub const IA_NA: u16 = 3;
    pub const IA_ADDRESS: u16 = 5;
    pub const OPTION_REQUEST: u16 = 6;
    pub const PREFERENCE: u16 = 7;
    pub const ELAPSED_TIME: u16 = 8;
    pub const RELAY_MESSAGE: u16 = 9;
    pub const STATUS: u16 = 13;
    pub const USER_CLASS: u16 = 15;
    pub const VENDOR_CLASS: u16 = 16;
    pub const INTERFACE_ID: u16 = 18;
    /// RFC 3646.
    pub const DNS_SERVERS: u16 = 23;
    pub const DOMAIN_LIST: u16 = 24;
    /// RFC 5970.
    pub const BOOT_FILE_URL: u16 = 59;
    pub const ARCHITECTURE: u16 = 61;
    pub const NETWORK_INTERFACE: u16 = 62;
    /// RFC 6939.
    pub const CLIENT_LINK_LAYER: u16 = 79;
    /// RFC 8357.
    pub const RELAY_PORT: u16 = 135;
}

/// Intel's enterprise number, under which PXE and HTTP boot clients give their class (UEFI 2.10, 24.7.3.1).
pub const INTEL_ENTERPRISE_NUMBER: u32 = 343;
/// HOP_COUNT_LIMIT (RFC 8415 7.6).
pub const MAX_RELAYS: usize = 8;
/// A type and 128 octets (RFC 8415 11.1).
pub const MAX_DUID_LENGTH: usize = 130;

/// Type and transaction id.
const HEADER: usize = 4;
/// Type, hop count, link address, peer address (RFC 8415 9).
const RELAY_HEADER: usize = 34;

/// What makes a packet unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its fixed part.
    TooShort { length: usize, needs: usize },
    /// An option claims more octets than its area has left.
    OptionOverrun { code: u16, at: usize, claims: usize, left: usize },
    /// An option of which there is one occurs twice.
    DuplicateOption { code: u16 },
    /// A DUID that can be none.
    DuidLength { code: u16, length: usize },
    /// A relay's message without the message that it relays.
    EmptyRelayMessage,
    /// More relays than a packet may pass.
    TooManyRelays,
}

/// RFC 8415 7.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    Solicit,
    Advertise,
    Request,
    Confirm,
    Renew,
    Rebind,
    Reply,
    Release,
    Decline,
    Reconfigure,
    InformationRequest,
    RelayForward,
    RelayReply,
    Other(u8),
}

const TYPES: [(u8, MessageType, &str); 13] = [
    (1, MessageType::Solicit, "SOLICIT"),
    (2, MessageType::Advertise, "ADVERTISE"),
    (3, MessageType::Request, "REQUEST"),
    (4, MessageType::Confirm, "CONFIRM"),
    (5, MessageType::Renew, "RENEW"),
    (6, MessageType::Rebind, "REBIND"),
    (7, MessageType::Reply, "REPLY"),
    (8, MessageType::Release, "RELEASE"),
    (9, MessageType::Decline, "DECLINE"),
    (10, MessageType::Reconfigure, "RECONFIGURE"),
    (11, MessageType::InformationRequest, "INFORMATION-REQUEST"),
    (12, MessageType::RelayForward, "RELAY-FORW"),
    (13, MessageType::RelayReply, "RELAY-REPL"),
];

/// What a client says, or a server to it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub message_type: MessageType,
    pub transaction_id: [u8; 3],
    options: &'a [u8],
}

/// A relay that the message came through.
#[derive(Clone, Copy, Debug)]
pub struct RelayHop<'a> {
    /// RELAY-FORW, or RELAY-REPL on its way back.
    pub message_type: MessageType,
    pub hop_count: u8,
    /// An address of the relay's on the client's link, or unspecified.
    pub link_address: Ipv6Addr,
    /// Whom it had the message from.
    pub peer_address: Ipv6Addr,
    options: &'a [u8],
}

/// A datagram taken apart: a message, and the relays around it, outermost first.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    pub hops: Vec<RelayHop<'a>>,
    pub message: Message<'a>,
}

impl<'a> Packet<'a> {
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (mut hops, mut rest) = (Vec::new(), datagram);
        while matches!(rest.first(), Some(12 | 13)) {
            if hops.len() == MAX_RELAYS {
                return Err(Malformed::TooManyRelays);
            }
            let hop = RelayHop::parse(rest)?;
            rest = hop.option(code::RELAY_MESSAGE).ok_or(Malformed::EmptyRelayMessage)?;
            hops.push(hop);
        }
        Ok(Packet { hops, message: Message::parse(rest)? })
    }
}

impl<'a> Message<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let &[kind, a, b, c, ref options @ ..] = octets else {
            return Err(Malformed::TooShort { length: octets.len(), needs: HEADER });
        };
        check_area(options, HEADER)?;
        let message = Message { message_type: kind.into(), transaction_id: [a, b, c], options };
        for code in [code::CLIENT_ID, code::SERVER_ID] {
            sole(options, code)?;
            let length = message.option(code).map_or(1, <[u8]>::len);
            if length == 0 || length > MAX_DUID_LENGTH {
                return Err(Malformed::DuidLength { code, length });
            }
        }
        Ok(message)
    }

    /// Every option in order of appearance.
    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Options(self.options)
    }

    /// The first option of this code.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        find(self.options, code)
    }

    /// What the client calls itself under our enterprise number (option 16), first to last.
    pub fn vendor_classes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let own = self.options().filter(|(code, _)| *code == code::VENDOR_CLASS).filter_map(|(_, value)| {
            let (enterprise, data) = value.split_at_checked(4)?;
            (enterprise == INTEL_ENTERPRISE_NUMBER.to_be_bytes()).then_some(data)
        });
        own.flat_map(LengthPrefixed)
    }

    /// Option 15: a list, and the raw octets as well, because some send a plain text.
    pub fn user_classes(&self) -> Vec<&'a [u8]> {
        let Some(value) = self.option(code::USER_CLASS) else { return Vec::new() };
        LengthPrefixed(value).chain([value]).collect()
    }

    /// The addresses that it has been promised, or asks for (IAADDR in IA_NA).
    pub fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let associations = self.options().filter(|(code, _)| *code == code::IA_NA);
        // IAID, T1 and T2 stand before the options of an association (RFC 8415 21.4).
        let inner = associations.flat_map(|(_, value)| Options(value.get(12..).unwrap_or_default()));
        inner.filter(|(code, _)| *code == code::IA_ADDRESS).filter_map(|(_, value)| address(value.get(..16)?))
    }
}

impl<'a> RelayHop<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::TooShort { length: octets.len(), needs: RELAY_HEADER };
        let (header, options) = octets.split_at_checked(RELAY_HEADER).ok_or(short)?;
        check_area(options, RELAY_HEADER)?;
        sole(options, code::RELAY_MESSAGE)?;
        let [link, peer] = [&header[2..18], &header[18..34]].map(|octets| address(octets).ok_or(short));
        Ok(RelayHop { message_type: header[0].into(), hop_count: header[1], link_address: link?, peer_address: peer?, options })
    }

    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Options(self.options)
    }

    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        find(self.options, code)
    }
}

/// Who a client is, in any network that it comes to (RFC 8415 11, RFC 6355).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duid<'a> {
    /// The address of one of its network cards, which need not be the one that it boots by.
    Mac([u8; 6]),
    /// EDK2 puts the octets in as SMBIOS stores them, iPXE in the order in which they are printed.
    Uuid([u8; 16]),
    Other(&'a [u8]),
}

impl<'a> Duid<'a> {
    pub fn parse(octets: &'a [u8]) -> Self {
        const ETHERNET: [u8; 2] = [0, 1];
        let mac = |octets: &[u8]| octets.try_into().ok().map(Duid::Mac);
        let known = match octets {
            [0, 1, a, b, _, _, _, _, rest @ ..] if [*a, *b] == ETHERNET => mac(rest),
            [0, 3, a, b, rest @ ..] if [*a, *b] == ETHERNET => mac(rest),
            [0, 4, rest @ ..] => rest.try_into().ok().map(Duid::Uuid),
            _ => None,
        };
        known.unwrap_or(Duid::Other(octets))
    }

    /// The UUID as the firmware means it, and as iPXE does.
    pub fn machine_ids(self) -> Option<[MachineId; 2]> {
        let Duid::Uuid(octets) = self else { return None };
        let mut stored = [0; 17];
        stored[1..].copy_from_slice(&octets);
        Some([MachineId(stored), MachineId::from_uuid(octets)])
    }
}

/// The hardware address from which an interface identifier was made (RFC 4291 appendix A).
pub fn mac_from_eui64(address: Ipv6Addr) -> Option<[u8; 6]> {
    match address.octets() {
        [_, _, _, _, _, _, _, _, a, b, c, 0xff, 0xfe, d, e, f] => Some([a ^ 2, b, c, d, e, f]),
        _ => None,
    }
}

/// Puts a message together at the end of `out`, option by option.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub fn new(kind: MessageType, transaction: [u8; 3], out: &'o mut Vec<u8>) -> Self {
        out.push(kind.into());
        out.extend_from_slice(&transaction);
        Writer { out }
    }

    /// A value is at most 65535 octets long; what the plan offers is bounded far below.
    pub fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        option(code, value, self.out);
        self
    }

    /// Option 16 with one text under our enterprise number.
    pub fn vendor_class(&mut self, word: &str) -> &mut Self {
        let length = word.len() as u16;
        self.option(
            code::VENDOR_CLASS,
            &[&INTEL_ENTERPRISE_NUMBER.to_be_bytes()[..], &length.to_be_bytes(), word.as_bytes()].concat(),
        )
    }
}

/// Wraps a reply for the relays that the request came through: each gets back what it said of itself (RFC 8415 19.3,
/// RFC 8357 5.2).
pub fn write_relay_reply(hops: &[RelayHop<'_>], reply: &[u8], out: &mut Vec<u8>) {
    let Some((hop, inner)) = hops.split_first() else { return out.extend_from_slice(reply) };
    out.extend_from_slice(&[MessageType::RelayReply.into(), hop.hop_count]);
    out.extend_from_slice(&hop.link_address.octets());
    out.extend_from_slice(&hop.peer_address.octets());
    for code in [code::INTERFACE_ID, code::RELAY_PORT] {
        if let Some(value) = hop.option(code) {
            option(code, value, out);
        }
    }
    let mut message = Vec::new();
    write_relay_reply(inner, reply, &mut message);
    option(code::RELAY_MESSAGE, &message, out);
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

/// Walks an area of options. Stops at the first that overruns: those of a message were looked at before.
#[derive(Clone, Debug)]
pub struct Options<'a>(pub &'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let &[a, b, c, d, ref rest @ ..] = self.0 else { return None };
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        self.0 = rest;
        Some((u16::from_be_bytes([a, b]), value))
    }
}

/// Walks texts that each have their length in two octets in front (RFC 8415 21.15). Stops at the first that overruns.
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a>(pub &'a [u8]);

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let &[a, b, ref rest @ ..] = self.0 else { return None };
        let (text, rest) = rest.split_at_checked(u16::from_be_bytes([a, b]).into())?;
        self.0 = rest;
        Some(text)
    }
}

fn find(options: &[u8], code: u16) -> Option<&[u8]> {
    Options(options).find(|(found, _)| *found == code).map(|(_, value)| value)
}

fn sole(options: &[u8], code: u16) -> Result<(), Malformed> {
    match Options(options).filter(|(found, _)| *found == code).count() {
        0 | 1 => Ok(()),
        _ => Err(Malformed::DuplicateOption { code }),
    }
}

/// Every option must end inside its area, which begins at octet `base` of its message.
fn check_area(area: &[u8], base: usize) -> Result<(), Malformed> {
    let mut walk = Options(area);
    while walk.next().is_some() {}
    let at = base + area.len() - walk.0.len();
    match *walk.0 {
        [] => Ok(()),
        [a, b, c, d, ref rest @ ..] => {
            let claims = u16::from_be_bytes([c, d]).into();
            Err(Malformed::OptionOverrun { code: u16::from_be_bytes([a, b]), at, claims, left: rest.len() })
        }
        ref rest => Err(Malformed::OptionOverrun { code: 0, at, claims: HEADER, left: rest.len() }),
    }
}

fn address(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

impl From<u8> for MessageType {
    fn from(octet: u8) -> Self {
        TYPES.iter().find(|row| row.0 == octet).map_or(Self::Other(octet), |row| row.1)
    }
}

impl From<MessageType> for u8 {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Other(other) => other,
            known => TYPES.iter().find(|row| row.1 == known).map_or(0, |row| row.0),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TYPES.iter().find(|row| row.1 == *self) {
            Some(row) => f.write_str(row.2),
            None => write!(f, "message type {}", u8::from(*self)),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length, needs } => write!(f, "{length} octets where {needs} are the least"),
            Self::OptionOverrun { code, at, claims, left } => {
                write!(f, "option {code} at octet {at} claims {claims} octets, {left} are left")
            }
            Self::DuplicateOption { code } => write!(f, "option {code} twice"),
            Self::DuidLength { code, length } => write!(f, "option {code} holds a DUID of {length} octets"),
            Self::EmptyRelayMessage => f.write_str("a relay's message with nothing in it"),
            Self::TooManyRelays => write!(f, "more than {MAX_RELAYS} relays"),
        }
    }
}
