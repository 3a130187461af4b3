//! TFTP packets (RFC 1350), with options (RFC 2347).
//!
//! Parsing borrows from the datagram and allocates nothing. Options keep their order and spelling: an OACK must repeat
//! them exactly, or EDK2 rejects it as malformed.

use alloc::vec::Vec;
use core::fmt;

/// A parsed TFTP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpPacket<'a> {
    /// RRQ: the client requests a file.
    Read(TftpRequest<'a>),
    /// WRQ: the client offers a file.
    Write(TftpRequest<'a>),
    /// DATA: one block of the file.
    Data {
        /// Block number, modulo 65536.
        block: u16,
        /// Content; shorter than the block size in the last block.
        payload: &'a [u8],
    },
    /// ACK: the blocks up to this one have arrived.
    Ack {
        /// Block number, modulo 65536; 0 acknowledges an OACK.
        block: u16,
    },
    /// ERROR: the sender ends the transfer.
    Error {
        /// Error code.
        code: ErrorCode,
        /// Message, without its NUL.
        text: &'a [u8],
    },
    /// OACK: the server accepts these options.
    Oack(TftpOptions<'a>),
}

/// The content of an RRQ or a WRQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpRequest<'a> {
    /// File name, as sent.
    pub name: &'a [u8],
    /// Transfer mode, such as `octet`.
    pub mode: &'a [u8],
    /// Options, as sent.
    pub options: TftpOptions<'a>,
}

/// Option names and values, in the order in which they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TftpOptions<'a>(&'a [u8]);

/// Error code of an ERROR, known or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

/// Why a datagram is not a TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedTftp {
    /// The datagram is shorter than the shortest packet with its opcode.
    Truncated,
    /// The opcode is not between 1 and 6.
    UnknownOpcode(u16),
    /// A string has no NUL at its end, and runs to the end of the datagram.
    Unterminated,
    /// An option has no value.
    NoValue,
    /// Octets other than zero follow the padding after the last option.
    AfterPadding,
    /// The request is longer than 512 octets (RFC 2347).
    TooLong,
}

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Length of the header of a DATA packet: opcode and block number, in octets.
pub const DATA_HEADER_LENGTH: usize = 4;

/// Longest request, including its options, in octets (RFC 2347).
pub const MAX_REQUEST_LENGTH: usize = 512;

impl<'a> TftpPacket<'a> {
    /// Parses a datagram. Some old ROMs send octets after a complete ACK, or an ERROR text without its NUL. The parser
    /// accepts both, because neither is ambiguous.
    pub fn read(datagram: &'a [u8]) -> Result<TftpPacket<'a>, MalformedTftp> {
        let (opcode, rest) = split_u16(datagram)?;
        match opcode {
            RRQ => TftpRequest::read(datagram, rest).map(TftpPacket::Read),
            WRQ => TftpRequest::read(datagram, rest).map(TftpPacket::Write),
            DATA => split_u16(rest).map(|(block, payload)| TftpPacket::Data { block, payload }),
            ACK => split_u16(rest).map(|(block, _)| TftpPacket::Ack { block }),
            ERROR => {
                let (code, text) = split_u16(rest)?;
                let text = text.split(|&octet| octet == 0).next().unwrap_or_default();
                Ok(TftpPacket::Error { code: ErrorCode(code), text })
            }
            OACK => TftpOptions::read(rest).map(TftpPacket::Oack),
            unknown => Err(MalformedTftp::UnknownOpcode(unknown)),
        }
    }

    /// Appends the packet to `out`.
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

/// Whether the opcode of a datagram is RRQ or WRQ, even if the rest is malformed.
pub fn is_request(datagram: &[u8]) -> bool {
    matches!(split_u16(datagram), Ok((RRQ | WRQ, _)))
}

/// The header of a DATA packet, for a sender that keeps the payload in another buffer.
pub fn data_header(block: u16) -> [u8; DATA_HEADER_LENGTH] {
    let [high, low] = block.to_be_bytes();
    [0, DATA as u8, high, low]
}

impl<'a> TftpRequest<'a> {
    fn read(datagram: &[u8], rest: &'a [u8]) -> Result<TftpRequest<'a>, MalformedTftp> {
        if datagram.len() > MAX_REQUEST_LENGTH {
            return Err(MalformedTftp::TooLong);
        }
        let (name, rest) = split_string(rest)?;
        let (mode, rest) = split_string(rest)?;
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
    /// Parses the options of a request or an OACK. Some ROMs send their whole buffer, which contains zeros after the
    /// options. So an empty option name begins the padding, and only zeros may follow.
    pub fn read(area: &'a [u8]) -> Result<TftpOptions<'a>, MalformedTftp> {
        let mut rest = area;
        while rest.first().is_some_and(|&octet| octet != 0) {
            let (_, after) = split_string(rest)?;
            if after.is_empty() {
                return Err(MalformedTftp::NoValue);
            }
            (_, rest) = split_string(after)?;
        }
        if rest.iter().any(|&octet| octet != 0) {
            return Err(MalformedTftp::AfterPadding);
        }
        Ok(TftpOptions(&area[..area.len() - rest.len()]))
    }

    /// Every option as sent, including repeated ones.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut strings = self.0.split(|&octet| octet == 0);
        core::iter::from_fn(move || {
            let name = strings.next().filter(|name| !name.is_empty())?;
            Some((name, strings.next()?))
        })
    }

    /// Appends an option to `area`. Neither part may contain a NUL.
    pub fn write(name: &[u8], value: &[u8], area: &mut Vec<u8>) {
        write_string(name, area);
        write_string(value, area);
    }
}

impl ErrorCode {
    /// 0, not defined: the text explains the error. iPXE also sends this code to end a transfer early.
    pub const NOT_DEFINED: ErrorCode = ErrorCode(0);
    /// 1, file not found.
    pub const FILE_NOT_FOUND: ErrorCode = ErrorCode(1);
    /// 2, access violation.
    pub const ACCESS_VIOLATION: ErrorCode = ErrorCode(2);
    /// 3, disk full. shim sends this code if its buffer is too small, and requests the file again with a larger buffer.
    pub const DISK_FULL: ErrorCode = ErrorCode(3);
    /// 4, illegal TFTP operation.
    pub const ILLEGAL_OPERATION: ErrorCode = ErrorCode(4);
    /// 5, unknown transfer ID.
    pub const UNKNOWN_TRANSFER_ID: ErrorCode = ErrorCode(5);
    /// 8, option negotiation failed (RFC 2347). EDK2 sends this code after it has learnt the file size.
    pub const OPTIONS_REFUSED: ErrorCode = ErrorCode(8);
}

impl fmt::Display for MalformedTftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MalformedTftp::Truncated => f.write_str("too short"),
            MalformedTftp::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode}"),
            MalformedTftp::Unterminated => f.write_str("a string without its final NUL"),
            MalformedTftp::NoValue => f.write_str("an option without a value"),
            MalformedTftp::AfterPadding => f.write_str("octets after the padding"),
            MalformedTftp::TooLong => f.write_str("a request of more than 512 octets"),
        }
    }
}

fn split_u16(octets: &[u8]) -> Result<(u16, &[u8]), MalformedTftp> {
    let (number, rest) = octets.split_first_chunk().ok_or(MalformedTftp::Truncated)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn split_string(octets: &[u8]) -> Result<(&[u8], &[u8]), MalformedTftp> {
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
    fn a_truncated_datagram_is_malformed() {
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
        fn no_datagram_makes_the_parser_panic(
            opcode in 0u8..9, tail in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..600),
        ) {
            let mut datagram = vec![0, opcode];
            datagram.extend_from_slice(&tail);
            for end in [0, 1, 2, 3, datagram.len()] {
                if let Ok(packet) = TftpPacket::read(&datagram[..end.min(datagram.len())]) {
                    let mut again = Vec::new();
                    packet.write(&mut again);
                    prop_assert_eq!(TftpPacket::read(&again), Ok(packet), "a parsed packet can be written again");
                }
            }
        }
    }
}
