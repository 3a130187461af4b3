//! Values on the command line that describe a client: its kind, its addresses, and a packet that it sent.

use proxydhcpd_core::arch::{ARCHITECTURES, Arch};
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_reading::suggest::closest_match;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The kind of client: the firmware of an architecture (`uefi-x64`), or the iPXE that this firmware started
/// (`ipxe-x64`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKind {
    /// The architecture that the client sends (option 93).
    pub arch: Arch,
    /// Whether the client is iPXE.
    pub ipxe: bool,
}

impl FromStr for ClientKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some(arch) = Arch::from_id(word) {
            return Ok(Self { arch, ipxe: false });
        }
        let ipxe_rest = word.strip_prefix("ipxe-");
        if let Some(arch) = ipxe_rest.and_then(|rest| Arch::from_id(rest).or(Arch::from_id(&format!("uefi-{rest}")))) {
            return Ok(Self { arch, ipxe: true });
        }
        Err(match closest_match(word, known_kinds().iter().map(String::as_str)) {
            Some(known) => format!("unknown client; did you mean `{known}`?"),
            None => "unknown client; `proxydhcpd explain --help` lists the clients".to_owned(),
        })
    }
}

/// The words for all kinds of clients.
pub fn known_kinds() -> Vec<String> {
    let ipxe = |id: &str| format!("ipxe-{}", id.strip_prefix("uefi-").unwrap_or(id));
    let firmware = ARCHITECTURES.iter().map(|row| row.id.to_owned());
    firmware.chain(ARCHITECTURES.iter().map(|row| ipxe(row.id))).collect()
}

/// The most common clients, for the help.
pub fn common_kinds() -> String {
    Arch::common_ids().collect::<Vec<_>>().join(", ")
}

/// The MAC address of a simulated machine if `--mac` is absent. It is locally administered, so that no network card has
/// it. The documentation does not use it, so that no configuration contains it by way of a copied example.
pub const EXAMPLE_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// An Ethernet address in any of the usual spellings: with colons, dashes, Cisco's dots, or bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        octets(text, &[':', '-', '.'])
            .ok_or_else(|| "expected six octets in hex, for example 52:54:00:12:34:56".to_owned())
            .map(Self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A UUID. Its octets are in the printed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

impl FromStr for Uuid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected 32 hex digits, for example 11223344-5566-7788-99aa-bbccddeeff00";
        octets(text, &['-']).ok_or_else(|| expected.to_owned()).map(Self)
    }
}

/// The server's address, with the prefix length of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerAddress(pub Network);

impl ServerAddress {
    /// The address without the prefix length.
    pub fn address(self) -> IpAddr {
        match self.0 {
            Network::V4(network) => network.address.into(),
            Network::V6(network) => network.address.into(),
        }
    }
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            let prefix = prefix.parse::<u8>().ok()?;
            match address.parse().ok()? {
                IpAddr::V4(address) if prefix <= 32 => Some(Network::V4(Network4 { address, prefix })),
                IpAddr::V6(address) if prefix <= 128 => Some(Network::V6(Network6 { address, prefix })),
                _ => None,
            }
        });
        parts
            .map(Self)
            .ok_or_else(|| "expected an address with its prefix length, for example 192.168.1.10/24".to_owned())
    }
}

/// The packet that `explain` explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketHex {
    /// `-`: the packet must be read from standard input.
    Stdin,
    /// The octets of the UDP payload.
    Octets(Vec<u8>),
}

impl FromStr for PacketHex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" { Ok(Self::Stdin) } else { Self::parse_octets(text).map(Self::Octets) }
    }
}

impl PacketHex {
    /// Parses hexadecimal octets as Wireshark, tcpdump and `xxd -p` print them. White space and colons are ignored.
    ///
    /// # Errors
    /// The text contains another character, or an odd number of digits.
    pub fn parse_octets(text: &str) -> Result<Vec<u8>, String> {
        let text = text.trim().strip_prefix("0x").unwrap_or(text);
        let is_invalid = |c: &char| !c.is_ascii_hexdigit() && !c.is_whitespace() && *c != ':';
        if let Some(c) = text.chars().find(is_invalid) {
            return Err(format!("{c:?} is not a hex digit"));
        }
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        if digits.is_empty() || digits.len() % 2 == 1 {
            return Err("expected two hex digits for each octet".to_owned());
        }
        Ok(pairs(&digits).collect())
    }
}

/// Parses exactly `N` octets with separators only between them. `None` if the text has another form.
fn octets<const N: usize>(text: &str, separators: &[char]) -> Option<[u8; N]> {
    if !text.starts_with(|c: char| c.is_ascii_hexdigit()) || !text.ends_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let parts: Vec<&str> = text.split(separators).collect();
    let digits = parts.concat();
    // `0:1:2:3:4:5` is rejected: in a part with an odd number of digits, it is unknown where a digit is missing.
    let has_whole_octets = parts.iter().all(|part| !part.is_empty() && part.len() % 2 == 0);
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if has_whole_octets && is_hex && digits.len() == 2 * N {
        pairs(&digits).collect::<Vec<_>>().try_into().ok()
    } else {
        None
    }
}

/// The octets of an even number of hex digits.
fn pairs(digits: &str) -> impl Iterator<Item = u8> + '_ {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
    digits.as_bytes().chunks_exact(2).map(move |pair| digit(pair[0]) << 4 | digit(pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_has_a_word_for_its_firmware_and_one_for_ipxe() {
        for row in ARCHITECTURES {
            assert_eq!(row.id.parse(), Ok(ClientKind { arch: Arch(row.code), ipxe: false }));
            let ipxe_word = format!("ipxe-{}", row.id.strip_prefix("uefi-").unwrap_or(row.id));
            assert_eq!(ipxe_word.parse(), Ok(ClientKind { arch: Arch(row.code), ipxe: true }));
        }
    }

    #[test]
    fn the_error_for_a_misspelt_client_suggests_the_right_one() {
        assert!("ufei-x64".parse::<ClientKind>().unwrap_err().contains("`uefi-x64`"));
        assert!("ipxe-arm46".parse::<ClientKind>().unwrap_err().contains("`ipxe-arm64`"));
    }

    #[test]
    fn a_mac_address_has_many_spellings() {
        let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        for text in ["52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456", "525400123456"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in ["", "52:54:00:12:34", "52:54:0:12:34:56", "52:54:00:12:34:5g", "525400123456:", "é25400123456"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
        assert_eq!(mac.to_string(), "52:54:00:12:34:56");
    }

    #[test]
    fn a_uuid_keeps_the_printed_order() {
        let uuid: Uuid = "11223344-5566-7788-99AA-bbccddeeff00".parse().unwrap();
        assert_eq!(uuid.0[..4], [0x11, 0x22, 0x33, 0x44]);
        assert!("11223344".parse::<Uuid>().is_err());
    }

    #[test]
    fn a_packet_is_parsed_as_tools_print_it() {
        assert_eq!("01 01\n06:00".parse(), Ok(PacketHex::Octets(vec![1, 1, 6, 0])));
        assert_eq!("0x0101".parse(), Ok(PacketHex::Octets(vec![1, 1])));
        assert_eq!("-".parse(), Ok(PacketHex::Stdin));
        assert!("010".parse::<PacketHex>().is_err() && "01zz".parse::<PacketHex>().is_err());
    }
}
