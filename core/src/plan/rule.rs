//! Rules: which machines get what. The first that matches decides.

use super::pattern::{Glob, MacPattern};
use super::profile::ProfileId;
use crate::arch::Arch;
use crate::client::Identifiers;
use crate::link::Network;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::num::ParseIntError;
use core::str::FromStr;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What logs and `explain` call it.
    pub name: String,
    pub when: Conditions,
    /// The machine is not answered at all.
    pub deny: bool,
    /// What it boots, unless its own entry says otherwise; `None`: as if there were no rule.
    pub profile: Option<ProfileId>,
    /// It is given its firmware's loader, whatever it says of itself.
    pub as_firmware: bool,
    /// It is a Raspberry Pi, where it says that it is a BIOS.
    pub as_raspberry_pi: bool,
}

/// A rule that a packet has met, as the memory and the URLs of a boot keep it: by its place among the rules of then.
/// After a reload another one may stand there, which would have a machine boot what was never meant for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleRef {
    pub rule: usize,
    /// [`Plan::rules_mark`](super::Plan::rules_mark).
    pub version: u32,
}

/// As part of a URL: `3-9f3c21aa`, and without a mark `3`.
impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            0 => write!(f, "{}", self.rule),
            mark => write!(f, "{}-{mark:08x}", self.rule),
        }
    }
}

impl FromStr for RuleRef {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rule, mark) = text.split_once('-').unwrap_or((text, "0"));
        Ok(RuleRef { rule: rule.parse()?, version: u32::from_str_radix(mark, 16)? })
    }
}

/// Every list that is not empty must hold something that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    pub macs: Vec<MacPattern>,
    /// In printed order.
    pub uuids: Vec<[u8; 16]>,
    pub serials: Vec<Glob>,
    pub archs: Vec<Arch>,
    pub firmware: Vec<Firmware>,
    pub vendor_classes: Vec<Glob>,
    pub user_classes: Vec<Glob>,
    pub interfaces: Vec<Glob>,
    pub subnets: Vec<Network>,
    pub relays: Vec<IpAddr>,
    /// Option 82, sub-option 1, as the relay writes it.
    pub circuit_ids: Vec<Glob>,
    /// The same in DHCPv6: option 18 of any relay on the way.
    pub interface_ids: Vec<Glob>,
    /// Whether the machine has an entry.
    pub known: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    Uefi,
    Http,
    Ipxe,
    RaspberryPi,
    UBoot,
}

/// A condition of a rule, by its key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Mac,
    Uuid,
    Serial,
    Arch,
    Firmware,
    VendorClass,
    UserClass,
    Interface,
    Subnet,
    Relay,
    CircuitId,
    InterfaceId,
    Known,
}

/// What rules look at: from a DHCP packet, or from the request for a script, which knows less.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    pub readings: Identifiers,
    pub serial: Option<&'a str>,
    pub arch: Option<Arch>,
    /// An iPXE on UEFI is both, and so is a UEFI HTTP client.
    pub firmware: [Option<Firmware>; 2],
    pub vendor_class: &'a [u8],
    pub user_classes: Vec<&'a [u8]>,
    pub interface: &'a str,
    /// An address in the client's network.
    pub subnet: Option<IpAddr>,
    /// Addresses of the relay: DHCPv6 shows two.
    pub relays: [Option<IpAddr>; 2],
    pub circuit_id: &'a [u8],
    pub interface_ids: Vec<&'a [u8]>,
    /// The rule that its DHCP packet met, where that rule asks for what only such a packet says.
    pub dhcp_rule: Option<usize>,
    /// It is no DHCP packet, or one that does not come through the relay again: what only that says is not known,
    /// rather than absent.
    pub is_file_request: bool,
}

impl Rule {
    /// `index`: its place in the list.
    pub fn matches(&self, index: usize, subject: &Subject<'_>, known: bool) -> bool {
        self.unmet(index, subject, known).next().is_none()
    }

    /// The conditions that do not hold: none if it matches, and one if it came near.
    pub fn unmet<'a>(
        &'a self,
        index: usize,
        subject: &'a Subject<'_>,
        known: bool,
    ) -> impl Iterator<Item = Condition> + 'a {
        let heard = subject.is_file_request && subject.dhcp_rule == Some(index);
        self.when.set_conditions().filter(move |condition| {
            !(heard && condition.needs_dhcp_packet() || self.when.holds(*condition, subject, known))
        })
    }

    /// Whether only a DHCP packet can tell if it matches.
    pub fn needs_dhcp_packet(&self) -> bool {
        self.when.set_conditions().any(Condition::needs_dhcp_packet)
    }

    pub fn names_u_boot(&self) -> bool {
        let vendor = self
            .when
            .vendor_classes
            .iter()
            .any(|class| class.0.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("U-Boot")));
        (vendor || self.when.firmware.contains(&Firmware::UBoot)) && !self.deny
    }
}

impl Conditions {
    /// Those that were given.
    pub fn set_conditions(&self) -> impl Iterator<Item = Condition> + '_ {
        use Condition::*;
        [
            (Mac, self.macs.is_empty()),
            (Uuid, self.uuids.is_empty()),
            (Serial, self.serials.is_empty()),
            (Arch, self.archs.is_empty()),
            (Firmware, self.firmware.is_empty()),
            (VendorClass, self.vendor_classes.is_empty()),
            (UserClass, self.user_classes.is_empty()),
            (Interface, self.interfaces.is_empty()),
            (Subnet, self.subnets.is_empty()),
            (Relay, self.relays.is_empty()),
            (CircuitId, self.circuit_ids.is_empty()),
            (InterfaceId, self.interface_ids.is_empty()),
            (Known, self.known.is_none()),
        ]
        .into_iter()
        .filter_map(|(condition, absent)| (!absent).then_some(condition))
    }

    fn holds(&self, condition: Condition, subject: &Subject<'_>, known: bool) -> bool {
        let any = |globs: &[Glob], text: &[u8]| globs.iter().any(|glob| glob.matches(text));
        match condition {
            Condition::Mac => {
                let fits = |mac: &[u8; 6]| self.macs.iter().any(|wanted| wanted.matches(mac));
                subject.readings.macs.iter().flatten().any(fits)
            }
            Condition::Uuid => subject.readings.uuids.iter().flatten().any(|uuid| self.uuids.contains(uuid)),
            Condition::Serial => subject.serial.is_some_and(|serial| any(&self.serials, serial.as_bytes())),
            // An HTTP code and its PXE code are one kind of machine; what sets them apart is the firmware.
            Condition::Arch => {
                subject.arch.is_some_and(|arch| self.archs.iter().any(|wanted| wanted.base() == arch.base()))
            }
            Condition::Firmware => subject.firmware.iter().flatten().any(|kind| self.firmware.contains(kind)),
            Condition::VendorClass => any(&self.vendor_classes, subject.vendor_class),
            Condition::UserClass => subject.user_classes.iter().any(|class| any(&self.user_classes, class)),
            Condition::Interface => any(&self.interfaces, subject.interface.as_bytes()),
            Condition::Subnet => {
                subject.subnet.is_some_and(|address| self.subnets.iter().any(|subnet| subnet.contains(address)))
            }
            Condition::Relay => subject.relays.iter().flatten().any(|relay| self.relays.contains(relay)),
            Condition::CircuitId => any(&self.circuit_ids, subject.circuit_id),
            Condition::InterfaceId => subject.interface_ids.iter().any(|id| any(&self.interface_ids, id)),
            Condition::Known => self.known == Some(known),
        }
    }
}

impl Condition {
    /// A request for a script does not tell it.
    pub fn needs_dhcp_packet(self) -> bool {
        matches!(self, Self::VendorClass | Self::UserClass | Self::Relay | Self::CircuitId | Self::InterfaceId)
    }

    /// Its key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Arch => "arch",
            Self::Firmware => "firmware",
            Self::VendorClass => "vendor-class",
            Self::UserClass => "user-class",
            Self::Interface => "interface",
            Self::Subnet => "subnet",
            Self::Relay => "relay",
            Self::CircuitId => "circuit-id",
            Self::InterfaceId => "interface-id",
            Self::Known => "known",
        }
    }
}

impl Firmware {
    pub const ALL: [Firmware; 6] = [Self::Bios, Self::Uefi, Self::Http, Self::Ipxe, Self::RaspberryPi, Self::UBoot];

    /// The word for it in the configuration.
    pub fn id(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::Http => "http",
            Self::Ipxe => "ipxe",
            Self::RaspberryPi => "raspberry-pi",
            Self::UBoot => "u-boot",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
