//! Recognises the client from one packet, once. All other modules use the resulting value (protocol.md 1.3 to 1.6,
//! 5.3).

mod dhcp4;
mod dhcp6;
pub mod dialect;

use crate::arch::{Arch, Transport};
use crate::arrival::Port;
use crate::identity::{HardwareAddress, Identifiers};
use crate::wire::DhcpMessageType;
use crate::wire::pxe::{BootItem, Features, MachineId};
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
pub use dhcp4::{architecture4, recognise4};
pub use dhcp6::{architecture6, class6, hardware6, recognise6};
use dialect::Dialect;

/// A network-boot client, as its packet describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The hardware address by which the server knows the client. For a DHCPv6 client without a known MAC address, it
    /// is the end of the DUID.
    pub hardware: HardwareAddress,
    /// The end of the client's DUID; `None` for a DHCPv4 client.
    pub duid: Option<HardwareAddress>,
    /// The machine identifier: option 97, if it is 17 octets long. For a DHCPv6 client, it is the more likely
    /// interpretation of a DUID-UUID.
    pub machine_id: Option<MachineId>,
    /// All identifiers that may be the client's.
    pub identifiers: Identifiers,
    /// The vendor class of the client.
    pub class: Class,
    /// The port that received the packet.
    pub port: Port,
    /// The type of the message that the client sent.
    pub message_type: DhcpMessageType,
    /// The architecture of the client.
    pub arch: Arch,
    /// Where the architecture was found.
    pub arch_source: ArchSource,
    /// How far the boot has come.
    pub stage: Stage,
    /// The dialect of the firmware, recognised or declared by a rule; `None` if it is that of PXE 2.1.
    pub dialect: Option<&'static Dialect>,
    /// The menu item that the client chose, if its packet states one.
    pub boot_item: Option<BootItem>,
    /// The client's IP address, if it has one: ciaddr, or over IPv6 the source address, unless that is link-local or a
    /// relay's.
    pub address: Option<IpAddr>,
    /// The relay that forwarded the packet, if any.
    pub relay: Option<Relay>,
}

/// The vendor class: the beginning of option 60. A reply must begin with the same text, or the client ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `PXEClient`.
    Pxe,
    /// `HTTPClient`.
    Http,
    /// `U-Boot.armv8` and similar. The server answers these clients only if a rule lists U-Boot: most builds of U-Boot
    /// drop an offer without an address, and the other builds read only its header fields.
    UBoot,
}

/// Where the architecture was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchSource {
    /// Option 93, the code at this index.
    Option93(usize),
    /// The digits of option 60 (`PXEClient:Arch:00007`), because option 93 is absent or unusable.
    ClassDigits,
    /// Option 61 of DHCPv6, the code at this index.
    Option61(usize),
    /// Assumed: a PXE client without an architecture is an old BIOS ROM, if nothing contradicts that.
    Assumed,
}

/// How far the boot has come, shown by the program that sends the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The firmware.
    Firmware,
    /// gPXE. It cannot run a script that begins with `#!ipxe`, so it receives a loader, as firmware does.
    Gpxe,
    /// iPXE, with its features if it sent option 175.
    Ipxe(Option<Features>),
    /// An iPXE that receives our loader before its script: because it lacks these features, which the script needs, or,
    /// if the list is empty, because a rule requires the loader.
    ReplacedIpxe(Features),
    /// A program that the firmware loaded, such as the Windows boot manager, and that sends another request to port
    /// 4011.
    BootProgram,
}

/// The relay agent that forwarded a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The destination of the reply: giaddr, or the source address of the RELAY-FORW.
    pub address: IpAddr,
    /// Whether the relay expects the reply at its source port (RFC 8357: sub-option 19 of option 82, DHCPv6 option
    /// 135).
    pub reply_to_source_port: bool,
    /// An address in the client's subnet, which may differ from the subnet of `address`: sub-option 5 of option 82 (RFC
    /// 3527), or the link-address of the relay nearest to the client. `None` if the packet states none.
    pub subnet: Option<IpAddr>,
}

impl Relay {
    /// Whether the list contains the relay. For a DHCPv6 relay, the list may contain its source address or its address
    /// on the client's link.
    pub fn is_listed(&self, relays: &[IpAddr]) -> bool {
        let by_link = self.subnet.filter(IpAddr::is_ipv6);
        relays.contains(&self.address) || by_link.is_some_and(|link| relays.contains(&link))
    }
}

/// Why a packet is not for this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// A server sent the message: op is not 1, or the DHCPv6 message type is a server's. Two servers that answer each
    /// other's messages would never stop.
    Reply,
    /// No option 53: plain BOOTP.
    Bootp,
    /// No option 60: an ordinary DHCP client, which must not receive our offer. Linux would accept it, although it
    /// contains no address.
    NoVendorClass,
    /// A DHCPv6 client with an architecture but no vendor class. Such a client may mistake our reply for the reply of
    /// its DHCPv6 server.
    NoVendorClass6(Option<Arch>),
    /// hlen is 0: the client is an InfiniBand host, which only its client identifier identifies (RFC 4390 2.1). No boot
    /// firmware sends such requests.
    NoHardwareAddress,
    /// Option 60 begins with neither PXEClient nor HTTPClient.
    OtherVendorClass,
    /// A message for the DHCP server, not for a proxy. Most often, it is a REQUEST on port 67.
    Message(Port, DhcpMessageType),
    /// A DHCPv6 message without a client identifier.
    NoClientId,
    /// A REQUEST for another boot server, which a multicast group, a broadcast or a relay delivered to this server as
    /// well.
    OtherServer,
    /// The request carries no architecture, and the client cannot be an old BIOS ROM: it is an HTTP client or U-Boot, a
    /// PXE client on other firmware, or a PXE client whose relay removed option 93.
    NoArchitecture,
    /// The architecture code is unassigned, such as 255, which U-Boot sends if its build defines no code.
    UnknownArchitecture(Arch),
}

impl Client {
    /// Whether the client is iPXE.
    pub fn is_ipxe(&self) -> bool {
        matches!(self.stage, Stage::Ipxe(_) | Stage::ReplacedIpxe(_))
    }

    /// Whether the client sent a DHCPv6 message.
    pub fn is_v6(&self) -> bool {
        matches!(self.message_type, DhcpMessageType::Dhcp6(_))
    }
}

impl Class {
    /// Parses the beginning of option 60; returns `None` for any other vendor class. Case matters, and any text may
    /// follow: EDK2 and iPXE compare the vendor class of a reply in the same way.
    pub fn from_vendor_class(vendor_class: &[u8]) -> Option<Self> {
        let begins = |word: &str| vendor_class.starts_with(word.as_bytes());
        let class = [Class::Pxe, Class::Http].into_iter().find(|class| begins(class.vendor_class()));
        class.or_else(|| begins("U-Boot").then_some(Class::UBoot))
    }

    /// The text of option 60 in a reply. For U-Boot, any text would do, because it reads no option.
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

/// Selects the architecture from the list in the option (RFC 4578 2.1): the first code for the transport of the class,
/// or else the first assigned code, or else the digits of the vendor class. If the option has an odd or zero length,
/// the server disregards the option, but not the packet. If no architecture is found, a PXE client that states no code
/// counts as BIOS; for any other client, the function returns an error.
fn select_architecture(
    option: &[u8],
    class: Class,
    vendor_class: &[u8],
    by_option: fn(usize) -> ArchSource,
) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = if option.len().is_multiple_of(2) { option } else { &[] };
    let codes = || option.chunks_exact(2).map(|pair| Arch(u16::from_be_bytes([pair[0], pair[1]])));
    let matches_transport = |arch: Arch| arch.transport() == Some(class.transport());
    let index = codes().position(matches_transport).or_else(|| codes().position(|arch| arch.info().is_some()));
    if let Some((index, arch)) = index.and_then(|index| Some((index, codes().nth(index)?))) {
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

/// The architecture in a vendor class such as `PXEClient:Arch:00007...`, which contains five decimal digits; `None`
/// without digits. U-Boot writes hexadecimal digits, which the server recognises only if one of them is a letter.
fn class_digits(vendor_class: &[u8], class: Class) -> Option<Arch> {
    let digits = vendor_class.strip_prefix(class.vendor_class().as_bytes())?.strip_prefix(b":Arch:")?.get(..5)?;
    let radix = if digits.iter().all(u8::is_ascii_digit) { 10 } else { 16 };
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok().map(Arch)
}

/// Accepts an unassigned code other than 255 from iPXE, whose script is the same for every architecture (iPXE on s390x
/// sends 65535).
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

/// Whether a user class is exactly `iPXE` or a configured class: `MyiPXE-test` is a different class.
fn is_ipxe_class(user_classes: &[&[u8]], configured: &[String]) -> bool {
    user_classes
        .iter()
        .any(|word| *word == b"iPXE" || configured.iter().any(|configured| configured.as_bytes() == *word))
}

fn is_gpxe_class(user_classes: &[&[u8]]) -> bool {
    user_classes.iter().any(|word| word.eq_ignore_ascii_case(b"gPXE"))
}

impl IgnoreReason {
    /// The label for counters, logs and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Reply => "ignored:reply",
            Self::Bootp => "ignored:bootp",
            Self::NoVendorClass => "ignored:no-vendor-class",
            Self::NoVendorClass6(_) => "ignored:no-vendor-class",
            Self::NoHardwareAddress => "ignored:no-hardware-address",
            Self::OtherVendorClass => "ignored:other-vendor-class",
            Self::Message(..) => "ignored:message",
            Self::NoClientId => "ignored:no-client-id",
            Self::OtherServer => "ignored:other-server",
            Self::NoArchitecture => "ignored:no-architecture",
            Self::UnknownArchitecture(_) => "ignored:unknown-architecture",
        }
    }
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply => f.write_str("a server's message, not a client's"),
            Self::Bootp => f.write_str("plain BOOTP: no message type"),
            Self::NoVendorClass => f.write_str("not a network-boot client: no vendor class"),
            Self::NoVendorClass6(arch) => match arch.and_then(Dialect::for_arch) {
                Some(Dialect { name, .. }) => write!(
                    f,
                    "a {name}: over IPv6 it sends no vendor class (option 16), and accepts its file only from its \
                     DHCPv6 server"
                ),
                None => f.write_str(
                    "a network-boot client without a vendor class (option 16): it accepts its file only from its \
                     DHCPv6 server",
                ),
            },
            Self::NoHardwareAddress => f.write_str(
                "no hardware address: an InfiniBand host that only its client identifier identifies (RFC 4390), \
                 so not boot firmware",
            ),
            Self::OtherVendorClass => f.write_str("vendor class begins with neither PXEClient nor HTTPClient"),
            Self::Message(port, kind @ DhcpMessageType::Dhcp4(_)) => {
                write!(f, "{kind} on {port} is for the DHCP server")
            }
            Self::Message(port, kind @ DhcpMessageType::Dhcp6(_)) => {
                write!(f, "{kind} on port {} is for the DHCPv6 server", port.number6())
            }
            Self::NoClientId => f.write_str("no client identifier"),
            Self::OtherServer => f.write_str("request for another boot server"),
            Self::NoArchitecture => f.write_str(
                "no architecture: option 93 (61 in DHCPv6) is absent, and the vendor class has no digits; does a \
                 relay remove the option?",
            ),
            Self::UnknownArchitecture(arch) => write!(f, "{arch}"),
        }
    }
}

/// Describes the client, for example as `x64 UEFI` or `iPXE on x64 UEFI`, or by the name of its dialect.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, self.dialect) {
            (Stage::Ipxe(_), _) => write!(f, "iPXE on {}", self.arch),
            (Stage::ReplacedIpxe(lacks), _) if lacks.is_empty() => write!(f, "iPXE on {}", self.arch),
            (Stage::ReplacedIpxe(lacks), _) => write!(f, "iPXE without {lacks} on {}", self.arch),
            (Stage::Gpxe, _) => write!(f, "gPXE on {}", self.arch),
            (_, Some(dialect)) => f.write_str(dialect.name),
            (Stage::Firmware, None) => write!(f, "{}", self.arch),
            (Stage::BootProgram, None) => write!(f, "boot program on {}", self.arch),
        }
    }
}
