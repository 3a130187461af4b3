//! Warns of machines with an ambiguous identity. Each warning appears once, and names the remedy.

use super::Report;
use proxydhcpd_core::client::Client;
use proxydhcpd_core::decide::Decision;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::machines::{
    AmbiguousMachine, DoubtReason, DoubtfulEntry, FoundEntry, IdentityKind, MachineIndex,
};
use proxydhcpd_core::wire::pxe;
use std::fmt;
use std::time::Instant;

/// The first octets of the keys of warnings. No key of a hardware address begins with one of them, because such a key
/// begins with the length of the address.
const CONFLICT: u8 = 0xff;
const UNRESOLVED: u8 = 0xfe;
const SHARED_UUID: u8 = 0xfd;
const UNCONFIRMED: u8 = 0xfc;
const DUPLICATE: u8 = 0xfb;
/// The key of the warning about UUIDs that the configuration does not use. One warning covers all of them.
const UNUSED_UUID: [u8; 17] = [SHARED_UUID; 17];

impl Report {
    /// Warns of a client whose identities do not lead to one entry without a contradiction.
    pub(super) fn warn_identity(
        &mut self,
        plan: &Plan,
        link: &str,
        client: &Client,
        decision: &Decision,
        now: Instant,
    ) {
        let name = |id| plan.inventory.get(id).name;
        let is_protected = decision.protected_by.is_some();
        let is_protected_by_conflict =
            is_protected && decision.protected_by == decision.machine.and_then(|found| found.conflicting);
        if let Some(FoundEntry { machine, by, conflicting: Some((other, other_by)) }) = decision.machine {
            let warning = ConflictingEntries { name: name(machine), by, other: name(other), other_by };
            self.warn_client(pair_key(CONFLICT, machine, other), link, client, Some(warning.name), &warning, now);
        }
        if let Some(AmbiguousMachine { machines: [(one, by), (other, other_by)] }) = decision.ambiguous {
            // The key must not depend on the order: the firmware and the iPXE of a machine find the two entries in
            // opposite orders.
            let key = pair_key(UNRESOLVED, one.min(other), one.max(other));
            let warning = UnresolvedConflict { name: name(one), by, other: name(other), other_by };
            self.warn_client(key, link, client, None, &warning, now);
        } else if let Some(DoubtfulEntry { machine, by, reason }) = decision.doubt {
            let warning = UnconfirmedMatch {
                hardware: &client.hardware,
                name: name(machine),
                by,
                reason,
                is_restricted: is_protected,
            };
            self.warn_client(
                pair_key(UNCONFIRMED, machine, by as u32),
                link,
                client,
                Some(warning.name),
                &warning,
                now,
            );
        } else if let Some((machine, by)) = decision.protected_by.filter(|_| !is_protected_by_conflict) {
            let warning = DuplicateIdentity {
                name: name(machine),
                by,
                matched: decision.machine.map(|found| name(found.machine)),
            };
            self.warn_client(pair_key(DUPLICATE, machine, by as u32), link, client, Some(warning.name), &warning, now);
        } else if let Some(shared) = decision.shared_uuid {
            self.shared_uuid(plan, link, client, decision, shared, now);
        }
    }

    fn shared_uuid(
        &mut self,
        plan: &Plan,
        link: &str,
        client: &Client,
        decision: &Decision,
        shared: SharedUuid,
        now: Instant,
    ) {
        let by_uuid = decision
            .machine
            .filter(|found| found.by == IdentityKind::Uuid)
            .map(|found| plan.inventory.get(found.machine));
        let mut key = [SHARED_UUID; 17];
        key[1..].copy_from_slice(&shared.uuid);
        let (key, used_by) = match by_uuid {
            // No warning: the entry also lists a MAC address, which identifies the machine.
            Some(entry) if entry.macs.iter().any(|mac| !plan.inventory.is_shared_mac(mac)) => return,
            Some(entry) => (key, UuidUse::Entry(entry.name)),
            None if plan.names_uuid(&shared.uuid) => (key, UuidUse::Rule),
            None => (UNUSED_UUID, UuidUse::Unused),
        };
        let machine = by_uuid.map(|entry| entry.name);
        self.warn_client(key, link, client, machine, &SharedUuidWarning { shared, used_by }, now);
    }

    fn warn_client(
        &mut self,
        key: [u8; 17],
        link: &str,
        client: &Client,
        machine: Option<&str>,
        warning: &dyn fmt::Display,
        now: Instant,
    ) {
        if !self.is_new_warning(key, now) {
            return;
        }
        tracing::warn!(
            MAC = %client.hardware,
            LINK = link,
            MACHINE = machine,
            "{} ({client}) on {link} {warning}",
            client.hardware
        );
    }
}

fn pair_key(kind: u8, one: MachineIndex, other: u32) -> [u8; 17] {
    let mut key = [0; 17];
    key[0] = kind;
    key[1..5].copy_from_slice(&one.to_be_bytes());
    key[5..9].copy_from_slice(&other.to_be_bytes());
    key
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
    pub hardware: &'a HardwareAddress,
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
