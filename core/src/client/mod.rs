//! Who is asking: recognised once, from one packet; everybody else asks this value (protocol.md 1.3 to 1.6, 5.3).

mod dhcp4;
mod dhcp6;
mod raspberry_pi;

use crate::arch::{Arch, Transport};
use crate::arrival::Port;
use crate::wire::DhcpMessageType;
use crate::wire::pxe::{BootItem, Features, MachineId};
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
pub use dhcp4::{architecture, recognise as recognise4};
pub use dhcp6::{architecture as architecture6, class as class6, hardware as hardware6, recognise as recognise6};

/// A network-boot client and what it said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is called. DHCPv6 may tell no address of a network card; then it is the end of the DUID.
    pub hardware: HardwareAddress,
    /// The end of its DUID, where it has one.
    pub duid: Option<HardwareAddress>,
    /// Option 97, if it has its 17 octets; of a DUID, the likelier reading.
    pub machine_id: Option<MachineId>,
    pub identifiers: Identifiers,
    pub class: Class,
    pub port: Port,
    pub message_type: DhcpMessageType,
    pub arch: Arch,
    pub arch_source: ArchSource,
    pub stage: Stage,
    /// A Raspberry Pi, which announces itself as x86 BIOS, or what a rule declares one.
    pub raspberry_pi: bool,
    /// A U-Boot, whatever its class: it takes the file out of the first reply, and does not come to port 4011.
    pub u_boot: bool,
    pub boot_item: Option<BootItem>,
    /// Its own address, if it has one: ciaddr, or where it writes from.
    pub address: Option<IpAddr>,
    pub relay: Option<Relay>,
}

/// htype, hlen and chaddr.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HardwareAddress {
    /// [`Hardware::DUID`]: what follows is no address.
    pub htype: u8,
    pub hlen: u8,
    pub octets: [u8; 16],
}

/// What may identify it. DHCPv4 says each once; of DHCPv6 there are several readings, and only who knows the machines
/// can tell which is right (protocol.md 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    pub macs: [Option<[u8; 6]>; 3],
    /// In printed order.
    pub uuids: [Option<[u8; 16]>; 2],
}

/// What option 60 begins with. The answer must begin with the same, or the client does not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Pxe,
    Http,
    /// `U-Boot.armv8` and its like, which only a rule lets in: most builds drop an offer without an address, and those
    /// that do not read the header fields and nothing else.
    UBoot,
}

/// Where the architecture was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchSource {
    /// Option 93, the code at this index.
    Option93(usize),
    /// The digits of option 60 (`PXEClient:Arch:00007`), option 93 being absent or unusable.
    ClassDigits,
    /// Option 61 of DHCPv6, the code at this index.
    Option61(usize),
    /// Nothing said: a PXE client without architecture is an old BIOS ROM, where nothing speaks against it.
    Assumed,
}

/// How far the boot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Firmware,
    /// gPXE runs no script that begins with `#!ipxe`, so it is given a loader, as a firmware is.
    Gpxe,
    /// iPXE is running; what it can, if it said so in option 175.
    Ipxe(Option<Features>),
    /// An iPXE that is given our loader first: it lacks these features for what it is to run, or, if there are none, a
    /// rule says so.
    ReplacedIpxe(Features),
    /// A program that the firmware loaded asks again by itself (Windows boot manager).
    BootProgram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Whom the answer goes to: giaddr, or who has sent a RELAY-FORW.
    pub address: IpAddr,
    /// The relay wants its answer at the port it sent from (RFC 8357: sub-option 19 of option 82, DHCPv6 option 135).
    pub reply_to_source_port: bool,
    /// The subnet of the client where it is not that of the address: sub-option 5 (RFC 3527), or the link address of
    /// the relay that is next to the client.
    pub subnet: Option<IpAddr>,
}

impl Relay {
    /// DHCPv6 relays are listed by the address that they write from, or by the one that they have on the client's link.
    pub fn is_listed(&self, relays: &[IpAddr]) -> bool {
        let by_link = self.subnet.filter(IpAddr::is_ipv6);
        relays.contains(&self.address) || by_link.is_some_and(|link| relays.contains(&link))
    }
}

/// Why a packet is none of our business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// op is not 1: a server's message. Answering it would let two servers talk to each other for ever.
    Reply,
    /// No option 53: plain BOOTP.
    Bootp,
    /// No option 60: an ordinary DHCP client. Linux would accept an offer without an address.
    NoVendorClass,
    /// A DHCPv6 client that names an architecture and no vendor class. It cannot be told from one that would take our
    /// reply for its DHCPv6 server's.
    NoVendorClass6(Option<Arch>),
    /// hlen 0: an InfiniBand host that is known by its client identifier alone (RFC 4390 2.1). No boot firmware does
    /// that.
    NoHardwareAddress,
    /// Option 60 begins with neither PXEClient nor HTTPClient.
    OtherVendorClass,
    /// A message that belongs to the DHCP server, not to a proxy (REQUEST on 67 above all).
    Message(Port, DhcpMessageType),
    /// A DHCPv6 message without DUID.
    NoClientId,
    /// A REQUEST that names another boot server: a group, a broadcast or a relay has brought it to us as well.
    OtherServer,
    /// An HTTP client, or a U-Boot, that does not say for which architecture; or a PXE client whose option 93 a relay
    /// has taken out, or that is no BIOS.
    NoArchitecture,
    /// 255, as U-Boot builds without a code say.
    UnknownArchitecture(Arch),
}

impl Identifiers {
    /// Where there is no doubt.
    pub fn new(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> Self {
        Identifiers { macs: [mac, None, None], uuids: [uuid, None] }
    }
}

impl Client {
    pub fn is_ipxe(&self) -> bool {
        matches!(self.stage, Stage::Ipxe(_) | Stage::ReplacedIpxe(_))
    }

    /// UEFI firmware, which comes for its file to the server that an offer without option 43 names.
    pub fn uses_boot_server(&self) -> bool {
        self.arch.is_efi() && !self.is_ipxe() && !self.u_boot
    }

    /// Whether it says of itself what a Raspberry Pi's own firmware does. Every other is a UEFI, on whatever board.
    pub fn can_be_raspberry_pi(&self) -> bool {
        self.class == Class::Pxe && raspberry_pi::can_be_raspberry_pi(self.arch) && !self.is_v6()
    }

    pub fn is_v6(&self) -> bool {
        matches!(self.message_type, DhcpMessageType::Dhcp6(_))
    }
}

impl Class {
    /// Case matters and anything may follow: EDK2 and iPXE compare exactly this in the other direction.
    pub fn from_vendor_class(vendor_class: &[u8]) -> Option<Self> {
        let begins = |word: &str| vendor_class.starts_with(word.as_bytes());
        let class = [Class::Pxe, Class::Http].into_iter().find(|class| begins(class.vendor_class()));
        class.or_else(|| begins("U-Boot").then_some(Class::UBoot))
    }

    /// The bare word, as the answer carries it; U-Boot looks at no option.
    pub fn vendor_class(self) -> &'static str {
        match self {
            Class::Pxe | Class::UBoot => "PXEClient",
            Class::Http => "HTTPClient",
        }
    }

    fn transport(self) -> Transport {
        match self {
            Class::Pxe | Class::UBoot => Transport::Tftp,
            Class::Http => Transport::Http,
        }
    }
}

impl HardwareAddress {
    /// The mark of octets that are the end of a DUID (RFC 4361 6.1: 255 stands for an identifier of that kind).
    pub const DUID: u8 = 255;

    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.hlen.min(16))]
    }

    pub fn from_mac(mac: [u8; 6]) -> Self {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&mac);
        HardwareAddress { htype: 1, hlen: 6, octets }
    }

    /// The address of an Ethernet card. EDK2 may put a UUID into chaddr instead.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.octets().try_into().ok().filter(|_| self.htype != HardwareAddress::DUID)
    }
}

/// The first code of the class's own transport; failing that, the first that is known; failing that the digits of the
/// class. RFC 4578 2.1 allows lists; a length that is odd or zero makes the option unusable, not the packet.
fn select_architecture(
    option: &[u8],
    class: Class,
    vendor_class: &[u8],
    by_option: fn(usize) -> ArchSource,
) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = if option.len().is_multiple_of(2) { option } else { &[] };
    let codes = || option.chunks_exact(2).map(|pair| Arch(u16::from_be_bytes([pair[0], pair[1]])));
    let own = |arch: Arch| arch.transport() == Some(class.transport());
    let listed = codes().position(own).or_else(|| codes().position(|arch| arch.info().is_some()));
    if let Some((index, arch)) = listed.and_then(|index| Some((index, codes().nth(index)?))) {
        return Ok((arch, by_option(index)));
    }
    if let Some(arch) = class_digits(vendor_class, class).filter(|arch| arch.info().is_some()) {
        return Ok((arch, ArchSource::ClassDigits));
    }
    match (codes().next(), class) {
        (Some(unknown), _) => Err(IgnoreReason::UnknownArchitecture(unknown)),
        (None, Class::Pxe) => Ok((Arch::BIOS, ArchSource::Assumed)),
        (None, Class::Http | Class::UBoot) => Err(IgnoreReason::NoArchitecture),
    }
}

/// `PXEClient:Arch:00007...`: five decimal digits. U-Boot writes them in hex, which shows where one is a letter.
fn class_digits(vendor_class: &[u8], class: Class) -> Option<Arch> {
    let digits = vendor_class.strip_prefix(class.vendor_class().as_bytes())?.strip_prefix(b":Arch:")?.get(..5)?;
    let radix = if digits.iter().all(u8::is_ascii_digit) { 10 } else { 16 };
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok().map(Arch)
}

/// A script suits every architecture, also one that nobody has assigned yet (iPXE on s390x says 65535).
fn accept_for_script(
    found: Result<(Arch, ArchSource), IgnoreReason>,
    stage: Stage,
    by_option: fn(usize) -> ArchSource,
) -> Result<(Arch, ArchSource), IgnoreReason> {
    match found {
        Err(IgnoreReason::UnknownArchitecture(arch)) if matches!(stage, Stage::Ipxe(_)) && arch.0 != 255 => {
            Ok((arch, by_option(0)))
        }
        found => found,
    }
}

/// Whole words: `MyiPXE-test` is somebody's own class.
fn is_ipxe_class(user_classes: &[&[u8]], ipxe_words: &[String]) -> bool {
    user_classes
        .iter()
        .any(|word| *word == b"iPXE" || ipxe_words.iter().any(|configured| configured.as_bytes() == *word))
}

fn is_gpxe_class(user_classes: &[&[u8]]) -> bool {
    user_classes.iter().any(|word| word.eq_ignore_ascii_case(b"gPXE"))
}

impl IgnoreReason {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Reply => "not-ours:reply",
            Self::Bootp => "not-ours:bootp",
            Self::NoVendorClass => "not-ours:no-vendor-class",
            Self::NoVendorClass6(_) => "not-ours:no-vendor-class",
            Self::NoHardwareAddress => "not-ours:no-hardware-address",
            Self::OtherVendorClass => "not-ours:other-vendor-class",
            Self::Message(..) => "not-ours:message",
            Self::NoClientId => "not-ours:no-client-id",
            Self::OtherServer => "not-ours:other-server",
            Self::NoArchitecture => "not-ours:no-architecture",
            Self::UnknownArchitecture(_) => "not-ours:unknown-architecture",
        }
    }
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply => f.write_str("a server's message, not a client's"),
            Self::Bootp => f.write_str("plain BOOTP: no message type"),
            Self::NoVendorClass => f.write_str("not a network-boot client: no vendor class"),
            Self::NoVendorClass6(Some(Arch::RASPBERRY_PI)) => f.write_str(
                "a Raspberry Pi: over IPv6 it sends no vendor class (option 16), and takes its file from its DHCPv6 server alone",
            ),
            Self::NoVendorClass6(_) => f.write_str(
                "a network-boot client without a vendor class (option 16): it takes its file from its DHCPv6 server alone",
            ),
            Self::NoHardwareAddress => f.write_str(
                "no hardware address: an InfiniBand host as RFC 4390 has it, known by its client identifier alone, \
                 which no \
                 boot firmware is",
            ),
            Self::OtherVendorClass => {
                f.write_str("vendor class begins with neither PXEClient nor HTTPClient: another boot dialect or none")
            }
            Self::Message(port, kind @ DhcpMessageType::Dhcp4(_)) => write!(f, "{kind} on {port} is the DHCP server's business"),
            Self::Message(port, kind @ DhcpMessageType::Dhcp6(_)) => {
                write!(f, "{kind} on port {} is the DHCPv6 server's business", port.number6())
            }
            Self::NoClientId => f.write_str("it does not say who it is: no client identifier"),
            Self::OtherServer => f.write_str("it asks another boot server"),
            Self::NoArchitecture => f.write_str(
                "it does not name its architecture: option 93 (61 in DHCPv6) is absent, and its class has no digits; \
                 does a relay \
                 take the option out?",
            ),
            Self::UnknownArchitecture(arch) => write!(f, "{arch}"),
        }
    }
}

/// `52:54:00:12:34:56`.
impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.htype == HardwareAddress::DUID {
            f.write_str("DUID ")?;
        }
        for (index, octet) in self.octets().iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hardware({}, {self})", self.htype)
    }
}

/// `x64 UEFI`, `iPXE on x64 UEFI`, `Raspberry Pi`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Stage::Ipxe(_) => write!(f, "iPXE on {}", self.arch),
            Stage::ReplacedIpxe(lacks) if lacks.is_empty() => write!(f, "iPXE on {}", self.arch),
            Stage::ReplacedIpxe(lacks) => write!(f, "iPXE without {lacks} on {}", self.arch),
            Stage::Gpxe => write!(f, "gPXE on {}", self.arch),
            _ if self.raspberry_pi => f.write_str("Raspberry Pi"),
            Stage::Firmware => write!(f, "{}", self.arch),
            Stage::BootProgram => write!(f, "boot program on {}", self.arch),
        }
    }
}
