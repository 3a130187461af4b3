//! The UDP and TCP packets in captured frames: Ethernet with VLAN tags, Linux cooked capture (v1 and v2), and plain IP.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The format of the frames of a capture (LINKTYPE, tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// A UDP datagram or a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The source address and port.
    pub from: SocketAddr,
    /// The destination address and port.
    pub to: SocketAddr,
    /// The payload, as far as it was captured. Of a fragmented datagram, only the first fragment counts.
    pub payload: &'a [u8],
    /// The length of the whole payload, in octets.
    pub length: usize,
    /// The header of a TCP segment; `None` for UDP.
    pub tcp: Option<TcpHeader>,
}

/// The header of a TCP segment (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// The sequence number of the first octet of the payload.
    pub sequence: u32,
    /// Whether the segment opens the connection.
    pub syn: bool,
    /// Whether the sender has no more data.
    pub fin: bool,
    /// Whether the segment resets the connection.
    pub rst: bool,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// The EtherTypes of VLAN tags (IEEE 802.1Q), and an older one of the outer tag.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// A frame has at most this number of VLAN tags.
const MAX_TAGS: usize = 4;
/// The IP protocols, and the extension headers of IPv6 (RFC 8200 4).
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const EXTENSIONS: [u8; 3] = [0, 43, 60];
const MAX_EXTENSIONS: usize = 8;

impl LinkType {
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// IP without a link-layer header.
    pub const RAW: LinkType = LinkType(101);
    /// Linux cooked capture, version 1: `tcpdump -i any` before libpcap 1.11.
    pub const COOKED: LinkType = LinkType(113);
    /// Linux cooked capture, version 2.
    pub const COOKED2: LinkType = LinkType(276);

    /// Whether frames of this format can be read.
    pub fn is_known(self) -> bool {
        [Self::ETHERNET, Self::RAW, Self::COOKED, Self::COOKED2].contains(&self)
    }

    /// Whether a capture in this format may contain a packet several times: as it passed each interface of the host.
    pub fn may_repeat(self) -> bool {
        [Self::COOKED, Self::COOKED2].contains(&self)
    }

    /// The IP packet in a frame, or in what is captured of it.
    pub fn ip_packet(self, frame: &[u8]) -> Option<&[u8]> {
        let (mut kind, mut rest) = match self {
            Self::ETHERNET => (u16_at(frame, 12)?, frame.get(14..)?),
            Self::COOKED => (u16_at(frame, 14)?, frame.get(16..)?),
            Self::COOKED2 => (u16_at(frame, 0)?, frame.get(20..)?),
            Self::RAW => return Some(frame),
            _ => return None,
        };
        for _ in 0..MAX_TAGS {
            if VLAN_TAGS.contains(&kind) {
                (kind, rest) = (u16_at(rest, 2)?, rest.get(4..)?);
            }
        }
        [IPV4, IPV6].contains(&kind).then_some(rest)
    }
}

impl<'a> Packet<'a> {
    /// The UDP datagram or TCP segment in an IP packet; `None` if it has neither.
    pub fn from_ip(octets: &'a [u8]) -> Option<Packet<'a>> {
        match octets.first()? >> 4 {
            4 => from_ipv4(octets),
            6 => from_ipv6(octets),
            _ => None,
        }
    }

    fn new(protocol: u8, [from, to]: [IpAddr; 2], octets: &'a [u8], length: usize) -> Option<Packet<'a>> {
        let octets = octets.get(..length).unwrap_or(octets);
        let (from, to) = (SocketAddr::new(from, u16_at(octets, 0)?), SocketAddr::new(to, u16_at(octets, 2)?));
        let (header, length, tcp) = match protocol {
            UDP => {
                let stated = usize::from(u16_at(octets, 4)?);
                (8, if stated < 8 { length } else { stated }, None)
            }
            TCP => {
                let flags = *octets.get(13)?;
                let has = |bit: u8| flags & bit != 0;
                let sequence = u32::from_be_bytes(*octets.get(4..)?.first_chunk()?);
                let tcp = TcpHeader { sequence, fin: has(1), syn: has(2), rst: has(4) };
                (usize::from(octets.get(12)? >> 4) * 4, length, Some(tcp))
            }
            _ => return None,
        };
        let length = length.checked_sub(header)?;
        let payload = octets.get(header..).unwrap_or_default();
        Some(Packet { from, to, payload: payload.get(..length).unwrap_or(payload), length, tcp })
    }
}

fn from_ipv4(octets: &[u8]) -> Option<Packet<'_>> {
    let header = usize::from(octets.first()? & 0xf) * 4;
    let is_later_fragment = u16_at(octets, 6)? & 0x1fff != 0;
    // The kernel sets no length for a packet that the network card is to split.
    let total = Some(usize::from(u16_at(octets, 2)?)).filter(|total| *total > 0).unwrap_or(octets.len());
    if header < 20 || is_later_fragment {
        return None;
    }
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*octets.get(at..)?.first_chunk::<4>()?)));
    let addresses = [address(12)?, address(16)?];
    Packet::new(*octets.get(9)?, addresses, octets.get(header..)?, total.checked_sub(header)?)
}

fn from_ipv6(octets: &[u8]) -> Option<Packet<'_>> {
    let mut length =
        Some(usize::from(u16_at(octets, 4)?)).filter(|length| *length > 0).unwrap_or(octets.len().saturating_sub(40));
    let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*octets.get(at..)?.first_chunk::<16>()?)));
    let addresses = [address(8)?, address(24)?];
    let (mut next, mut rest) = (*octets.get(6)?, octets.get(40..)?);
    for _ in 0..MAX_EXTENSIONS {
        let header = match next {
            FRAGMENT if u16_at(rest, 2)? & 0xfff8 != 0 => return None,
            FRAGMENT => 8,
            next if EXTENSIONS.contains(&next) => (usize::from(*rest.get(1)?) + 1) * 8,
            _ => break,
        };
        (next, rest, length) = (*rest.first()?, rest.get(header..)?, length.checked_sub(header)?);
    }
    Packet::new(next, addresses, rest, length)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|number| u16::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A UDP datagram from 192.0.2.1:67 to 192.0.2.2:68 over IPv4, with padding after it.
    fn ipv4() -> Vec<u8> {
        let mut packet = [0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0].to_vec();
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2, 0, 67, 0, 68, 0, 11, 0, 0]);
        packet.extend(b"abcpadding");
        packet
    }

    #[test]
    fn a_packet_is_found_behind_every_header() {
        let ethernet = |tags: &[u8]| [&[0; 12], tags, &[8, 0]].concat();
        for (link_type, header) in [
            (LinkType::ETHERNET, ethernet(&[])),
            (LinkType::ETHERNET, ethernet(&[0x81, 0, 0, 5])),
            (LinkType::ETHERNET, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 7])),
            (LinkType::COOKED, [&[0; 14][..], &[8, 0]].concat()),
            (LinkType::COOKED2, [&[8, 0][..], &[0; 18]].concat()),
            (LinkType::RAW, Vec::new()),
        ] {
            let frame = [header, ipv4()].concat();
            let packet = Packet::from_ip(link_type.ip_packet(&frame).unwrap()).unwrap();
            assert_eq!((packet.from, packet.to), ("192.0.2.1:67".parse().unwrap(), "192.0.2.2:68".parse().unwrap()));
            assert_eq!((packet.payload, packet.length, packet.tcp), (&b"abc"[..], 3, None), "{link_type:?}");
            for end in 0..frame.len() {
                link_type.ip_packet(&frame[..end]).and_then(Packet::from_ip);
            }
        }
    }

    #[test]
    fn a_truncated_payload_keeps_its_length() {
        let packet = ipv4();
        let cut = Packet::from_ip(&packet[..29]).unwrap();
        assert_eq!((cut.payload, cut.length), (&b"a"[..], 3));
    }

    #[test]
    fn a_tcp_segment_over_ipv6_has_its_header() {
        let mut packet = [0x60, 0, 0, 0, 0, 31, 60, 64].to_vec();
        packet.extend([[0; 15].as_slice(), &[1], &[0; 15], &[2]].concat());
        packet.extend([6, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([0x1f, 0x90, 0, 80, 0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x11, 0, 0, 0, 0, 0, 0]);
        packet.extend(b"xyz");
        let segment = Packet::from_ip(&packet).unwrap();
        let tcp = TcpHeader { sequence: 256, syn: false, fin: true, rst: false };
        assert_eq!((segment.payload, segment.length, segment.tcp), (&b"xyz"[..], 3, Some(tcp)));
        assert_eq!((segment.from.port(), segment.to), (8080, "[::2]:80".parse().unwrap()));
    }
}
