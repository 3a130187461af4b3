//! Converts the kinds of machines, and what dnsmasq sends to each kind, to rules. The first rule that matches applies.

use super::config::*;
use super::decide::{ClientTraits, DnsmasqBoot, DnsmasqDecision, PxeMenu, decide};
use super::machine_kinds::{MachineKind, MachineTests};
use proxydhcpd_core::arch::Arch;
use std::collections::{BTreeMap, BTreeSet};

/// A rule of the native file. A rule without conditions matches all remaining machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRule {
    /// The kind of machines that the rule is for.
    pub kind: MachineKind,
    /// The architectures that the rule is for. Empty: all architectures.
    pub archs: Vec<Arch>,
    /// The boot settings of the machines.
    pub action: RuleAction,
    /// The lines that the rule comes from.
    pub lines: BTreeSet<LineId>,
}

/// The boot settings of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// The server does not reply to the machines.
    Deny,
    /// The machines do not boot from the network.
    Nothing,
    /// The machines boot their disks.
    LocalDisk,
    /// The URL of a script for iPXE.
    Url(String),
    /// A file for each architecture code, and a default file for all other architectures.
    Files(BTreeMap<u16, (String, FileServer)>, Option<(String, FileServer)>),
    /// A PXE menu, and the codes of the architectures that receive it.
    Menu(PxeMenu, Vec<u16>),
}

/// Two codes of the same architecture have different files, which only dnsmasq supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchConflict {
    /// The architecture code whose file is not imported.
    pub code: u16,
    /// The lines for that code.
    pub lines: Vec<LineId>,
}

/// The rules in their order, and the conflicts between architecture codes. The last rule is for all machines. `None`:
/// there are too many kinds of machines.
pub fn build_rules(
    config: &DnsmasqConfig,
    machine_tests: &MachineTests,
) -> Option<(Vec<ImportedRule>, Vec<ArchConflict>)> {
    let archs = architectures(config, machine_tests);
    let (mut rules, mut conflicts) = (Vec::new(), Vec::new());
    for kind in machine_tests.kinds()? {
        let ipxe = kind.tests.iter().any(|index| is_ipxe(&machine_tests.tests[*index]));
        let ignore = kind.group.is_some_and(|group| machine_tests.groups[group].ignore);
        let http = machine_tests.is_http(&kind);
        let decide = |code: Option<u16>| {
            let client = ClientTraits { arch: code.map(Arch), is_ipxe: ipxe, is_http: http, is_ignored: ignore };
            decide(config, &machine_tests.tags(config, &kind, code), client)
        };
        let default = decide(None);
        let mut by_arch: BTreeMap<u16, DnsmasqDecision> = BTreeMap::new();
        for code in archs.iter().filter(|code| is_http_arch(**code) == http) {
            let (base, decided) = (Arch(*code).base().0, decide(Some(*code)));
            match by_arch.get(&base) {
                Some(known) if known.boot != decided.boot => {
                    let conflict = ArchConflict { code: *code, lines: decided.lines };
                    if !conflicts.contains(&conflict) {
                        conflicts.push(conflict);
                    }
                }
                Some(_) => {}
                None => drop(by_arch.insert(base, decided)),
            }
        }
        rules.extend(kind_rules(&kind, by_arch, default, ClientProgram { http, ipxe }));
    }
    remove_redundant(&mut rules, machine_tests, &archs);
    Some((rules, conflicts))
}

fn is_ipxe(test: &TagTest) -> bool {
    matches!(test, TagTest::Ipxe) || matches!(test, TagTest::UserClass(class) if class == "iPXE")
}

/// The architecture codes that the lines distinguish.
fn architectures(config: &DnsmasqConfig, machine_tests: &MachineTests) -> BTreeSet<u16> {
    let from_services = config.services.iter().map(|service| service.arch.0);
    let from_tag_matches =
        config.tag_matches.iter().filter(|tag_match| machine_tests.needed_tags.contains(&tag_match.tag)).filter_map(
            |tag_match| match tag_match.test {
                TagTest::Arch(code) => Some(code),
                _ => None,
            },
        );
    from_services.chain(from_tag_matches).collect()
}

/// The program that sends the request. UEFI HTTP boot loads only programs from a URL, but iPXE also runs scripts, which
/// have no architecture.
#[derive(Clone, Copy)]
struct ClientProgram {
    http: bool,
    ipxe: bool,
}

/// The rules for a kind of machines: first those for architectures with a different result, then one for all others.
fn kind_rules(
    kind: &MachineKind,
    by_arch: BTreeMap<u16, DnsmasqDecision>,
    default: DnsmasqDecision,
    program: ClientProgram,
) -> Vec<ImportedRule> {
    let is_file = |outcome: &DnsmasqBoot| matches!(outcome, DnsmasqBoot::File(..));
    let is_http = program.http;
    let mut special: Vec<(DnsmasqBoot, Vec<u16>, BTreeSet<LineId>)> = Vec::new();
    let mut files = BTreeMap::new();
    let mut lines: BTreeSet<LineId> = default.lines.iter().copied().collect();
    for (code, DnsmasqDecision { boot: outcome, lines: from }) in by_arch {
        match &outcome {
            outcome if *outcome == default.boot => lines.extend(from),
            DnsmasqBoot::File(name, server) if default.boot != DnsmasqBoot::Ignored && !program.ipxe => {
                files.insert(code, (name.clone(), *server));
                lines.extend(from);
            }
            DnsmasqBoot::NoBoot if default.boot == DnsmasqBoot::NoBoot => {}
            _ => match special.iter_mut().find(|(known, ..)| *known == outcome) {
                Some((_, codes, known)) => {
                    codes.push(code);
                    known.extend(from);
                }
                None => special.push((outcome, vec![code], from.into_iter().collect())),
            },
        }
    }
    let mut rules: Vec<ImportedRule> = special
        .into_iter()
        .map(|(outcome, codes, lines)| {
            let archs = codes.iter().map(|code| Arch(*code)).collect();
            ImportedRule {
                kind: kind.clone(),
                archs,
                action: rule_action(outcome, BTreeMap::new(), &codes, is_http),
                lines,
            }
        })
        .collect();
    debug_assert!(files.is_empty() || is_file(&default.boot) || default.boot == DnsmasqBoot::NoBoot);
    rules.push(ImportedRule {
        kind: kind.clone(),
        archs: Vec::new(),
        action: rule_action(default.boot, files, &[], is_http),
        lines,
    });
    rules
}

fn rule_action(
    outcome: DnsmasqBoot,
    files: BTreeMap<u16, (String, FileServer)>,
    codes: &[u16],
    is_http: bool,
) -> RuleAction {
    match outcome {
        DnsmasqBoot::Ignored => RuleAction::Deny,
        DnsmasqBoot::NoBoot if files.is_empty() => RuleAction::Nothing,
        DnsmasqBoot::NoBoot => RuleAction::Files(files, None),
        DnsmasqBoot::File(name, _) if name.contains("://") && files.is_empty() && !is_http => RuleAction::Url(name),
        DnsmasqBoot::File(name, server) => RuleAction::Files(files, Some((name, server))),
        DnsmasqBoot::LocalDisk => RuleAction::LocalDisk,
        DnsmasqBoot::Menu(menu) => RuleAction::Menu(menu, codes.to_vec()),
    }
}

/// Removes each rule that makes no difference, because a later rule has the same result.
fn remove_redundant(rules: &mut Vec<ImportedRule>, machine_tests: &MachineTests, archs: &BTreeSet<u16>) {
    let mut cases: Vec<(MachineKind, Option<u16>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.archs.is_empty()) {
        let codes = archs.iter().map(|code| Some(Arch(*code).base().0)).chain([None]);
        cases.extend(codes.map(|code| (rule.kind.clone(), code)));
    }
    // A pattern with wildcards may also match machines of another group, so rules for host groups are kept.
    let has_no_wildcards = machine_tests.groups.iter().all(|group| group.wildcard_octets == 0);
    let first_action = |rules: &[ImportedRule], excluded: Option<usize>, case: &(MachineKind, Option<u16>)| {
        let mut rules = rules.iter().enumerate().filter(|(index, _)| Some(*index) != excluded);
        rules.find(|(_, rule)| matches(rule, case)).map(|(_, rule)| action_for(&rule.action, case.1))
    };
    let mut at = 0;
    while at + 1 < rules.len() {
        let rule = &rules[at];
        let is_removable = has_no_wildcards || rule.kind.group.is_none();
        // The removal of a rule affects only machines that the rule matches.
        let mut matching_cases = cases.iter().filter(|case| matches(rule, case));
        if is_removable
            && matching_cases.all(|case| first_action(rules, None, case) == first_action(rules, Some(at), case))
        {
            rules.remove(at);
        } else {
            at += 1;
        }
    }
}

fn matches(rule: &ImportedRule, (kind, code): &(MachineKind, Option<u16>)) -> bool {
    rule.kind.tests.iter().all(|test| kind.tests.contains(test))
        && rule.kind.group.is_none_or(|group| kind.group == Some(group))
        && (rule.archs.is_empty() || code.is_some_and(|code| rule.archs.contains(&Arch(code))))
}

/// The part of a rule's action that applies to a machine of this architecture.
fn action_for(action: &RuleAction, code: Option<u16>) -> RuleAction {
    match action {
        RuleAction::Files(files, default) => match code.and_then(|code| files.get(&code)).or(default.as_ref()) {
            Some(file) => RuleAction::Files(BTreeMap::new(), Some(file.clone())),
            None => RuleAction::Nothing,
        },
        RuleAction::Menu(menu, _) => RuleAction::Menu(menu.clone(), Vec::new()),
        other => other.clone(),
    }
}
