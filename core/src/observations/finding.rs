//! The warning about a machine that did not take this server's offer: the observation and the cure. The warning names a
//! cause only if the server saw that cause, or saw evidence that excludes all others. Otherwise it lists the possible
//! causes.

use crate::arch::Arch;
use crate::identity::HardwareAddress;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

/// A machine that did not take this server's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The machine's hardware address.
    pub hardware: HardwareAddress,
    /// The client's architecture (option 93).
    pub arch: Arch,
    /// Whether the client is an iPXE.
    pub ipxe: bool,
    /// The kernel's index of the interface on which the machine's DISCOVER arrived.
    pub link: u32,
    /// The relay of the machine's DISCOVER (giaddr) or SOLICIT (the source of the RELAY-FORW), if there is one.
    pub relay: Option<IpAddr>,
    /// Where the offer directs the machine.
    pub next: NextContact,
    /// The observation.
    pub diagnosis: Diagnosis,
    /// The cause of the observation, as far as the offers of other servers show it.
    pub cause: Cause,
    /// When the machine sent the last DISCOVER or SOLICIT of the attempt, in milliseconds since the start.
    pub asked: u64,
    /// Whether the server reported the same cause before, for the same DHCP server or network. Each machine has its
    /// finding; the log has one line.
    pub is_repeat: bool,
}

/// The observation: how the machine continued without this server. The address is that of the DHCP server that offered
/// the machine its IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// A firmware did not request its file.
    ShutOut(Ipv4Addr),
    /// A firmware did not request its file, and the machine now runs an iPXE that this server did not send.
    LoadedElsewhere(Ipv4Addr),
    /// An iPXE reports that it had not seen this server's offer when it took its address.
    OfferUnseen(Ipv4Addr),
    /// An iPXE did not request its script.
    BootsAnother(Ipv4Addr),
    /// The machine took no address after this number of DISCOVERs.
    NoAddress(u8),
    /// The machine requested no address after this number of SOLICITs (DHCPv6).
    NoAddress6(u8),
    /// The machine took no address after this number of DISCOVERs, although this DHCP server offered one.
    AddressUntaken(u8, Ipv4Addr),
}

/// The cause, as far as the offers of other servers to this machine show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The DHCP server from which the machine took its address announces itself as a boot server (option 60).
    Option60,
    /// That DHCP server names a boot file.
    BootFile,
    /// Another server announces itself as a boot server.
    AnotherServer(Ipv4Addr),
    /// The server saw none of these causes, although the offer of that DHCP server arrived here.
    NotInOffers,
    /// No offer of that DHCP server arrived here.
    NotOverheard {
        /// Whether the DHCP server is in none of the served networks.
        is_remote: bool,
    },
}

/// Where a machine that takes the offer sends its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextContact {
    /// UDP port 4011 of this server.
    BootServer,
    /// UDP port 69 of this server.
    Tftp,
    /// This TCP port of this server.
    Http(u16),
    /// Another host.
    Elsewhere,
}

impl Finding {
    /// The key of the finding. Findings with the same key have a common history: there is one for each kind of finding
    /// and each DHCP server, or each network if there is no DHCP server.
    pub(super) fn key(&self) -> [u8; 17] {
        let mut key = [0; 17];
        let (kind, server) = match self.diagnosis {
            Diagnosis::ShutOut(server) => (1, server),
            Diagnosis::OfferUnseen(server) => (2, server),
            Diagnosis::BootsAnother(server) => (3, server),
            Diagnosis::LoadedElsewhere(server) => (5, server),
            Diagnosis::AddressUntaken(_, server) => (6, server),
            Diagnosis::NoAddress(_) => match self.relay {
                Some(IpAddr::V4(relay)) => (4, relay),
                _ => (4, Ipv4Addr::UNSPECIFIED),
            },
            Diagnosis::NoAddress6(_) => return network_key6(self.link, self.relay),
        };
        key[0] = kind;
        key[1..5].copy_from_slice(&server.octets());
        key[5..9].copy_from_slice(&self.link.to_be_bytes());
        key
    }

    /// Whether the server saw the cause, and the cause stops every machine of this kind.
    pub(super) fn is_certain(&self) -> bool {
        matches!(
            (self.diagnosis, self.cause),
            (Diagnosis::ShutOut(_) | Diagnosis::LoadedElsewhere(_), Cause::Option60)
                | (Diagnosis::LoadedElsewhere(_), Cause::AnotherServer(_))
                | (Diagnosis::BootsAnother(_), Cause::BootFile)
        )
    }
}

/// The key of the network of a DHCPv6 client: that of this link, or that of a relay.
pub(super) fn network_key6(link: u32, relay: Option<IpAddr>) -> [u8; 17] {
    let mut key = [7; 17];
    match relay {
        Some(IpAddr::V6(relay)) => key[1..].copy_from_slice(&relay.octets()),
        _ => key[1..5].copy_from_slice(&link.to_be_bytes()),
    }
    key
}

impl Diagnosis {
    /// The name in counters and log fields.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ShutOut(_) => "finding:shut-out",
            Self::LoadedElsewhere(_) => "finding:loaded-elsewhere",
            Self::OfferUnseen(_) => "finding:offer-unseen",
            Self::BootsAnother(_) => "finding:boots-another",
            Self::NoAddress(_) => "finding:no-address",
            Self::NoAddress6(_) => "finding:no-address-6",
            Self::AddressUntaken(..) => "finding:address-untaken",
        }
    }

    /// The DHCP server that offered the address; `None` if no DHCP server did.
    pub fn server(&self) -> Option<Ipv4Addr> {
        match self {
            Self::ShutOut(server)
            | Self::LoadedElsewhere(server)
            | Self::OfferUnseen(server)
            | Self::BootsAnother(server) => Some(*server),
            Self::AddressUntaken(_, server) => Some(*server),
            Self::NoAddress(_) | Self::NoAddress6(_) => None,
        }
    }
}

impl Cause {
    /// The bit of this kind of cause. A new cause of a known finding is not a repeat.
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

/// Prints the machine: `52:54:00:12:34:56 (iPXE on x64 UEFI)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ipxe = if self.ipxe { "iPXE on " } else { "" };
        write!(f, "{} ({ipxe}{})", self.hardware, self.arch)
    }
}

/// Prints the observation. The text follows the machine's name.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutOut(server) => {
                write!(f, "took its address from {server} but did not request its file from this boot server")
            }
            Self::LoadedElsewhere(server) => {
                write!(f, "took its address from {server} and now runs an iPXE that this boot server did not send")
            }
            Self::OfferUnseen(server) => {
                write!(f, "took its address from {server} and reports that it saw no offer of this boot server")
            }
            Self::BootsAnother(server) => {
                write!(f, "took its address from {server} but did not request its script from this boot server")
            }
            Self::NoAddress(times) => {
                write!(f, "sent {times} DHCPDISCOVERs and took no address, without which it cannot boot")
            }
            Self::NoAddress6(times) => {
                write!(f, "sent {times} SOLICITs over IPv6 and requested no address, without which it cannot boot")
            }
            Self::AddressUntaken(times, server) => {
                write!(f, "sent {times} DHCPDISCOVERs and took no address, although {server} offered one")
            }
        }
    }
}

/// The cause and the cure, in whole sentences; follows the observation.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'a>(pub &'a Finding);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { next, relay, .. } = self.0;
        match (self.0.diagnosis, self.0.cause) {
            (Diagnosis::OfferUnseen(server), _) => offer_unseen(f, server, *relay),
            (Diagnosis::NoAddress(_), _) => no_address(f, *relay),
            (Diagnosis::NoAddress6(_), _) => no_address6(f, *relay),
            (Diagnosis::AddressUntaken(_, server), _) => write!(
                f,
                "Either the offers of this boot server do not reach it, and firmware takes no address without a boot \
                offer: if a switch has DHCP snooping, make the port of this host trusted. Or the offers of {server} \
                do not reach it"
            ),
            (Diagnosis::ShutOut(server) | Diagnosis::LoadedElsewhere(server), Cause::Option60) => write!(
                f,
                "The offer of {server} has option 60 (PXEClient), so UEFI contacts only that server: remove option 60 \
                 from the settings of {server}"
            ),
            (Diagnosis::BootsAnother(server), Cause::Option60) => write!(
                f,
                "The offer of {server} has option 60 (PXEClient), so iPXE uses that server as its boot server: remove \
                 option 60 from the settings of {server}"
            ),
            (Diagnosis::ShutOut(server) | Diagnosis::LoadedElsewhere(server), Cause::BootFile) => write!(
                f,
                "The offer of {server} names a boot file, which the firmware may have taken: remove the file name \
                 (option 67) from the settings of {server}. If the machine still does not contact this host, open \
                 {next} in the firewall of this host"
            ),
            (Diagnosis::BootsAnother(server), Cause::BootFile) => write!(
                f,
                "The offer of {server} names a boot file, which iPXE prefers: remove the file name (option 67) from \
                the settings of {server}"
            ),
            (_, Cause::AnotherServer(another)) => write!(
                f,
                "Another boot server, {another}, sent it an offer as well, which it may have taken: stop {another}, or \
                 configure it to ignore this machine"
            ),
            (Diagnosis::LoadedElsewhere(_), Cause::NotInOffers | Cause::NotOverheard { .. }) => write!(
                f,
                "No offer of another boot server arrived here: the iPXE comes from a boot server whose offers do not \
                 reach this host, or from a disk, a USB stick or the network card of the machine"
            ),
            (Diagnosis::ShutOut(server), Cause::NotInOffers) => write!(
                f,
                "The offer of {server} has neither option 60 nor a boot file, no offer of another boot server arrived \
                 here, and no request of this machine reached {next}: a firewall of this host or a filter on the path \
                 blocks that port, or the machine was switched off"
            ),
            (Diagnosis::BootsAnother(server), Cause::NotInOffers) => write!(
                f,
                "The offer of {server} has neither option 60 nor a boot file, no offer of another boot server arrived \
                 here, and no request of this machine reached {next}: a firewall of this host or a filter on the path \
                 blocks that port, this iPXE has an embedded script, or the machine was switched off"
            ),
            (Diagnosis::ShutOut(server), Cause::NotOverheard { is_remote }) => write!(
                f,
                "{}, and no request of this machine reached {next}. Possible causes: {server} sends option 60 \
                 (PXEClient), so UEFI contacts only that server; another boot server replied first; a firewall of this \
                 host or a filter on the path blocks that port; the machine was switched off",
                NoOfferOverheard { server, is_remote, relay: *relay }
            ),
            (Diagnosis::BootsAnother(server), Cause::NotOverheard { is_remote }) => write!(
                f,
                "{}, and no request of this machine reached {next}. Possible causes: {server} names a boot file \
                 (option 67), which iPXE prefers; another boot server replied first; a firewall of this host or a \
                 filter on the path blocks that port; this iPXE has an embedded script; the machine was switched off",
                NoOfferOverheard { server, is_remote, relay: *relay }
            ),
        }
    }
}

fn offer_unseen(f: &mut fmt::Formatter<'_>, server: Ipv4Addr, relay: Option<IpAddr>) -> fmt::Result {
    match relay {
        Some(relay) => {
            write!(f, "It is behind the relay {relay}: check that the relay forwards the replies of this host")
        }
        None => write!(
            f,
            "Either a switch forwards only the offers of {server}: make the port of this host trusted (DHCP \
             snooping). Or a firewall of this host drops packets from UDP port 67"
        ),
    }
}

fn no_address(f: &mut fmt::Formatter<'_>, relay: Option<IpAddr>) -> fmt::Result {
    match relay {
        Some(relay) => write!(
            f,
            "This boot server assigns no addresses: check that the DHCP server to which the relay {relay} forwards \
            runs and has a free address for that network"
        ),
        None => f.write_str(
            "No offer of an address arrived here. This boot server assigns no addresses: check that the DHCP server of \
             this network runs and has a free address",
        ),
    }
}

fn no_address6(f: &mut fmt::Formatter<'_>, relay: Option<IpAddr>) -> fmt::Result {
    match relay {
        Some(relay) => write!(
            f,
            "This boot server assigns no addresses: check that the DHCPv6 server to which the relay {relay} forwards \
             runs and has a free address for that network"
        ),
        None => f.write_str(
            "This boot server assigns no addresses: check that the DHCPv6 server of this network runs and has a free \
             address, or let the machine boot over IPv4",
        ),
    }
}

/// The sentence that no offer of a DHCP server arrived here, and why.
struct NoOfferOverheard {
    server: Ipv4Addr,
    is_remote: bool,
    relay: Option<IpAddr>,
}

impl fmt::Display for NoOfferOverheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoOfferOverheard { server, is_remote, relay } = self;
        match (relay, is_remote) {
            (Some(relay), _) => {
                write!(f, "It is behind the relay {relay}, so the offers of other servers do not reach this host")
            }
            (None, true) => write!(f, "No offer of {server}, which is in none of the served networks, arrived here"),
            (None, false) => write!(f, "No offer of {server} arrived here"),
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
