//! DHCPv4 messages (RFC 2131 2, RFC 2132): header, ordered options, option overload, long options (RFC 3396).
//!
//! An option is a code and its octets; order and unknown options are preserved. [`super::pxe`] and `client` interpret
//! the options that matter for booting.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// Length of the fixed header, before the magic cookie, in octets.
pub const HEADER_LENGTH: usize = 236;
/// The magic cookie (RFC 2131 3).
pub const MAGIC_COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// The BROADCAST flag, bit 15 of `flags` (RFC 2131 figure 2).
pub const BROADCAST_FLAG: u16 = 0x8000;
/// Length of the smallest BOOTP message, in octets: every relay and ROM accepts it (RFC 951, RFC 1542 2.1).
pub const MIN_LENGTH: usize = 300;

/// The `htype` of IP over InfiniBand (RFC 4390).
pub const HTYPE_INFINIBAND: u8 = 32;

/// BOOTREQUEST: the client sends the message.
pub const OP_REQUEST: u8 = 1;
/// BOOTREPLY: the server sends the message.
pub const OP_REPLY: u8 = 2;

/// Option codes by their RFC 2132 (and later) numbers.
pub mod code {
    /// One octet of padding, without a length.
    pub const PAD: u8 = 0;
    /// Vendor-specific information; for PXE, encapsulated options.
    pub const VENDOR_SPECIFIC: u8 = 43;
    /// Requested IP address.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Option overload: `file` and `sname` hold options.
    pub const OVERLOAD: u8 = 52;
    /// DHCP message type.
    pub const MESSAGE_TYPE: u8 = 53;
    /// Server identifier.
    pub const SERVER_ID: u8 = 54;
    /// Parameter request list.
    pub const PARAMETER_LIST: u8 = 55;
    /// Maximum DHCP message size.
    pub const MAXIMUM_SIZE: u8 = 57;
    /// Vendor class identifier.
    pub const VENDOR_CLASS: u8 = 60;
    /// Boot file name.
    pub const BOOT_FILE: u8 = 67;
    /// User class (RFC 3004).
    pub const USER_CLASS: u8 = 77;
    /// Relay agent information (RFC 3046).
    pub const RELAY_AGENT: u8 = 82;
    /// Client system architecture (RFC 4578 2.1).
    pub const ARCHITECTURE: u8 = 93;
    /// Client network interface identifier: UNDI version (RFC 4578 2.2).
    pub const NETWORK_INTERFACE: u8 = 94;
    /// Client machine identifier: UUID (RFC 4578 2.3).
    pub const MACHINE_ID: u8 = 97;
    /// iPXE's encapsulated options.
    pub const IPXE: u8 = 175;
    /// End of the options.
    pub const END: u8 = 255;
}

/// Why a packet cannot be parsed, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The packet is shorter than the fixed header and the cookie.
    TooShort {
        /// Length of the packet, in octets.
        length: usize,
        /// Minimum length, in octets.
        minimum: usize,
    },
    /// The packet contains these four octets instead of the magic cookie.
    Cookie([u8; 4]),
    /// `hlen` exceeds the size of `chaddr`, or is 0 and `htype` is not InfiniBand.
    HardwareLength(u8),
    /// The length of an option exceeds the rest of its area.
    OptionOverrun {
        /// Option code.
        code: u8,
        /// Offset of the option in the datagram, in octets.
        offset: usize,
        /// Length that the option states, in octets.
        claimed: usize,
        /// Octets left in the area.
        left: usize,
    },
    /// An option of fixed length has another length.
    OptionLength {
        /// Option code.
        code: u8,
        /// Its length, in octets.
        length: usize,
    },
    /// An option of fixed length occurs twice, with different values.
    ConflictingOption {
        /// Option code.
        code: u8,
    },
}

/// DHCP message type, option 53 (RFC 2132 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// DHCPDISCOVER, 1.
    Discover,
    /// DHCPOFFER, 2.
    Offer,
    /// DHCPREQUEST, 3.
    Request,
    /// DHCPDECLINE, 4.
    Decline,
    /// DHCPACK, 5.
    Ack,
    /// DHCPNAK, 6.
    Nak,
    /// DHCPRELEASE, 7.
    Release,
    /// DHCPINFORM, 8.
    Inform,
    /// Any other number.
    Other(u8),
}

impl From<u8> for MessageType {
    fn from(octet: u8) -> Self {
        match octet {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Other(other) => other,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Request => "REQUEST",
            Self::Decline => "DECLINE",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::Release => "RELEASE",
            Self::Inform => "INFORM",
            Self::Other(number) => return write!(f, "message type {number}"),
        })
    }
}

/// The fixed header (RFC 2131 figure 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Message op code: [`OP_REQUEST`] or [`OP_REPLY`].
    pub op: u8,
    /// Hardware address type (1: Ethernet).
    pub htype: u8,
    /// Length of the hardware address in `chaddr`, 1-16 octets. 0 is valid on InfiniBand, where only the client
    /// identifier identifies the client (RFC 4390 2.1).
    pub hlen: u8,
    /// Number of relays that forwarded the message.
    pub hops: u8,
    /// Transaction ID.
    pub xid: u32,
    /// Seconds since the client began to request an address, as the client states them.
    pub secs: u16,
    /// Flags; see [`BROADCAST_FLAG`].
    pub flags: u16,
    /// Client IP address, if the client has one.
    pub ciaddr: Ipv4Addr,
    /// "Your" IP address, assigned by a DHCP server.
    pub yiaddr: Ipv4Addr,
    /// IP address of the next server to boot from.
    pub siaddr: Ipv4Addr,
    /// IP address of the relay agent.
    pub giaddr: Ipv4Addr,
    /// Client hardware address, padded.
    pub chaddr: [u8; 16],
    /// Server host name, or options (option 52).
    pub sname: [u8; 64],
    /// Boot file name, or options (option 52).
    pub file: [u8; 128],
}

/// A message whose options were checked. It borrows from the datagram and copies nothing but the header.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The fixed header.
    pub header: Header,
    /// The areas that hold options, in the order in which they are read: options, file, sname (RFC 2131 4.1).
    areas: [&'a [u8]; 3],
    index: OptionIndex<'a>,
}

impl<'a> Message<'a> {
    /// Parses a datagram. The end option may be missing if the last option ends exactly at the end of its area, because
    /// nothing is then ambiguous.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let minimum = HEADER_LENGTH + MAGIC_COOKIE.len();
        if datagram.len() < minimum {
            return Err(Malformed::TooShort { length: datagram.len(), minimum });
        }
        let (fixed, rest) = datagram.split_at(HEADER_LENGTH);
        let (cookie, options) = rest.split_at(MAGIC_COOKIE.len());
        if cookie != MAGIC_COOKIE {
            return Err(Malformed::Cookie([cookie[0], cookie[1], cookie[2], cookie[3]]));
        }
        let header = Header::parse(fixed)?;
        let mut message = Message { header, areas: [options, &[], &[]], index: OptionIndex::default() };
        check_area(options, minimum)?;
        message.open_overload(datagram)?;
        message.index_options()?;
        Ok(message)
    }

    /// Every option in order of appearance. A long option yields each of its instances separately.
    pub fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        self.areas.into_iter().flat_map(Options)
    }

    /// The value of an option; `None` if the option is absent. Several instances are concatenated in order of
    /// appearance (RFC 3396 5).
    pub fn option(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        if let Some(found) = self.index.find(code) {
            return found.map(Cow::Borrowed);
        }
        let mut instances = self.options().filter(|&(c, _)| c == code).map(|(_, value)| value);
        let first = instances.next()?;
        let Some(second) = instances.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = [first, second].concat();
        instances.for_each(|more| joined.extend_from_slice(more));
        Some(Cow::Owned(joined))
    }

    /// The message type; `None` for a BOOTP message, which has none.
    pub fn message_type(&self) -> Option<MessageType> {
        self.option(code::MESSAGE_TYPE).map(|value| value[0].into())
    }

    /// The value of an option that holds one IPv4 address; `None` if the option is absent or shorter than 4 octets.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.get(..4)?.try_into().ok()?;
        Some(octets.into())
    }

    /// The boot file name in `file`, up to its NUL; empty if `file` holds options.
    pub fn file(&self) -> &[u8] {
        if self.areas[1].is_empty() { until_nul(&self.header.file) } else { &[] }
    }

    /// The server host name in `sname`, up to its NUL; empty if `sname` holds options.
    pub fn sname(&self) -> &[u8] {
        if self.areas[2].is_empty() { until_nul(&self.header.sname) } else { &[] }
    }

    /// Adds the areas that option 52 lists (RFC 2132 9.3): `file` holds options if bit 0 is set, `sname` if bit 1 is
    /// set.
    fn open_overload(&mut self, datagram: &'a [u8]) -> Result<(), Malformed> {
        let Some((_, value)) = Options(self.areas[0]).find(|&(c, _)| c == code::OVERLOAD) else { return Ok(()) };
        let &[bits] = value else { return Err(Malformed::OptionLength { code: code::OVERLOAD, length: value.len() }) };
        if bits & 1 != 0 {
            self.areas[1] = &datagram[108..HEADER_LENGTH];
            check_area(self.areas[1], 108)?;
        }
        if bits & 2 != 0 {
            self.areas[2] = &datagram[44..108];
            check_area(self.areas[2], 44)?;
        }
        Ok(())
    }

    /// Indexes the options. An option of fixed length cannot be a long option, so a second instance must repeat the
    /// value.
    fn index_options(&mut self) -> Result<(), Malformed> {
        let mut seen: [Option<&[u8]>; FIXED_LENGTHS.len()] = [None; FIXED_LENGTHS.len()];
        for (code, value) in self.options() {
            self.index.insert(code, value);
            let Some(index) = FIXED_LENGTHS.iter().position(|&(c, _)| c == code) else { continue };
            if value.len() != FIXED_LENGTHS[index].1 {
                return Err(Malformed::OptionLength { code, length: value.len() });
            }
            match seen[index] {
                Some(earlier) if earlier != value => return Err(Malformed::ConflictingOption { code }),
                _ => seen[index] = Some(value),
            }
        }
        Ok(())
    }
}

/// An index of the options of a packet. The server looks up twenty options of each packet, and a walk through all
/// options for each lookup would cost more than the rest of the work.
#[derive(Clone, Debug, Default)]
struct OptionIndex<'a> {
    codes: [u8; OptionIndex::MAX],
    values: [&'a [u8]; OptionIndex::MAX],
    count: usize,
    /// Whether the index lacks options, or an option has several instances. Lookups then walk through the packet
    /// instead.
    incomplete: bool,
}

impl<'a> OptionIndex<'a> {
    /// The capacity of the index. Firmware sends a dozen options.
    const MAX: usize = 24;

    fn insert(&mut self, code: u8, value: &'a [u8]) {
        if self.count == Self::MAX || self.codes[..self.count].contains(&code) {
            self.incomplete = true;
            return;
        }
        (self.codes[self.count], self.values[self.count]) = (code, value);
        self.count += 1;
    }

    /// Looks up an option. Returns `None` if the index is incomplete, and `Some(None)` if the option is absent.
    fn find(&self, code: u8) -> Option<Option<&'a [u8]>> {
        let index = self.codes[..self.count].iter().position(|&known| known == code);
        (!self.incomplete).then(|| index.map(|index| self.values[index]))
    }
}

/// Options of fixed length, in octets, whose loss would change the meaning of the packet.
const FIXED_LENGTHS: [(u8, usize); 4] =
    [(code::REQUESTED_ADDRESS, 4), (code::MESSAGE_TYPE, 1), (code::SERVER_ID, 4), (code::MAXIMUM_SIZE, 2)];

impl Header {
    fn parse(fixed: &[u8]) -> Result<Self, Malformed> {
        let (htype, hlen) = (fixed[1], fixed[2]);
        if hlen == 0 && htype != HTYPE_INFINIBAND || hlen > 16 {
            return Err(Malformed::HardwareLength(hlen));
        }
        let u16_at = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        Ok(Header {
            op: fixed[0],
            htype,
            hlen,
            hops: fixed[3],
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            secs: u16_at(8),
            flags: u16_at(10),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr: array(&fixed[28..44]),
            sname: array(&fixed[44..108]),
            file: array(&fixed[108..HEADER_LENGTH]),
        })
    }

    /// The hardware address: the first `hlen` octets of `chaddr`.
    pub fn hardware(&self) -> &[u8] {
        &self.chaddr[..usize::from(self.hlen.min(16))]
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.op, self.htype, self.hlen, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.chaddr);
        out.extend_from_slice(&self.sname);
        out.extend_from_slice(&self.file);
    }
}

/// An empty request from an Ethernet client.
impl Default for Header {
    fn default() -> Self {
        const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        Header {
            op: OP_REQUEST,
            htype: 1,
            hlen: 6,
            hops: 0,
            xid: 0,
            secs: 0,
            flags: 0,
            ciaddr: NONE,
            yiaddr: NONE,
            siaddr: NONE,
            giaddr: NONE,
            chaddr: [0; 16],
            sname: [0; 64],
            file: [0; 128],
        }
    }
}

/// Appends a message to a buffer, option by option in the order of the calls.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Writer<'o> {
    /// Writes the header and the cookie to the end of `out`.
    pub fn new(header: &Header, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        header.write(out);
        out.extend_from_slice(&MAGIC_COOKIE);
        Writer { out, start }
    }

    /// Appends an option. A value of more than 255 octets becomes several instances (RFC 3396 6). Boot clients read
    /// only the first instance, so callers limit the values that they send to boot clients.
    pub fn option(&mut self, code: u8, value: &[u8]) -> &mut Self {
        if value.is_empty() {
            self.out.extend_from_slice(&[code, 0]);
        }
        for chunk in value.chunks(255) {
            self.out.extend_from_slice(&[code, chunk.len() as u8]);
            self.out.extend_from_slice(chunk);
        }
        self
    }

    /// Appends the end option, then zeros until the message is `min_length` octets long. Returns the length of the
    /// message in octets.
    pub fn finish(self, min_length: usize) -> usize {
        self.out.push(code::END);
        let length = (self.out.len() - self.start).max(min_length);
        self.out.resize(self.start + length, code::PAD);
        length
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length, minimum } => write!(f, "{length} octets, at least {minimum} are needed"),
            Self::Cookie([a, b, c, d]) => write!(f, "cookie {a:02x}{b:02x}{c:02x}{d:02x} instead of 63825363"),
            Self::HardwareLength(length) => write!(f, "hardware address of {length} octets"),
            Self::OptionOverrun { code, offset, claimed, left } => {
                write!(f, "option {code} at octet {offset} claims {claimed} octets, {left} are left")
            }
            Self::OptionLength { code, length } => write!(f, "option {code} with {length} octets"),
            Self::ConflictingOption { code } => write!(f, "option {code} occurs twice, with different values"),
        }
    }
}

/// Iterates over the options of an area, which may lack an end option.
#[derive(Clone, Debug)]
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.0 {
                [] | [code::END, ..] => return None,
                [code::PAD, ref rest @ ..] => self.0 = rest,
                [code, length, ref rest @ ..] if rest.len() >= usize::from(length) => {
                    let (value, rest) = rest.split_at(length.into());
                    self.0 = rest;
                    return Some((code, value));
                }
                // `check_area` has refused any option that overruns its area.
                _ => return None,
            }
        }
    }
}

/// Checks that each option ends inside its area, which begins at octet `base` of the datagram.
fn check_area(area: &[u8], base: usize) -> Result<(), Malformed> {
    let mut walk = Options(area);
    while walk.next().is_some() {}
    match *walk.0 {
        [] | [code::END, ..] => Ok(()),
        [code, ref rest @ ..] => Err(Malformed::OptionOverrun {
            code,
            offset: base + area.len() - walk.0.len(),
            claimed: rest.first().map_or(1, |&length| length.into()),
            left: rest.len().saturating_sub(1),
        }),
    }
}

fn array<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(octets);
    array
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&octet| octet == 0).next().unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_option_however_many_there_are_and_joins_instances() {
        for (count, long) in
            [1, OptionIndex::MAX, OptionIndex::MAX + 1, 100].into_iter().flat_map(|n| [(n, false), (n, true)])
        {
            let mut octets = Vec::new();
            let mut packet = Writer::new(&Header { hlen: 6, ..Header::default() }, &mut octets);
            let codes = (100..=200).take(count);
            for code in codes.clone() {
                packet.option(code, &[code, 1]);
            }
            if long {
                packet.option(99, b"left ").option(99, b"and right");
            }
            packet.finish(MIN_LENGTH);
            let message = Message::parse(&octets).unwrap();
            for code in codes {
                assert_eq!(message.option(code).as_deref(), Some(&[code, 1][..]), "{code} of {count}");
            }
            assert_eq!(message.option(99).as_deref(), long.then_some(&b"left and right"[..]), "{count}");
            assert_eq!(message.option(98), None, "{count}");
        }
    }
}
