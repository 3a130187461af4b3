//! Filters and parses IPv6 multicasts from a packet socket, and builds IPv6 headers.

use super::checksum::{IPPROTO_UDP, UDP_HEADER, fold, pseudo_header_sum, sum_words, udp_checksum};
use crate::net::sys::{Frame, ParsedDatagram};
use socket2::SockFilter;
use std::net::{Ipv6Addr, SocketAddrV6};

const IP_HEADER: usize = 40;

/// A filter that accepts UDP datagrams to one of these groups and this port, but no packets that IP would reject. It
/// drops packets with extension headers, and so all fragments: no client and no relay needs them. The kernel runs the
/// filter for every IPv6 packet of this host, so the tests that most packets fail come first.
///
/// As with IPv4, a frame of another VLAN or for another host has the type PACKET_OTHERHOST.
pub fn multicast_filter(groups: [Ipv6Addr; 2], port: u16) -> [SockFilter; 24] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_K;
    const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    const ACCEPT: u8 = 22;
    const DROP: u8 = 23;
    const SECOND: u8 = 14;
    let step = |code: u32, operand: u32| SockFilter::new(code as u16, 0, 0, operand);
    // A jump offset is relative to the next instruction.
    let unless = |at: u8, code: u32, operand: u32, to: u8| SockFilter::new(code as u16, 0, to - at - 1, operand);
    let load_word = |at: u32| step(LOAD | libc::BPF_W, at);
    let [first, second] = groups.map(words);
    [
        step(LOAD | libc::BPF_B, 6),
        unless(1, JUMP | libc::BPF_JEQ, u32::from(IPPROTO_UDP), DROP),
        step(LOAD | libc::BPF_H, 42),
        unless(3, JUMP | libc::BPF_JEQ, u32::from(port), DROP),
        step(LOAD | libc::BPF_W, PACKET_TYPE),
        SockFilter::new((JUMP | libc::BPF_JGE) as u16, DROP - 6, 0, u32::from(libc::PACKET_OTHERHOST)),
        // These instructions compare the four words of the destination with each group.
        load_word(24),
        unless(7, JUMP | libc::BPF_JEQ, first[0], SECOND),
        load_word(28),
        unless(9, JUMP | libc::BPF_JEQ, first[1], SECOND),
        load_word(32),
        unless(11, JUMP | libc::BPF_JEQ, first[2], SECOND),
        load_word(36),
        SockFilter::new((JUMP | libc::BPF_JEQ) as u16, ACCEPT - 14, 0, first[3]),
        load_word(24),
        unless(15, JUMP | libc::BPF_JEQ, second[0], DROP),
        load_word(28),
        unless(17, JUMP | libc::BPF_JEQ, second[1], DROP),
        load_word(32),
        unless(19, JUMP | libc::BPF_JEQ, second[2], DROP),
        load_word(36),
        unless(21, JUMP | libc::BPF_JEQ, second[3], DROP),
        step(libc::BPF_RET | libc::BPF_K, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// A filter for a socket that receives all protocols: it accepts UDP datagrams over IPv6 to this port, whatever their
/// address, but none with extension headers.
pub fn reply_filter(port: u16) -> [SockFilter; 8] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL).cast_unsigned();
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_K | libc::BPF_JEQ) as u16;
    let step = |code: u32, operand: u32| SockFilter::new(code as u16, 0, 0, operand);
    // A jump counts from the next instruction. Instruction 7 drops the packet.
    let drop_unless = |at: u8, operand: u32| SockFilter::new(IF_EQUAL, 0, 6 - at, operand);
    [
        step(LOAD | libc::BPF_H, PROTOCOL),
        drop_unless(1, libc::ETH_P_IPV6 as u32),
        step(LOAD | libc::BPF_B, 6),
        drop_unless(3, u32::from(IPPROTO_UDP)),
        step(LOAD | libc::BPF_H, 42),
        drop_unless(5, u32::from(port)),
        step(libc::BPF_RET | libc::BPF_K, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// The four words of an address, which the filter compares.
fn words(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
}

/// Parses the datagram in a frame that passed the filter. `None` if IP or UDP would reject a length or the checksum.
pub fn parse_datagram(frame: Frame<'_>) -> Option<ParsedDatagram> {
    let octets = frame.octets;
    let number = |at: usize| Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets.get(at..at + 16)?).ok()?));

    if octets.first()? >> 4 != 6 || octets.get(6) != Some(&IPPROTO_UDP) {
        return None;
    }
    // A short frame is padded to the minimum length of Ethernet, so the headers determine where the datagram ends.
    let (in_packet, length) = (usize::from(number(4)?), usize::from(number(IP_HEADER + 4)?));
    let received = octets.len().checked_sub(IP_HEADER)?;
    if length < UDP_HEADER || length > in_packet || (in_packet > received && !frame.truncated) {
        return None;
    }
    let (from, to) = (address(8)?, address(24)?);
    let end = IP_HEADER + length.min(received);
    let datagram = octets.get(IP_HEADER..end).filter(|datagram| datagram.len() >= UDP_HEADER)?;
    // The checksum is mandatory: nothing else in the packet protects the addresses (RFC 8200 8.1).
    let is_valid = frame.truncated
        || frame.is_checksum_pending
        || number(IP_HEADER + 6)? != 0
            && fold(addresses(from, to) + pseudo_header_sum(length) + sum_words(datagram)) == 0xffff;
    is_valid.then(|| ParsedDatagram {
        payload: IP_HEADER + UDP_HEADER..end,
        from: SocketAddrV6::new(from, u16::from_be_bytes([datagram[0], datagram[1]]), 0, 0).into(),
        to: to.into(),
    })
}

/// Builds the IP and UDP headers. The kernel refuses a packet that is too long.
pub fn headers(from: SocketAddrV6, to: SocketAddrV6, payload: &[u8]) -> [u8; IP_HEADER + UDP_HEADER] {
    const HOP_LIMIT: u8 = 64;
    let length = ((UDP_HEADER + payload.len()) as u16).to_be_bytes();
    let mut headers = [0; IP_HEADER + UDP_HEADER];
    let (ip, udp) = headers.split_at_mut(IP_HEADER);
    ip[0] = 0x60;
    ip[4..6].copy_from_slice(&length);
    ip[6] = IPPROTO_UDP;
    ip[7] = HOP_LIMIT;
    ip[8..24].copy_from_slice(&from.ip().octets());
    ip[24..40].copy_from_slice(&to.ip().octets());
    udp[..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&length);
    let checksum = udp_checksum(addresses(*from.ip(), *to.ip()), udp, payload);
    udp[6..].copy_from_slice(&checksum.to_be_bytes());
    headers
}

fn addresses(from: Ipv6Addr, to: Ipv6Addr) -> u64 {
    sum_words(&from.octets()) + sum_words(&to.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SocketAddrV6 = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10), 547, 0, 0);
    const TO: SocketAddrV6 = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), 546, 0, 0);

    fn packet(payload: &[u8]) -> Vec<u8> {
        [&headers(FROM, TO, payload)[..], payload].concat()
    }

    fn parse(octets: &[u8]) -> Option<ParsedDatagram> {
        parse_datagram(Frame { octets, is_checksum_pending: false, truncated: false })
    }

    /// `tests/sockets6.rs` shows that a client's kernel accepts the checksum, too.
    #[test]
    fn the_checksum_is_that_of_rfc_8200() {
        let headers = headers(FROM, TO, b"odd");
        assert_eq!(headers[..8], [0x60, 0, 0, 0, 0, 11, 17, 64]);
        assert_eq!(headers[40..46], [2, 35, 2, 34, 0, 11]);
        // fe80::10, ff02::1:2, 11, 17, 547, 546, 11, "od", "d\0".
        let words = [0xfe80_u32, 0x10, 0xff02, 1, 2, 11, 17, 547, 546, 11, 0x6f64, 0x6400];
        let sum: u32 = words.iter().sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        assert_eq!(u32::from(u16::from_be_bytes([headers[46], headers[47]])), !folded & 0xffff);
    }

    #[test]
    fn built_packets_are_parsed_again() {
        for payload in [&b""[..], b"a", b"ab", b"abc", &[0xff; 1452]] {
            let packet = packet(payload);
            let parsed = parse(&packet).unwrap();
            assert_eq!((parsed.from, parsed.to), (FROM.into(), (*TO.ip()).into()));
            assert_eq!(&packet[parsed.payload], payload);
        }
    }

    #[test]
    fn padding_is_not_payload() {
        let mut padded = packet(b"abc");
        padded.resize(60, 0x55);
        assert_eq!(parse(&padded).unwrap().payload, 48..51);
    }

    /// Except the traffic class, the flow label and the hop limit, which routers may change.
    #[test]
    fn a_change_of_any_octet_is_detected() {
        let good = packet(b"abc");
        for at in (0..good.len()).filter(|at| ![1, 2, 3, 7].contains(at)) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(parse(&bad), None, "octet {at}");
        }
    }

    #[test]
    fn a_pending_checksum_is_not_verified_and_an_absent_one_is_rejected() {
        let mut absent = packet(b"abc");
        absent[46..48].fill(0);
        assert_eq!(parse(&absent), None);
        assert!(parse_datagram(Frame { octets: &absent, is_checksum_pending: true, truncated: false }).is_some());
    }

    /// A computed checksum of 0 would mean an absent one.
    #[test]
    fn a_checksum_is_never_0() {
        let mut payload = [0; 2];
        let without = headers(FROM, TO, &payload);
        payload.copy_from_slice(&without[46..48]);
        assert_eq!(headers(FROM, TO, &payload)[46..48], [0xff, 0xff]);
        assert!(parse(&packet(&payload)).is_some());
    }

    #[test]
    fn wrong_lengths_are_rejected_and_truncated_frames_are_not() {
        let good = packet(b"abcdef");
        for end in 0..good.len() {
            assert_eq!(parse(&good[..end]), None, "cut to {end}");
        }
        let parse_pending =
            |octets: &[u8]| parse_datagram(Frame { octets, is_checksum_pending: true, truncated: false });
        for (at, lengths) in [(44, [0, 7, 15, 0xffff_u16]), (4, [0, 8, 13, 15])] {
            for length in lengths {
                let mut bad = good.clone();
                bad[at..at + 2].copy_from_slice(&length.to_be_bytes());
                assert_eq!(parse_pending(&bad), None, "a length of {length} at {at}");
            }
        }
        let truncate =
            |end| parse_datagram(Frame { octets: &good[..end], is_checksum_pending: false, truncated: true });
        assert_eq!(truncate(50).unwrap().payload, 48..50);
        assert_eq!((truncate(48).unwrap().payload, truncate(47)), (48..48, None));
    }

    #[test]
    fn random_octets_do_not_panic() {
        let mut seed = 1_u32;
        for length in 0..4000 {
            let mut octets: Vec<u8> = (0..length % 80)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            // As the filter guarantees.
            if let [first, ..] = &mut octets[..] {
                *first = 0x60;
            }
            if let Some(next) = octets.get_mut(6) {
                *next = IPPROTO_UDP;
            }
            for truncated in [false, true] {
                if let Some(content) = parse_datagram(Frame { octets: &octets, is_checksum_pending: true, truncated }) {
                    assert!(octets.get(content.payload).is_some());
                }
            }
        }
    }
}
