//! TFTP packets (RFC 1350), with options (RFC 2347).
//!
//! Reading borrows from the datagram and allocates nothing. Options keep their order and spelling: an OACK must name
//! them as the request did, or EDK2 calls it malformed.

use alloc::vec::Vec;
use core::fmt;

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a file is asked for.
    Read(Request<'a>),
    /// WRQ: a file is offered.
    Write(Request<'a>),
    Data {
        block: u16,
        payload: &'a [u8],
    },
    Ack {
        block: u16,
    },
    Error {
        code: ErrorCode,
        text: &'a [u8],
    },
    Oack(Options<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub name: &'a [u8],
    pub mode: &'a [u8],
    pub options: Options<'a>,
}

/// Pairs of name and value, in the order in which they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

/// The code of an ERROR, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

/// Why a datagram is no TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its kind has to be.
    Truncated,
    UnknownOpcode(u16),
    /// A string runs to the end of the datagram without its NUL.
    Unterminated,
    /// An option has a name and no value.
    NoValue,
    /// Something follows the zeros behind the last option.
    AfterPadding,
    /// A request of more than 512 octets (RFC 2347).
    TooLong,
}

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Opcode and block number, before the payload of a DATA.
pub const HEADER: usize = 4;

/// The longest request, options and all (RFC 2347).
pub const LONGEST_REQUEST: usize = 512;

impl<'a> Packet<'a> {
    /// Reads any datagram. Octets behind a complete ACK are let pass, as is a missing NUL behind an ERROR's text: old
    /// ROMs send both, and neither can be misread.
    pub fn read(datagram: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let (opcode, rest) = number(datagram)?;
        match opcode {
            RRQ => Request::read(datagram, rest).map(Packet::Read),
            WRQ => Request::read(datagram, rest).map(Packet::Write),
            DATA => number(rest).map(|(block, payload)| Packet::Data { block, payload }),
            ACK => number(rest).map(|(block, _)| Packet::Ack { block }),
            ERROR => {
                let (code, text) = number(rest)?;
                let text = text.split(|&octet| octet == 0).next().unwrap_or_default();
                Ok(Packet::Error { code: ErrorCode(code), text })
            }
            OACK => Options::read(rest).map(Packet::Oack),
            unknown => Err(Malformed::UnknownOpcode(unknown)),
        }
    }

    /// Appends the datagram that says this.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Packet::Read(request) => request.write(RRQ, out),
            Packet::Write(request) => request.write(WRQ, out),
            Packet::Data { block, payload } => {
                out.extend_from_slice(&data_header(block));
                out.extend_from_slice(payload);
            }
            Packet::Ack { block } => {
                out.extend_from_slice(&ACK.to_be_bytes());
                out.extend_from_slice(&block.to_be_bytes());
            }
            Packet::Error { code, text } => {
                out.extend_from_slice(&ERROR.to_be_bytes());
                out.extend_from_slice(&code.0.to_be_bytes());
                write_string(text, out);
            }
            Packet::Oack(options) => {
                out.extend_from_slice(&OACK.to_be_bytes());
                out.extend_from_slice(options.0);
            }
        }
    }
}

/// Whether a datagram says that it is a request, malformed or not.
pub fn is_request(datagram: &[u8]) -> bool {
    matches!(number(datagram), Ok((RRQ | WRQ, _)))
}

/// The octets before the payload of a DATA, for a sender that keeps the payload where it was read to.
pub fn data_header(block: u16) -> [u8; HEADER] {
    let [high, low] = block.to_be_bytes();
    [0, DATA as u8, high, low]
}

impl<'a> Request<'a> {
    fn read(datagram: &[u8], rest: &'a [u8]) -> Result<Request<'a>, Malformed> {
        if datagram.len() > LONGEST_REQUEST {
            return Err(Malformed::TooLong);
        }
        let (name, rest) = string(rest)?;
        let (mode, rest) = string(rest)?;
        Ok(Request { name, mode, options: Options::read(rest)? })
    }

    fn write(&self, opcode: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&opcode.to_be_bytes());
        write_string(self.name, out);
        write_string(self.mode, out);
        out.extend_from_slice(self.options.0);
    }
}

impl<'a> Options<'a> {
    /// Takes the area of the options and checks it to the end. Some ROMs send their whole zeroed buffer: an option
    /// without a name begins the padding, and nothing but zeros may follow it.
    pub fn read(area: &'a [u8]) -> Result<Options<'a>, Malformed> {
        let mut rest = area;
        while rest.first().is_some_and(|&octet| octet != 0) {
            let (_, after) = string(rest)?;
            if after.is_empty() {
                return Err(Malformed::NoValue);
            }
            (_, rest) = string(after)?;
        }
        if rest.iter().any(|&octet| octet != 0) {
            return Err(Malformed::AfterPadding);
        }
        Ok(Options(&area[..area.len() - rest.len()]))
    }

    /// Every option as it was sent, repeated ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut strings = self.0.split(|&octet| octet == 0);
        core::iter::from_fn(move || {
            let name = strings.next().filter(|name| !name.is_empty())?;
            Some((name, strings.next()?))
        })
    }

    /// Appends one option to an area under construction. Neither part may hold a NUL.
    pub fn write(name: &[u8], value: &[u8], area: &mut Vec<u8>) {
        write_string(name, area);
        write_string(value, area);
    }
}

impl ErrorCode {
    /// Nothing more precise: the text says it. iPXE ends with it, too.
    pub const OTHER: ErrorCode = ErrorCode(0);
    pub const NOT_FOUND: ErrorCode = ErrorCode(1);
    pub const DENIED: ErrorCode = ErrorCode(2);
    /// shim's buffer was too small; it starts again with a larger one.
    pub const FULL: ErrorCode = ErrorCode(3);
    pub const ILLEGAL: ErrorCode = ErrorCode(4);
    pub const UNKNOWN_TRANSFER: ErrorCode = ErrorCode(5);
    /// Option negotiation ended by the client (RFC 2347): EDK2 wanted no more than the size.
    pub const OPTIONS_REFUSED: ErrorCode = ErrorCode(8);
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Truncated => f.write_str("too short"),
            Malformed::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode}"),
            Malformed::Unterminated => f.write_str("a string without its final NUL"),
            Malformed::NoValue => f.write_str("an option without a value"),
            Malformed::AfterPadding => f.write_str("octets behind the padding"),
            Malformed::TooLong => f.write_str("a request of more than 512 octets"),
        }
    }
}

fn number(octets: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = octets.split_first_chunk().ok_or(Malformed::Truncated)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn string(octets: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let end = octets.iter().position(|&octet| octet == 0).ok_or(Malformed::Unterminated)?;
    Ok((&octets[..end], &octets[end + 1..]))
}

fn write_string(string: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(string);
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn request(datagram: &[u8]) -> Request<'_> {
        match Packet::read(datagram) {
            Ok(Packet::Read(request)) => request,
            other => panic!("not a read request: {other:?}"),
        }
    }

    fn pairs<'a>(options: &Options<'a>) -> Vec<(&'a [u8], &'a [u8])> {
        options.iter().collect()
    }

    #[test]
    fn options_keep_their_order_and_spelling() {
        let request = request(b"\0\x01boot.ipxe\0octet\0BlkSize\x001432\0tsize\x000\0tsize\x001\0");
        assert_eq!(request.name, b"boot.ipxe");
        assert_eq!(request.mode, b"octet");
        let expected: [(&[u8], &[u8]); 3] = [(b"BlkSize", b"1432"), (b"tsize", b"0"), (b"tsize", b"1")];
        assert_eq!(pairs(&request.options), expected);
    }

    #[test]
    fn a_zero_padded_request_is_read_as_if_it_ended_before_the_padding() {
        let mut datagram = b"\0\x01undionly.kpxe\0octet\0tsize\x000\0".to_vec();
        datagram.resize(200, 0);
        assert_eq!(pairs(&request(&datagram).options), [(&b"tsize"[..], &b"0"[..])]);
        let mut bare = b"\0\x01undionly.kpxe\0octet\0".to_vec();
        bare.push(0);
        assert_eq!(pairs(&request(&bare).options), []);
    }

    #[test]
    fn what_is_not_whole_is_malformed() {
        let cases: [(&[u8], Malformed); 10] = [
            (b"", Malformed::Truncated),
            (b"\0", Malformed::Truncated),
            (b"\0\x03\0", Malformed::Truncated),
            (b"\0\x04\0", Malformed::Truncated),
            (b"\0\x07\0\0", Malformed::UnknownOpcode(7)),
            (b"\0\x01undionly.kpxe", Malformed::Unterminated),
            (b"\0\x01undionly.kpxe\0octet", Malformed::Unterminated),
            (b"\0\x01undionly.kpxe\0octet\0tsize\x000", Malformed::Unterminated),
            (b"\0\x01undionly.kpxe\0octet\0tsize\0", Malformed::NoValue),
            (b"\0\x01undionly.kpxe\0octet\0\0\0x", Malformed::AfterPadding),
        ];
        for (datagram, reason) in cases {
            assert_eq!(Packet::read(datagram), Err(reason), "{datagram:?}");
        }
    }

    #[test]
    fn a_request_of_512_octets_is_read_and_one_more_is_too_many() {
        let mut datagram = b"\0\x01".to_vec();
        datagram.resize(LONGEST_REQUEST - 7, b'n');
        datagram.extend_from_slice(b"\0octet\0");
        assert_eq!(request(&datagram).name.len(), 503);
        datagram.insert(2, b'n');
        assert_eq!(Packet::read(&datagram), Err(Malformed::TooLong));
    }

    #[test]
    fn the_text_of_an_error_ends_at_its_nul_or_with_the_datagram() {
        let aborted = Packet::Error { code: ErrorCode(0), text: b"TFTP Aborted" };
        assert_eq!(Packet::read(b"\0\x05\0\0TFTP Aborted\0\0"), Ok(aborted));
        assert_eq!(Packet::read(b"\0\x05\0\0TFTP Aborted"), Ok(aborted));
    }

    fn text(least: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1u8.., least..24)
    }

    proptest! {
        #[test]
        fn a_request_reads_back_as_it_was_written(
            name in text(0), mode in text(0), options in proptest::collection::vec((text(1), text(0)), 0..6),
            write: bool, padding in 0usize..9,
        ) {
            let mut area = Vec::new();
            for (name, value) in &options {
                Options::write(name, value, &mut area);
            }
            let sent = Request { name: &name, mode: &mode, options: Options(&area) };
            let sent = if write { Packet::Write(sent) } else { Packet::Read(sent) };
            let mut datagram = Vec::new();
            sent.write(&mut datagram);
            prop_assert_eq!(datagram.len(), 2 + name.len() + 1 + mode.len() + 1 + area.len());
            datagram.resize(datagram.len() + padding, 0);
            let read = Packet::read(&datagram);
            prop_assert_eq!(read, Ok(sent));
            let Ok(Packet::Read(request) | Packet::Write(request)) = read else { unreachable!() };
            let expected: Vec<_> = options.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            prop_assert_eq!(pairs(&request.options), expected);
        }

        #[test]
        fn the_other_packets_read_back_as_they_were_written(
            number: u16, payload in proptest::collection::vec(any::<u8>(), 0..64), message in text(0),
        ) {
            let mut area = Vec::new();
            Options::write(b"tsize", b"174080", &mut area);
            for sent in [
                Packet::Data { block: number, payload: &payload },
                Packet::Ack { block: number },
                Packet::Error { code: ErrorCode(number), text: &message },
                Packet::Oack(Options(&area)),
            ] {
                let mut datagram = vec![];
                sent.write(&mut datagram);
                prop_assert_eq!(Packet::read(&datagram), Ok(sent));
            }
        }

        #[test]
        fn no_datagram_at_all_makes_the_reader_panic(
            opcode in 0u8..9, tail in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..600),
        ) {
            let mut datagram = vec![0, opcode];
            datagram.extend_from_slice(&tail);
            for end in [0, 1, 2, 3, datagram.len()] {
                if let Ok(packet) = Packet::read(&datagram[..end.min(datagram.len())]) {
                    let mut again = Vec::new();
                    packet.write(&mut again);
                    prop_assert_eq!(Packet::read(&again), Ok(packet), "what was read can be said again");
                }
            }
        }
    }
}
