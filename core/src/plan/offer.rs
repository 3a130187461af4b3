//! The parts of the plan that this host offers now: loaders, files and open ports. They follow the host that the server
//! runs on.

use crate::arch::Arch;
use crate::client::dialect::Dialect;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The loaders, files and services that clients can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The TFTP server. `None` if there is no TFTP server: this server then never offers a bare file name.
    pub tftp: Option<TftpServer>,
    /// The TCP port of the built-in HTTP server; `None` if it does not listen.
    pub http: Option<u16>,
    /// Whether the server receives lines of syslog on the port to which iPXE sends them.
    pub receives_syslog_of_ipxe: bool,
    /// Whether the server listens on UDP port 4011. If not, UEFI receives the direct shape: a redirect would lead to a
    /// closed port.
    pub boot_server: bool,
    /// Whether relayed requests cannot reach the server, because `proxy-only` is set, or because a DHCP server on this
    /// host has port 67. The server then cannot know to which machines outside its networks it made an offer, so any
    /// machine may contact port 4011, up to a rate limit.
    pub ignores_relays: bool,
    /// The loader for firmware, by architecture ([`Arch::base`]).
    pub loaders: BTreeMap<Arch, Loader>,
    /// The loader for every other architecture (`filename` of an old proxy.ini with iPXE mode off).
    pub default_loader: Option<Loader>,
    /// The boot directory's part of the menu.
    pub menu: BootDirMenu,
    /// The UEFI architectures for which the server has a program that starts the local disk.
    pub local_disk: Vec<Arch>,
    /// The iPXE programs that firmware receives in a wrapper over IPv6, together with their script
    /// (`choose::IPXE_WRAPPER_PREFIX`): the architecture of each, by the name under which the server offers the
    /// program.
    pub ipxe_wrappers: BTreeMap<String, Arch>,
    /// The dialects for which the boot directory has the files that their firmware requests.
    pub dialects: Vec<&'static Dialect>,
    /// The names under which clients request files of the template directory.
    pub templates: BTreeSet<String>,
    /// The settings that apply only to IPv6.
    pub dhcp6: Ipv6Services,
}

/// The services over IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipv6Services {
    /// Whether the server listens on UDP port 4011 over IPv6. If not, the server has no way to name a file that PXE
    /// firmware loads by TFTP.
    pub boot_server: bool,
    /// As [`Offer::ignores_relays`], for port 547.
    pub ignores_relays: bool,
    /// Whether the built-in TFTP server listens on IPv6. Another TFTP server can be configured only for IPv4, in an old
    /// proxy.ini.
    pub tftp: bool,
    /// The server's DUID, 3 to 130 octets. EDK2 accepts no other length.
    pub duid: Vec<u8>,
}

impl Offer {
    /// Whether firmware of this architecture receives the loader of this name in the iPXE wrapper. U-Boot does not: it
    /// receives the same loaders as UEFI on the same CPU, but its architecture differs, and it has no PXE driver that
    /// the wrapper could query.
    pub fn has_ipxe_wrapper(&self, arch: Arch, name: &str) -> bool {
        self.ipxe_wrappers.get(name) == Some(&arch)
    }
}

/// The TFTP server that clients fetch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpServer {
    /// This server, at the address that the client sent its request to.
    Local,
    /// Another server (`tftpd` of an old proxy.ini).
    Remote(Ipv4Addr),
}

/// A first-stage program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// The name that the server offers, at most 127 octets. `tftp://192.0.2.5/name` is a name on that TFTP server; UEFI
    /// HTTP boot and iPXE receive any other URL unchanged.
    pub name: String,
    /// The file's absolute path; `None` if another server has the file.
    pub path: Option<String>,
}

impl Loader {
    /// Whether the loader is iPXE (or its shim), judged by the names that iPXE's build system and the distributions
    /// use: `undionly.kpxe`, `snponly-arm64.efi`, `ipxe-shim.efi`. A program with a name such as `bootx64.efi` does not
    /// count, because it may be any loader.
    pub fn is_ipxe(&self) -> bool {
        let name = self.name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        name.contains("ipxe")
            || name.ends_with("kpxe")
            || ["undionly", "snponly", "snp-"].iter().any(|begin| name.starts_with(begin))
    }

    /// The location on another server: the name on a TFTP server with that server's address, or the whole URL with
    /// `None`. Returns `None` if the name is not a URL.
    pub fn remote_location(&self) -> Option<(&str, Option<Ipv4Addr>)> {
        let on_server = |rest: &'_ str| rest.split_once('/').map(|(server, name)| (server.parse(), name.len()));
        match self.name.strip_prefix("tftp://").and_then(on_server) {
            Some((Ok(server), length)) => Some((&self.name[self.name.len() - length..], Some(server))),
            _ => self.name.contains("://").then_some((&self.name, None)),
        }
    }
}

/// The boot directory as the generated menu shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootDirMenu {
    /// Whether the boot directory holds a `boot.ipxe`, which the server sends unchanged instead of its built-in
    /// scripts.
    pub has_boot_script: bool,
    /// Whether the boot directory holds scripts named after the host names that the DHCP server assigns:
    /// `HOSTNAME-pc1.ipxe`.
    pub has_host_name_scripts: bool,
    /// The entries, in the order of the menu.
    pub entries: Vec<BootDirEntry>,
}

/// One line of the generated menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootDirEntry {
    /// The text that the menu shows for the entry.
    pub title: String,
    /// The file or kernel that the entry boots.
    pub target: EntryTarget,
    /// Why the entry cannot boot without a change, in a sentence; `None` if no reason is known.
    pub problem: Option<String>,
}

/// The target of a menu entry. Paths are relative to the boot directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryTarget {
    /// A Linux kernel. The arguments may hold template expressions.
    Linux {
        /// The kernel's path.
        kernel: String,
        /// The paths of the initrds, in the order of loading.
        initrds: Vec<String>,
        /// The kernel command line.
        arguments: String,
        /// The architecture for which the kernel is built. Other machines may start it too
        /// ([`Arch::starts_kernel_of`]).
        arch: Arch,
    },
    /// An iPXE script.
    Script {
        /// The script's path.
        path: String,
    },
    /// An EFI program.
    Efi {
        /// The program's path.
        path: String,
        /// The architecture of the program.
        arch: Arch,
    },
}
