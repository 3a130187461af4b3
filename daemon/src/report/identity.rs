//! Warnings of machines whose identity is not clear: each once, with what cures it.

use super::Report;
use proxydhcpd_core::client::{Client, HardwareAddress};
use proxydhcpd_core::decide::Decision;
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::machines::{IdentityKind, DoubtfulEntry, FoundEntry, MachineIndex, AmbiguousMachine, DoubtReason};
use proxydhcpd_core::wire::pxe;
use std::fmt;
use std::time::Instant;

/// Keep such keys apart from hardware addresses, which begin with their length.
const TWO_MACHINES: u8 = 0xff;
const NEITHER: u8 = 0xfe;
const SHARED: u8 = 0xfd;
const DOUBT: u8 = 0xfc;
const LISTED: u8 = 0xfb;
/// One warning stands for all UUIDs that the configuration does not name.
const UNNAMED: [u8; 17] = [SHARED; 17];

impl Report {
    /// What it says of itself does not lead to one entry without contradiction.
    pub(super) fn warn_identity(&mut self, plan: &Plan, link: &str, client: &Client, decision: &Decision, now: Instant) {
        let name = |id| plan.machines.get(id).name;
        let held = decision.protected_by.is_some();
        let is_other = held && decision.protected_by == decision.machine.and_then(|found| found.conflicting);
        if let Some(FoundEntry { machine, by, conflicting: Some((other, other_by)) }) = decision.machine {
            let said = ConflictingEntries { name: name(machine), by, other: name(other), other_by };
            self.doubtful(pair_key(TWO_MACHINES, machine, other), link, client, Some(said.name), &said, now);
        }
        if let Some(AmbiguousMachine { machines: [(one, by), (other, other_by)] }) = decision.ambiguous {
            // A firmware and an iPXE read them in opposite orders.
            let key = pair_key(NEITHER, one.min(other), one.max(other));
            let said = UnresolvedConflict { name: name(one), by, other: name(other), other_by };
            self.doubtful(key, link, client, None, &said, now);
        } else if let Some(DoubtfulEntry { machine, by, reason: why }) = decision.doubt {
            let said = UnconfirmedMatch { hardware: &client.hardware, name: name(machine), by, reason: why, is_restricted: held };
            self.doubtful(pair_key(DOUBT, machine, by as u32), link, client, Some(said.name), &said, now);
        } else if let Some((machine, by)) = decision.protected_by.filter(|_| !is_other) {
            let said = DuplicateIdentity { name: name(machine), by, matched: decision.machine.map(|found| name(found.machine)) };
            self.doubtful(pair_key(LISTED, machine, by as u32), link, client, Some(said.name), &said, now);
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
        let by_uuid =
            decision.machine.filter(|found| found.by == IdentityKind::Uuid).map(|found| plan.machines.get(found.machine));
        let mut key = [SHARED; 17];
        key[1..].copy_from_slice(&shared.uuid);
        let (key, means) = match by_uuid {
            // It is known by an address of its own as well.
            Some(entry) if entry.macs.iter().any(|mac| !plan.machines.is_shared_mac(mac)) => return,
            Some(entry) => (key, UuidUse::Entry(entry.name)),
            None if plan.names_uuid(&shared.uuid) => (key, UuidUse::Rule),
            None => (UNNAMED, UuidUse::Unused),
        };
        let machine = by_uuid.map(|entry| entry.name);
        self.doubtful(key, link, client, machine, &SharedUuidWarning { shared, used_by: means }, now);
    }

    fn doubtful(
        &mut self,
        key: [u8; 17],
        link: &str,
        client: &Client,
        machine: Option<&str>,
        said: &dyn fmt::Display,
        now: Instant,
    ) {
        if !self.is_new_warning(key, now) {
            return;
        }
        tracing::warn!(
            MAC = %client.hardware,
            LINK = link,
            MACHINE = machine,
            "{} ({client}) on {link} {said}",
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

/// A machine whose identities mean two entries; behind what it calls itself.
#[derive(Clone, Copy, Debug)]
pub struct ConflictingEntries<'a> {
    pub name: &'a str,
    pub by: IdentityKind,
    pub other: &'a str,
    pub other_by: IdentityKind,
}

impl fmt::Display for ConflictingEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConflictingEntries { name, by, other, other_by } = self;
        write!(
            f,
            "is {name} by its {by} and {other} by its {other_by}: it is taken for {name}. Has a network card moved? \
             Then \
             take it out of the entry of {other}"
        )
    }
}

/// A machine whose identities mean two entries, of which none counts.
#[derive(Clone, Copy, Debug)]
pub struct UnresolvedConflict<'a> {
    pub name: &'a str,
    pub by: IdentityKind,
    pub other: &'a str,
    pub other_by: IdentityKind,
}

impl fmt::Display for UnresolvedConflict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnresolvedConflict { name, by, other, other_by } = self;
        if by == other_by {
            return write!(
                f,
                "can be {name} or {other}, as its {by} is read over IPv6: it is taken for neither. Take that {by} out \
                 of the \
                 entry of the one that it is not"
            );
        }
        write!(
            f,
            "is {name} by its {by} and {other} by its {other_by}, and each entry says that it is not: it is taken for \
             neither. If a network card has moved, list it as `mac` of the machine that it is in now"
        )
    }
}

/// A machine that is not taken for the one whose UUID or serial number it has.
#[derive(Clone, Copy, Debug)]
pub struct UnconfirmedMatch<'a> {
    pub hardware: &'a HardwareAddress,
    pub name: &'a str,
    pub by: IdentityKind,
    pub reason: DoubtReason,
    /// What protects the other machine holds for it, too.
    pub is_restricted: bool,
}

impl fmt::Display for UnconfirmedMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnconfirmedMatch { hardware, name, by, reason: why, is_restricted: held } = self;
        write!(f, "has the {by} of {name}")?;
        f.write_str(match why {
            DoubtReason::OtherAddress => ", but none of the addresses in that entry",
            DoubtReason::NoAddress => ", which several machines have, and shows no address",
        })?;
        write!(f, ": it is not taken for {name}")?;
        if *held {
            f.write_str(", but boots no more than that would")?;
        }
        match why {
            DoubtReason::OtherAddress => write!(
                f,
                ". If it is {name} with another network card, add {hardware} to `mac` of that entry; if it is another \
                 machine, remove `{by}` from it"
            ),
            DoubtReason::NoAddress => write!(f, ". Remove `{by}` from that entry, or let the relay say the address (RFC 6939)"),
        }
    }
}

/// A machine that is held to what protects an entry, because that lists an identity which other entries list, too.
#[derive(Clone, Copy, Debug)]
pub struct DuplicateIdentity<'a> {
    pub name: &'a str,
    pub by: IdentityKind,
    /// The entry that it is taken for.
    pub matched: Option<&'a str>,
}

impl fmt::Display for DuplicateIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DuplicateIdentity { name, by, matched: found } = self;
        let others = found.unwrap_or("another entry");
        write!(
            f,
            "may be {name}, as {name} and {others} list its {by}: it boots no more than {name} would. Take that {by} \
             out of \
             the entry of the machine that does not have it"
        )
    }
}

/// What of the configuration leads to a UUID.
#[derive(Clone, Copy, Debug)]
pub enum UuidUse<'a> {
    Entry(&'a str),
    Rule,
    Unused,
}

/// A UUID that two hardware addresses have.
#[derive(Clone, Copy, Debug)]
pub struct SharedUuidWarning<'a> {
    pub shared: SharedUuid,
    pub used_by: UuidUse<'a>,
}

impl fmt::Display for SharedUuidWarning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SharedUuidWarning { shared: SharedUuid { uuid, macs }, used_by: means } = self;
        let uuid = pxe::MachineId::from_uuid(*uuid);
        let [one, other] = macs.map(HardwareAddress::from_mac);
        write!(f, "has the UUID {uuid}, which {one} and {other} have: ")?;
        match means {
            UuidUse::Entry(name) => write!(
                f,
                "both are taken for {name}, whose entry lists no `mac`. If they are two cards of one machine, list \
                 both there; \
                 if they are two machines, list the address of {name} there in place of its `uuid`"
            ),
            UuidUse::Rule => f.write_str(
                "a rule that names it holds for both. If they are two machines, let the rule name a `mac` in place of \
                 the \
                 `uuid`; if they are two cards of one machine, an entry that lists both says so",
            ),
            UuidUse::Unused => f.write_str(
                "two cards of one machine, or two machines that cannot be told apart by it. Nothing here names it, so \
                 nothing changes; such UUIDs are told of once",
            ),
        }
    }
}
