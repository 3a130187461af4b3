//! DHCPv4 messages (RFC 2131 2, RFC 2132): header, ordered options, option overload, long options (RFC 3396).
//!
//! Unknown options survive and order is kept: an option is its code and its octets, nothing more. Typed readers for
//! what matters to booting are in [`super::pxe`] and in `client`.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// Octets before the cookie.
pub const HEADER_LENGTH: usize = 236;
pub const MAGIC_COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Bit 15 of flags (RFC 2131 figure 2).
pub const BROADCAST_FLAG: u16 = 0x8000;
/// Smallest BOOTP message that every relay and ROM takes (RFC 951, RFC 1542 2.1).
pub const MIN_LENGTH: usize = 300;

/// htype of IP over InfiniBand (RFC 4390).
pub const HTYPE_INFINIBAND: u8 = 32;

pub const OP_REQUEST: u8 = 1;
pub const OP_REPLY: u8 = 2;

/// Option codes by their RFC 2132 (and later) numbers.
pub mod code {
    pub const PAD: u8 = 0;
    pub const VENDOR_SPECIFIC: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETER_LIST: u8 = 55;
    pub const MAXIMUM_SIZE: u8 = 57;
    pub const VENDOR_CLASS: u8 = 60;
    pub const BOOT_FILE: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const RELAY_AGENT: u8 = 82;
    pub const ARCHITECTURE: u8 = 93;
    pub const NETWORK_INTERFACE: u8 = 94;
    pub const MACHINE_ID: u8 = 97;
    pub const IPXE: u8 = 175;
    pub const END: u8 = 255;
}

/// What makes a packet unreadable, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the fixed part.
    TooShort { length: usize, needs: usize },
    /// The four octets where the DHCP cookie should be.
    Cookie([u8; 4]),
    /// hlen is more than chaddr holds, or 0 of what is not InfiniBand.
    HardwareLength(u8),
    /// An option claims more octets than its area has left.
    OptionOverrun { code: u8, at: usize, claims: usize, left: usize },
    /// An option of fixed size has another one.
    OptionLength { code: u8, length: usize },
    /// An option of fixed size occurs twice with different values.
    ConflictingOption { code: u8 },
}

/// Option 53 (RFC 2132 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
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

/// The fixed part (RFC 2131 figure 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub op: u8,
    pub htype: u8,
    /// Octets of chaddr that count, 1-16; on InfiniBand it may be 0, and the client identifier alone counts (RFC 4390
    /// 2.1).
    pub hlen: u8,
    pub hops: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 16],
    pub sname: [u8; 64],
    pub file: [u8; 128],
}

/// A message whose options are known to be sound. Nothing is copied: it looks into the datagram.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub header: Header,
    /// Where options stand, in the order in which they count: options, file, sname (RFC 2131 4.1).
    areas: [&'a [u8]; 3],
    index: Index<'a>,
}

impl<'a> Message<'a> {
    /// Takes a datagram apart. A missing end option at the exact end of an area is tolerated: nothing is ambiguous.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let needs = HEADER_LENGTH + MAGIC_COOKIE.len();
        if datagram.len() < needs {
            return Err(Malformed::TooShort { length: datagram.len(), needs });
        }
        let (fixed, rest) = datagram.split_at(HEADER_LENGTH);
        let (cookie, options) = rest.split_at(MAGIC_COOKIE.len());
        if cookie != MAGIC_COOKIE {
            return Err(Malformed::Cookie([cookie[0], cookie[1], cookie[2], cookie[3]]));
        }
        let header = Header::parse(fixed)?;
        let mut message = Message { header, areas: [options, &[], &[]], index: Index::default() };
        check_area(options, needs)?;
        message.open_overload(datagram)?;
        message.survey()?;
        Ok(message)
    }

    /// Every option in order of appearance, instances of long options apart.
    pub fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        self.areas.into_iter().flat_map(Options)
    }

    /// The value of an option; several instances are joined in order of appearance (RFC 3396 5).
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

    pub fn message_type(&self) -> Option<MessageType> {
        self.option(code::MESSAGE_TYPE).map(|value| value[0].into())
    }

    /// An option that holds one IPv4 address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.get(..4)?.try_into().ok()?;
        Some(octets.into())
    }

    /// The file field as text octets, unless option 52 made options of it.
    pub fn file(&self) -> &[u8] {
        if self.areas[1].is_empty() { until_nul(&self.header.file) } else { &[] }
    }

    pub fn sname(&self) -> &[u8] {
        if self.areas[2].is_empty() { until_nul(&self.header.sname) } else { &[] }
    }

    /// Option 52: bit 0 - file holds options, bit 1 - sname does (RFC 2132 9.3).
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

    /// Where the options are. Those of fixed size cannot be long ones: a second instance must say the same.
    fn survey(&mut self) -> Result<(), Malformed> {
        let mut seen: [Option<&[u8]>; FIXED_SIZE.len()] = [None; FIXED_SIZE.len()];
        for (code, value) in self.options() {
            self.index.insert(code, value);
            let Some(place) = FIXED_SIZE.iter().position(|&(c, _)| c == code) else { continue };
            if value.len() != FIXED_SIZE[place].1 {
                return Err(Malformed::OptionLength { code, length: value.len() });
            }
            match seen[place] {
                Some(earlier) if earlier != value => return Err(Malformed::ConflictingOption { code }),
                _ => seen[place] = Some(value),
            }
        }
        Ok(())
    }
}

/// A packet is asked for twenty options, and to walk through it for each would cost more than all else that is done
/// with it.
#[derive(Clone, Debug, Default)]
struct Index<'a> {
    codes: [u8; Index::MOST],
    values: [&'a [u8]; Index::MOST],
    count: usize,
    /// There are more options, or one of them in several instances: then they are walked through.
    incomplete: bool,
}

impl<'a> Index<'a> {
    /// Firmware sends a dozen.
    const MOST: usize = 24;

    fn insert(&mut self, code: u8, value: &'a [u8]) {
        if self.count == Self::MOST || self.codes[..self.count].contains(&code) {
            self.incomplete = true;
            return;
        }
        (self.codes[self.count], self.values[self.count]) = (code, value);
        self.count += 1;
    }

    /// `None`: it does not know.
    fn find(&self, code: u8) -> Option<Option<&'a [u8]>> {
        let place = self.codes[..self.count].iter().position(|&known| known == code);
        (!self.incomplete).then(|| place.map(|place| self.values[place]))
    }
}

/// Options whose size is fixed and whose loss would change the meaning of the packet.
const FIXED_SIZE: [(u8, usize); 4] =
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

    /// The part of chaddr that counts.
    pub fn hardware(&self) -> &[u8] {
        &self.chaddr[..usize::from(self.hlen.min(16))]
    }

    fn emit(&self, out: &mut Vec<u8>) {
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

/// A request with nothing in it but a hardware type of Ethernet.
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

/// Puts a message together at the end of `out`, option by option in the order they are given.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Writer<'o> {
    pub fn new(header: &Header, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        header.emit(out);
        out.extend_from_slice(&MAGIC_COOKIE);
        Writer { out, start }
    }

    /// A value of more than 255 octets becomes several instances (RFC 3396 6). Towards boot clients none may: they
    /// read the first instance only, so what the plan offers is bounded before it comes here.
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

    /// The end option, and zeros up to `smallest` octets. Gives the length of the message.
    pub fn finish(self, smallest: usize) -> usize {
        self.out.push(code::END);
        let length = (self.out.len() - self.start).max(smallest);
        self.out.resize(self.start + length, code::PAD);
        length
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length, needs } => write!(f, "{length} octets where {needs} are the least"),
            Self::Cookie([a, b, c, d]) => write!(f, "cookie {a:02x}{b:02x}{c:02x}{d:02x} instead of 63825363"),
            Self::HardwareLength(length) => write!(f, "hardware address of {length} octets"),
            Self::OptionOverrun { code, at, claims, left } => {
                write!(f, "option {code} at octet {at} claims {claims} octets, {left} are left")
            }
            Self::OptionLength { code, length } => write!(f, "option {code} with {length} octets"),
            Self::ConflictingOption { code } => write!(f, "option {code} twice with different values"),
        }
    }
}

/// Walks an area that may end without an end option.
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
                // What overruns its area was refused by `check_area`.
                _ => return None,
            }
        }
    }
}

/// Every option must end inside its area, which begins at octet `base` of the datagram.
fn check_area(area: &[u8], base: usize) -> Result<(), Malformed> {
    let mut walk = Options(area);
    while walk.next().is_some() {}
    match *walk.0 {
        [] | [code::END, ..] => Ok(()),
        [code, ref rest @ ..] => Err(Malformed::OptionOverrun {
            code,
            at: base + area.len() - walk.0.len(),
            claims: rest.first().map_or(1, |&length| length.into()),
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
    fn every_option_is_found_however_many_there_are_and_instances_are_joined() {
        for (count, long) in [1, Index::MOST, Index::MOST + 1, 100].into_iter().flat_map(|n| [(n, false), (n, true)]) {
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
