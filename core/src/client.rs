//! Who is asking: recognised once, from one packet; everybody else asks this value (protocol note 1.3 to 1.6).

use crate::arch::{Arch, Transport};
use crate::arrival::Port;
use crate::wire::dhcp4::{Header, Message, MessageType, OP_REQUEST, code};
use crate::wire::pxe::{BootItem, Features, MachineId, SubOptions, user_classes};
use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;

/// A network-boot client and what it said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub hardware: Hardware,
    /// Option 97, if it has its 17 octets.
    pub machine: Option<MachineId>,
    pub class: Class,
    pub port: Port,
    pub message: MessageType,
    pub arch: Arch,
    pub arch_from: ArchFrom,
    pub stage: Stage,
    /// A Raspberry Pi announces itself as x86 BIOS.
    pub raspberry_pi: bool,
    pub boot_item: Option<BootItem>,
    pub ciaddr: Ipv4Addr,
    pub relay: Option<Relay>,
}

/// htype, hlen and chaddr.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hardware {
    pub htype: u8,
    pub hlen: u8,
    pub octets: [u8; 16],
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
pub enum ArchFrom {
    /// Option 93, the code at this index.
    Option93(usize),
    /// The digits of option 60 (`PXEClient:Arch:00007`), option 93 being absent or unusable.
    ClassDigits,
    /// Nothing said: a PXE client without architecture is an old BIOS ROM.
    Assumed,
}

/// How far the boot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Firmware,
    /// iPXE is running; what it can, if it said so in option 175.
    Ipxe(Option<Features>),
    /// A program that the firmware loaded asks again by itself (Windows boot manager).
    BootProgram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    pub giaddr: Ipv4Addr,
    /// The relay wants its answer at the port it sent from (RFC 8357: option 82 has sub-option 19).
    pub source_port: bool,
    /// The subnet of the client where it is not giaddr's (RFC 3527: sub-option 5).
    pub link_selection: Option<Ipv4Addr>,
}

/// Why a packet is none of our business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// op is not 1: a server's message. Answering it would let two servers talk to each other for ever.
    Reply,
    /// No option 53: plain BOOTP.
    Bootp,
    /// No option 60: an ordinary DHCP client. Linux would accept an offer without an address.
    NoVendorClass,
    /// Option 60 begins with neither PXEClient nor HTTPClient.
    OtherVendorClass,
    /// A message that belongs to the DHCP server, not to a proxy (REQUEST on 67 above all).
    Message(Port, MessageType),
    /// An HTTP client, or a U-Boot, that does not say for which architecture.
    NoArchitecture,
    /// 255, as U-Boot builds without a code say.
    UnknownArchitecture(Arch),
}

impl Client {
    /// Recognises the sender of a sound message. `ipxe_words` mean "already iPXE" beside `iPXE` and `gPXE`,
    /// `vendor_words` "PXE" beside `PXEClient`; `u_boot` says whether U-Boot is let in.
    pub fn recognise(
        message: &Message<'_>,
        port: Port,
        ipxe_words: &[String],
        vendor_words: &[String],
        u_boot: impl FnOnce() -> bool,
    ) -> Result<Client, NotOurs> {
        if message.header.op != OP_REQUEST {
            return Err(NotOurs::Reply);
        }
        let kind = message.message_type().ok_or(NotOurs::Bootp)?;
        let vendor_class = message.option(code::VENDOR_CLASS).ok_or(NotOurs::NoVendorClass)?;
        let class = Class::of(&vendor_class)
            .filter(|class| *class != Class::UBoot || u_boot())
            .or_else(|| vendor_words.iter().any(|word| vendor_class.starts_with(word.as_bytes())).then_some(Class::Pxe))
            .ok_or(NotOurs::OtherVendorClass)?;
        let boot_item = message.option(code::VENDOR_SPECIFIC).and_then(|value| BootItem::find(&value));
        let heard = match port {
            Port::Dhcp => match kind {
                MessageType::Discover => true,
                MessageType::Request | MessageType::Inform => boot_item.is_some(),
                _ => false,
            },
            Port::BootServer => matches!(kind, MessageType::Discover | MessageType::Request | MessageType::Inform),
        };
        if !heard {
            return Err(NotOurs::Message(port, kind));
        }
        let stage = stage(message, port, &vendor_class, ipxe_words);
        let (arch, arch_from) = match architecture(message, class, &vendor_class) {
            // A script suits every architecture, also one that nobody has assigned yet (iPXE on s390x says 65535).
            Err(NotOurs::UnknownArchitecture(arch)) if matches!(stage, Stage::Ipxe(_)) && arch.0 != 255 => {
                (arch, ArchFrom::Option93(0))
            }
            found => found?,
        };
        let hardware = Hardware::of(&message.header);
        let machine = message.option(code::MACHINE_ID).and_then(|value| MachineId::from_octets(&value));
        Ok(Client {
            raspberry_pi: is_raspberry_pi(arch, &hardware, machine.as_ref()),
            stage,
            relay: Relay::of(message),
            ciaddr: message.header.ciaddr,
            message: kind,
            hardware,
            machine,
            class,
            port,
            arch,
            arch_from,
            boot_item,
        })
    }

    pub fn is_ipxe(&self) -> bool {
        matches!(self.stage, Stage::Ipxe(_))
    }
}

impl Class {
    /// Case matters and anything may follow: EDK2 and iPXE compare exactly this in the other direction.
    pub fn of(vendor_class: &[u8]) -> Option<Self> {
        let begins = |word: &str| vendor_class.starts_with(word.as_bytes());
        let class = [Class::Pxe, Class::Http].into_iter().find(|class| begins(class.word()));
        class.or_else(|| begins("U-Boot").then_some(Class::UBoot))
    }

    /// The bare word, as the answer carries it; U-Boot looks at no option.
    pub fn word(self) -> &'static str {
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

impl Hardware {
    pub fn of(header: &Header) -> Self {
        Hardware { htype: header.htype, hlen: header.hlen, octets: header.chaddr }
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.hlen.min(16))]
    }

    /// The address of an Ethernet card. EDK2 may put a UUID into chaddr instead.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.octets().try_into().ok()
    }
}

impl Relay {
    fn of(message: &Message<'_>) -> Option<Self> {
        let giaddr = message.header.giaddr;
        if giaddr.is_unspecified() {
            return None;
        }
        let agent = message.option(code::RELAY_AGENT).unwrap_or_default();
        let find = |wanted: u8| SubOptions(&agent).find(|&(code, _)| code == wanted).map(|(_, value)| value);
        let link_selection = find(5).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(Ipv4Addr::from);
        Some(Relay { giaddr, source_port: find(19).is_some(), link_selection })
    }
}

/// The first code of the class's own transport; failing that, the first that is known; failing that the digits of the
/// class. RFC 4578 2.1 allows lists; a length that is odd or zero makes the option unusable, not the packet.
pub fn architecture(message: &Message<'_>, class: Class, vendor_class: &[u8]) -> Result<(Arch, ArchFrom), NotOurs> {
    let option = message.option(code::ARCHITECTURE).filter(|value| value.len() % 2 == 0).unwrap_or_default();
    let codes = || option.chunks_exact(2).map(|pair| Arch(u16::from_be_bytes([pair[0], pair[1]])));
    let own = |arch: Arch| arch.transport() == Some(class.transport());
    let listed = codes().position(own).or_else(|| codes().position(|arch| arch.row().is_some()));
    if let Some((index, arch)) = listed.and_then(|index| Some((index, codes().nth(index)?))) {
        return Ok((arch, ArchFrom::Option93(index)));
    }
    if let Some(arch) = class_digits(vendor_class, class).filter(|arch| arch.row().is_some()) {
        return Ok((arch, ArchFrom::ClassDigits));
    }
    match (codes().next(), class) {
        (Some(unknown), _) => Err(NotOurs::UnknownArchitecture(unknown)),
        (None, Class::Pxe) => Ok((Arch::BIOS, ArchFrom::Assumed)),
        (None, Class::Http | Class::UBoot) => Err(NotOurs::NoArchitecture),
    }
}

/// `PXEClient:Arch:00007...`: five decimal digits.
fn class_digits(vendor_class: &[u8], class: Class) -> Option<Arch> {
    let digits = vendor_class.strip_prefix(class.word().as_bytes())?.strip_prefix(b":Arch:")?.get(..5)?;
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    core::str::from_utf8(digits).ok()?.parse().ok().map(Arch)
}

fn stage(message: &Message<'_>, port: Port, vendor_class: &[u8], ipxe_words: &[String]) -> Stage {
    let features = message.option(code::IPXE).and_then(|value| Features::parse(&value));
    let user_class = message.option(code::USER_CLASS).unwrap_or_default();
    // Whole words: `MyiPXE-test` is somebody's own class.
    let says_ipxe = user_classes(&user_class).into_iter().any(|word| {
        word == b"iPXE"
            || word.eq_ignore_ascii_case(b"gPXE")
            || ipxe_words.iter().any(|configured| configured.as_bytes() == word)
    });
    if says_ipxe || features.is_some() {
        Stage::Ipxe(features)
    } else if port == Port::BootServer && vendor_class == Class::Pxe.word().as_bytes() {
        Stage::BootProgram
    } else {
        Stage::Firmware
    }
}

/// Option 97 names it (`RPi4`, `RPi5`, or the 0x44 filler of the Pi 3 ROM), or its maker's addresses do while it says
/// BIOS.
fn is_raspberry_pi(arch: Arch, hardware: &Hardware, machine: Option<&MachineId>) -> bool {
    const MAKER: [[u8; 3]; 6] = [
        [0xb8, 0x27, 0xeb],
        [0x28, 0xcd, 0xc1],
        [0x2c, 0xcf, 0x67],
        [0xd8, 0x3a, 0xdd],
        [0xdc, 0xa6, 0x32],
        [0xe4, 0x5f, 0x01],
    ];
    let named = machine.is_some_and(|machine| {
        let id = &machine.0;
        id.starts_with(b"\0RPi4") || id.starts_with(b"\0RPi5") || id[1..] == [0x44; 16]
    });
    named || arch == Arch::BIOS && MAKER.iter().any(|maker| hardware.octets().starts_with(maker))
}

impl NotOurs {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Reply => "not-ours:reply",
            Self::Bootp => "not-ours:bootp",
            Self::NoVendorClass => "not-ours:no-vendor-class",
            Self::OtherVendorClass => "not-ours:other-vendor-class",
            Self::Message(..) => "not-ours:message",
            Self::NoArchitecture => "not-ours:no-architecture",
            Self::UnknownArchitecture(_) => "not-ours:unknown-architecture",
        }
    }
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply => f.write_str("a server's message, not a client's"),
            Self::Bootp => f.write_str("plain BOOTP: no message type"),
            Self::NoVendorClass => f.write_str("not a network-boot client: no vendor class"),
            Self::OtherVendorClass => {
                f.write_str("vendor class begins with neither PXEClient nor HTTPClient: another boot dialect or none")
            }
            Self::Message(port, kind) => write!(f, "{kind} on {port} is the DHCP server's business"),
            Self::NoArchitecture => f.write_str("it does not name its architecture"),
            Self::UnknownArchitecture(arch) => write!(f, "{arch}"),
        }
    }
}

/// `52:54:00:12:34:56`.
impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.octets().iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hardware({}, {self})", self.htype)
    }
}

/// `x64 UEFI`, `iPXE on x64 UEFI`, `Raspberry Pi`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Stage::Ipxe(_) => write!(f, "iPXE on {}", self.arch),
            _ if self.raspberry_pi => f.write_str("Raspberry Pi"),
            Stage::Firmware => write!(f, "{}", self.arch),
            Stage::BootProgram => write!(f, "boot program on {}", self.arch),
        }
    }
}
