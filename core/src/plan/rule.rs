//! Rules: conditions, and what machines that meet them boot. The first rule that matches decides.

use super::pattern::{Glob, MacPattern};
use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::identity::ShownIdentities;
use crate::link::Network;
use crate::wire::dhcp6::MAX_RELAYS;
use crate::wire::user_classes::UserClasses;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::num::ParseIntError;
use core::str::FromStr;

/// Conditions, and the decision for machines that meet all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The name in logs and in the output of `explain`.
    pub name: String,
    /// The conditions.
    pub when: Conditions,
    /// Whether the server refuses to reply to the machine.
    pub deny: bool,
    /// The name of the profile of machines whose entry has none. `None` if the rule does not decide about the profile.
    pub profile: Option<String>,
    /// Whether the machine receives the loader for its firmware, even if the client identifies itself as iPXE.
    pub as_firmware: bool,
    /// The dialect that a client with the architecture of a BIOS speaks, whatever its signs.
    pub as_dialect: Option<&'static Dialect>,
    /// The items that the menu of the boot directory does not show to the machine.
    pub hidden_items: Vec<Glob>,
}

/// A reference, in observations and URLs, to a rule that a packet matched: the rule's index in one version of the
/// rules. After a reload, another rule may have the same index. Without the version, the machine would then boot the
/// profile of that other rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Index into [`Policy::rules`](super::policy::Policy::rules).
    pub(super) rule: usize,
    /// The value of [`Policy::rules_version`](super::policy::Policy::rules_version) when the packet matched.
    pub(super) version: u32,
}

/// The form in a URL: `3-9f3c21aa`, or `3` if the version is 0.
impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            0 => write!(f, "{}", self.rule),
            version => write!(f, "{}-{version:08x}", self.rule),
        }
    }
}

impl FromStr for RuleRef {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rule, version) = text.split_once('-').unwrap_or((text, "0"));
        Ok(RuleRef { rule: rule.parse()?, version: u32::from_str_radix(version, 16)? })
    }
}

/// The conditions of a rule. Each list that is not empty must have an element that matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Hardware addresses of the client.
    pub macs: Vec<MacPattern>,
    /// UUIDs, in printed order.
    pub uuids: Vec<[u8; 16]>,
    /// Serial numbers.
    pub serials: Vec<Glob>,
    /// Architectures (option 93).
    pub archs: Vec<Arch>,
    /// Kinds of firmware.
    pub firmware: Vec<Firmware>,
    /// Vendor classes: option 60, or option 16 of DHCPv6.
    pub vendor_classes: Vec<Glob>,
    /// User classes: option 77, or option 15 of DHCPv6.
    pub user_classes: Vec<Glob>,
    /// Names of interfaces on which the request arrives.
    pub interfaces: Vec<Glob>,
    /// Networks of the client.
    pub subnets: Vec<Network>,
    /// Addresses of relays.
    pub relays: Vec<IpAddr>,
    /// Circuit IDs (option 82, sub-option 1), as the relay writes them.
    pub circuit_ids: Vec<Glob>,
    /// Interface IDs, the DHCPv6 equivalent of circuit IDs: option 18 of any relay on the path.
    pub interface_ids: Vec<Glob>,
    /// Whether the machine must have an entry, or must not.
    pub known: Option<bool>,
}

/// A kind of firmware, as the condition `firmware` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI, for PXE and HTTP boot.
    Uefi,
    /// A UEFI HTTP boot client.
    Http,
    /// iPXE, on any firmware.
    Ipxe,
    /// Firmware with a dialect, such as the boot ROM of a Raspberry Pi.
    Dialect(&'static Dialect),
    /// U-Boot.
    UBoot,
}

/// A condition of a rule; [`Condition::key`] is its key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The hardware address of the client.
    Mac,
    /// The UUID of the machine.
    Uuid,
    /// The serial number of the machine.
    Serial,
    /// The architecture (option 93).
    Arch,
    /// The kind of firmware.
    Firmware,
    /// The vendor class (option 60).
    VendorClass,
    /// The user class (option 77).
    UserClass,
    /// The interface on which the request arrives.
    Interface,
    /// The client's network.
    Subnet,
    /// The address of the relay.
    Relay,
    /// The circuit ID (option 82, sub-option 1).
    CircuitId,
    /// The interface ID of a DHCPv6 relay (option 18).
    InterfaceId,
    /// Whether the machine has an entry.
    Known,
}

/// The facts against which rules are matched. They come from a DHCP packet, or from a request for a script, which
/// states fewer of them.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The identities of the machine.
    pub shown: ShownIdentities<'a>,
    /// The architecture.
    pub arch: Option<Arch>,
    /// The kinds of firmware. An iPXE on UEFI is both `Ipxe` and `Uefi`; a UEFI HTTP client is both `Http` and `Uefi`.
    pub firmware: [Option<Firmware>; 2],
    /// The vendor class: option 60, or option 16 of DHCPv6.
    pub vendor_class: &'a [u8],
    /// The user classes: option 77, or option 15 of DHCPv6.
    pub user_classes: UserClasses<'a>,
    /// The name of the interface on which the request arrived.
    pub interface: &'a str,
    /// An address in the client's network.
    pub subnet: Option<IpAddr>,
    /// The addresses of the relay, of which DHCPv6 has two.
    pub relays: [Option<IpAddr>; 2],
    /// The circuit ID: option 82, sub-option 1.
    pub circuit_id: &'a [u8],
    /// The interface IDs: option 18 of each DHCPv6 relay.
    pub interface_ids: [Option<&'a [u8]>; MAX_RELAYS],
    /// The index of the rule that the machine's DHCP packet matched, if the rule has conditions that only a DHCP packet
    /// can meet.
    pub(crate) dhcp_rule: Option<usize>,
    /// Whether the request is a file request, or a DHCP packet that did not come through the relay. Facts that only the
    /// relayed packet has are then unknown, not absent.
    pub is_file_request: bool,
}

impl Rule {
    /// Whether the rule matches. `index` is the rule's index in the list; `known` is whether the machine has an entry.
    pub(crate) fn matches(&self, index: usize, subject: &Subject<'_>, known: bool) -> bool {
        self.unmet(index, subject, known).next().is_none()
    }

    /// The conditions that are unmet: none if the rule matches, exactly one for a near miss.
    pub(crate) fn unmet<'a>(
        &'a self,
        index: usize,
        subject: &'a Subject<'_>,
        known: bool,
    ) -> impl Iterator<Item = Condition> + 'a {
        let matched_before = subject.is_file_request && subject.dhcp_rule == Some(index);
        self.when.set_conditions().filter(move |condition| {
            !(matched_before && condition.needs_dhcp_packet() || self.when.holds(*condition, subject, known))
        })
    }

    /// Whether the rule has a condition that only a DHCP packet can meet.
    pub fn needs_dhcp_packet(&self) -> bool {
        self.when.set_conditions().any(Condition::needs_dhcp_packet)
    }

    /// Whether the rule names U-Boot, in a vendor class or as a kind of firmware, and does not deny the boot.
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
    /// The conditions that are set.
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
                let fits = |mac: &[u8; 6]| self.macs.iter().any(|pattern| pattern.matches(mac));
                subject.shown.identifiers.macs.iter().flatten().any(fits)
            }
            Condition::Uuid => subject.shown.identifiers.uuids.iter().flatten().any(|uuid| self.uuids.contains(uuid)),
            Condition::Serial => subject.shown.serial.is_some_and(|serial| any(&self.serials, serial.as_bytes())),
            // The architecture codes for HTTP boot and for PXE denote the same kind of machine; only the kind of
            // firmware differs.
            Condition::Arch => {
                subject.arch.is_some_and(|arch| self.archs.iter().any(|pattern| pattern.base() == arch.base()))
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
            Condition::InterfaceId => subject.interface_ids.iter().flatten().any(|id| any(&self.interface_ids, id)),
            Condition::Known => self.known == Some(known),
        }
    }
}

impl Condition {
    /// Whether only a DHCP packet can meet the condition: a request for a script lacks the fact.
    pub fn needs_dhcp_packet(self) -> bool {
        matches!(self, Self::VendorClass | Self::UserClass | Self::Relay | Self::CircuitId | Self::InterfaceId)
    }

    /// The key in the configuration.
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
    /// All kinds, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Firmware> {
        let programs = [Self::Bios, Self::Uefi, Self::Http, Self::Ipxe];
        programs.into_iter().chain(Dialect::all().map(Self::Dialect)).chain([Self::UBoot])
    }

    /// The value in the configuration.
    pub fn id(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::Http => "http",
            Self::Ipxe => "ipxe",
            Self::Dialect(dialect) => dialect.id,
            Self::UBoot => "u-boot",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
