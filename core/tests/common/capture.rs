//! Reads the captures in core/testdata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A UDP datagram of a capture.
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
}

/// Returns the names of all captures, in alphabetical order.
pub fn names() -> Vec<String> {
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let captures = files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    let mut names: Vec<String> = captures.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Reads the capture with this name.
pub fn capture(name: &str) -> Vec<Datagram> {
    read(&directory().join(name).with_extension("pcap"))
}

/// Reads a capture in the classic pcap format: little endian, Ethernet frames, and IP and UDP without options. Skips
/// other frames.
pub fn read(path: &Path) -> Vec<Datagram> {
    frames(path).iter().filter_map(|frame| datagram(frame)).collect()
}

/// Returns the frames of a capture. The number of a packet in Wireshark is the index of its frame plus 1.
pub fn frames(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_known = file.starts_with(&0xa1b2_c3d4u32.to_le_bytes());
    assert!(is_known, "{}: not a little-endian pcap with microseconds", path.display());
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while rest.len() >= 16 {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        frames.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    frames
}

/// Returns the UDP datagram in a frame; `None` for another frame.
pub fn datagram(frame: &[u8]) -> Option<Datagram> {
    let (addresses, udp) = match (frame.get(12..14)?, frame.get(14)?, frame.get(20)?, frame.get(23)?) {
        ([8, 0], 0x45, _, 17) => (frame.get(26..34)?, frame.get(34..)?),
        ([0x86, 0xdd], _, 17, _) => (frame.get(22..54)?, frame.get(54..)?),
        _ => return None,
    };
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let address = |octets: &[u8]| match <[u8; 4]>::try_from(octets) {
        Ok(octets) => IpAddr::V4(Ipv4Addr::from(octets)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap())),
    };
    let (from, to) = addresses.split_at(addresses.len() / 2);
    let payload = udp.get(8..usize::from(port(4)))?.to_vec();
    Some(Datagram { from: (address(from), port(0)).into(), to: (address(to), port(2)).into(), payload })
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures")
}
