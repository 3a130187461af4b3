//! The names of files that the server makes itself, and the rule that such a name carries.

use super::BootFile;
use crate::arch::Arch;
use crate::decide::Decision;
use crate::plan::Plan;
use crate::plan::rule::RuleRef;
use alloc::string::{String, ToString};
use core::fmt;

/// The script that an iPXE receives if the plan names no other.
pub const BOOT_SCRIPT: &str = "boot.ipxe";
/// The prefix of names that carry the identity of the client (`claimed_identity`).
pub const MACHINE_PREFIX: &str = "machine/";
/// The prefix of the name of an iPXE in the wrapper: the firmware receives the wrapper program, which starts the iPXE
/// with its script. Over IPv6 an iPXE that PXE has loaded has no other way to find its script.
pub const IPXE_WRAPPER_PREFIX: &str = "with-script/";

/// Choices that a machine does not know. The URLs of its scripts pass them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootChoice {
    /// The rule that the machine's DHCP packet matched.
    pub rule: Option<RuleRef>,
    /// The boot server type that the user chose from a menu.
    pub item: Option<u16>,
}

impl BootChoice {
    /// The choices as part of a URL.
    pub fn path(&self) -> String {
        self.to_string()
    }
}

/// The choices as part of a URL.
impl fmt::Display for BootChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.map_or(Ok(()), |rule| write!(f, "rule={rule}/"))?;
        self.item.map_or(Ok(()), |item| write!(f, "item={item}/"))
    }
}

/// The name of the program that starts the local disk on machines of this architecture.
pub fn local_disk_name(arch: Arch) -> BootFile {
    format_args!("local-disk/{}.efi", arch.info().map_or("", |row| row.id)).into()
}

/// The rule that matched, if only a DHCP packet can match it.
pub fn packet_rule(plan: &Plan, decision: &Decision) -> Option<RuleRef> {
    decision.rule(plan).filter(|rule| rule.needs_dhcp_packet())?;
    decision.rule.map(|rule| plan.policy.rule_ref(rule))
}
