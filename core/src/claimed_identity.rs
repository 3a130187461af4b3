//! The identity that a client claims in the name of the file that it requests: `machine/mac=.../uuid=.../menu.ipxe`,
//! and the facts that it reports there: its memory, and the error of a failed command.
//! The claim is not proven, so the server uses it only to choose what it shows to the client.

use crate::arch::Arch;
use crate::choose::{BootChoice, MACHINE_PREFIX};
use crate::identity::{Identifiers, MachineIdentity, MachineKey};
use crate::ipxe_error::IpxeError;
use crate::observations::{FirmwareInfo, Observations};
use crate::wire::dhcp6::mac_from_eui64;
use crate::wire::pxe::MachineId;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

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
    /// The size of the machine's memory, in MiB.
    pub memory: Option<u32>,
    /// The error of the command that failed last in a script.
    pub error: Option<IpxeError>,
    /// The choices that led to the request.
    pub choice: BootChoice,
}

impl ClaimedIdentity {
    /// Splits a name into the identity (`machine/` and the `key=value` directories after it) and the rest. Each part
    /// may be empty or missing. The function ignores unknown parts. It returns `None` if the name does not begin with
    /// `machine/`.
    pub fn parse(name: &str) -> Option<(ClaimedIdentity, &str)> {
        let mut rest = name.strip_prefix(MACHINE_PREFIX)?;
        let mut claimed = ClaimedIdentity::default();
        let (mut platform, mut buildarch) = ("", "");
        let mut modules = None;
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
                "memsize" => claimed.memory = value.parse().ok().filter(|mib| *mib > 0),
                "modules" => modules = memory_of_modules(value),
                "errno" => claimed.error = IpxeError::parse(value),
                "rule" => claimed.choice.rule = value.parse().ok(),
                "item" => claimed.choice.item = value.parse().ok(),
                _ => {}
            }
            rest = after;
        }
        claimed.arch = Arch::from_ipxe(platform, buildarch);
        claimed.memory = claimed.memory.or(modules);
        Some((claimed, rest))
    }

    /// The machine that made this claim from this address, and the facts about its firmware. The owner of the address,
    /// which DHCP packets show, completes the claim, unless it is another machine.
    pub fn resolve(&self, observations: &Observations, address: IpAddr) -> (MachineIdentity, FirmwareInfo) {
        let address = address.to_canonical();
        let owner = observations.address_owner(address);
        let owner_mac = owner.and_then(|owner| owner.hardware.mac());
        let (mac, machine_id) = match (owner, address) {
            (Some(owner), _) if self.is_anonymous() => (owner_mac, owner.machine_id.filter(MachineId::is_unique)),
            (None, IpAddr::V6(address)) if self.is_anonymous() => (mac_from_eui64(address), None),
            _ => {
                let mac = self.mac.or(owner_mac.filter(|_| self.name.is_none()));
                (mac, self.uuid.map(MachineId::from_uuid))
            }
        };
        let known = owner.filter(|_| mac.is_none() || mac == owner_mac).map(|owner| owner.firmware);
        let firmware = FirmwareInfo {
            arch: self.arch.or(known.and_then(|known| known.arch)),
            features: known.and_then(|known| known.features),
        };
        let uuid = machine_id.filter(MachineId::is_unique).map(|id| id.uuid());
        let machine = MachineIdentity {
            hardware: owner.map(|owner| owner.hardware),
            machine_id,
            identifiers: Identifiers::new(mac, uuid),
            serial: self.serial.clone(),
            name: self.name.clone(),
            address: Some(address),
            key: owner
                .map_or_else(|| MachineKey::from_address(address), |owner| MachineKey::from_hardware(&owner.hardware)),
            ..MachineIdentity::default()
        };
        (machine, firmware)
    }

    /// Whether the identity has neither a name nor a MAC address nor a UUID.
    fn is_anonymous(&self) -> bool {
        self.name.is_none() && self.mac.is_none() && self.uuid.is_none()
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

/// The sum of the sizes of memory modules, in MiB; `None` if no size is known. The sizes are separated by dots. Each is
/// the two octets at offset 12 of the SMBIOS table of a module (type 17; SMBIOS 3.7 7.18), least significant octet
/// first, or empty if there is no such table. 0 is an empty socket, ffff an unknown size, and 7fff one of 32 GiB or
/// more, which counts as 32 GiB. Bit 15 means KiB instead of MiB.
fn memory_of_modules(sizes: &str) -> Option<u32> {
    let size = |octets: [u8; 2]| match u16::from_le_bytes(octets) {
        0xffff => 0,
        0x7fff => 32 << 10,
        kib if kib & 0x8000 != 0 => u32::from(kib & 0x7fff) >> 10,
        mib => u32::from(mib),
    };
    let sum: u32 = sizes.split('.').take(MAX_MODULES).filter_map(parse_octets::<2>).map(size).sum();
    Some(sum).filter(|mib| *mib > 0)
}

/// How many memory modules a machine reports. A machine with more has enough memory for any boot.
pub const MAX_MODULES: usize = 8;

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
        assert_eq!((claimed.choice.path().as_str(), rest), ("rule=3/item=32769/", "boot.ipxe"));
        assert_eq!(BootChoice::default().path(), "");
    }

    #[test]
    fn the_memory_is_that_of_ipxe_or_of_the_modules() {
        let memory = |parts: &str| ClaimedIdentity::parse(&alloc::format!("machine/{parts}/x")).unwrap().0.memory;
        // The octets are those of QEMU with `-m 3072`.
        assert_eq!(memory("memsize=/modules=000c......."), Some(3072));
        assert_eq!(memory("memsize=2047/modules=0008"), Some(2047));
        assert_eq!(memory("modules=0040.0000.0040.ffff"), Some(32 << 10));
        assert_eq!(memory("modules=ff7f"), Some(32 << 10));
        assert_eq!(memory("modules=0090"), Some(4));
        for unknown in ["memsize=/modules=", "memsize=0/modules=0000.ffff", "memsize=-1/modules=0c", "x=1"] {
            assert_eq!(memory(unknown), None, "{unknown}");
        }
        assert_eq!(memory(&alloc::format!("modules={}", "ff7f.".repeat(1000))), Some(8 * (32 << 10)));
    }

    #[test]
    fn the_rest_of_the_name_is_a_file() {
        let (claimed, rest) = ClaimedIdentity::parse("machine/name=web1/debian/linux").unwrap();
        assert_eq!((claimed.name.as_deref(), rest), (Some("web1"), "debian/linux"));
    }
}
