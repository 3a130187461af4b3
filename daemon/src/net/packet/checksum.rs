//! What UDP's header holds, and its checksum, which both families have of each other's addresses (RFC 768, RFC 8200
//! 8.1).

pub const IPPROTO_UDP: u8 = 17;
pub const UDP_HEADER: usize = 8;

/// For the header of a datagram, whose own checksum is still 0. `addresses` is the sum of both.
pub fn udp_checksum(addresses: u64, header: &[u8], payload: &[u8]) -> u16 {
    let covered = addresses + pseudo_header_sum(header.len() + payload.len()) + sum_words(header) + sum_words(payload);
    let checksum = !fold(covered);
    // 0 would say that there is none.
    if checksum == 0 { 0xffff } else { checksum }
}

/// What the checksum covers beside the addresses and the datagram, which is of this length.
pub fn pseudo_header_sum(length: usize) -> u64 {
    u64::from(IPPROTO_UDP) + length as u64
}

/// Of 16-bit words, the last one filled up with zero; not yet folded (RFC 1071).
pub fn sum_words(octets: &[u8]) -> u64 {
    let (pairs, last) = octets.as_chunks();
    let pairs: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    pairs + last.first().map_or(0, |octet| u64::from(*octet) << 8)
}

/// 0xffff where the checksum that was summed up with the rest is right.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
