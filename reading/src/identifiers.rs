//! Parses the identities of machines: MAC addresses and UUIDs.

use proxydhcpd_core::wire::uuid::is_placeholder;

/// Parses a MAC address that a machine can have. `None`: the text is no MAC address, or the address is multicast or
/// zero.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    parse_any_mac(text).filter(|mac| mac[0] & 1 == 0 && *mac != [0; 6])
}

/// Parses any MAC address, as switches, labels and exports write it: `52:54:00:12:34:56`, `52-54-00-12-34-56`,
/// `5254.0012.3456`, or only digits.
pub fn parse_any_mac(text: &str) -> Option<[u8; 6]> {
    let separated = |width: usize, separator: u8| {
        text.bytes().enumerate().all(|(at, octet)| (at % width == width - 1) == (octet == separator))
    };
    let has_separators = match text.len() {
        17 => separated(3, b':') || separated(3, b'-'),
        14 => separated(5, b'.'),
        12 => true,
        _ => false,
    };
    octets(text).filter(|_| has_separators)
}

/// Parses a UUID, with its octets in printed order. `None`: the text is no UUID, or it is a placeholder, which many
/// machines have.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    parse_any_uuid(text).filter(|uuid| !is_placeholder(uuid))
}

/// Parses any UUID, including placeholders, with hyphens or without, also in braces.
pub fn parse_any_uuid(text: &str) -> Option<[u8; 16]> {
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let hyphens = |at| [8, 13, 18, 23].contains(&at);
    let has_hyphens = match bare.len() {
        36 => bare.bytes().enumerate().all(|(at, octet)| hyphens(at) == (octet == b'-')),
        32 => true,
        _ => false,
    };
    octets(bare).filter(|_| has_hyphens)
}

/// Parses `N` octets in hexadecimal. Ignores separators, because the caller checks their positions.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0u8; N];
    let mut digits = 0;
    for octet in text.bytes().filter(|octet| !b":-.".contains(octet)) {
        let value = char::from(octet).to_digit(16)? as u8;
        let target = octets.get_mut(digits / 2)?;
        *target = *target << 4 | value;
        digits += 1;
    }
    (digits == 2 * N).then_some(octets)
}
