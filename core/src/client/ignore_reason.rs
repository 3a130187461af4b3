//! The reasons to ignore a packet.

use super::dialect::Dialect;
use crate::arch::Arch;
use crate::arrival::Port;
use crate::wire::DhcpMessageType;
use core::fmt;

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
