//! Filters and parses IPv4 broadcasts from a packet socket, and builds IPv4 headers.

use super::checksum::{IPPROTO_UDP, UDP_HEADER, fold, pseudo_header_sum, sum_words, udp_checksum};
use crate::net::sys::{Frame, ParsedDatagram};
use socket2::SockFilter;
use std::net::{Ipv4Addr, SocketAddrV4};

const IP_HEADER: usize = 20;

/// A filter that accepts UDP datagrams to 255.255.255.255 and this port, but no fragments, and no packets that IP would
/// reject. The kernel runs the filter for every IPv4 packet of this host, so the test that most packets fail comes
/// first.
///
/// A frame has the type PACKET_OTHERHOST if it belongs to a VLAN that this host does not have, or, on an interface in
/// promiscuous mode, if it is for another host. A frame of a VLAN of this host arrives on the interface of that VLAN.
pub fn broadcast_filter(port: u16) -> [SockFilter; 13] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_K;
    const MORE_FRAGMENTS_OR_OFFSET: u32 = 0x3fff;
    const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    let step = |code: u32, operand: u32| SockFilter::new(code as u16, 0, 0, operand);
    // A jump counts from the next instruction. Instruction 12 drops the packet.
    let drop_if = |at: u8, code: u32, operand: u32| SockFilter::new(code as u16, 11 - at, 0, operand);
    let drop_unless = |at: u8, code: u32, operand: u32| SockFilter::new(code as u16, 0, 11 - at, operand);
    [
        step(LOAD | libc::BPF_W, 16),
        drop_unless(1, JUMP | libc::BPF_JEQ, Ipv4Addr::BROADCAST.to_bits()),
        step(LOAD | libc::BPF_W, PACKET_TYPE),
        drop_if(3, JUMP | libc::BPF_JGE, u32::from(libc::PACKET_OTHERHOST)),
        step(LOAD | libc::BPF_B, 9),
        drop_unless(5, JUMP | libc::BPF_JEQ, u32::from(IPPROTO_UDP)),
        step(LOAD | libc::BPF_H, 6),
        drop_if(7, JUMP | libc::BPF_JSET, MORE_FRAGMENTS_OR_OFFSET),
        // Loads the length of the IP header, after which the ports follow.
        step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        step(libc::BPF_LD | libc::BPF_IND | libc::BPF_H, 2),
        drop_unless(10, JUMP | libc::BPF_JEQ, u32::from(port)),
        step(libc::BPF_RET | libc::BPF_K, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// A filter for a socket that receives all protocols: it accepts UDP datagrams over IPv4 to one of these ports,
/// whatever their address, but no fragments.
pub fn reply_filter(ports: [u16; 3]) -> [SockFilter; 13] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_K;
    const MORE_FRAGMENTS_OR_OFFSET: u32 = 0x3fff;
    const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL).cast_unsigned();
    let step = |code: u32, operand: u32| SockFilter::new(code as u16, 0, 0, operand);
    // A jump counts from the next instruction. Instruction 11 accepts the packet, instruction 12 drops it.
    let drop_if = |at: u8, code: u32, operand: u32| SockFilter::new(code as u16, 11 - at, 0, operand);
    let drop_unless = |at: u8, code: u32, operand: u32| SockFilter::new(code as u16, 0, 11 - at, operand);
    let accept_if = |at: u8, port: u16| SockFilter::new((JUMP | libc::BPF_JEQ) as u16, 10 - at, 0, u32::from(port));
    let [first, second, third] = ports;
    [
        step(LOAD | libc::BPF_H, PROTOCOL),
        drop_unless(1, JUMP | libc::BPF_JEQ, libc::ETH_P_IP as u32),
        step(LOAD | libc::BPF_B, 9),
        drop_unless(3, JUMP | libc::BPF_JEQ, u32::from(IPPROTO_UDP)),
        step(LOAD | libc::BPF_H, 6),
        drop_if(5, JUMP | libc::BPF_JSET, MORE_FRAGMENTS_OR_OFFSET),
        // Loads the length of the IP header, after which the ports follow.
        step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        step(libc::BPF_LD | libc::BPF_IND | libc::BPF_H, 2),
        accept_if(8, first),
        accept_if(9, second),
        drop_unless(10, JUMP | libc::BPF_JEQ, u32::from(third)),
        step(libc::BPF_RET | libc::BPF_K, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// Parses the datagram in a frame that passed the filter. `None` if IP or UDP would reject a length or a checksum. This
/// server does not count such packets: the kernel does, when it handles them for the owner of the port.
pub fn parse_datagram(frame: Frame<'_>) -> Option<ParsedDatagram> {
    let octets = frame.octets;
    let number = |at: usize| Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets.get(at..at + 4)?).ok()?));

    let first = octets.first()?;
    let udp = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || udp < IP_HEADER || fold(sum_words(octets.get(..udp)?)) != 0xffff {
        return None;
    }
    // A short frame is padded to the minimum length of Ethernet, so the headers determine where the datagram ends.
    let length = usize::from(number(udp + 4)?);
    let (in_packet, received) = (udp + length, octets.len());
    if length < UDP_HEADER || in_packet > usize::from(number(2)?) {
        return None;
    }
    let (from, to) = (address(12)?, address(16)?);
    let content = |end| ParsedDatagram {
        payload: udp + UDP_HEADER..end,
        from: SocketAddrV4::new(from, u16::from_be_bytes([octets[udp], octets[udp + 1]])).into(),
        to: to.into(),
    };
    if frame.truncated {
        return (received >= udp + UDP_HEADER).then(|| content(in_packet.min(received)));
    }
    let datagram = octets.get(udp..in_packet)?;
    let has_checksum = number(udp + 6)? != 0 && !frame.is_checksum_pending;
    if has_checksum && fold(addresses(from, to) + pseudo_header_sum(length) + sum_words(datagram)) != 0xffff {
        return None;
    }
    Some(content(in_packet))
}

/// Builds the IP and UDP headers. The kernel fills in the total length, the identification and the checksum of the IP
/// header, and refuses a packet that is too long.
pub fn headers(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> [u8; IP_HEADER + UDP_HEADER] {
    const TIME_TO_LIVE: u8 = 64;
    let length = UDP_HEADER + payload.len();
    let mut headers = [0; IP_HEADER + UDP_HEADER];
    let (ip, udp) = headers.split_at_mut(IP_HEADER);
    ip[0] = 0x45;
    ip[8] = TIME_TO_LIVE;
    ip[9] = IPPROTO_UDP;
    ip[12..16].copy_from_slice(&from.ip().octets());
    ip[16..20].copy_from_slice(&to.ip().octets());
    udp[..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&(length as u16).to_be_bytes());
    let checksum = udp_checksum(addresses(*from.ip(), *to.ip()), udp, payload);
    udp[6..].copy_from_slice(&checksum.to_be_bytes());
    headers
}

fn addresses(from: Ipv4Addr, to: Ipv4Addr) -> u64 {
    sum_words(&from.octets()) + sum_words(&to.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 67);
    const TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);

    /// A packet in which the fields that the kernel fills in are set.
    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut packet = [&headers(FROM, TO, payload)[..], payload].concat();
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        set_ip_checksum(&mut packet);
        packet
    }

    fn set_ip_checksum(packet: &mut [u8]) {
        let header = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let checksum = !fold(sum_words(&packet[..header]));
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    fn parse(octets: &[u8]) -> Option<ParsedDatagram> {
        parse_datagram(Frame { octets, is_checksum_pending: false, truncated: false })
    }

    /// `tests/sockets.rs` shows that a client's kernel accepts the checksum, too.
    #[test]
    fn the_checksum_is_that_of_rfc_768() {
        let headers = headers(FROM, TO, b"odd");
        assert_eq!(headers[20..26], [0, 67, 0, 68, 0, 11]);
        // 192.0.2.1, 255.255.255.255, 17, 11, 67, 68, 11, "od", "d\0".
        let words = [0xc000_u32, 0x0201, 0xffff, 0xffff, 17, 11, 67, 68, 11, 0x6f64, 0x6400];
        let sum: u32 = words.iter().sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        assert_eq!(u32::from(u16::from_be_bytes([headers[26], headers[27]])), !folded & 0xffff);
    }

    #[test]
    fn built_packets_are_parsed_again() {
        for payload in [&b""[..], b"a", b"ab", b"abc", &[0xff; 1472]] {
            let packet = packet(payload);
            let parsed = parse(&packet).unwrap();
            assert_eq!((parsed.from, parsed.to), (FROM.into(), Ipv4Addr::BROADCAST.into()));
            assert_eq!(&packet[parsed.payload], payload);
        }
    }

    #[test]
    fn padding_and_ip_options_are_not_payload() {
        let mut padded = packet(b"abc");
        padded.resize(46, 0x55);
        assert_eq!(parse(&padded).unwrap().payload, 28..31);

        let mut long = packet(b"abc");
        long.splice(20..20, [1; 4]);
        (long[0], long[3]) = (0x46, long[3] + 4);
        set_ip_checksum(&mut long);
        assert_eq!(parse(&long).unwrap().payload, 32..35);
    }

    #[test]
    fn a_change_of_any_octet_is_detected() {
        let good = packet(b"abc");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(parse(&bad), None, "octet {at}");
        }
    }

    #[test]
    fn an_absent_or_pending_checksum_is_not_verified() {
        let mut absent = packet(b"abc");
        absent[26..28].fill(0);
        assert!(parse(&absent).is_some());
        let mut pending = packet(b"abc");
        pending[26] ^= 1;
        assert_eq!(parse(&pending), None);
        assert!(parse_datagram(Frame { octets: &pending, is_checksum_pending: true, truncated: false }).is_some());
    }

    #[test]
    fn wrong_lengths_are_rejected_and_truncated_frames_are_not() {
        let good = packet(b"abcdef");
        for end in 0..good.len() {
            assert_eq!(parse(&good[..end]), None, "cut to {end}");
        }
        for length in [0, 7, 15, 0xffff_u16] {
            let mut bad = good.clone();
            bad[24..26].copy_from_slice(&length.to_be_bytes());
            bad[26..28].fill(0);
            assert_eq!(parse(&bad), None, "a UDP length of {length}");
        }
        let truncated =
            parse_datagram(Frame { octets: &good[..30], is_checksum_pending: false, truncated: true }).unwrap();
        assert_eq!(truncated.payload, 28..30);
    }

    #[test]
    fn random_octets_do_not_panic() {
        let mut seed = 1_u32;
        for length in 0..2000 {
            let octets: Vec<u8> = (0..length % 80)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            for truncated in [false, true] {
                if let Some(content) = parse_datagram(Frame { octets: &octets, is_checksum_pending: true, truncated }) {
                    assert!(octets.get(content.payload).is_some());
                }
            }
        }
    }
}
