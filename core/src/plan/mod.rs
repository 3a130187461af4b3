//! The configuration as the decisions read it: built once, then read only. A reload builds a new plan and swaps it
//! as a whole.

pub mod machines;
pub mod pattern;
pub mod profile;
pub mod rule;

use crate::arch::Arch;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use machines::Machines;
use profile::{Profile, ProfileId};
use rule::{Rule, RuleRef};

/// Everything that decides what a machine receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The TFTP server; `None` if there is none, and then the server never offers a bare file name.
    pub tftp: Option<TftpServer>,
    /// The TCP port of the built-in HTTP server; `None` if it does not listen.
    pub http: Option<u16>,
    /// Whether the server listens on UDP port 4011. If not, UEFI receives the direct shape: a redirect would lead to a
    /// closed port.
    pub boot_server: bool,
    /// Relayed requests do not reach the server: `proxy-only` is set, or a DHCP server on this host has port 67. The
    /// server then cannot know which machines beyond its networks it made an offer to, so any machine may contact port
    /// 4011, within a rate.
    pub ignores_relays: bool,
    /// The loader for firmware, by architecture ([`Arch::base`]).
    pub loaders: BTreeMap<Arch, Loader>,
    /// The loader for every other architecture (`filename` of an old proxy.ini with iPXE mode off).
    pub default_loader: Option<Loader>,
    /// The default script of an iPXE.
    pub ipxe: IpxeTarget,
    /// Whether UEFI HTTP boot clients receive replies; the old proxy.ini did not know them.
    pub http_clients: bool,
    /// Values of option 77 that mean "already iPXE", besides `iPXE`.
    pub user_classes: Vec<String>,
    /// Prefixes of option 60 that PXE firmware sends, besides `PXEClient`: some vendors have their own.
    pub vendor_classes: Vec<String>,
    /// Relays whose requests the server accepts. Empty: any.
    pub relays: Vec<IpAddr>,
    /// The maximum number of requests per second that the server answers on one interface. `None`: no limit, because a
    /// boot storm is legitimate.
    pub rate_limit: Option<u32>,
    /// The boot directory's part of the menu.
    pub menu: BootDirMenu,
    /// The UEFI architectures for which the server has a program that starts the local disk.
    pub local_disk: Vec<Arch>,
    /// The offered iPXEs, by name, that firmware receives in a wrapper over IPv6, together with their script, and their
    /// architecture (`choose::IPXE_WRAPPER_PREFIX`).
    pub ipxe_wrappers: BTreeMap<String, Arch>,
    /// Whether the boot directory has files for Raspberry Pis: their boot ROM takes neither loader nor script.
    pub raspberry_pi: bool,
    /// All profiles; a [`ProfileId`] is an index into this list.
    pub profiles: Vec<Profile>,
    /// The profile of machines that no entry and no rule decides about. `None`: the menu of the boot directory.
    pub default_profile: Option<ProfileId>,
    /// The same for machines without an entry; `None`: `default_profile`.
    pub unknown_machine_profile: Option<ProfileId>,
    /// The first rule that matches decides.
    pub rules: Vec<Rule>,
    /// A number that changes when the rules change, or the profiles that they name. It shows that a [`RuleRef`] is from
    /// before a reload.
    pub rules_version: u32,
    /// The machines that have an entry.
    pub machines: Machines,
    /// The names under which clients request files of the template directory.
    pub templates: BTreeSet<String>,
    /// The reaction to boot loops.
    pub loop_guard: LoopGuard,
    /// IPv6-only settings.
    pub dhcp6: Dhcp6,
}

/// IPv6-only settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6 {
    /// Whether the server listens on UDP port 4011 over IPv6. If not, it cannot name a file that PXE firmware loads by
    /// TFTP.
    pub boot_server: bool,
    /// As [`Plan::ignores_relays`], for port 547.
    pub ignores_relays: bool,
    /// Whether the built-in TFTP server listens on IPv6. No other TFTP server is possible there: an old proxy.ini knows
    /// IPv4 only.
    pub tftp: bool,
    /// The server's DUID, 3 to 130 octets. EDK2 accepts no other length.
    pub duid: Vec<u8>,
    /// The options for an iPXE in a stateless network; `None`: the server does not reply to it. iPXE takes the first
    /// REPLY, so this one displaces the DHCPv6 server's and must carry the options that the other would carry.
    pub stateless: Option<StatelessOptions>,
}

/// The options, other than boot options, of a REPLY to an INFORMATION-REQUEST (stateless DHCPv6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatelessOptions {
    /// DNS recursive name servers (RFC 3646).
    pub dns_servers: Vec<Ipv6Addr>,
    /// DNS search list (RFC 3646), each name in its text form.
    pub domains: Vec<String>,
}

/// The reaction to a machine that fetches its first-stage loader again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopGuard {
    /// None.
    Off,
    /// The server logs a warning.
    #[default]
    Warn,
    /// The server also ignores the machine for some minutes.
    Stop,
}

impl Plan {
    /// The profile with this index. `None` means the menu of the boot directory, which needs no profile.
    pub fn profile(&self, id: Option<ProfileId>) -> Option<&Profile> {
        self.profiles.get(id?)
    }

    /// The path of the loader that is offered under this name, if this server sends it.
    pub fn loader_path(&self, name: &str) -> Option<&str> {
        self.all_loaders().find(|loader| loader.name == name)?.path.as_deref()
    }

    /// Every first-stage program that the server may offer: the site's, and those of the profiles.
    pub fn all_loaders(&self) -> impl Iterator<Item = &Loader> {
        let from_profiles =
            self.profiles.iter().flat_map(|profile| profile.loaders.values().chain(&profile.default_loader));
        self.loaders.values().chain(&self.default_loader).chain(from_profiles)
    }

    /// Whether firmware of this architecture receives the loader of this name in the iPXE wrapper. A U-Boot has the
    /// loader of its kind of UEFI, and no PXE driver for the wrapper to query.
    pub fn has_ipxe_wrapper(&self, arch: Arch, name: &str) -> bool {
        self.ipxe_wrappers.get(name) == Some(&arch)
    }

    /// A reference to a rule that a packet matched, for use after a reload.
    pub fn rule_ref(&self, rule: usize) -> RuleRef {
        RuleRef { rule, version: self.rules_version }
    }

    /// The index of the referenced rule, unless the rules have changed since.
    pub fn resolve_rule(&self, rule_ref: RuleRef) -> Option<usize> {
        (rule_ref.version == self.rules_version).then_some(rule_ref.rule)
    }

    /// Whether an entry or a rule names this UUID.
    pub fn names_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.machines.has_uuid(uuid) || self.rules.iter().any(|rule| rule.when.uuids.contains(uuid))
    }

    /// Whether a rule opts in to U-Boot, whose vendor class begins with neither of the two prefixes that the server
    /// accepts otherwise.
    pub fn serves_u_boot(&self) -> bool {
        self.rules.iter().any(Rule::names_u_boot)
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
    /// Its absolute path; `None` if another server has it.
    pub path: Option<String>,
}

impl Loader {
    /// Whether it is an iPXE, by the names that iPXE's build system and the distributions give it: `undionly.kpxe`,
    /// `snponly-arm64.efi`, `ipxe-shim.efi`. `bootx64.efi` and the like may be anything.
    pub fn is_ipxe(&self) -> bool {
        let name = self.name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        name.contains("ipxe")
            || name.ends_with("kpxe")
            || ["undionly", "snponly", "snp-"].iter().any(|begin| name.starts_with(begin))
    }

    /// If the name is a URL: the name on a TFTP server and that server, or the whole URL.
    pub fn remote_location(&self) -> Option<(&str, Option<Ipv4Addr>)> {
        let on_server = |rest: &'_ str| rest.split_once('/').map(|(server, name)| (server.parse(), name.len()));
        match self.name.strip_prefix("tftp://").and_then(on_server) {
            Some((Ok(server), length)) => Some((&self.name[self.name.len() - length..], Some(server))),
            _ => self.name.contains("://").then_some((&self.name, None)),
        }
    }
}

/// The default script of an iPXE, or the loader instead of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IpxeTarget {
    /// The built-in script `boot.ipxe`, over HTTP or TFTP, depending on what the client supports.
    #[default]
    Builtin,
    /// This name or URL, unchanged (`chainload_url` of an old proxy.ini).
    Configured(String),
    /// The loader for firmware of its architecture (old proxy.ini with iPXE mode off).
    AsFirmware,
}

/// The boot directory as the generated menu shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootDirMenu {
    /// The boot directory holds a `boot.ipxe`, which the server sends unchanged instead of its built-in scripts.
    pub has_boot_script: bool,
    /// The boot directory holds scripts named after the host names that the DHCP server assigns: `HOSTNAME-pc1.ipxe`.
    pub has_host_name_scripts: bool,
    /// In the order of the menu.
    pub entries: Vec<BootDirEntry>,
}

/// One line of the generated menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootDirEntry {
    /// As the menu shows it.
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
        /// The architecture that the kernel is built for. BIOS machines start x86 kernels as well; a kernel for
        /// [`Arch::BIOS`] starts only there.
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
