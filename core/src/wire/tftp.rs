//! TFTP packets (RFC 1350), with options (RFC 2347).
//!
//! Reading borrows from the datagram and allocates nothing. Options keep their order and spelling: an OACK must name
//! them as the request did, or EDK2 calls it malformed.

use alloc::vec::Vec;
use core::fmt;

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpPacket<'a> {
    /// RRQ: a file is asked for.
    Read(TftpRequest<'a>),
    /// WRQ: a file is offered.
    Write(TftpRequest<'a>),
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
    Oack(TftpOptions<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpRequest<'a> {
    pub name: &'a [u8],
    pub mode: &'a [u8],
    pub options: TftpOptions<'a>,
}

/// Pairs of name and value, in the order in which they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TftpOptions<'a>(&'a [u8]);

/// The code of an ERROR, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

/// Why a datagram is no TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedTftp {
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
pub const DATA_HEADER_LENGTH: usize = 4;

/// The longest request, options and all (RFC 2347).
pub const MAX_REQUEST_LENGTH: usize = 512;

impl<'a> TftpPacket<'a> {
    /// Reads any datagram. Octets behind a complete ACK are let pass, as is a missing NUL behind an ERROR's text: old
    /// ROMs send both, and neither can be misread.
    pub fn read(datagram: &'a [u8]) -> Result<TftpPacket<'a>, MalformedTftp> {
        let (opcode, rest) = number(datagram)?;
        match opcode {
            RRQ => TftpRequest::read(datagram, rest).map(TftpPacket::Read),
            WRQ => TftpRequest::read(datagram, rest).map(TftpPacket::Write),
            DATA => number(rest).map(|(block, payload)| TftpPacket::Data { block, payload }),
            ACK => number(rest).map(|(block, _)| TftpPacket::Ack { block }),
            ERROR => {
                let (code, text) = number(rest)?;
                let text = text.split(|&octet| octet == 0).next().unwrap_or_default();
                Ok(TftpPacket::Error { code: ErrorCode(code), text })
            }
            OACK => TftpOptions::read(rest).map(TftpPacket::Oack),
            unknown => Err(MalformedTftp::UnknownOpcode(unknown)),
        }
    }

    /// Appends the datagram that says this.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            TftpPacket::Read(request) => request.write(RRQ, out),
            TftpPacket::Write(request) => request.write(WRQ, out),
            TftpPacket::Data { block, payload } => {
                out.extend_from_slice(&data_header(block));
                out.extend_from_slice(payload);
            }
            TftpPacket::Ack { block } => {
                out.extend_from_slice(&ACK.to_be_bytes());
                out.extend_from_slice(&block.to_be_bytes());
            }
            TftpPacket::Error { code, text } => {
                out.extend_from_slice(&ERROR.to_be_bytes());
                out.extend_from_slice(&code.0.to_be_bytes());
                write_string(text, out);
            }
            TftpPacket::Oack(options) => {
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
pub fn data_header(block: u16) -> [u8; DATA_HEADER_LENGTH] {
    let [high, low] = block.to_be_bytes();
    [0, DATA as u8, high, low]
}

impl<'a> TftpRequest<'a> {
    fn read(datagram: &[u8], rest: &'a [u8]) -> Result<TftpRequest<'a>, MalformedTftp> {
        if datagram.len() > MAX_REQUEST_LENGTH {
            return Err(MalformedTftp::TooLong);
        }
        let (name, rest) = string(rest)?;
        let (mode, rest) = string(rest)?;
        Ok(TftpRequest { name, mode, options: TftpOptions::read(rest)? })
    }

    fn write(&self, opcode: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&opcode.to_be_bytes());
        write_string(self.name, out);
        write_string(self.mode, out);
        out.extend_from_slice(self.options.0);
    }
}

impl<'a> TftpOptions<'a> {
    /// Takes the area of the options and checks it to the end. Some ROMs send their whole zeroed buffer: an option
    /// without a name begins the padding, and nothing but zeros may follow it.
    pub fn read(area: &'a [u8]) -> Result<TftpOptions<'a>, MalformedTftp> {
        let mut rest = area;
        while rest.first().is_some_and(|&octet| octet != 0) {
            let (_, after) = string(rest)?;
            if after.is_empty() {
                return Err(MalformedTftp::NoValue);
            }
            (_, rest) = string(after)?;
        }
        if rest.iter().any(|&octet| octet != 0) {
            return Err(MalformedTftp::AfterPadding);
        }
        Ok(TftpOptions(&area[..area.len() - rest.len()]))
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
    pub const NOT_DEFINED: ErrorCode = ErrorCode(0);
    pub const FILE_NOT_FOUND: ErrorCode = ErrorCode(1);
    pub const ACCESS_VIOLATION: ErrorCode = ErrorCode(2);
    /// shim's buffer was too small; it starts again with a larger one.
    pub const DISK_FULL: ErrorCode = ErrorCode(3);
    pub const ILLEGAL_OPERATION: ErrorCode = ErrorCode(4);
    pub const UNKNOWN_TRANSFER_ID: ErrorCode = ErrorCode(5);
    /// Option negotiation ended by the client (RFC 2347): EDK2 wanted no more than the size.
    pub const OPTIONS_REFUSED: ErrorCode = ErrorCode(8);
}

impl fmt::Display for MalformedTftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MalformedTftp::Truncated => f.write_str("too short"),
            MalformedTftp::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode}"),
            MalformedTftp::Unterminated => f.write_str("a string without its final NUL"),
            MalformedTftp::NoValue => f.write_str("an option without a value"),
            MalformedTftp::AfterPadding => f.write_str("octets behind the padding"),
            MalformedTftp::TooLong => f.write_str("a request of more than 512 octets"),
        }
    }
}

fn number(octets: &[u8]) -> Result<(u16, &[u8]), MalformedTftp> {
    let (number, rest) = octets.split_first_chunk().ok_or(MalformedTftp::Truncated)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn string(octets: &[u8]) -> Result<(&[u8], &[u8]), MalformedTftp> {
    let end = octets.iter().position(|&octet| octet == 0).ok_or(MalformedTftp::Unterminated)?;
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

    fn request(datagram: &[u8]) -> TftpRequest<'_> {
        match TftpPacket::read(datagram) {
            Ok(TftpPacket::Read(request)) => request,
            other => panic!("not a read request: {other:?}"),
        }
    }

    fn pairs<'a>(options: &TftpOptions<'a>) -> Vec<(&'a [u8], &'a [u8])> {
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
        let cases: [(&[u8], MalformedTftp); 10] = [
            (b"", MalformedTftp::Truncated),
            (b"\0", MalformedTftp::Truncated),
            (b"\0\x03\0", MalformedTftp::Truncated),
            (b"\0\x04\0", MalformedTftp::Truncated),
            (b"\0\x07\0\0", MalformedTftp::UnknownOpcode(7)),
            (b"\0\x01undionly.kpxe", MalformedTftp::Unterminated),
            (b"\0\x01undionly.kpxe\0octet", MalformedTftp::Unterminated),
            (b"\0\x01undionly.kpxe\0octet\0tsize\x000", MalformedTftp::Unterminated),
            (b"\0\x01undionly.kpxe\0octet\0tsize\0", MalformedTftp::NoValue),
            (b"\0\x01undionly.kpxe\0octet\0\0\0x", MalformedTftp::AfterPadding),
        ];
        for (datagram, reason) in cases {
            assert_eq!(TftpPacket::read(datagram), Err(reason), "{datagram:?}");
        }
    }

    #[test]
    fn a_request_of_512_octets_is_read_and_one_more_is_too_many() {
        let mut datagram = b"\0\x01".to_vec();
        datagram.resize(MAX_REQUEST_LENGTH - 7, b'n');
        datagram.extend_from_slice(b"\0octet\0");
        assert_eq!(request(&datagram).name.len(), 503);
        datagram.insert(2, b'n');
        assert_eq!(TftpPacket::read(&datagram), Err(MalformedTftp::TooLong));
    }

    #[test]
    fn the_text_of_an_error_ends_at_its_nul_or_with_the_datagram() {
        let aborted = TftpPacket::Error { code: ErrorCode(0), text: b"TFTP Aborted" };
        assert_eq!(TftpPacket::read(b"\0\x05\0\0TFTP Aborted\0\0"), Ok(aborted));
        assert_eq!(TftpPacket::read(b"\0\x05\0\0TFTP Aborted"), Ok(aborted));
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
                TftpOptions::write(name, value, &mut area);
            }
            let sent = TftpRequest { name: &name, mode: &mode, options: TftpOptions(&area) };
            let sent = if write { TftpPacket::Write(sent) } else { TftpPacket::Read(sent) };
            let mut datagram = Vec::new();
            sent.write(&mut datagram);
            prop_assert_eq!(datagram.len(), 2 + name.len() + 1 + mode.len() + 1 + area.len());
            datagram.resize(datagram.len() + padding, 0);
            let read = TftpPacket::read(&datagram);
            prop_assert_eq!(read, Ok(sent));
            let Ok(TftpPacket::Read(request) | TftpPacket::Write(request)) = read else { unreachable!() };
            let expected: Vec<_> = options.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            prop_assert_eq!(pairs(&request.options), expected);
        }

        #[test]
        fn the_other_packets_read_back_as_they_were_written(
            number: u16, payload in proptest::collection::vec(any::<u8>(), 0..64), message in text(0),
        ) {
            let mut area = Vec::new();
            TftpOptions::write(b"tsize", b"174080", &mut area);
            for sent in [
                TftpPacket::Data { block: number, payload: &payload },
                TftpPacket::Ack { block: number },
                TftpPacket::Error { code: ErrorCode(number), text: &message },
                TftpPacket::Oack(TftpOptions(&area)),
            ] {
                let mut datagram = vec![];
                sent.write(&mut datagram);
                prop_assert_eq!(TftpPacket::read(&datagram), Ok(sent));
            }
        }

        #[test]
        fn no_datagram_at_all_makes_the_reader_panic(
            opcode in 0u8..9, tail in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..600),
        ) {
            let mut datagram = vec![0, opcode];
            datagram.extend_from_slice(&tail);
            for end in [0, 1, 2, 3, datagram.len()] {
                if let Ok(packet) = TftpPacket::read(&datagram[..end.min(datagram.len())]) {
                    let mut again = Vec::new();
                    packet.write(&mut again);
                    prop_assert_eq!(TftpPacket::read(&again), Ok(packet), "what was read can be said again");
                }
            }
        }
    }
}
