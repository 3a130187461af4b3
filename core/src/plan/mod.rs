//! What the operator wants, built once and then only read. A reload builds a new one and swaps it whole.

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
use rule::{RuleRef, Rule};

/// Everything that decides what a machine is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Who serves TFTP; `None` when nobody does, and then no bare file name is ever offered.
    pub tftp: Option<TftpServer>,
    /// The port on which our own HTTP server listens; `None` when it does not.
    pub http: Option<u16>,
    /// Whether we listen on 4011. If not, UEFI is given the direct shape: a redirect would lead nowhere.
    pub boot_server: bool,
    /// Relayed requests do not reach us: of `proxy-only`, or because a DHCP server on this host has port 67. Then no
    /// offer of ours tells which machines beyond our networks may come to 4011, and any may, within a rate.
    pub ignores_relays: bool,
    /// What a firmware is given, by architecture ([`Arch::base`]).
    pub loaders: BTreeMap<Arch, Loader>,
    /// What the firmware of every other architecture is given (`filename` of an old proxy.ini with iPXE mode off).
    pub default_loader: Option<Loader>,
    /// What an iPXE is given.
    pub ipxe: IpxeTarget,
    /// Whether UEFI HTTP boot clients are answered; the old proxy.ini did not know them.
    pub http_clients: bool,
    /// Words in option 77 that mean "already iPXE", beside `iPXE`.
    pub user_classes: Vec<String>,
    /// Words with which option 60 of PXE firmware begins, beside `PXEClient`: some makers have their own.
    pub vendor_classes: Vec<String>,
    /// Relays that may ask. Empty: any.
    pub relays: Vec<IpAddr>,
    /// The most answers a second on one interface. `None`: as many as come, for a boot storm is legitimate.
    pub rate_limit: Option<u32>,
    /// What the menu shows of the boot directory.
    pub menu: BootDirMenu,
    /// The UEFI architectures for which we hold a program that starts the local disk.
    pub local_disk: Vec<Arch>,
    /// The offered iPXEs, by name, that firmware is sent over IPv6 together with their script, and what they run on
    /// (`choose::WITH_SCRIPT`).
    pub ipxe_wrappers: BTreeMap<String, Arch>,
    /// Whether there are files for Raspberry Pis: their boot ROM takes neither loader nor script.
    pub raspberry_pi: bool,
    pub profiles: Vec<Profile>,
    /// What a machine boots for which nothing else decides. `None`: the menu of the boot directory.
    pub default_profile: Option<ProfileId>,
    /// The same for a machine that has no entry; `None`: as every other.
    pub unknown_machine_profile: Option<ProfileId>,
    /// The first that matches decides.
    pub rules: Vec<Rule>,
    /// Another number with other rules, or other profiles for them to name. It tells what was met before a reload.
    pub rules_version: u32,
    pub machines: Machines,
    /// Names under which files of the template directory are asked for.
    pub templates: BTreeSet<String>,
    pub loop_guard: LoopGuard,
    pub dhcp6: Dhcp6,
}

/// What there is to DHCPv6 beside all that holds for both families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6 {
    /// Whether we listen on 4011 over IPv6. If not, nobody can be told what to boot by TFTP.
    pub boot_server: bool,
    /// As [`Plan::deaf_to_relays`], of port 547.
    pub ignores_relays: bool,
    /// Whether our TFTP server is heard over IPv6. There is no other there: an old proxy.ini knows IPv4 only.
    pub tftp: bool,
    /// Our DUID, 3 to 130 octets: EDK2 takes no other length.
    pub duid: Vec<u8>,
    /// Whether an iPXE in a stateless network is answered. It takes the first REPLY, so ours displaces the DHCPv6
    /// server's and has to say what that would have said.
    pub stateless: Option<StatelessOptions>,
}

/// What a REPLY says beside what to boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatelessOptions {
    pub dns_servers: Vec<Ipv6Addr>,
    /// Search list, each name as people write it.
    pub domains: Vec<String>,
}

/// What is done about a machine that fetches its first-stage loader again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopGuard {
    Off,
    /// The log says so.
    #[default]
    Warn,
    /// It is not answered for some minutes as well.
    Stop,
}

impl Plan {
    /// `None` stands for the menu of the boot directory, which needs no profile.
    pub fn profile(&self, id: Option<ProfileId>) -> Option<&Profile> {
        self.profiles.get(id?)
    }

    /// Where the loader lies that is offered under this name, if it is ours to send.
    pub fn loader_path(&self, name: &str) -> Option<&str> {
        self.all_loaders().find(|loader| loader.name == name)?.path.as_deref()
    }

    /// Every first-stage program that may be offered.
    pub fn all_loaders(&self) -> impl Iterator<Item = &Loader> {
        let of_profiles =
            self.profiles.iter().flat_map(|profile| profile.loaders.values().chain(&profile.default_loader));
        self.loaders.values().chain(&self.default_loader).chain(of_profiles)
    }

    /// Whether firmware of this architecture is sent the loader of this name together with its script. A U-Boot has the
    /// loader of its kind of UEFI, and no PXE driver that our program could ask.
    pub fn has_ipxe_wrapper(&self, arch: Arch, name: &str) -> bool {
        self.ipxe_wrappers.get(name) == Some(&arch)
    }

    /// A rule that a packet has met, to be remembered.
    pub fn rule_ref(&self, rule: usize) -> RuleRef {
        RuleRef { rule, version: self.rules_version }
    }

    /// The rule that was met, unless the rules have changed since.
    pub fn resolve_rule(&self, met: RuleRef) -> Option<usize> {
        (met.version == self.rules_version).then_some(met.rule)
    }

    /// Whether an entry or a rule names this UUID.
    pub fn names_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.machines.has_uuid(uuid) || self.rules.iter().any(|rule| rule.when.uuids.contains(uuid))
    }

    /// Whether a rule opts U-Boot in: its class begins with neither of the two words that we answer otherwise.
    pub fn serves_u_boot(&self) -> bool {
        self.rules.iter().any(Rule::names_u_boot)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpServer {
    /// We do, on the address that the client reached us by.
    Local,
    /// Somebody else (`tftpd` of an old proxy.ini).
    Remote(Ipv4Addr),
}

/// A first-stage program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// The name under which it is offered, at most 127 octets. `tftp://192.0.2.5/name` is a name on that TFTP server,
    /// and any other URL goes to UEFI HTTP boot and to iPXE as it stands.
    pub name: String,
    /// Where it lies, absolute; `None` when another server has it.
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

    /// What of a URL goes to the client: the name on a TFTP server and that server, or the URL itself.
    pub fn remote_location(&self) -> Option<(&str, Option<Ipv4Addr>)> {
        let on_server = |rest: &'_ str| rest.split_once('/').map(|(server, name)| (server.parse(), name.len()));
        match self.name.strip_prefix("tftp://").and_then(on_server) {
            Some((Ok(server), length)) => Some((&self.name[self.name.len() - length..], Some(server))),
            _ => self.name.contains("://").then_some((&self.name, None)),
        }
    }
}

/// What an iPXE is told to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IpxeTarget {
    /// The script `boot.ipxe` of our own, by http or tftp as the client can.
    #[default]
    Builtin,
    /// This name or URL, as it stands (`chainload_url` of an old proxy.ini).
    Configured(String),
    /// What the firmware of its architecture gets (old proxy.ini with iPXE mode off).
    AsFirmware,
}

/// The boot directory as the generated menu shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootDirMenu {
    /// The operator's own `boot.ipxe` stands in the boot directory and is served as it is.
    pub has_boot_script: bool,
    /// There are scripts for machines by the host names that their DHCP server gives them, `HOSTNAME-pc1.ipxe`.
    pub has_host_name_scripts: bool,
    pub entries: Vec<BootDirEntry>,
}

/// One line of the generated menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootDirEntry {
    pub title: String,
    pub target: EntryTarget,
    /// Why it is known not to boot as it stands, in a sentence.
    pub problem: Option<String>,
}

/// What an entry starts. Paths are relative to the boot directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryTarget {
    /// `arch` is the one that the kernel was built for; x86 kernels start on a BIOS as well, one for [`Arch::BIOS`]
    /// only there. The arguments may hold template expressions.
    Linux {
        kernel: String,
        initrds: Vec<String>,
        arguments: String,
        arch: Arch,
    },
    Script {
        path: String,
    },
    Efi {
        path: String,
        arch: Arch,
    },
}
