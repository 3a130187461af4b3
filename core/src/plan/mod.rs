//! The plan is the configuration in the form that the decisions read. It is built once, then read only. A reload builds
//! a new plan, which replaces the previous plan as a whole.

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
    /// The TFTP server. `None` if there is no TFTP server: this server then never offers a bare file name.
    pub tftp: Option<TftpServer>,
    /// The TCP port of the built-in HTTP server; `None` if it does not listen.
    pub http: Option<u16>,
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
    /// The default script of an iPXE.
    pub ipxe: IpxeTarget,
    /// Whether UEFI HTTP boot clients receive replies. It is `false` with an old proxy.ini, which does not know these
    /// clients.
    pub http_clients: bool,
    /// Values of option 77 that mean "already iPXE", besides `iPXE`.
    pub user_classes: Vec<String>,
    /// Prefixes of option 60, besides `PXEClient`, that identify PXE firmware. Some vendors use private ones.
    pub vendor_classes: Vec<String>,
    /// The relays whose requests the server accepts. If the list is empty, the server accepts requests from any relay.
    pub relays: Vec<IpAddr>,
    /// The maximum number of requests per second that the server answers on one interface. `None`: no limit, because a
    /// boot storm is legitimate.
    pub rate_limit: Option<u32>,
    /// The boot directory's part of the menu.
    pub menu: BootDirMenu,
    /// The UEFI architectures for which the server has a program that starts the local disk.
    pub local_disk: Vec<Arch>,
    /// The iPXE programs that firmware receives in a wrapper over IPv6, together with their script
    /// (`choose::IPXE_WRAPPER_PREFIX`): the architecture of each, by the name under which the server offers the
    /// program.
    pub ipxe_wrappers: BTreeMap<String, Arch>,
    /// Whether the boot directory has files for Raspberry Pis, whose boot ROM accepts neither a loader nor a script.
    pub raspberry_pi: bool,
    /// All profiles; a [`ProfileId`] is an index into this list.
    pub profiles: Vec<Profile>,
    /// The profile of machines for which no entry and no rule decides. `None` means the menu of the boot directory.
    pub default_profile: Option<ProfileId>,
    /// The profile of machines without an entry for which no rule decides. `None` means `default_profile`.
    pub unknown_machine_profile: Option<ProfileId>,
    /// The rules. The first rule that matches decides.
    pub rules: Vec<Rule>,
    /// A number that changes when the rules change, or the profiles that the rules name. A [`RuleRef`] with a different
    /// number is from before a reload.
    pub rules_version: u32,
    /// The machines that have an entry.
    pub machines: Machines,
    /// The names under which clients request files of the template directory.
    pub templates: BTreeSet<String>,
    /// The reaction to boot loops.
    pub loop_guard: LoopGuard,
    /// The settings that apply only to IPv6.
    pub dhcp6: Dhcp6,
}

/// The settings that apply only to IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6 {
    /// Whether the server listens on UDP port 4011 over IPv6. If not, the server has no way to name a file that PXE
    /// firmware loads by TFTP.
    pub boot_server: bool,
    /// As [`Plan::ignores_relays`], for port 547.
    pub ignores_relays: bool,
    /// Whether the built-in TFTP server listens on IPv6. Another TFTP server can be configured only for IPv4, in an old
    /// proxy.ini.
    pub tftp: bool,
    /// The server's DUID, 3 to 130 octets. EDK2 accepts no other length.
    pub duid: Vec<u8>,
    /// The options for an iPXE in a stateless network; `None` if the server does not reply to such an iPXE. iPXE uses
    /// the first REPLY that arrives, so this server's REPLY displaces that of the DHCPv6 server and must carry the same
    /// options.
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
    /// No reaction.
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

    /// The index of the profile with this name; `None` if there is no such profile.
    pub fn find_profile(&self, name: &str) -> Option<ProfileId> {
        self.profiles.iter().position(|profile| profile.name == name)
    }

    /// The path of the loader that the server offers under this name; `None` if there is no such loader, or if another
    /// server sends the file.
    pub fn loader_path(&self, name: &str) -> Option<&str> {
        self.all_loaders().find(|loader| loader.name == name)?.path.as_deref()
    }

    /// Every first-stage program that the server may offer: the site's, and those of the profiles.
    pub fn all_loaders(&self) -> impl Iterator<Item = &Loader> {
        let from_profiles =
            self.profiles.iter().flat_map(|profile| profile.loaders.values().chain(&profile.default_loader));
        self.loaders.values().chain(&self.default_loader).chain(from_profiles)
    }

    /// Whether firmware of this architecture receives the loader of this name in the iPXE wrapper. U-Boot does not: it
    /// receives the same loaders as UEFI on the same CPU, but its architecture differs, and it has no PXE driver that
    /// the wrapper could query.
    pub fn has_ipxe_wrapper(&self, arch: Arch, name: &str) -> bool {
        self.ipxe_wrappers.get(name) == Some(&arch)
    }

    /// A reference to a rule that a packet matched, for use after a reload.
    pub fn rule_ref(&self, rule: usize) -> RuleRef {
        RuleRef { rule, version: self.rules_version }
    }

    /// The index of the referenced rule; `None` if the rules have changed since the packet matched.
    pub fn resolve_rule(&self, rule_ref: RuleRef) -> Option<usize> {
        (rule_ref.version == self.rules_version).then_some(rule_ref.rule)
    }

    /// Whether an entry or a rule names this UUID.
    pub fn names_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.machines.has_uuid(uuid) || self.rules.iter().any(|rule| rule.when.uuids.contains(uuid))
    }

    /// Whether a rule enables replies to U-Boot. Without such a rule, the server ignores U-Boot, whose vendor class
    /// begins with neither of the two prefixes that the server accepts.
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

/// The default script of an iPXE, or the loader that the iPXE receives instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IpxeTarget {
    /// The built-in script `boot.ipxe`, over HTTP or TFTP, depending on what the client supports.
    #[default]
    Builtin,
    /// This name or URL, unchanged (`chainload_url` of an old proxy.ini).
    Configured(String),
    /// The loader for firmware of the same architecture (old proxy.ini with iPXE mode off).
    AsFirmware,
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
        /// The architecture for which the kernel is built. BIOS machines also start kernels for [`Arch::X64`] and
        /// [`Arch::IA32`], but a kernel for [`Arch::BIOS`] starts only on BIOS machines.
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
