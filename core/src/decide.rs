//! What a machine shall boot: its entry and the rules, held against what it says of itself. Where a packet has come,
//! and where a script is asked for, the same function decides.

use crate::client::{Class, Client};
use crate::memory::Memory;
use crate::memory::claims::SharedUuid;
use crate::plan::Plan;
use crate::plan::machines::{By, Doubt, Findings, Found, Identity, MachineId, Policy, Undecided};
use crate::plan::profile::{Boots, ProfileId};
use crate::plan::rule::{Firmware, Rule, Subject};
use core::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub machine: Option<Found>,
    /// It may be either of two, and so is neither.
    pub undecided: Option<Undecided>,
    /// It may be this one as well; but the identity that says so is in doubt, and does not count.
    pub doubt: Option<Doubt>,
    /// An entry that does not count, but whose protection holds: better no boot than the wrong one.
    pub held: Option<(MachineId, By)>,
    /// Its UUID is heard from another hardware address, too.
    pub shared: Option<SharedUuid>,
    /// The rule that matched, by its place in the list.
    pub rule: Option<usize>,
    pub profile: Option<ProfileId>,
    pub ground: Ground,
    /// It is taken for firmware, whatever it says of itself.
    pub as_firmware: bool,
    /// Where it says that it is a BIOS, it is a Raspberry Pi.
    pub as_raspberry_pi: bool,
}

/// What the decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Nothing decides: what the site boots by default.
    #[default]
    Default,
    /// It has no entry, and there is a profile for such.
    Unknown,
    Rule,
    Machine,
    /// Its entry says that it boots its disk.
    Never,
    /// It was to boot once, and has.
    UsedUp,
    /// It has used up a boot, and its entry does not say when it boots.
    Marked,
    /// The rule that matched denies.
    Denied,
}

/// In doubt a machine gets what harms least. What protects an entry that it may be the subject of (it boots nothing, or
/// its disk) holds for it; else it gets what it would get without the reading that is in doubt.
pub fn decide(plan: &Plan, memory: &Memory, subject: &Subject<'_>, name: Option<&str>) -> Decision {
    let shared = subject.readings.uuids.iter().flatten().find_map(|uuid| memory.claims.shared(plan, uuid));
    let (readings, serial) = (subject.readings, subject.serial);
    let identity = Identity { readings, serial, name, shares_uuid: shared.is_some() };
    let findings = plan.machines.find(&identity);
    let machine = findings.found.map(|found| found.machine);
    let counts = match findings.doubt {
        Some(doubt) => outcome(plan, memory, &without(subject, doubt), machine),
        None => outcome(plan, memory, subject, machine),
    };
    let Findings { found: machine, undecided, doubt } = findings;
    let counts = Decision { machine, undecided, doubt, shared, ..counts };
    if counts.protects(plan) {
        return counts;
    }
    let mut others = findings.others().chain(plan.machines.sharers(&identity, machine)).peekable();
    if others.peek().is_none() {
        return counts;
    }
    let rule = rule_for(plan, subject, true);
    for other in others {
        let Decision { rule, profile, ground, as_firmware, .. } = follows(plan, memory, rule, Some(other.0));
        let would_be = Decision { held: Some(other), rule, profile, ground, as_firmware, ..counts };
        if would_be.protects(plan) {
            return would_be;
        }
    }
    counts
}

/// What is asked of rules without a reading that is in doubt.
fn without<'a>(subject: &Subject<'a>, doubt: Doubt) -> Subject<'a> {
    let mut subject = subject.clone();
    match doubt.by {
        By::Serial => subject.serial = None,
        _ => subject.readings.uuids = [None; 2],
    }
    subject
}

/// What this entry, or none, leads to. A rule may deny; else the machine's own entry decides, then the rule, then what
/// holds for all.
fn outcome(plan: &Plan, memory: &Memory, subject: &Subject<'_>, machine: Option<MachineId>) -> Decision {
    follows(plan, memory, rule_for(plan, subject, machine.is_some()), machine)
}

type Matched<'a> = Option<(usize, &'a Rule)>;

fn rule_for<'a>(plan: &'a Plan, subject: &Subject<'_>, is_known: bool) -> Matched<'a> {
    plan.rules.iter().enumerate().find(|(index, rule)| rule.matches(*index, subject, is_known))
}

fn follows(plan: &Plan, memory: &Memory, rule: Matched<'_>, machine: Option<MachineId>) -> Decision {
    let entry = machine.map(|machine| plan.machines.get(machine));
    let (profile, ground) = match (rule, entry) {
        (Some((_, rule)), _) if rule.deny => (None, Ground::Denied),
        (_, Some(entry)) if entry.policy == Policy::Never => (None, Ground::Never),
        (_, Some(entry)) if entry.policy == Policy::Once && memory.once.is_used_up(entry.name) => {
            (None, Ground::UsedUp)
        }
        (_, Some(entry)) if entry.policy == Policy::Unsaid && memory.once.is_marked(entry.name) => {
            (None, Ground::Marked)
        }
        (_, Some(entry)) if entry.profile.is_some() => (entry.profile, Ground::Machine),
        (Some((_, rule)), _) if rule.profile.is_some() => (rule.profile, Ground::Rule),
        (_, None) if plan.unknown_machine_profile.is_some() => (plan.unknown_machine_profile, Ground::Unknown),
        _ => (plan.default_profile, Ground::Default),
    };
    Decision {
        rule: rule.map(|(index, _)| index),
        profile,
        ground,
        as_firmware: rule.is_some_and(|(_, rule)| rule.as_firmware),
        as_raspberry_pi: rule.is_some_and(|(_, rule)| rule.as_raspberry_pi),
        ..Decision::default()
    }
}

impl Decision {
    /// What the machine boots by it.
    pub fn boots<'a>(&self, plan: &'a Plan) -> &'a Boots {
        match self.ground {
            Ground::Never | Ground::UsedUp | Ground::Marked => &Boots::LocalDisk,
            Ground::Denied => &Boots::Nothing,
            _ => plan.profile(self.profile).map_or(&Boots::BootDir, |profile| &profile.boots),
        }
    }

    /// The entry whose word it follows.
    pub fn entry(&self) -> Option<MachineId> {
        self.held.map(|(machine, _)| machine).or(self.machine.map(|found| found.machine))
    }

    /// An entry that it may be the subject of, but is not taken for.
    pub fn doubtful(&self) -> Option<MachineId> {
        self.held.map(|(machine, _)| machine).or(self.doubt.map(|doubt| doubt.machine))
    }

    /// What rules were asked of: all that it says of itself, but for a reading that is in doubt and does not count.
    pub(crate) fn subject<'a>(&self, subject: &Subject<'a>) -> Subject<'a> {
        match (self.doubt, self.held) {
            (Some(doubt), None) => without(subject, doubt),
            _ => subject.clone(),
        }
    }

    /// Whether nothing of ours is started by it.
    fn protects(&self, plan: &Plan) -> bool {
        matches!(self.boots(plan), Boots::LocalDisk | Boots::Nothing)
    }

    /// The profile that is the machine's, also when this is no time to boot it: an installer goes on asking for files
    /// after its kernel has used up the one boot.
    pub fn own_profile(&self, plan: &Plan) -> Option<ProfileId> {
        if self.held.is_some() || !matches!(self.ground, Ground::Never | Ground::UsedUp | Ground::Marked) {
            return self.profile;
        }
        let of_machine = self.machine.and_then(|found| plan.machines.get(found.machine).profile);
        of_machine.or_else(|| plan.rules.get(self.rule?)?.profile).or(plan.default_profile)
    }

    /// What it boots by that, in one word.
    pub fn boots_by_name<'a>(&self, plan: &'a Plan) -> &'a str {
        match self.ground {
            Ground::Never | Ground::UsedUp | Ground::Marked => "local-disk",
            Ground::Denied => "nothing",
            _ => self.profile_name(plan).unwrap_or("menu"),
        }
    }

    /// The profile's name, for people.
    pub fn profile_name<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        plan.profile(self.profile).map(|profile| profile.name.as_str())
    }
}

/// The kinds of firmware that a client is. What it posed as before it ran iPXE counts as well.
pub fn firmware(client: &Client) -> [Option<Firmware>; 2] {
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

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "the default",
            Self::Unknown => "a machine without entry",
            Self::Rule => "a rule",
            Self::Machine => "the machine's entry",
            Self::Never => "the machine's entry: it boots its disk",
            Self::UsedUp => "its one boot is used up: it boots its disk",
            Self::Marked => "its boot is used up, and no entry of it says `boot`: it boots its disk",
            Self::Denied => "a rule that denies",
        })
    }
}
