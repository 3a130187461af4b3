//! Machines with an ambiguous identity. Each kind has a warning that names the remedy.

use crate::client::Client;
use crate::decide::Decision;
use crate::identity::HardwareAddress;
use crate::observations::shared_macs::SharedMac;
use crate::observations::shared_uuids::SharedUuid;
use crate::plan::Plan;
use crate::plan::inventory::{AmbiguousMachine, DoubtReason, DoubtfulEntry, FoundEntry, IdentityKind};
use crate::wire::pxe;
use core::fmt;

/// Why the identities of a client do not lead to one entry without a contradiction.
#[derive(Clone, Copy, Debug)]
pub enum AmbiguousIdentity<'a> {
    /// They match two entries, of which the server uses the first.
    Conflict(ConflictingEntries<'a>),
    /// They match two entries, of which the server uses neither.
    Unresolved(UnresolvedConflict<'a>),
    /// One of them is that of an entry, and the machine does not match that entry.
    Unconfirmed(UnconfirmedMatch<'a>),
    /// Several entries list one of them.
    Duplicate(DuplicateIdentity<'a>),
    /// Two hardware addresses have the UUID.
    SharedUuid(SharedUuidWarning<'a>),
    /// Two machines use its hardware address.
    SharedMac(SharedMac),
}

impl<'a> AmbiguousIdentity<'a> {
    /// Finds the ambiguities of a client for which this decision was made: a conflict, another doubt
    /// about its entry or its UUID, and a shared address.
    pub fn find(plan: &'a Plan, client: &'a Client, decision: &Decision) -> [Option<AmbiguousIdentity<'a>>; 3] {
        let name = |id| plan.inventory.get(id).name;
        let conflict = match decision.machine {
            Some(FoundEntry { machine, by, conflicting: Some((other, other_by)) }) => {
                Some(Self::Conflict(ConflictingEntries { name: name(machine), by, other: name(other), other_by }))
            }
            _ => None,
        };
        let is_protected = decision.protected_by.is_some();
        let is_protected_by_conflict =
            is_protected && decision.protected_by == decision.machine.and_then(|found| found.conflicting);
        let doubt = if let Some(AmbiguousMachine { machines: [(one, by), (other, other_by)] }) = decision.ambiguous {
            Some(Self::Unresolved(UnresolvedConflict { name: name(one), by, other: name(other), other_by }))
        } else if let Some(DoubtfulEntry { machine, by, reason }) = decision.doubt {
            let hardware = client.hardware();
            let name = name(machine);
            Some(Self::Unconfirmed(UnconfirmedMatch { hardware, name, by, reason, is_restricted: is_protected }))
        } else if let Some((machine, by)) = decision.protected_by.filter(|_| !is_protected_by_conflict) {
            let matched = decision.machine.map(|found| name(found.machine));
            Some(Self::Duplicate(DuplicateIdentity { name: name(machine), by, matched }))
        } else {
            let shared = decision.shared_uuid.and_then(|shared| SharedUuidWarning::new(plan, decision, shared));
            shared.map(Self::SharedUuid)
        };
        [conflict, doubt, decision.shared_mac.map(Self::SharedMac)]
    }

    /// The name of the entry that the server uses, or to which the doubt leads.
    pub fn entry(&self) -> Option<&'a str> {
        match self {
            Self::Conflict(conflict) => Some(conflict.name),
            Self::Unresolved(_) => None,
            Self::Unconfirmed(unconfirmed) => Some(unconfirmed.name),
            Self::Duplicate(duplicate) => Some(duplicate.name),
            Self::SharedUuid(shared) => match shared.used_by {
                UuidUse::Entry(name) => Some(name),
                UuidUse::Rule | UuidUse::Unused => None,
            },
            Self::SharedMac(_) => None,
        }
    }
}

impl fmt::Display for AmbiguousIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Unresolved(unresolved) => unresolved.fmt(f),
            Self::Unconfirmed(unconfirmed) => unconfirmed.fmt(f),
            Self::Duplicate(duplicate) => duplicate.fmt(f),
            Self::SharedUuid(shared) => shared.fmt(f),
            Self::SharedMac(shared) => shared.fmt(f),
        }
    }
}

/// Warning about a machine whose identities match two entries, of which the server uses the first. The text follows the
/// machine's address.
#[derive(Clone, Copy, Debug)]
pub struct ConflictingEntries<'a> {
    /// The entry that the server uses.
    pub name: &'a str,
    /// The identity that matches it.
    pub by: IdentityKind,
    /// The other entry.
    pub other: &'a str,
    /// The identity that matches the other entry.
    pub other_by: IdentityKind,
}

impl fmt::Display for ConflictingEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConflictingEntries { name, by, other, other_by } = self;
        write!(
            f,
            "matches two entries, {name} by its {by} and {other} by its {other_by}: the server uses {name}. If a \
             network card was moved, remove it from the entry of {other}"
        )
    }
}

/// Warning about a machine whose identities match two entries, of which the server uses neither.
#[derive(Clone, Copy, Debug)]
pub struct UnresolvedConflict<'a> {
    /// One of the entries.
    pub name: &'a str,
    /// The identity that matches it.
    pub by: IdentityKind,
    /// The other entry.
    pub other: &'a str,
    /// The identity that matches the other entry.
    pub other_by: IdentityKind,
}

impl fmt::Display for UnresolvedConflict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnresolvedConflict { name, by, other, other_by } = self;
        if by == other_by {
            return write!(
                f,
                "matches {name} or {other}, depending on how its {by} is read over IPv6: the server uses neither. \
                 Remove that {by} from the entry of the machine that does not have it"
            );
        }
        write!(
            f,
            "matches two entries, {name} by its {by} and {other} by its {other_by}, and each contradicts the other: \
             the server uses neither. If a network card was moved, list it as `mac` of the machine that has it now"
        )
    }
}

/// Warning about a machine that has the UUID or serial number of an entry, and does not match that entry.
#[derive(Clone, Copy, Debug)]
pub struct UnconfirmedMatch<'a> {
    /// The address of the machine.
    pub hardware: HardwareAddress,
    /// The entry.
    pub name: &'a str,
    /// The identity that they share.
    pub by: IdentityKind,
    /// Why the entry does not match.
    pub reason: DoubtReason,
    /// Whether the protection of the entry (`boot = "never"`, a completed boot-once) applies to the machine as well.
    pub is_restricted: bool,
}

impl fmt::Display for UnconfirmedMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnconfirmedMatch { hardware, name, by, reason, is_restricted } = self;
        write!(f, "has the {by} of {name}")?;
        f.write_str(match reason {
            DoubtReason::OtherAddress => ", but none of the addresses in that entry",
            DoubtReason::NoAddress => ", which several machines have, and its request has no address",
        })?;
        write!(f, ": the server does not treat it as {name}")?;
        if *is_restricted {
            write!(f, ", but lets it boot no more than {name}")?;
        }
        match reason {
            DoubtReason::OtherAddress => write!(
                f,
                ". If it is {name} with another network card, add {hardware} to `mac` of that entry; if it is another \
                 machine, remove `{by}` from that entry"
            ),
            DoubtReason::NoAddress => {
                write!(f, ". Remove `{by}` from that entry, or configure the relay to add the address (RFC 6939)")
            }
        }
    }
}

/// Warning about a machine to which the protection of an entry applies, because several entries list one of its
/// identities.
#[derive(Clone, Copy, Debug)]
pub struct DuplicateIdentity<'a> {
    /// The entry with the protection.
    pub name: &'a str,
    /// The identity that several entries list.
    pub by: IdentityKind,
    /// The entry that the server uses.
    pub matched: Option<&'a str>,
}

impl fmt::Display for DuplicateIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DuplicateIdentity { name, by, matched } = self;
        let others = matched.unwrap_or("another entry");
        write!(
            f,
            "may be {name}, because {name} and {others} list its {by}: it boots no more than {name}. Remove that {by} \
             from the entry of the machine that does not have it"
        )
    }
}

/// Warning about a hardware address that two machines use. The text follows the address.
impl fmt::Display for SharedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.uuids.map(pxe::MachineId::from_uuid);
        write!(
            f,
            "has the UUIDs {one} and {other} in turn: two machines use this MAC address, and if both run, each breaks \
             the other's network. Give one of them another address. If it is an adapter that people plug into several \
             machines, add it to `shared-macs`"
        )
    }
}

/// The part of the configuration that uses a UUID.
#[derive(Clone, Copy, Debug)]
pub enum UuidUse<'a> {
    /// The entry of this machine.
    Entry(&'a str),
    /// A rule.
    Rule,
    /// None.
    Unused,
}

/// Warning about a UUID that two hardware addresses have.
#[derive(Clone, Copy, Debug)]
pub struct SharedUuidWarning<'a> {
    /// The UUID and the addresses.
    pub shared: SharedUuid,
    /// The part of the configuration that uses the UUID.
    pub used_by: UuidUse<'a>,
}

impl<'a> SharedUuidWarning<'a> {
    /// The warning about the UUID of a client. `None` if the client's entry also lists a MAC address, which identifies
    /// the machine.
    fn new(plan: &'a Plan, decision: &Decision, shared: SharedUuid) -> Option<Self> {
        let by_uuid = decision.machine.filter(|found| found.by == IdentityKind::Uuid);
        let used_by = match by_uuid.map(|found| plan.inventory.get(found.machine)) {
            Some(entry) if entry.macs.iter().any(|mac| !plan.inventory.is_shared_mac(mac)) => return None,
            Some(entry) => UuidUse::Entry(entry.name),
            None if plan.names_uuid(&shared.uuid) => UuidUse::Rule,
            None => UuidUse::Unused,
        };
        Some(SharedUuidWarning { shared, used_by })
    }
}

impl fmt::Display for SharedUuidWarning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SharedUuidWarning { shared: SharedUuid { uuid, macs }, used_by } = self;
        let uuid = pxe::MachineId::from_uuid(*uuid);
        let [one, other] = macs.map(HardwareAddress::from_mac);
        write!(f, "has the UUID {uuid}, which {one} and {other} have: ")?;
        match used_by {
            UuidUse::Entry(name) => write!(
                f,
                "both match {name}, whose entry lists no `mac`. If they are two cards of one machine, list both there; \
                 if they are two machines, replace the `uuid` there with the address of {name}"
            ),
            UuidUse::Rule => f.write_str(
                "a rule with this UUID matches both. If they are two machines, replace the `uuid` of the rule with a \
                 `mac`; if they are two cards of one machine, list both in one entry",
            ),
            UuidUse::Unused => f.write_str(
                "two cards of one machine, or two machines that the UUID does not distinguish. The configuration does \
                 not use this UUID, so nothing changes; further such UUIDs are not logged",
            ),
        }
    }
}
