//! The UDP header, and its checksum (RFC 768, RFC 8200 8.1).

/// Protocol number of UDP.
pub const IPPROTO_UDP: u8 = 17;
/// Octets of a UDP header.
pub const UDP_HEADER: usize = 8;

/// The checksum of a datagram. The checksum field in `header` must be 0. `addresses` is the sum of both IP addresses.
pub fn udp_checksum(addresses: u64, header: &[u8], payload: &[u8]) -> u16 {
    let covered = addresses + pseudo_header_sum(header.len() + payload.len()) + sum_words(header) + sum_words(payload);
    let checksum = !fold(covered);
    // In the header, 0 means that the datagram has no checksum.
    if checksum == 0 { 0xffff } else { checksum }
}

/// The sum of the pseudo header without the addresses, for a datagram of this length.
pub fn pseudo_header_sum(length: usize) -> u64 {
    u64::from(IPPROTO_UDP) + length as u64
}

/// The sum of the 16-bit words, not folded (RFC 1071). An odd last octet is padded with zero.
pub fn sum_words(octets: &[u8]) -> u64 {
    let (pairs, last) = octets.as_chunks();
    let pairs: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    pairs + last.first().map_or(0, |octet| u64::from(*octet) << 8)
}

/// Folds a sum to 16 bits. Returns 0xffff if the sum includes a correct checksum.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
