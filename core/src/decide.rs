//! What a machine shall boot: its entry and the rules, held against what it says of itself. Where a packet has come,
//! and where a script is asked for, the same function decides.

use crate::client::{Class, Client};
use crate::observations::Observations;
use crate::observations::shared_uuids::SharedUuid;
use crate::plan::Plan;
use crate::plan::machines::{IdentityKind, DoubtfulEntry, Lookup, FoundEntry, Identity, MachineIndex, Policy, AmbiguousMachine};
use crate::plan::profile::{BootTarget, ProfileId};
use crate::plan::rule::{Firmware, Rule, Subject};
use core::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub machine: Option<FoundEntry>,
    /// It may be either of two, and so is neither.
    pub ambiguous: Option<AmbiguousMachine>,
    /// It may be this one as well; but the identity that says so is in doubt, and does not count.
    pub doubt: Option<DoubtfulEntry>,
    /// An entry that does not count, but whose protection holds: better no boot than the wrong one.
    pub protected_by: Option<(MachineIndex, IdentityKind)>,
    /// Its UUID is heard from another hardware address, too.
    pub shared_uuid: Option<SharedUuid>,
    /// The rule that matched, by its place in the list.
    pub rule: Option<usize>,
    pub profile: Option<ProfileId>,
    pub decided_by: DecidedBy,
    /// It is taken for firmware, whatever it says of itself.
    pub as_firmware: bool,
    /// Where it says that it is a BIOS, it is a Raspberry Pi.
    pub as_raspberry_pi: bool,
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecidedBy {
    /// Nothing decides: what the site boots by default.
    #[default]
    Default,
    /// It has no entry, and there is a profile for such.
    UnknownMachine,
    Rule,
    Machine,
    /// Its entry says that it boots its disk.
    Never,
    /// It was to boot once, and has.
    Completed,
    /// It has used up a boot, and its entry does not say when it boots.
    CompletedUnspecified,
    /// The rule that matched denies.
    Denied,
}

/// In doubt a machine gets what harms least. What protects an entry that it may be the subject of (it boots nothing, or
/// its disk) holds for it; else it gets what it would get without the reading that is in doubt.
pub fn decide(plan: &Plan, memory: &Observations, subject: &Subject<'_>, name: Option<&str>) -> Decision {
    let shared = subject.readings.uuids.iter().flatten().find_map(|uuid| memory.uuid_claims.find_shared(plan, uuid));
    let (readings, serial) = (subject.readings, subject.serial);
    let identity = Identity { readings, serial, name, shares_uuid: shared.is_some() };
    let findings = plan.machines.find(&identity);
    let machine = findings.found.map(|found| found.machine);
    let counts = match findings.doubt {
        Some(doubt) => outcome(plan, memory, &without(subject, doubt), machine),
        None => outcome(plan, memory, subject, machine),
    };
    let Lookup { found: machine, ambiguous: undecided, doubt } = findings;
    let counts = Decision { machine, ambiguous: undecided, doubt, shared_uuid: shared, ..counts };
    if counts.protects(plan) {
        return counts;
    }
    let mut others = findings.other_candidates().chain(plan.machines.sharers(&identity, machine)).peekable();
    if others.peek().is_none() {
        return counts;
    }
    let rule = rule_for(plan, subject, true);
    for other in others {
        let Decision { rule, profile, decided_by: ground, as_firmware, .. } = follows(plan, memory, rule, Some(other.0));
        let would_be = Decision { protected_by: Some(other), rule, profile, decided_by: ground, as_firmware, ..counts };
        if would_be.protects(plan) {
            return would_be;
        }
    }
    counts
}

/// What is asked of rules without a reading that is in doubt.
fn without<'a>(subject: &Subject<'a>, doubt: DoubtfulEntry) -> Subject<'a> {
    let mut subject = subject.clone();
    match doubt.by {
        IdentityKind::Serial => subject.serial = None,
        _ => subject.readings.uuids = [None; 2],
    }
    subject
}

/// What this entry, or none, leads to. A rule may deny; else the machine's own entry decides, then the rule, then what
/// holds for all.
fn outcome(plan: &Plan, memory: &Observations, subject: &Subject<'_>, machine: Option<MachineIndex>) -> Decision {
    follows(plan, memory, rule_for(plan, subject, machine.is_some()), machine)
}

type Matched<'a> = Option<(usize, &'a Rule)>;

fn rule_for<'a>(plan: &'a Plan, subject: &Subject<'_>, is_known: bool) -> Matched<'a> {
    plan.rules.iter().enumerate().find(|(index, rule)| rule.matches(*index, subject, is_known))
}

fn follows(plan: &Plan, memory: &Observations, rule: Matched<'_>, machine: Option<MachineIndex>) -> Decision {
    let entry = machine.map(|machine| plan.machines.get(machine));
    let (profile, ground) = match (rule, entry) {
        (Some((_, rule)), _) if rule.deny => (None, DecidedBy::Denied),
        (_, Some(entry)) if entry.policy == Policy::Never => (None, DecidedBy::Never),
        (_, Some(entry)) if entry.policy == Policy::Once && memory.boot_once.is_completed(entry.name) => {
            (None, DecidedBy::Completed)
        }
        (_, Some(entry)) if entry.policy == Policy::Unspecified && memory.boot_once.is_recorded(entry.name) => {
            (None, DecidedBy::CompletedUnspecified)
        }
        (_, Some(entry)) if entry.profile.is_some() => (entry.profile, DecidedBy::Machine),
        (Some((_, rule)), _) if rule.profile.is_some() => (rule.profile, DecidedBy::Rule),
        (_, None) if plan.unknown_machine_profile.is_some() => (plan.unknown_machine_profile, DecidedBy::UnknownMachine),
        _ => (plan.default_profile, DecidedBy::Default),
    };
    Decision {
        rule: rule.map(|(index, _)| index),
        profile,
        decided_by: ground,
        as_firmware: rule.is_some_and(|(_, rule)| rule.as_firmware),
        as_raspberry_pi: rule.is_some_and(|(_, rule)| rule.as_raspberry_pi),
        ..Decision::default()
    }
}

impl Decision {
    /// What the machine boots by it.
    pub fn boots<'a>(&self, plan: &'a Plan) -> &'a BootTarget {
        match self.decided_by {
            DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified => &BootTarget::LocalDisk,
            DecidedBy::Denied => &BootTarget::Nothing,
            _ => plan.profile(self.profile).map_or(&BootTarget::BootDir, |profile| &profile.boots),
        }
    }

    /// The entry whose word it follows.
    pub fn entry(&self) -> Option<MachineIndex> {
        self.protected_by.map(|(machine, _)| machine).or(self.machine.map(|found| found.machine))
    }

    /// An entry that it may be the subject of, but is not taken for.
    pub fn doubtful_entry(&self) -> Option<MachineIndex> {
        self.protected_by.map(|(machine, _)| machine).or(self.doubt.map(|doubt| doubt.machine))
    }

    /// What rules were asked of: all that it says of itself, but for a reading that is in doubt and does not count.
    pub(crate) fn certain_subject<'a>(&self, subject: &Subject<'a>) -> Subject<'a> {
        match (self.doubt, self.protected_by) {
            (Some(doubt), None) => without(subject, doubt),
            _ => subject.clone(),
        }
    }

    /// Whether nothing of ours is started by it.
    fn protects(&self, plan: &Plan) -> bool {
        matches!(self.boots(plan), BootTarget::LocalDisk | BootTarget::Nothing)
    }

    /// The profile that is the machine's, also when this is no time to boot it: an installer goes on asking for files
    /// after its kernel has used up the one boot.
    pub fn own_profile(&self, plan: &Plan) -> Option<ProfileId> {
        if self.protected_by.is_some() || !matches!(self.decided_by, DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified) {
            return self.profile;
        }
        let of_machine = self.machine.and_then(|found| plan.machines.get(found.machine).profile);
        of_machine.or_else(|| plan.rules.get(self.rule?)?.profile).or(plan.default_profile)
    }

    /// What it boots by that, in one word.
    pub fn target_name<'a>(&self, plan: &'a Plan) -> &'a str {
        match self.decided_by {
            DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified => "local-disk",
            DecidedBy::Denied => "nothing",
            _ => self.profile_name(plan).unwrap_or("menu"),
        }
    }

    /// The profile's name, for people.
    pub fn profile_name<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        plan.profile(self.profile).map(|profile| profile.name.as_str())
    }
}

/// The kinds of firmware that a client is. What it posed as before it ran iPXE counts as well.
pub fn firmware_kinds(client: &Client) -> [Option<Firmware>; 2] {
    let below = match client {
        Client { raspberry_pi: true, .. } => Firmware::RaspberryPi,
        Client { class: Class::UBoot, .. } => Firmware::UBoot,
        Client { arch, .. } if arch.is_efi() => Firmware::Uefi,
        _ => Firmware::Bios,
    };
    let above = match client {
        _ if client.is_ipxe() => Some(Firmware::Ipxe),
        Client { class: Class::Http, .. } => Some(Firmware::Http),
        _ => None,
    };
    [Some(below), above]
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "the default",
            Self::UnknownMachine => "a machine without entry",
            Self::Rule => "a rule",
            Self::Machine => "the machine's entry",
            Self::Never => "the machine's entry: it boots its disk",
            Self::Completed => "its one boot is used up: it boots its disk",
            Self::CompletedUnspecified => "its boot is used up, and no entry of it says `boot`: it boots its disk",
            Self::Denied => "a rule that denies",
        })
    }
}
