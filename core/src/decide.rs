//! Decides which profile a machine boots, from its entry, the rules and the defaults. The same function decides about
//! a DHCP packet and about the request for a script.

use crate::client::dialect::Dialect;
use crate::client::{Class, Client};
use crate::identity::ShownIdentities;
use crate::observations::Observations;
use crate::observations::shared_macs::SharedMac;
use crate::observations::shared_uuids::SharedUuid;
use crate::plan::Plan;
use crate::plan::inventory::{
    AmbiguousMachine, BootMode, DoubtReason, DoubtfulEntry, FoundEntry, IdentityKind, Lookup, Machine, MachineIndex,
    MatchedEntry,
};
use crate::plan::profile::{BootTarget, Profile};
use crate::plan::profiles::ProfileId;
use crate::plan::rule::{Firmware, Rule, Subject};
use core::fmt;

/// The boot of a machine, and the reason for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The machine's entry.
    pub(crate) machine: Option<FoundEntry>,
    /// Two entries that may both be the machine's. Neither of them applies.
    pub(crate) ambiguous: Option<AmbiguousMachine>,
    /// An entry that may be the machine's. The entry does not apply, because the identity that leads to it is in doubt.
    pub(crate) doubt: Option<DoubtfulEntry>,
    /// An entry of which only the protection applies (the machine boots nothing, or its disk), with the identity that
    /// leads to the entry. The entry may be the machine's, and no boot is better than a wrong one.
    pub(crate) protected_by: Option<(MachineIndex, IdentityKind)>,
    /// The machine's UUID, if another hardware address shows the same UUID.
    pub shared_uuid: Option<SharedUuid>,
    /// The machine's hardware address, if another machine uses it as well. It changes no decision.
    pub shared_mac: Option<SharedMac>,
    /// The index of the rule that matched.
    pub(crate) rule: Option<usize>,
    /// The profile. `None` means the menu of the boot directory, unless `decided_by` excludes a profile.
    pub(crate) profile: Option<ProfileId>,
    /// The reason for the decision.
    pub decided_by: DecidedBy,
    /// Whether the client counts as firmware, even if it identifies itself as iPXE.
    pub as_firmware: bool,
    /// The dialect that a client with the architecture of a BIOS speaks, whatever its signs.
    pub as_dialect: Option<&'static Dialect>,
}

/// The reason for a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecidedBy {
    /// The site's default: no entry and no rule decides.
    #[default]
    Default,
    /// The profile for machines without an entry.
    UnknownMachine,
    /// The rule that matched.
    Rule,
    /// The machine's entry.
    Machine,
    /// The machine's entry has `boot = "never"`: the machine boots its disk.
    Never,
    /// The machine's boot-once is completed.
    Completed,
    /// The machine has completed a boot-once, and its entry has no `boot` key any more.
    CompletedUnspecified,
    /// The machine's entry, a rule or a default names a profile that does not exist: the machine boots its disk,
    /// because its disk is the least harmful target.
    UnknownProfile,
    /// The rule that matched denies the boot.
    Denied,
}

/// Decides what a machine boots. If it is uncertain which entry is the machine's, the decision is the least harmful
/// one: if one of the possible entries protects the machine (which then boots nothing, or its disk), that protection
/// applies. Otherwise the decision ignores the identity that is in doubt.
pub fn decide(plan: &Plan, observations: &Observations, subject: &Subject<'_>) -> Decision {
    let uuids = subject.shown.identifiers.uuids;
    let shared = uuids.iter().flatten().find_map(|uuid| observations.uuid_claims.find_shared(plan, uuid));
    let shown = ShownIdentities { shares_uuid: shared.is_some(), ..subject.shown };
    let lookup = plan.inventory.find(&shown);
    let machine = lookup.found.map(|found| found.machine);
    let decision = match lookup.doubt {
        Some(doubt) => decide_for_entry(plan, observations, &without(subject, doubt), machine),
        None => decide_for_entry(plan, observations, subject, machine),
    };
    let Lookup { found: machine, ambiguous, doubt } = lookup;
    let decision = Decision { machine, ambiguous, doubt, shared_uuid: shared, ..decision };
    if decision.protects(plan) {
        return decision;
    }
    let mut others = lookup.other_candidates().chain(plan.inventory.sharers(&shown, machine)).peekable();
    if others.peek().is_none() {
        return decision;
    }
    let rule = rule_for(plan, subject, true);
    for other in others {
        let Decision { rule, profile, decided_by, as_firmware, .. } =
            decision_from(plan, observations, rule, Some(other.0));
        let protected = Decision { protected_by: Some(other), rule, profile, decided_by, as_firmware, ..decision };
        if protected.protects(plan) {
            return protected;
        }
    }
    decision
}

/// The subject without the identity that is in doubt.
fn without<'a>(subject: &Subject<'a>, doubt: DoubtfulEntry) -> Subject<'a> {
    let mut subject = subject.clone();
    match doubt.by {
        IdentityKind::Serial => subject.shown.serial = None,
        _ => subject.shown.identifiers.uuids = [None; 2],
    }
    subject
}

/// The decision for a machine with this entry, or without an entry. A rule that denies takes precedence. Otherwise the
/// machine's entry decides, then the rule, then the defaults.
fn decide_for_entry(
    plan: &Plan,
    observations: &Observations,
    subject: &Subject<'_>,
    machine: Option<MachineIndex>,
) -> Decision {
    decision_from(plan, observations, rule_for(plan, subject, machine.is_some()), machine)
}

type MatchedRule<'a> = Option<(usize, &'a Rule)>;

fn rule_for<'a>(plan: &'a Plan, subject: &Subject<'_>, is_known: bool) -> MatchedRule<'a> {
    plan.policy.rules.iter().enumerate().find(|(index, rule)| rule.matches(*index, subject, is_known))
}

fn decision_from(
    plan: &Plan,
    observations: &Observations,
    rule: MatchedRule<'_>,
    machine: Option<MachineIndex>,
) -> Decision {
    let entry = machine.map(|machine| plan.inventory.get(machine));
    let (profile, decided_by) = match (rule, entry) {
        (Some((_, rule)), _) if rule.deny => (None, DecidedBy::Denied),
        (_, Some(entry)) if entry.boot_mode == BootMode::Never => (None, DecidedBy::Never),
        (_, Some(entry)) if entry.boot_mode == BootMode::Once && observations.boot_once.is_completed(entry.name) => {
            (None, DecidedBy::Completed)
        }
        (_, Some(entry))
            if entry.boot_mode == BootMode::Unspecified && observations.boot_once.is_recorded(entry.name) =>
        {
            (None, DecidedBy::CompletedUnspecified)
        }
        (_, Some(Machine { profile: Some(name), .. })) => (Some(name), DecidedBy::Machine),
        (Some((_, Rule { profile: Some(name), .. })), _) => (Some(name.as_str()), DecidedBy::Rule),
        (_, None) if plan.policy.unknown_machine_profile.is_some() => {
            (plan.policy.unknown_machine_profile.as_deref(), DecidedBy::UnknownMachine)
        }
        _ => (plan.policy.default_profile.as_deref(), DecidedBy::Default),
    };
    let decision = Decision {
        rule: rule.map(|(index, _)| index),
        decided_by,
        as_firmware: rule.is_some_and(|(_, rule)| rule.as_firmware),
        as_dialect: rule.and_then(|(_, rule)| rule.as_dialect),
        ..Decision::default()
    };
    decision.with_profile(plan, profile)
}

impl Decision {
    /// The same decision with the profile of this name. `None` means the menu of the boot directory.
    pub(crate) fn with_profile(self, plan: &Plan, name: Option<&str>) -> Decision {
        match name.map(|name| plan.policy.profiles.find(name)) {
            Some(None) => Decision { profile: None, decided_by: DecidedBy::UnknownProfile, ..self },
            found => Decision { profile: found.flatten(), ..self },
        }
    }

    /// The machine's entry.
    pub fn machine<'a>(&self, plan: &'a Plan) -> Option<Machine<'a>> {
        self.machine.map(|found| plan.inventory.get(found.machine))
    }

    /// The strongest identity that leads to the machine's entry.
    pub fn identified_by(&self) -> Option<IdentityKind> {
        self.machine.map(|found| found.by)
    }

    /// Another entry, to which a weaker identity of the machine leads.
    pub fn conflicting<'a>(&self, plan: &'a Plan) -> Option<MatchedEntry<'a>> {
        self.machine?.conflicting.map(|matched| plan.inventory.matched(matched))
    }

    /// Two entries that may both be the machine's. Neither of them applies.
    pub fn ambiguous<'a>(&self, plan: &'a Plan) -> Option<[MatchedEntry<'a>; 2]> {
        self.ambiguous.map(|ambiguous| ambiguous.machines.map(|matched| plan.inventory.matched(matched)))
    }

    /// An entry that may be the machine's, and why the identity that leads to it is in doubt. The entry does not apply.
    pub fn doubt<'a>(&self, plan: &'a Plan) -> Option<(MatchedEntry<'a>, DoubtReason)> {
        self.doubt.map(|doubt| (plan.inventory.matched((doubt.machine, doubt.by)), doubt.reason))
    }

    /// An entry of which only the protection applies (the machine boots nothing, or its disk).
    pub fn protected_by<'a>(&self, plan: &'a Plan) -> Option<MatchedEntry<'a>> {
        self.protected_by.map(|matched| plan.inventory.matched(matched))
    }

    /// The other entries that list an identity of the machine which several entries list.
    pub fn sharers<'a>(
        &self,
        plan: &'a Plan,
        shown: &ShownIdentities<'a>,
    ) -> impl Iterator<Item = MatchedEntry<'a>> + use<'a> {
        plan.inventory.sharers(shown, self.machine).map(|matched| plan.inventory.matched(matched))
    }

    /// The rule that matched.
    pub fn rule<'a>(&self, plan: &'a Plan) -> Option<&'a Rule> {
        plan.policy.rules.get(self.rule?)
    }

    /// The number of the rule that matched, as people count the rules: from 1.
    pub fn rule_number(&self) -> Option<usize> {
        self.rule.map(|rule| rule + 1)
    }

    /// The profile; `None` if the machine boots the menu of the boot directory, or if no profile applies to it.
    pub fn profile<'a>(&self, plan: &'a Plan) -> Option<&'a Profile> {
        plan.policy.profiles.get(self.profile?)
    }

    /// The target that the machine boots.
    pub fn boots<'a>(&self, plan: &'a Plan) -> &'a BootTarget {
        match self.decided_by {
            DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified | DecidedBy::UnknownProfile => {
                &BootTarget::LocalDisk
            }
            DecidedBy::Denied => &BootTarget::Nothing,
            _ => self.profile(plan).map_or(&BootTarget::BootDir, |profile| &profile.boots),
        }
    }

    /// The entry that the decision follows; `None` if it follows no entry.
    pub fn entry<'a>(&self, plan: &'a Plan) -> Option<Machine<'a>> {
        let protecting = self.protected_by.map(|(machine, _)| plan.inventory.get(machine));
        protecting.or_else(|| self.machine(plan))
    }

    /// The name of the profile in the entry that the decision follows, if there is no such profile.
    pub fn missing_profile<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        self.entry(plan).filter(|_| self.decided_by == DecidedBy::UnknownProfile)?.profile
    }

    /// The name of an entry that may be the machine's but does not apply; `None` if there is none.
    pub fn doubtful_entry<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        self.protected_by(plan).or_else(|| self.doubt(plan).map(|(matched, _)| matched)).map(|matched| matched.name)
    }

    /// The subject against which the rules were matched. It lacks the identity that is in doubt, unless the protection
    /// of another entry applies.
    pub(crate) fn certain_subject<'a>(&self, subject: &Subject<'a>) -> Subject<'a> {
        match (self.doubt, self.protected_by) {
            (Some(doubt), None) => without(subject, doubt),
            _ => subject.clone(),
        }
    }

    /// Whether the decision protects the machine, which then boots its disk or nothing.
    fn protects(&self, plan: &Plan) -> bool {
        matches!(self.boots(plan), BootTarget::LocalDisk | BootTarget::Nothing)
    }

    /// The machine's profile, even if the machine does not boot it now. After the kernel of an installer has completed
    /// the boot-once, the installer still requests files of the profile.
    pub fn own_profile<'a>(&self, plan: &'a Plan) -> Option<&'a Profile> {
        if self.protected_by.is_some()
            || !matches!(self.decided_by, DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified)
        {
            return self.profile(plan);
        }
        let of_entry = self.machine(plan).and_then(|entry| entry.profile);
        let of_rule = || self.rule(plan)?.profile.as_deref();
        plan.profile(of_entry.or_else(of_rule).or(plan.policy.default_profile.as_deref())?)
    }

    /// The boot of the machine in one word: the name of the profile, `menu`, `local-disk` or `nothing`.
    pub fn target_name<'a>(&self, plan: &'a Plan) -> &'a str {
        match self.decided_by {
            DecidedBy::Never | DecidedBy::Completed | DecidedBy::CompletedUnspecified | DecidedBy::UnknownProfile => {
                "local-disk"
            }
            DecidedBy::Denied => "nothing",
            _ => self.profile(plan).map_or("menu", |profile| &profile.name),
        }
    }
}

/// The kinds of firmware of a client: first the firmware of the machine, then iPXE or HTTP boot, if the client is one
/// of these.
pub fn firmware_kinds(client: &Client) -> [Option<Firmware>; 2] {
    let firmware = match client {
        Client { dialect: Some(dialect), .. } => Some(Firmware::Dialect(dialect)),
        Client { class: Class::UBoot, .. } => Some(Firmware::UBoot),
        Client { arch, .. } if arch.is_efi() => Some(Firmware::Uefi),
        _ => Some(Firmware::Bios),
    };
    let program = match client {
        _ if client.is_ipxe() => Some(Firmware::Ipxe),
        Client { class: Class::Http, .. } => Some(Firmware::Http),
        _ => None,
    };
    [firmware, program]
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "the default",
            Self::UnknownMachine => "the machine has no entry",
            Self::Rule => "a rule",
            Self::Machine => "the machine's entry",
            Self::Never => "the machine's entry: it boots its disk",
            Self::Completed => "its boot-once is completed: it boots its disk",
            Self::CompletedUnspecified => {
                "its boot-once is completed, and it has no entry with `boot`: it boots its disk"
            }
            Self::UnknownProfile => "its profile does not exist: it boots its disk",
            Self::Denied => "a rule that denies",
        })
    }
}
