//! The configuration's part of the plan: profiles, rules, and which clients count. A reload replaces it as a whole.

use super::menu::MenuSettings;
use super::profiles::Profiles;
use super::rule::{Rule, RuleRef};
use crate::link::Network;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// The profiles, the rules and the settings by which the server decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
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
    /// Subnets behind relays, with their prefix lengths.
    pub relayed_subnets: Vec<Network>,
    /// The maximum number of requests per second that the server answers on one interface. `None`: no limit, because a
    /// boot storm is legitimate.
    pub rate_limit: Option<u32>,
    /// The reaction to boot loops.
    pub loop_guard: LoopGuard,
    /// All profiles.
    pub profiles: Profiles,
    /// The name of the profile of machines for which no entry and no rule decides. `None` means the menu of the boot
    /// directory.
    pub default_profile: Option<String>,
    /// The name of the profile of machines without an entry for which no rule decides. `None` means `default_profile`.
    pub unknown_machine_profile: Option<String>,
    /// The rules. The first rule that matches decides.
    pub rules: Vec<Rule>,
    /// A number that changes when the rules change. A [`RuleRef`] with a different number is from before a reload.
    pub rules_version: u32,
    /// The menu of the boot directory.
    pub menu: MenuSettings,
    /// The options for an iPXE in a stateless network; `None` if the server does not reply to such an iPXE. iPXE uses
    /// the first REPLY that arrives, so this server's REPLY displaces that of the DHCPv6 server and must carry the same
    /// options.
    pub stateless_dhcp6: Option<StatelessOptions>,
}

impl Policy {
    /// A reference to a rule that a packet matched, for use after a reload.
    pub(crate) fn rule_ref(&self, rule: usize) -> RuleRef {
        RuleRef { rule, version: self.rules_version }
    }

    /// The index of the referenced rule; `None` if the rules have changed since the packet matched.
    pub(crate) fn resolve_rule(&self, rule_ref: RuleRef) -> Option<usize> {
        (rule_ref.version == self.rules_version).then_some(rule_ref.rule)
    }

    /// Whether a rule enables replies to U-Boot. Without such a rule, the server ignores U-Boot, whose vendor class
    /// begins with neither of the two prefixes that the server accepts.
    pub fn serves_u_boot(&self) -> bool {
        self.rules.iter().any(Rule::names_u_boot)
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
