//! The warning about a machine that did not take our offer: the observation and the cure. It names a cause only if the
//! server saw it or saw what excludes all others; otherwise it lists the possible causes.

use crate::arch::Arch;
use crate::client::HardwareAddress;
use core::fmt;
use core::net::Ipv4Addr;

/// A machine that did not take what we offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    pub hardware: HardwareAddress,
    pub arch: Arch,
    pub ipxe: bool,
    /// The kernel's index of the interface that it was heard on.
    pub link: u32,
    pub relay: Option<Ipv4Addr>,
    /// Where our offer sends it.
    pub next: NextContact,
    pub diagnosis: Diagnosis,
    pub cause: Cause,
}

/// What it did instead, with the server that it took its address from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// A firmware did not come for its file.
    ShutOut(Ipv4Addr),
    /// The same, and now it asks as an iPXE, which we have not given it.
    LoadedElsewhere(Ipv4Addr),
    /// An iPXE says that it had not seen our offer when it took its address.
    OfferUnseen(Ipv4Addr),
    /// An iPXE did not come for our script.
    BootsAnother(Ipv4Addr),
    /// It took no address, so many times it asked.
    NoAddress(u8),
    /// The same, although this server offered it one.
    AddressUntaken(u8, Ipv4Addr),
}

/// Why, as far as the offers show it that other servers made to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server that it took its address from calls itself a boot server.
    Option60,
    /// That server names a boot file.
    BootFile,
    /// Another server calls itself a boot server.
    AnotherServer(Ipv4Addr),
    /// None of these, although the offer of that server was heard.
    NotInOffers,
    /// No offer of that server was heard.
    NotOverheard {
        /// It lies in none of our networks.
        remote: bool,
    },
}

/// Where a machine that takes our offer comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextContact {
    BootServer,
    Tftp,
    Http(u16),
    /// Not to us.
    Elsewhere,
}

impl Finding {
    /// What is told once: each kind for each server, or for each network where there is none.
    pub(super) fn key(&self) -> [u8; 17] {
        let mut key = [0; 17];
        let (kind, server) = match self.diagnosis {
            Diagnosis::ShutOut(server) => (1, server),
            Diagnosis::OfferUnseen(server) => (2, server),
            Diagnosis::BootsAnother(server) => (3, server),
            Diagnosis::NoAddress(_) => (4, self.relay.unwrap_or(Ipv4Addr::UNSPECIFIED)),
            Diagnosis::LoadedElsewhere(server) => (5, server),
            Diagnosis::AddressUntaken(_, server) => (6, server),
        };
        key[0] = kind;
        key[1..5].copy_from_slice(&server.octets());
        key[5..9].copy_from_slice(&self.link.to_be_bytes());
        key
    }

    /// Whether the cause was seen, and is one that no machine of this kind gets past.
    pub(super) fn is_certain(&self) -> bool {
        matches!(
            (self.diagnosis, self.cause),
            (Diagnosis::ShutOut(_) | Diagnosis::LoadedElsewhere(_), Cause::Option60)
                | (Diagnosis::LoadedElsewhere(_), Cause::AnotherServer(_))
                | (Diagnosis::BootsAnother(_), Cause::BootFile)
        )
    }
}

impl Diagnosis {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ShutOut(_) => "rival:shut-out",
            Self::LoadedElsewhere(_) => "rival:loaded-elsewhere",
            Self::OfferUnseen(_) => "rival:offer-unseen",
            Self::BootsAnother(_) => "rival:boots-another",
            Self::NoAddress(_) => "rival:no-address",
            Self::AddressUntaken(..) => "rival:address-untaken",
        }
    }

    pub fn server(&self) -> Option<Ipv4Addr> {
        match self {
            Self::ShutOut(server) | Self::LoadedElsewhere(server) | Self::OfferUnseen(server) | Self::BootsAnother(server) => Some(*server),
            Self::AddressUntaken(_, server) => Some(*server),
            Self::NoAddress(_) => None,
        }
    }
}

impl Cause {
    /// A bit for each kind: a cause that has not been told yet is worth another line.
    pub(super) fn bit(self) -> u8 {
        match self {
            Self::Option60 => 1,
            Self::BootFile => 2,
            Self::AnotherServer(_) => 4,
            Self::NotInOffers => 8,
            Self::NotOverheard { .. } => 16,
        }
    }
}

/// `52:54:00:12:34:56 (iPXE on x64 UEFI)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ipxe = if self.ipxe { "iPXE on " } else { "" };
        write!(f, "{} ({ipxe}{})", self.hardware, self.arch)
    }
}

/// What was seen; behind the machine's name.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutOut(server) => write!(f, "took its address from {server} and did not come to us for its file"),
            Self::LoadedElsewhere(server) => {
                write!(f, "took its address from {server} and runs an iPXE now that it did not get from us")
            }
            Self::OfferUnseen(server) => {
                write!(f, "took its address from {server} and says that it saw no offer of ours, though we made one")
            }
            Self::BootsAnother(server) => write!(f, "took its address from {server} and did not fetch our script"),
            Self::NoAddress(times) => write!(f, "asked {times} times and took no address, without which nothing boots"),
            Self::AddressUntaken(times, server) => {
                write!(f, "asked {times} times and took no address, although {server} offered it one")
            }
        }
    }
}

/// The cause and the cure, as whole sentences; behind what was seen.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a>(pub &'a Finding);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { next, relay, .. } = self.0;
        match (self.0.diagnosis, self.0.cause) {
            (Diagnosis::OfferUnseen(server), _) => unseen(f, server, *relay),
            (Diagnosis::NoAddress(_), _) => no_address(f, *relay),
            (Diagnosis::AddressUntaken(_, server), _) => write!(
                f,
                "Either our offers do not reach it, for firmware takes no address without an offer to boot: where a \
                 switch has DHCP snooping, make the port of this host a trusted one. Or those of {server} do not"
            ),
            (Diagnosis::ShutOut(server) | Diagnosis::LoadedElsewhere(server), Cause::Option60) => write!(
                f,
                "The offer of {server} has option 60 (PXEClient), and UEFI then asks that server alone: take option 60 \
                 out of the settings of {server}"
            ),
            (Diagnosis::BootsAnother(server), Cause::Option60) => write!(
                f,
                "The offer of {server} has option 60 (PXEClient), and iPXE then takes that server for its boot server: \
                 take option 60 out of the settings of {server}"
            ),
            (Diagnosis::ShutOut(server) | Diagnosis::LoadedElsewhere(server), Cause::BootFile) => write!(
                f,
                "The offer of {server} names a boot file, which the firmware may have taken: take the file name \
                 (option \
                 67) out of the settings of {server}. If it still does not come, open {next} of this host in its firewall"
            ),
            (Diagnosis::BootsAnother(server), Cause::BootFile) => write!(
                f,
                "The offer of {server} names a boot file, which iPXE prefers to ours: take the file name (option 67) \
                 out \
                 of the settings of {server}"
            ),
            (_, Cause::AnotherServer(another)) => write!(
                f,
                "Another boot server, {another}, made it an offer, too, and it may have taken that one: stop \
                 {another}, \
                 or let it leave this machine to us"
            ),
            (Diagnosis::LoadedElsewhere(_), Cause::NotInOffers | Cause::NotOverheard { .. }) => write!(
                f,
                "No offer of another boot server was heard here: it comes from a boot server that is not heard, or \
                 from \
                 a disk, a stick or the network card of the machine"
            ),
            (Diagnosis::ShutOut(server), Cause::NotInOffers) => write!(
                f,
                "The offer of {server} has neither option 60 nor a boot file, no other boot server was heard, and no \
                 request of this machine reached {next}: a firewall of this host or a filter on the way keeps that \
                 port \
                 shut, or the machine was switched off"
            ),
            (Diagnosis::BootsAnother(server), Cause::NotInOffers) => write!(
                f,
                "The offer of {server} has neither option 60 nor a boot file, no other boot server was heard, and no \
                 request of this machine reached {next}: a firewall of this host or a filter on the way keeps that \
                 port \
                 shut, this iPXE has a script built in, or the machine was switched off"
            ),
            (Diagnosis::ShutOut(server), Cause::NotOverheard { remote }) => write!(
                f,
                "{}, and no request of this machine reached {next}. Possible causes: {server} sends option 60 \
                 (PXEClient), and UEFI then asks that server alone; another boot server was quicker; a firewall of \
                 this \
                 host or a filter on the way keeps that port shut; the machine was switched off",
                Unheard { server, remote, relay: *relay }
            ),
            (Diagnosis::BootsAnother(server), Cause::NotOverheard { remote }) => write!(
                f,
                "{}, and no request of this machine reached {next}. Possible causes: {server} names a boot file \
                 (option \
                 67), which iPXE prefers to ours; another boot server was quicker; a firewall of this host or a \
                 filter on \
                 the way keeps that port shut; this iPXE has a script built in; the machine was switched off",
                Unheard { server, remote, relay: *relay }
            ),
        }
    }
}

fn unseen(f: &mut fmt::Formatter<'_>, server: Ipv4Addr, relay: Option<Ipv4Addr>) -> fmt::Result {
    match relay {
        Some(relay) => write!(f, "The way leads through the relay {relay}: look whether it passes on what we answer"),
        None => write!(
            f,
            "Either a switch lets offers of {server} alone through: make the port of this host a trusted one (DHCP \
             snooping). Or a firewall of this host drops what leaves UDP port 67"
        ),
    }
}

fn no_address(f: &mut fmt::Formatter<'_>, relay: Option<Ipv4Addr>) -> fmt::Result {
    match relay {
        Some(relay) => write!(
            f,
            "We offer what to boot and no addresses: look whether the DHCP server that the relay {relay} forwards to \
             runs \
             and has one left for that network"
        ),
        None => f.write_str(
            "No DHCP server was heard to offer it one. We offer what to boot and no addresses: look whether the DHCP \
             server of this network runs and has one left",
        ),
    }
}

/// Why no offer of a server was heard.
struct Unheard {
    server: Ipv4Addr,
    remote: bool,
    relay: Option<Ipv4Addr>,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unheard { server, remote, relay } = self;
        match (relay, remote) {
            (Some(relay), _) => {
                write!(f, "It asks through the relay {relay}, and what others offer there is not heard here")
            }
            (None, true) => write!(f, "No offer of {server}, which lies in none of our networks, was heard here"),
            (None, false) => write!(f, "No offer of {server} was heard here"),
        }
    }
}

impl fmt::Display for NextContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BootServer => f.write_str("UDP port 4011"),
            Self::Tftp => f.write_str("UDP port 69"),
            Self::Http(port) => write!(f, "TCP port {port}"),
            Self::Elsewhere => f.write_str("another host"),
        }
    }
}
