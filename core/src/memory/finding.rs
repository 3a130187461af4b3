//! What is told of a machine that did not take what we offered, and the cure.

use crate::arch::Arch;
use crate::client::Hardware;
use core::fmt;
use core::net::Ipv4Addr;

/// A machine that did not take what we offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    pub hardware: Hardware,
    pub arch: Arch,
    pub ipxe: bool,
    /// The kernel's index of the interface that it was heard on.
    pub link: u32,
    pub relay: Option<Ipv4Addr>,
    pub rival: Rival,
}

/// Why, as far as it can be told, with the server that it took its address from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// A firmware did not come for its file.
    ShutOut(Ipv4Addr),
    /// An iPXE says that it had not seen our offer when it took its address.
    Unseen(Ipv4Addr),
    /// An iPXE did not come for our script.
    Named(Ipv4Addr),
    /// Nobody gave it an address, so many times it asked.
    NoAddress(u8),
}

impl Finding {
    /// What is told once: each kind for each server, or for each network where there is none.
    pub(super) fn key(&self) -> [u8; 17] {
        let mut key = [0; 17];
        let (kind, server) = match self.rival {
            Rival::ShutOut(server) => (1, server),
            Rival::Unseen(server) => (2, server),
            Rival::Named(server) => (3, server),
            Rival::NoAddress(_) => (4, self.relay.unwrap_or(Ipv4Addr::UNSPECIFIED)),
        };
        key[0] = kind;
        key[1..5].copy_from_slice(&server.octets());
        key[5..9].copy_from_slice(&self.link.to_be_bytes());
        key
    }
}

impl Rival {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ShutOut(_) => "rival:shut-out",
            Self::Unseen(_) => "rival:offer-unseen",
            Self::Named(_) => "rival:boots-another",
            Self::NoAddress(_) => "rival:no-address",
        }
    }

    pub fn server(&self) -> Option<Ipv4Addr> {
        match self {
            Self::ShutOut(server) | Self::Unseen(server) | Self::Named(server) => Some(*server),
            Self::NoAddress(_) => None,
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

/// What happened, the likely reason, and the cure; behind the machine's name.
impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutOut(server) => write!(
                f,
                "took its address from {server} and did not come to us for its file. Most likely {server} sends option 60 \
                 (PXEClient), and UEFI then asks that server alone: take option 60 out of its settings. Else another boot \
                 server was quicker, or a firewall keeps UDP port 4011 of this host shut"
            ),
            Self::Unseen(server) => write!(
                f,
                "took its address from {server} and says that it saw no offer of ours, though we made one. Most likely a \
                 switch lets offers of {server} alone through: make the port of this host a trusted one (DHCP snooping)"
            ),
            Self::Named(server) => write!(
                f,
                "took its address from {server} and did not fetch our script. Most likely {server} names a boot file of its \
                 own, which iPXE prefers: take the file name (option 67) out of its settings. Else this iPXE has a script \
                 built in, or a firewall keeps it from our files"
            ),
            Self::NoAddress(times) => write!(
                f,
                "asked {times} times and was given no address, without which nothing boots: no DHCP server answers it. We \
                 offer what to boot and no addresses: look whether the DHCP server of this network runs and has one left"
            ),
        }
    }
}
