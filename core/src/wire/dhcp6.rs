//! DHCPv6 messages (RFC 8415 8, 9, 21): a client's or server's message with its options in order, and the relays that
//! forwarded it.
//!
//! As in [`super::dhcp4`], an option is a code and its octets; order and unknown options are preserved.

use super::pxe::MachineId;
use super::user_classes::UserClasses;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::ops::Deref;

/// Option codes by their RFC 8415 (and later) numbers.
pub mod code {
    /// Client identifier (DUID).
    pub const CLIENT_ID: u16 = 1;
    /// Server identifier (DUID).
    pub const SERVER_ID: u16 = 2;
    /// Identity association for non-temporary addresses.
    pub const IA_NA: u16 = 3;
    /// Address in an identity association (IAADDR).
    pub const IA_ADDRESS: u16 = 5;
    /// Option request (ORO).
    pub const OPTION_REQUEST: u16 = 6;
    /// Server preference.
    pub const PREFERENCE: u16 = 7;
    /// Elapsed time, in hundredths of a second.
    pub const ELAPSED_TIME: u16 = 8;
    /// The message that a relay forwards.
    pub const RELAY_MESSAGE: u16 = 9;
    /// Status code.
    pub const STATUS: u16 = 13;
    /// User class.
    pub const USER_CLASS: u16 = 15;
    /// Vendor class.
    pub const VENDOR_CLASS: u16 = 16;
    /// The relay's interface identifier.
    pub const INTERFACE_ID: u16 = 18;
    /// DNS servers (RFC 3646 3).
    pub const DNS_SERVERS: u16 = 23;
    /// Domain search list (RFC 3646 4).
    pub const DOMAIN_LIST: u16 = 24;
    /// Boot file URL (RFC 5970 3.1).
    pub const BOOT_FILE_URL: u16 = 59;
    /// Client system architecture (RFC 5970 3.3).
    pub const ARCHITECTURE: u16 = 61;
    /// Client network interface identifier (RFC 5970 3.4).
    pub const NETWORK_INTERFACE: u16 = 62;
    /// Client link-layer address, added by the relay (RFC 6939).
    pub const CLIENT_LINK_LAYER: u16 = 79;
    /// The relay's source port (RFC 8357).
    pub const RELAY_PORT: u16 = 135;
}

/// Intel's enterprise number: PXE and HTTP boot clients send their vendor class under this number (UEFI 2.10,
/// 24.7.3.1).
pub const INTEL_ENTERPRISE_NUMBER: u32 = 343;
/// Maximum number of relays that may forward a message: HOP_COUNT_LIMIT (RFC 8415 7.6).
pub const MAX_RELAYS: usize = 8;
/// Length of the longest DUID, in octets: a type (2) and 128 (RFC 8415 11.1).
pub const MAX_DUID_LENGTH: usize = 130;

/// Length of the fixed header: type and transaction ID, in octets.
const MESSAGE_HEADER_LENGTH: usize = 4;
/// Length of a relay's fixed header: type, hop count, link address, peer address, in octets (RFC 8415 9).
const RELAY_HEADER_LENGTH: usize = 34;
/// Length of an option's header: code and length, in octets (RFC 8415 21.1).
const OPTION_HEADER_LENGTH: usize = 4;

/// Why a packet cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The message is shorter than its fixed header.
    TooShort {
        /// Length of the message, in octets.
        length: usize,
        /// Minimum length, in octets.
        minimum: usize,
    },
    /// The length of an option exceeds the rest of its area.
    OptionOverrun {
        /// Option code.
        code: u16,
        /// Offset of the option in its message, in octets.
        offset: usize,
        /// Length that the option states, in octets.
        claimed: usize,
        /// Octets left in the area.
        left: usize,
    },
    /// An option that may occur once occurs twice.
    DuplicateOption {
        /// Option code.
        code: u16,
    },
    /// A DUID is empty or too long.
    DuidLength {
        /// Option code.
        code: u16,
        /// Its length, in octets.
        length: usize,
    },
    /// A relay's message does not contain the message that the relay forwards.
    EmptyRelayMessage,
    /// More than [`MAX_RELAYS`] relays have forwarded the message.
    TooManyRelays,
}

/// DHCPv6 message type (RFC 8415 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// SOLICIT, 1.
    Solicit,
    /// ADVERTISE, 2.
    Advertise,
    /// REQUEST, 3.
    Request,
    /// CONFIRM, 4.
    Confirm,
    /// RENEW, 5.
    Renew,
    /// REBIND, 6.
    Rebind,
    /// REPLY, 7.
    Reply,
    /// RELEASE, 8.
    Release,
    /// DECLINE, 9.
    Decline,
    /// RECONFIGURE, 10.
    Reconfigure,
    /// INFORMATION-REQUEST, 11.
    InformationRequest,
    /// RELAY-FORW, 12.
    RelayForward,
    /// RELAY-REPL, 13.
    RelayReply,
    /// Any other number.
    Other(u8),
}

const MESSAGE_TYPES: [(u8, MessageType, &str); 13] = [
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

/// A message from a client or a server, without relays.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Message type.
    pub message_type: MessageType,
    /// Transaction ID.
    pub transaction_id: [u8; 3],
    options: &'a [u8],
}

/// The header and the options of one relay.
#[derive(Clone, Copy, Debug)]
pub struct RelayHop<'a> {
    /// RELAY-FORW, or RELAY-REPL on its way back.
    pub message_type: MessageType,
    /// Number of relays that forwarded the message before this relay.
    pub hop_count: u8,
    /// The relay's address on the client's link, or the unspecified address.
    pub link_address: Ipv6Addr,
    /// The address from which the relay received the message.
    pub peer_address: Ipv6Addr,
    options: &'a [u8],
}

/// The relays that forwarded a message, outermost first. The outermost relay is the one nearest to the server.
#[derive(Clone, Copy, Debug)]
pub struct RelayHops<'a> {
    hops: [RelayHop<'a>; MAX_RELAYS],
    count: usize,
}

impl Default for RelayHops<'_> {
    fn default() -> Self {
        let none = RelayHop {
            message_type: MessageType::RelayForward,
            hop_count: 0,
            link_address: Ipv6Addr::UNSPECIFIED,
            peer_address: Ipv6Addr::UNSPECIFIED,
            options: &[],
        };
        RelayHops { hops: [none; MAX_RELAYS], count: 0 }
    }
}

impl<'a> Deref for RelayHops<'a> {
    type Target = [RelayHop<'a>];

    fn deref(&self) -> &[RelayHop<'a>] {
        &self.hops[..self.count]
    }
}

/// A parsed datagram: a message, and the relays around it.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The relays.
    pub hops: RelayHops<'a>,
    /// The client's or server's message, which the relays' messages enclose.
    pub message: Message<'a>,
}

impl<'a> Packet<'a> {
    /// Parses a datagram and checks the options of every layer.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (mut hops, mut rest) = (RelayHops::default(), datagram);
        while matches!(rest.first(), Some(12 | 13)) {
            let place = hops.hops.get_mut(hops.count).ok_or(Malformed::TooManyRelays)?;
            *place = RelayHop::parse(rest)?;
            rest = place.option(code::RELAY_MESSAGE).ok_or(Malformed::EmptyRelayMessage)?;
            hops.count += 1;
        }
        Ok(Packet { hops, message: Message::parse(rest)? })
    }
}

impl<'a> Message<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let &[kind, a, b, c, ref options @ ..] = octets else {
            return Err(Malformed::TooShort { length: octets.len(), minimum: MESSAGE_HEADER_LENGTH });
        };
        check_area(options, MESSAGE_HEADER_LENGTH)?;
        let message = Message { message_type: kind.into(), transaction_id: [a, b, c], options };
        for code in [code::CLIENT_ID, code::SERVER_ID] {
            check_unique(options, code)?;
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

    /// The value of the first option with this code; `None` if there is no such option.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        find(self.options, code)
    }

    /// The vendor classes under Intel's enterprise number (option 16), in order.
    pub fn vendor_classes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let own = self.options().filter(|(code, _)| *code == code::VENDOR_CLASS).filter_map(|(_, value)| {
            let (enterprise, data) = value.split_at_checked(4)?;
            (enterprise == INTEL_ENTERPRISE_NUMBER.to_be_bytes()).then_some(data)
        });
        own.flat_map(LengthPrefixed)
    }

    /// User classes (option 15).
    pub fn user_classes(&self) -> UserClasses<'a> {
        self.option(code::USER_CLASS).map(UserClasses::from_option15).unwrap_or_default()
    }

    /// The addresses that the client was offered, or requests (IAADDR in IA_NA).
    pub fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let associations = self.options().filter(|(code, _)| *code == code::IA_NA);
        // IAID, T1 and T2 precede the options of an association (RFC 8415 21.4).
        let inner = associations.flat_map(|(_, value)| Options(value.get(12..).unwrap_or_default()));
        inner.filter(|(code, _)| *code == code::IA_ADDRESS).filter_map(|(_, value)| address(value.get(..16)?))
    }
}

impl<'a> RelayHop<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::TooShort { length: octets.len(), minimum: RELAY_HEADER_LENGTH };
        let (header, options) = octets.split_at_checked(RELAY_HEADER_LENGTH).ok_or(short)?;
        check_area(options, RELAY_HEADER_LENGTH)?;
        check_unique(options, code::RELAY_MESSAGE)?;
        let [link, peer] = [&header[2..18], &header[18..34]].map(|octets| address(octets).ok_or(short));
        Ok(RelayHop {
            message_type: header[0].into(),
            hop_count: header[1],
            link_address: link?,
            peer_address: peer?,
            options,
        })
    }

    /// The relay's options in order of appearance.
    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        Options(self.options)
    }

    /// The value of the first option with this code; `None` if there is no such option.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        find(self.options, code)
    }
}

/// DHCP unique identifier: identifies a client in every network (RFC 8415 11, RFC 6355).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duid<'a> {
    /// DUID-LLT or DUID-LL: the MAC address of one of the client's network cards, which need not be the card from which
    /// the client boots.
    Mac([u8; 6]),
    /// DUID-UUID. EDK2 writes the octets as SMBIOS stores them, iPXE in printed order.
    Uuid([u8; 16]),
    /// Any other DUID, whole.
    Other(&'a [u8]),
}

impl<'a> Duid<'a> {
    /// Parses a DUID; an unknown form is [`Duid::Other`].
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

    /// The machine identifier of a DUID-UUID in its two interpretations: as firmware writes it, and as iPXE writes it.
    /// `None` for any other DUID.
    pub fn machine_ids(self) -> Option<[MachineId; 2]> {
        let Duid::Uuid(octets) = self else { return None };
        let mut stored = [0; 17];
        stored[1..].copy_from_slice(&octets);
        Some([MachineId(stored), MachineId::from_uuid(octets)])
    }
}

/// The MAC address in an EUI-64 interface identifier (RFC 4291 appendix A); `None` if the identifier is not EUI-64.
pub fn mac_from_eui64(address: Ipv6Addr) -> Option<[u8; 6]> {
    match address.octets() {
        [_, _, _, _, _, _, _, _, a, b, c, 0xff, 0xfe, d, e, f] => Some([a ^ 2, b, c, d, e, f]),
        _ => None,
    }
}

/// Appends a message to a buffer, option by option in the order of the calls.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Writes the message header to the end of `out`.
    pub fn new(kind: MessageType, transaction: [u8; 3], out: &'o mut Vec<u8>) -> Self {
        out.push(kind.into());
        out.extend_from_slice(&transaction);
        Writer { out }
    }

    /// Appends an option. The value must not exceed 65535 octets; all callers pass much shorter values.
    pub fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        option(code, value, self.out);
        self
    }

    /// Appends option 16 with one text, under Intel's enterprise number.
    pub fn vendor_class(&mut self, word: &str) -> &mut Self {
        let (enterprise, length) = (INTEL_ENTERPRISE_NUMBER.to_be_bytes(), (word.len() as u16).to_be_bytes());
        self.option_of(code::VENDOR_CLASS, enterprise.into_iter().chain(length).chain(word.bytes()))
    }

    /// Appends an option with these octets.
    pub fn option_of(&mut self, code: u16, octets: impl IntoIterator<Item = u8>) -> &mut Self {
        enclose(code, self.out, |out| out.extend(octets));
        self
    }
}

/// Appends the reply that `write` appends, wrapped for the relays that forwarded the request: each relay receives the
/// interface identifier and the relay port that it sent (RFC 8415 19.3, RFC 8357 5.2).
pub fn write_relay_reply(hops: &[RelayHop<'_>], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let Some((hop, inner)) = hops.split_first() else { return write(out) };
    out.extend_from_slice(&[MessageType::RelayReply.into(), hop.hop_count]);
    out.extend_from_slice(&hop.link_address.octets());
    out.extend_from_slice(&hop.peer_address.octets());
    for code in [code::INTERFACE_ID, code::RELAY_PORT] {
        if let Some(value) = hop.option(code) {
            option(code, value, out);
        }
    }
    enclose(code::RELAY_MESSAGE, out, |out| write_relay_reply(inner, out, write));
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends an option with the value that `write` appends.
fn enclose(code: u16, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    option(code, &[], out);
    write(out);
    let length = (out.len() - start - OPTION_HEADER_LENGTH) as u16;
    out[start + 2..start + OPTION_HEADER_LENGTH].copy_from_slice(&length.to_be_bytes());
}

/// Iterates over an area of options. Stops at the first option that is longer than the rest of the area. A parsed
/// message contains no such option, because the parser has checked all options.
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

/// Iterates over texts, each preceded by its length in two octets (RFC 8415 21.15). Stops at the first text that is
/// longer than the rest of the value.
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

fn check_unique(options: &[u8], code: u16) -> Result<(), Malformed> {
    match Options(options).filter(|(found, _)| *found == code).count() {
        0 | 1 => Ok(()),
        _ => Err(Malformed::DuplicateOption { code }),
    }
}

/// Checks that each option ends inside its area, which begins at octet `base` of its message.
fn check_area(area: &[u8], base: usize) -> Result<(), Malformed> {
    let mut walk = Options(area);
    while walk.next().is_some() {}
    let offset = base + area.len() - walk.0.len();
    match *walk.0 {
        [] => Ok(()),
        [a, b, c, d, ref rest @ ..] => {
            let claimed = u16::from_be_bytes([c, d]).into();
            Err(Malformed::OptionOverrun { code: u16::from_be_bytes([a, b]), offset, claimed, left: rest.len() })
        }
        ref rest => Err(Malformed::OptionOverrun { code: 0, offset, claimed: OPTION_HEADER_LENGTH, left: rest.len() }),
    }
}

fn address(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

impl From<u8> for MessageType {
    fn from(octet: u8) -> Self {
        MESSAGE_TYPES.iter().find(|row| row.0 == octet).map_or(Self::Other(octet), |row| row.1)
    }
}

impl From<MessageType> for u8 {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Other(other) => other,
            known => MESSAGE_TYPES.iter().find(|row| row.1 == known).map_or(0, |row| row.0),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MESSAGE_TYPES.iter().find(|row| row.1 == *self) {
            Some(row) => f.write_str(row.2),
            None => write!(f, "message type {}", u8::from(*self)),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length, minimum } => write!(f, "{length} octets, at least {minimum} are needed"),
            Self::OptionOverrun { code, offset, claimed, left } => {
                write!(f, "option {code} at octet {offset} claims {claimed} octets, {left} are left")
            }
            Self::DuplicateOption { code } => write!(f, "option {code} occurs twice"),
            Self::DuidLength { code, length } => write!(f, "option {code} holds a DUID of {length} octets"),
            Self::EmptyRelayMessage => f.write_str("a relay's message without the message that it forwards"),
            Self::TooManyRelays => write!(f, "more than {MAX_RELAYS} relays"),
        }
    }
}
