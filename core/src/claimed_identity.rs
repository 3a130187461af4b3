//! Who asks for a script, as the name that it asks by says: `machine/mac=.../uuid=.../menu.ipxe`. Its own word: good
//! for choosing what to show, no more.

use crate::arch::Arch;
use crate::choose::MACHINE_PREFIX;
use crate::plan::pattern::MacPattern;
use crate::plan::rule::RuleRef;
use crate::wire::pxe::Features;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedIdentity {
    pub mac: Option<[u8; 6]>,
    /// In printed order.
    pub uuid: Option<[u8; 16]>,
    pub serial: Option<String>,
    /// The name of a machine of the plan, in a URL that we made for it.
    pub name: Option<String>,
    /// What proves that a request is that of the machine, in a URL that we made for it.
    pub token: Option<String>,
    /// The kind of firmware that its iPXE runs on, if it is one that we know.
    pub arch: Option<Arch>,
    /// What that iPXE can, if it was heard.
    pub features: Option<Features>,
    /// The rule that its DHCP packet met.
    pub rule: Option<RuleRef>,
    /// The item that was chosen from a menu.
    pub item: Option<u16>,
}

impl ClaimedIdentity {
    /// Takes `machine/` and the `key=value` directories behind it from a name, and says what is left. Every part may be
    /// empty or missing, and parts that are not known are passed over.
    pub fn parse(name: &str) -> Option<(ClaimedIdentity, &str)> {
        let mut rest = name.strip_prefix(MACHINE_PREFIX)?;
        let mut caller = ClaimedIdentity::default();
        let (mut platform, mut build) = ("", "");
        while let Some((part, behind)) = rest.split_once('/')
            && let Some((key, value)) = part.split_once('=')
        {
            match key {
                "mac" => caller.mac = octets(value),
                "uuid" => caller.uuid = octets(value),
                "serial" => caller.serial = text(value),
                "name" => caller.name = Some(value.into()),
                "token" => caller.token = Some(value.into()),
                "platform" => platform = value,
                "arch" => build = value,
                "rule" => caller.rule = value.parse().ok(),
                "item" => caller.item = value.parse().ok(),
                _ => {}
            }
            rest = behind;
        }
        caller.arch = arch_of_build(platform, build);
        Some((caller, rest))
    }

    /// It has not said which machine it is.
    pub fn is_anonymous(&self) -> bool {
        self.name.is_none() && self.mac.is_none() && self.uuid.is_none()
    }

    /// Its address, for people.
    pub fn display_name(&self) -> String {
        self.mac.map_or_else(|| "a machine".into(), |mac| MacPattern(mac.map(Some)).to_string())
    }

    /// What it said, to be said again.
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

    /// What the entry script has to pass on, because the machine cannot say it by itself.
    pub fn choice_path(&self) -> String {
        let rule = self.rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
        let item = self.item.map(|item| format!("item={item}/")).unwrap_or_default();
        rule + &item
    }
}

/// A setting of iPXE as `hexhyp` or as a UUID prints it: octets in hexadecimal, hyphens and colons between them or not.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
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

/// A text as `hexraw` prints it: nothing in it can be taken for a part of the name.
fn text(hexraw: &str) -> Option<String> {
    let digits = hexraw.as_bytes();
    let pairs = digits.chunks_exact(2).map(|pair| Some(hexadecimal(pair[0])? << 4 | hexadecimal(pair[1])?));
    let octets: Option<Vec<u8>> = pairs.collect();
    let text = String::from_utf8(octets.filter(|_| digits.len().is_multiple_of(2))?).ok()?;
    Some(text.trim_matches([' ', '\0']).into()).filter(|text: &String| !text.is_empty())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The architecture of an iPXE by its settings `platform` and `buildarch`. A BIOS iPXE says `i386` on every processor.
fn arch_of_build(platform: &str, build: &str) -> Option<Arch> {
    let id = match (platform, build) {
        ("pcbios", _) => "bios",
        ("efi", "i386") => "uefi-ia32",
        ("efi", "x86_64") => "uefi-x64",
        ("efi", "arm32") => "uefi-arm32",
        ("efi", "arm64") => "uefi-arm64",
        ("efi", "riscv32") => "uefi-riscv32",
        ("efi", "riscv64") => "uefi-riscv64",
        ("efi", "loong64") => "uefi-loongarch64",
        _ => return None,
    };
    Arch::from_id(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_the_name_of_its_menu() {
        let name = "machine/mac=52-54-00-12-34-56/uuid=11223344-5566-7788-99aa-bbccddeeff00/serial=41422d31/platform=efi\
                    /arch=arm64/menu.ipxe";
        let (caller, rest) = ClaimedIdentity::parse(name).unwrap();
        assert_eq!(rest, "menu.ipxe");
        assert_eq!(caller.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_eq!(caller.uuid.unwrap()[..4], [0x11, 0x22, 0x33, 0x44]);
        assert_eq!(caller.serial.as_deref(), Some("AB-1"));
        assert_eq!(caller.arch, Arch::from_id("uefi-arm64"));
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
    fn what_the_machine_cannot_say_is_passed_on() {
        let (caller, rest) = ClaimedIdentity::parse("machine/rule=3/item=32769/boot.ipxe").unwrap();
        assert_eq!((caller.choice_path().as_str(), rest), ("rule=3/item=32769/", "boot.ipxe"));
        assert_eq!(ClaimedIdentity::default().choice_path(), "");
    }

    #[test]
    fn a_name_that_we_gave_leads_to_a_file() {
        let (caller, rest) = ClaimedIdentity::parse("machine/name=web1/debian/linux").unwrap();
        assert_eq!((caller.name.as_deref(), rest), (Some("web1"), "debian/linux"));
    }
}
