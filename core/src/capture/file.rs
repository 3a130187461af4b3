//! Reads the files of packet captures: pcap (pcap-savefile(5)) and pcapng (draft-ietf-opsawg-pcapng), in both octet
//! orders. The caller hands over the octets of the file piece by piece, and takes the frames that are complete.

use super::frame::LinkType;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The largest record or block, in octets. Tools capture at most 262,144 octets of a packet.
const MAX_LENGTH: u32 = 4 << 20;
/// The maximum number of interfaces in a section.
const MAX_INTERFACES: usize = 1024;
/// The length of the header of a pcap file, and of each record in it, in octets.
const PCAP_HEADER: usize = 24;
const PCAP_RECORD: usize = 16;
/// The types of blocks in pcapng.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// The codes of options in pcapng.
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const NANOSECONDS: u64 = 1_000_000_000;

/// Why the octets are no capture, or not one that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureError {
    /// The file begins with neither of the two formats.
    NotACapture,
    /// The file is compressed by gzip.
    Compressed,
    /// A record or a block has this length, which is not possible.
    Length(u32),
    /// A packet names an interface that the file does not describe.
    Interface(u32),
}

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedFrame<'a> {
    /// The time, in nanoseconds since 1970.
    pub at: u64,
    /// The number of the capture's interface on which it was captured.
    pub interface: u32,
    /// The name of that interface; empty if the file does not have it.
    pub interface_name: &'a str,
    /// The format of the frame.
    pub link_type: LinkType,
    /// The octets, as far as they were captured.
    pub octets: &'a [u8],
}

/// Reads a capture.
#[derive(Debug, Default)]
pub struct CaptureReader {
    octets: Vec<u8>,
    /// The number of octets that were read already.
    read: usize,
    format: Option<Format>,
    /// The interfaces of the section. A pcap file has one.
    interfaces: Vec<Interface>,
    /// The time of the last packet, in nanoseconds, for packets without a time.
    last: u64,
}

#[derive(Clone, Copy, Debug)]
struct Format {
    is_big_endian: bool,
    kind: FormatKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormatKind {
    /// The value is the number of nanoseconds of a fraction of a second.
    Pcap(u64),
    Pcapng,
}

#[derive(Debug)]
struct Interface {
    link_type: LinkType,
    name: String,
    /// The number of ticks in a second.
    ticks: u128,
    /// The time of tick 0, in seconds.
    offset: i64,
}

/// The place of a packet in the buffer.
struct Found {
    at: u64,
    interface: u32,
    start: usize,
    length: usize,
}

impl CaptureReader {
    /// Adds octets of the file.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.read.min(self.octets.len()));
        self.read = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The next frame; `None` if more octets are necessary.
    pub fn next_frame(&mut self) -> Result<Option<CapturedFrame<'_>>, CaptureError> {
        loop {
            let Some(format) = self.format()? else { return Ok(None) };
            let found = match format.kind {
                FormatKind::Pcap(unit) => self.pcap_record(format, unit)?,
                FormatKind::Pcapng => match self.block(format)? {
                    Some(None) => continue,
                    Some(found) => found,
                    None => None,
                },
            };
            let Some(Found { at, interface, start, length }) = found else { return Ok(None) };
            self.last = at;
            let known = self.interfaces.get(interface as usize).ok_or(CaptureError::Interface(interface))?;
            let octets = self.octets.get(start..start + length).unwrap_or_default();
            let link_type = known.link_type;
            return Ok(Some(CapturedFrame { at, interface, interface_name: &known.name, link_type, octets }));
        }
    }

    /// The number of octets of an incomplete record. If the file has ended, it is truncated unless this is 0.
    pub fn remaining(&self) -> usize {
        self.octets.len().saturating_sub(self.read)
    }

    /// Whether the file has no octets so far.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.format.is_none()
    }

    fn rest(&self) -> &[u8] {
        self.octets.get(self.read..).unwrap_or_default()
    }

    /// The format of the file, after its header is read; `None` if more octets are necessary.
    fn format(&mut self) -> Result<Option<Format>, CaptureError> {
        if self.format.is_some() {
            return Ok(self.format);
        }
        let rest = self.rest();
        if rest.starts_with(&[0x1f, 0x8b]) {
            return Err(CaptureError::Compressed);
        }
        let Some(magic) = rest.first_chunk::<4>() else { return Ok(None) };
        let (is_big_endian, kind) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, FormatKind::Pcap(1000)),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, FormatKind::Pcap(1000)),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, FormatKind::Pcap(1)),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, FormatKind::Pcap(1)),
            [0x0a, 0x0d, 0x0d, 0x0a] => (false, FormatKind::Pcapng),
            _ => return Err(CaptureError::NotACapture),
        };
        let format = Format { is_big_endian, kind };
        if kind != FormatKind::Pcapng {
            if rest.len() < PCAP_HEADER {
                return Ok(None);
            }
            // The upper bits of the link type describe the checksum of the frames.
            let link_type = LinkType((format.u32(rest, 20) & 0x0fff_ffff) as u16);
            self.interfaces.push(Interface { link_type, name: String::new(), ticks: 1, offset: 0 });
            self.read += PCAP_HEADER;
        }
        self.format = Some(format);
        Ok(self.format)
    }

    fn pcap_record(&mut self, format: Format, unit: u64) -> Result<Option<Found>, CaptureError> {
        let rest = self.rest();
        if rest.len() < PCAP_RECORD {
            return Ok(None);
        }
        let (seconds, fraction) = (u64::from(format.u32(rest, 0)), u64::from(format.u32(rest, 4)));
        let length = format.u32(rest, 8);
        if length > MAX_LENGTH {
            return Err(CaptureError::Length(length));
        }
        let (start, length) = (self.read + PCAP_RECORD, length as usize);
        if rest.len() < PCAP_RECORD + length {
            return Ok(None);
        }
        self.read += PCAP_RECORD + length;
        let at = seconds.saturating_mul(NANOSECONDS).saturating_add(fraction.saturating_mul(unit));
        Ok(Some(Found { at, interface: 0, start, length }))
    }

    /// Reads a block of pcapng: `None` if it is not complete, `Some(None)` if it has no packet.
    fn block(&mut self, mut format: Format) -> Result<Option<Option<Found>>, CaptureError> {
        let rest = self.rest();
        if rest.len() < 12 {
            return Ok(None);
        }
        let is_section = rest.starts_with(&SECTION_HEADER.to_be_bytes());
        if is_section {
            format.is_big_endian = rest.get(8..12) == Some(&[0x1a, 0x2b, 0x3c, 0x4d]);
        }
        let (kind, length) = (format.u32(rest, 0), format.u32(rest, 4));
        if !(12..=MAX_LENGTH).contains(&length) {
            return Err(CaptureError::Length(length));
        }
        let padded = (length as usize).next_multiple_of(4);
        if rest.len() < padded {
            return Ok(None);
        }
        let start = self.read + 8;
        let body = self.octets.get(start..self.read + length as usize - 4).unwrap_or_default();
        let mut found = None;
        match kind {
            _ if is_section => self.interfaces.clear(),
            INTERFACE if self.interfaces.len() < MAX_INTERFACES => {
                let interface = Interface::new(format, body);
                self.interfaces.push(interface);
            }
            ENHANCED_PACKET if body.len() >= 20 => {
                let ticks = u64::from(format.u32(body, 4)) << 32 | u64::from(format.u32(body, 8));
                let interface = format.u32(body, 0);
                let known = self.interfaces.get(interface as usize).ok_or(CaptureError::Interface(interface))?;
                let length = (format.u32(body, 12) as usize).min(body.len() - 20);
                found = Some(Found { at: known.time(ticks), interface, start: start + 20, length });
            }
            SIMPLE_PACKET if body.len() >= 4 => {
                let length = (format.u32(body, 0) as usize).min(body.len() - 4);
                found = Some(Found { at: self.last, interface: 0, start: start + 4, length });
            }
            _ => {}
        }
        self.format = Some(format);
        self.read += padded;
        Ok(Some(found))
    }
}

impl Format {
    /// The number at an offset; 0 if the octets end before it.
    fn u32(self, octets: &[u8], offset: usize) -> u32 {
        let number = octets.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        if self.is_big_endian { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) }
    }

    /// The number at an offset; 0 if the octets end before it.
    fn u16(self, octets: &[u8], offset: usize) -> u16 {
        let number = octets.get(offset..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
        if self.is_big_endian { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) }
    }
}

impl Interface {
    /// The interface that the body of a block describes.
    fn new(format: Format, body: &[u8]) -> Interface {
        let mut interface =
            Interface { link_type: LinkType(format.u16(body, 0)), name: String::new(), ticks: 1_000_000, offset: 0 };
        let mut rest = body.get(8..).unwrap_or_default();
        while rest.len() >= 4 {
            let (code, length) = (format.u16(rest, 0), usize::from(format.u16(rest, 2)));
            let value = rest.get(4..4 + length).unwrap_or_default();
            match (code, value) {
                (0, _) => break,
                (IF_NAME, name) => interface.name = String::from_utf8_lossy(name).into_owned(),
                (IF_TSRESOL, [exponent, ..]) => {
                    let base: u128 = if exponent & 0x80 == 0 { 10 } else { 2 };
                    interface.ticks = base.checked_pow((exponent & 0x7f).into()).unwrap_or(1);
                }
                (IF_TSOFFSET, value) => {
                    let octets = value.first_chunk::<8>().copied().unwrap_or_default();
                    let (big, little) = (i64::from_be_bytes(octets), i64::from_le_bytes(octets));
                    interface.offset = if format.is_big_endian { big } else { little };
                }
                _ => {}
            }
            rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
        interface
    }

    /// A number of ticks as nanoseconds since 1970.
    fn time(&self, ticks: u64) -> u64 {
        let nanoseconds = u128::from(ticks) * u128::from(NANOSECONDS) / self.ticks.max(1);
        let offset = i128::from(self.offset) * i128::from(NANOSECONDS);
        let time = i128::try_from(nanoseconds).unwrap_or(i128::MAX).saturating_add(offset);
        u64::try_from(time.max(0)).unwrap_or(u64::MAX)
    }
}

/// Says what is wrong and what to do.
impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::NotACapture => f.write_str(
                "it is no packet capture: it begins with neither the header of pcap nor that of pcapng; capture with \
                 `tcpdump -w FILE`",
            ),
            CaptureError::Compressed => f.write_str("it is compressed: decompress it with `gunzip`"),
            CaptureError::Length(length) => write!(f, "it is damaged: a record has a length of {length} octets"),
            CaptureError::Interface(number) => {
                write!(f, "it is damaged: a packet names the interface {number}, which it does not describe")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::vec;

    /// A number in this octet order.
    fn number(value: u32, is_big_endian: bool) -> [u8; 4] {
        if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn pcap(magic: u32, is_big_endian: bool) -> Vec<u8> {
        let words = [magic, 0x0002_0004, 0, 0, 65535, 1, 1_600_000_000, 250, 3, 60];
        let mut file: Vec<u8> = words.into_iter().flat_map(|word| number(word, is_big_endian)).collect();
        file.extend_from_slice(b"abc");
        file
    }

    fn pcapng(is_big_endian: bool) -> Vec<u8> {
        let order = |value| number(value, is_big_endian);
        let half = |a: u16, b: u16| {
            let both =
                if is_big_endian { [a.to_be_bytes(), b.to_be_bytes()] } else { [a.to_le_bytes(), b.to_le_bytes()] };
            both.concat()
        };
        let mut file = Vec::new();
        for word in [SECTION_HEADER, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28] {
            file.extend(order(word));
        }
        file.extend([order(1), order(40)].concat());
        file.extend(half(276, 0));
        file.extend(order(0));
        file.extend(half(IF_NAME, 4));
        file.extend(b"eth0");
        file.extend(half(IF_TSRESOL, 1));
        file.extend([9, 0, 0, 0]);
        file.extend(half(0, 0));
        file.extend(order(40));
        let ticks: u64 = 1_600_000_000_000_250_000;
        file.extend([order(6), order(36), order(0), order((ticks >> 32) as u32), order(ticks as u32)].concat());
        file.extend([order(3), order(60)].concat());
        file.extend(b"abc\0");
        file.extend(order(36));
        file
    }

    /// The time, the link type, the interface and the octets of a frame.
    type Frame = (u64, LinkType, String, Vec<u8>);

    /// The frames of a file that arrives in pieces of this length, and the number of remaining octets.
    fn frames(file: &[u8], piece: usize) -> (Vec<Frame>, usize) {
        let (mut reader, mut frames) = (CaptureReader::default(), Vec::new());
        for octets in file.chunks(piece) {
            reader.push(octets);
            while let Some(frame) = reader.next_frame().unwrap() {
                frames.push((frame.at, frame.link_type, frame.interface_name.to_owned(), frame.octets.to_vec()));
            }
        }
        (frames, reader.remaining())
    }

    #[test]
    fn every_format_and_octet_order_is_read_in_pieces_of_any_length() {
        let micro = 1_600_000_000_000_250_000;
        for is_big_endian in [false, true] {
            for (file, at, link_type, name) in [
                (pcap(0xa1b2_c3d4, is_big_endian), micro, 1, ""),
                (pcap(0xa1b2_3c4d, is_big_endian), 1_600_000_000_000_000_250, 1, ""),
                (pcapng(is_big_endian), micro, 276, "eth0"),
            ] {
                let expected = vec![(at, LinkType(link_type), name.to_owned(), b"abc".to_vec())];
                for piece in [1, 7, file.len()] {
                    assert_eq!(frames(&file, piece), (expected.clone(), 0), "{is_big_endian} {piece}");
                }
                let (none, remaining) = frames(&file[..file.len() - 1], 1000);
                assert!(none.is_empty() && remaining > 0, "a truncated file");
            }
        }
    }

    #[test]
    fn another_file_is_refused_with_a_remedy() {
        for (octets, error) in
            [(&b"{\"a\": 1}"[..], CaptureError::NotACapture), (&[0x1f, 0x8b, 8, 0], CaptureError::Compressed)]
        {
            let mut reader = CaptureReader::default();
            reader.push(octets);
            assert_eq!(reader.next_frame(), Err(error));
        }
        let mut damaged = pcap(0xa1b2_c3d4, true);
        damaged[32..36].fill(0xff);
        let mut reader = CaptureReader::default();
        reader.push(&damaged);
        assert_eq!(reader.next_frame(), Err(CaptureError::Length(u32::MAX)));
    }
}
