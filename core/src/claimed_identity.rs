//! The identity that a client claims in the name of the file that it requests: `machine/mac=.../uuid=.../menu.ipxe`.
//! The claim is not proven, so the server uses it only to choose what it shows to the client.

use crate::arch::Arch;
use crate::choose::MACHINE_PREFIX;
use crate::plan::pattern::MacPattern;
use crate::plan::rule::RuleRef;
use crate::wire::pxe::Features;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// The parts of a claimed identity. A part is `None` if the requested name lacks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedIdentity {
    /// The MAC address.
    pub mac: Option<[u8; 6]>,
    /// The SMBIOS system UUID, in printed order.
    pub uuid: Option<[u8; 16]>,
    /// The SMBIOS serial number.
    pub serial: Option<String>,
    /// The name of a machine's entry, in a URL that the server generated for the machine.
    pub name: Option<String>,
    /// The token in a URL that the server generated; it proves that the request comes from the machine.
    pub token: Option<String>,
    /// The architecture of the machine's iPXE, if the server knows that architecture.
    pub arch: Option<Arch>,
    /// The features of the machine's iPXE, if the server has overheard them.
    pub features: Option<Features>,
    /// The rule that the machine's DHCP packet matched.
    pub rule: Option<RuleRef>,
    /// The boot server type that the user chose from a menu.
    pub item: Option<u16>,
}

impl ClaimedIdentity {
    /// Splits a name into the identity (`machine/` and the `key=value` directories after it) and the rest. Each part
    /// may be empty or missing. The function ignores unknown parts. It returns `None` if the name does not begin with
    /// `machine/`.
    pub fn parse(name: &str) -> Option<(ClaimedIdentity, &str)> {
        let mut rest = name.strip_prefix(MACHINE_PREFIX)?;
        let mut claimed = ClaimedIdentity::default();
        let (mut platform, mut buildarch) = ("", "");
        while let Some((part, after)) = rest.split_once('/')
            && let Some((key, value)) = part.split_once('=')
        {
            match key {
                "mac" => claimed.mac = parse_octets(value),
                "uuid" => claimed.uuid = parse_octets(value),
                "serial" => claimed.serial = parse_text(value),
                "name" => claimed.name = Some(value.into()),
                "token" => claimed.token = Some(value.into()),
                "platform" => platform = value,
                "arch" => buildarch = value,
                "rule" => claimed.rule = value.parse().ok(),
                "item" => claimed.item = value.parse().ok(),
                _ => {}
            }
            rest = after;
        }
        claimed.arch = Arch::from_ipxe(platform, buildarch);
        Some((claimed, rest))
    }

    /// Whether the identity has neither a name nor a MAC address nor a UUID.
    pub fn is_anonymous(&self) -> bool {
        self.name.is_none() && self.mac.is_none() && self.uuid.is_none()
    }

    /// The MAC address, or `a machine` if the identity has none.
    pub fn display_name(&self) -> String {
        self.mac.map_or_else(|| "a machine".into(), |mac| MacPattern(mac.map(Some)).to_string())
    }

    /// The MAC address, UUID and serial number as part of a URL, followed by the settings that iPXE replaces with its
    /// platform and architecture.
    pub fn identity_path(&self) -> String {
        let mut parts = String::new();
        let hexadecimal = |parts: &mut String, octets: &[u8]| {
            for octet in octets {
                write!(parts, "{octet:02x}").ok();
            }
        };
        for (key, octets) in [
            ("mac", self.mac.as_ref().map(|mac| &mac[..])),
            ("uuid", self.uuid.as_ref().map(|uuid| &uuid[..])),
            ("serial", self.serial.as_ref().map(|serial| serial.as_bytes())),
        ] {
            if let Some(octets) = octets {
                parts.push_str(key);
                parts.push('=');
                hexadecimal(&mut parts, octets);
                parts.push('/');
            }
        }
        parts + "platform=${platform}/arch=${buildarch}/"
    }

    /// The rule and the menu item as part of a URL. The entry script passes them on, because the machine does not know
    /// them.
    pub fn choice_path(&self) -> String {
        let rule = self.rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
        let item = self.item.map(|item| format!("item={item}/")).unwrap_or_default();
        rule + &item
    }
}

/// Parses a setting of iPXE in the form of `hexhyp` or of a UUID: octets in hexadecimal, with or without hyphens and
/// colons. Returns `None` unless the text has exactly `N` octets.
fn parse_octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text.bytes().filter(|digit| !b"-:".contains(digit)).collect();
    let mut octets = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        *octet = hexadecimal(pair[0])? << 4 | hexadecimal(pair[1])?;
    }
    Some(octets)
}

/// Parses a text in iPXE's form `hexraw` (hexadecimal digits), which contains no character with a meaning in the
/// requested name. Returns `None` if the text is malformed or empty.
fn parse_text(hexraw: &str) -> Option<String> {
    let digits = hexraw.as_bytes();
    let pairs = digits.chunks_exact(2).map(|pair| Some(hexadecimal(pair[0])? << 4 | hexadecimal(pair[1])?));
    let octets: Option<Vec<u8>> = pairs.collect();
    let text = String::from_utf8(octets.filter(|_| digits.len().is_multiple_of(2))?).ok()?;
    Some(text.trim_matches([' ', '\0']).into()).filter(|text: &String| !text.is_empty())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_menu_carries_the_identity_of_the_machine() {
        let name = "machine/mac=52-54-00-12-34-56/uuid=11223344-5566-7788-99aa-bbccddeeff00/serial=41422d31\
                    /platform=efi/arch=arm64/menu.ipxe";
        let (claimed, rest) = ClaimedIdentity::parse(name).unwrap();
        assert_eq!(rest, "menu.ipxe");
        assert_eq!(claimed.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_eq!(claimed.uuid.unwrap()[..4], [0x11, 0x22, 0x33, 0x44]);
        assert_eq!(claimed.serial.as_deref(), Some("AB-1"));
        assert_eq!(claimed.arch, Arch::from_id("uefi-arm64"));
    }

    #[test]
    fn every_part_may_be_empty_missing_or_unknown() {
        assert_eq!(ClaimedIdentity::parse("machine/menu.ipxe"), Some((ClaimedIdentity::default(), "menu.ipxe")));
        let odd = "machine/mac=/uuid=x/serial=4/platform=sbi/arch=riscv64/colour=red/menu.ipxe";
        assert_eq!(ClaimedIdentity::parse(odd), Some((ClaimedIdentity::default(), "menu.ipxe")));
        assert_eq!(ClaimedIdentity::parse("machine/readme"), Some((ClaimedIdentity::default(), "readme")));
        assert_eq!(ClaimedIdentity::parse("machines/readme"), None);
    }

    #[test]
    fn the_rule_and_the_menu_item_are_passed_on() {
        let (claimed, rest) = ClaimedIdentity::parse("machine/rule=3/item=32769/boot.ipxe").unwrap();
        assert_eq!((claimed.choice_path().as_str(), rest), ("rule=3/item=32769/", "boot.ipxe"));
        assert_eq!(ClaimedIdentity::default().choice_path(), "");
    }

    #[test]
    fn the_rest_of_the_name_is_a_file() {
        let (claimed, rest) = ClaimedIdentity::parse("machine/name=web1/debian/linux").unwrap();
        assert_eq!((claimed.name.as_deref(), rest), (Some("web1"), "debian/linux"));
    }
}
