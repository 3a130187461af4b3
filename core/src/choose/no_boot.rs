//! The reasons why there is nothing to boot.

use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::wire::pxe::Features;
use core::fmt;

/// Why there is nothing to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBoot {
    /// The rule with this number denies. People count the rules from 1.
    Denied(usize),
    /// The profile is `nothing`.
    Profile,
    /// The server has no loader for this architecture.
    NoLoader(Arch),
    /// The loader for this architecture is a URL that PXE firmware cannot fetch, and the server has no iPXE for it.
    LoaderUrl(Arch),
    /// There is no TFTP server, and this client supports nothing else.
    NoTftp,
    /// This server serves neither TFTP nor HTTP, so an iPXE cannot fetch a built-in script.
    NoScript,
    /// The machine's iPXE does not list a feature that it needs to fetch its boot.
    IpxeLacks(Features),
    /// The server does not serve UEFI HTTP boot: its HTTP port is closed, or an old proxy.ini does not know it.
    NoHttp,
    /// The client is an iPXE that requests an address over DHCPv6. Such an iPXE accepts a script only from the server
    /// that assigns the address.
    StatefulIpxe,
    /// The client is an iPXE in a stateless network, and the plan does not enable replies to such clients.
    StatelessIpxe,
    /// Port 4011 is not open, and over IPv6 the server has no other way to name the file.
    NoBootServer,
    /// The client requests file names that it has built in, and the boot directory has no such files.
    NoFiles(&'static Dialect),
    /// The client chose an item that is in no menu of this server, or an item that belongs to another server.
    BootItem(u16),
    /// The client requires credentials with its boot item, for which there is no implemented specification.
    Credentials(u16),
    /// The menu is larger than option 43 allows.
    MenuTooLarge,
}

impl NoBoot {
    /// The name in counters and log fields.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) => "nothing:denied",
            Self::Profile => "nothing:profile",
            Self::NoLoader(_) => "nothing:no-loader",
            Self::LoaderUrl(_) => "nothing:loader-url",
            Self::IpxeLacks(_) => "nothing:ipxe-lacks",
            Self::NoTftp => "nothing:no-tftp",
            Self::NoScript => "nothing:no-script",
            Self::NoHttp => "nothing:no-http",
            Self::StatefulIpxe => "nothing:stateful-ipxe",
            Self::StatelessIpxe => "nothing:stateless-ipxe",
            Self::NoBootServer => "nothing:no-boot-server",
            Self::NoFiles(dialect) => dialect.no_files_label,
            Self::BootItem(_) => "nothing:boot-item",
            Self::Credentials(_) => "nothing:credentials",
            Self::MenuTooLarge => "nothing:menu-too-large",
        }
    }
}

impl fmt::Display for NoBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(rule) => write!(f, "rule {rule} denies it"),
            Self::Profile => f.write_str("its profile boots nothing"),
            Self::NoLoader(arch) => write!(f, "no loader for {arch} here"),
            Self::LoaderUrl(arch) => write!(
                f,
                "the configured loader for {arch} is a URL, which PXE firmware cannot fetch, and there is no iPXE for \
                 {arch} here"
            ),
            Self::IpxeLacks(lacks) => write!(
                f,
                "its iPXE does not list {lacks}, which it needs to fetch its boot, and there is no loader here to \
                replace it"
            ),
            Self::NoTftp => f.write_str("TFTP is not served here, and this client supports nothing else"),
            Self::NoScript => f.write_str("neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script"),
            Self::NoHttp => f.write_str("UEFI HTTP boot is not served"),
            Self::StatefulIpxe => f.write_str(
                "an iPXE that requests an address over DHCPv6 takes its script from the server that assigns it, \
                 not from a proxy",
            ),
            Self::StatelessIpxe => f.write_str(
                "an iPXE in a stateless network takes the first REPLY, and this server sends one only if the \
                 configuration enables it",
            ),
            Self::NoBootServer => {
                f.write_str("port 4011 is not open, and over IPv6 the server can name the file only there")
            }
            Self::NoFiles(Dialect { name, .. }) => write!(f, "a {name}, and the boot directory holds no files for one"),
            Self::BootItem(item) => write!(f, "boot item {item:#06x} is in no menu of this server"),
            Self::Credentials(item) => write!(f, "boot item {item:#06x} requires credentials, which are not supported"),
            Self::MenuTooLarge => f.write_str("the menu is larger than option 43 allows"),
        }
    }
}
