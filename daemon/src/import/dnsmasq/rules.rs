//! From kinds of machines and what they are given to rules, of which the first that matches decides, and profiles.

use super::config::*;
use super::decide::{ClientTraits, DnsmasqDecision, PxeMenu, DnsmasqBoot, decide};
use super::machine_kinds::{MachineTests, MachineKind};
use proxydhcpd_core::arch::Arch;
use std::collections::{BTreeMap, BTreeSet};

/// A rule as it is to be written; without conditions it is for all that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRule {
    pub kind: MachineKind,
    /// Empty: any.
    pub archs: Vec<Arch>,
    pub action: RuleAction,
    pub lines: BTreeSet<LineId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    Deny,
    Nothing,
    LocalDisk,
    /// A URL that iPXE is given.
    Url(String),
    /// By architecture, and for every other one.
    Files(BTreeMap<u16, (String, FileServer)>, Option<(String, FileServer)>),
    Menu(PxeMenu, Vec<u16>),
}

/// Two codes of one kind of machine are given different files, which only dnsmasq tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchConflict {
    pub code: u16,
    pub lines: Vec<LineId>,
}

/// The rules in their order, the last of them for all; `None`: too many kinds of machines.
pub fn build_rules(config: &DnsmasqConfig, facts: &MachineTests) -> Option<(Vec<ImportedRule>, Vec<ArchConflict>)> {
    let archs = architectures(config, facts);
    let (mut rules, mut conflicts) = (Vec::new(), Vec::new());
    for kind in facts.kinds()? {
        let ipxe = kind.tests.iter().any(|index| is_ipxe(&facts.tests[*index]));
        let ignore = kind.group.is_some_and(|group| facts.groups[group].ignore);
        let http = facts.is_http(&kind);
        let decide = |code: Option<u16>| {
            let asker = ClientTraits { arch: code.map(Arch), is_ipxe: ipxe, is_http: http, is_ignored: ignore };
            decide(config, &facts.tags(config, &kind, code), asker)
        };
        let others = decide(None);
        let mut of_archs: BTreeMap<u16, DnsmasqDecision> = BTreeMap::new();
        for code in archs.iter().filter(|code| is_http_arch(**code) == http) {
            let (base, decided) = (Arch(*code).base().0, decide(Some(*code)));
            match of_archs.get(&base) {
                Some(known) if known.boot != decided.boot => {
                    let conflict = ArchConflict { code: *code, lines: decided.lines };
                    if !conflicts.contains(&conflict) {
                        conflicts.push(conflict);
                    }
                }
                Some(_) => {}
                None => drop(of_archs.insert(base, decided)),
            }
        }
        rules.extend(of_kind(&kind, of_archs, others, Program { http, ipxe }));
    }
    prune(&mut rules, facts, &archs);
    Some((rules, conflicts))
}

fn is_ipxe(test: &TagTest) -> bool {
    matches!(test, TagTest::Ipxe) || matches!(test, TagTest::UserClass(class) if class == "iPXE")
}

/// The codes that lines tell apart.
fn architectures(config: &DnsmasqConfig, facts: &MachineTests) -> BTreeSet<u16> {
    let of_services = config.services.iter().map(|service| service.arch.0);
    let of_marks =
        config.tag_matches.iter().filter(|mark| facts.needed_tags.contains(&mark.tag)).filter_map(|mark| match mark.test {
            TagTest::Arch(code) => Some(code),
            _ => None,
        });
    of_services.chain(of_marks).collect()
}

/// What asks: to UEFI HTTP boot a URL is a program's; an iPXE is given texts, too, which are no architecture's loader.
#[derive(Clone, Copy)]
struct Program {
    http: bool,
    ipxe: bool,
}

/// Rules for architectures that go a way of their own, then one for the others.
fn of_kind(kind: &MachineKind, of_archs: BTreeMap<u16, DnsmasqDecision>, others: DnsmasqDecision, program: Program) -> Vec<ImportedRule> {
    let is_file = |outcome: &DnsmasqBoot| matches!(outcome, DnsmasqBoot::File(..));
    let on_web = program.http;
    let mut own: Vec<(DnsmasqBoot, Vec<u16>, BTreeSet<LineId>)> = Vec::new();
    let mut files = BTreeMap::new();
    let mut lines: BTreeSet<LineId> = others.lines.iter().copied().collect();
    for (code, DnsmasqDecision { boot: outcome, lines: from }) in of_archs {
        match &outcome {
            outcome if *outcome == others.boot => lines.extend(from),
            DnsmasqBoot::File(name, server) if others.boot != DnsmasqBoot::Ignored && !program.ipxe => {
                files.insert(code, (name.clone(), *server));
                lines.extend(from);
            }
            DnsmasqBoot::NoBoot if others.boot == DnsmasqBoot::NoBoot => {}
            _ => match own.iter_mut().find(|(known, ..)| *known == outcome) {
                Some((_, codes, known)) => {
                    codes.push(code);
                    known.extend(from);
                }
                None => own.push((outcome, vec![code], from.into_iter().collect())),
            },
        }
    }
    let mut rules: Vec<ImportedRule> = own
        .into_iter()
        .map(|(outcome, codes, lines)| {
            let archs = codes.iter().map(|code| Arch(*code)).collect();
            ImportedRule { kind: kind.clone(), archs, action: gives(outcome, BTreeMap::new(), &codes, on_web), lines }
        })
        .collect();
    debug_assert!(files.is_empty() || is_file(&others.boot) || others.boot == DnsmasqBoot::NoBoot);
    rules.push(ImportedRule { kind: kind.clone(), archs: Vec::new(), action: gives(others.boot, files, &[], on_web), lines });
    rules
}

fn gives(outcome: DnsmasqBoot, files: BTreeMap<u16, (String, FileServer)>, codes: &[u16], on_web: bool) -> RuleAction {
    match outcome {
        DnsmasqBoot::Ignored => RuleAction::Deny,
        DnsmasqBoot::NoBoot if files.is_empty() => RuleAction::Nothing,
        DnsmasqBoot::NoBoot => RuleAction::Files(files, None),
        DnsmasqBoot::File(name, _) if name.contains("://") && files.is_empty() && !on_web => RuleAction::Url(name),
        DnsmasqBoot::File(name, server) => RuleAction::Files(files, Some((name, server))),
        DnsmasqBoot::LocalDisk => RuleAction::LocalDisk,
        DnsmasqBoot::Menu(menu) => RuleAction::Menu(menu, codes.to_vec()),
    }
}

/// Takes out what the rules below give as well.
fn prune(rules: &mut Vec<ImportedRule>, facts: &MachineTests, archs: &BTreeSet<u16>) {
    let mut worlds: Vec<(MachineKind, Option<u16>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.archs.is_empty()) {
        let codes = archs.iter().map(|code| Some(Arch(*code).base().0)).chain([None]);
        worlds.extend(codes.map(|code| (rule.kind.clone(), code)));
    }
    // Whether a pattern with open octets takes in a machine of another group is not looked into.
    let exact = facts.groups.iter().all(|group| group.wildcard_octets == 0);
    let first = |rules: &[ImportedRule], without: Option<usize>, world: &(MachineKind, Option<u16>)| {
        let mut rules = rules.iter().enumerate().filter(|(index, _)| Some(*index) != without);
        rules.find(|(_, rule)| matches(rule, world)).map(|(_, rule)| own(&rule.action, world.1))
    };
    let mut at = 0;
    while at + 1 < rules.len() {
        let rule = &rules[at];
        let may_go = exact || rule.kind.group.is_none();
        // A machine that it does not match has what it had.
        let mut matched = worlds.iter().filter(|world| matches(rule, world));
        if may_go && matched.all(|world| first(rules, None, world) == first(rules, Some(at), world)) {
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

/// What it gives a machine of this architecture.
fn own(gives: &RuleAction, code: Option<u16>) -> RuleAction {
    match gives {
        RuleAction::Files(files, others) => match code.and_then(|code| files.get(&code)).or(others.as_ref()) {
            Some(file) => RuleAction::Files(BTreeMap::new(), Some(file.clone())),
            None => RuleAction::Nothing,
        },
        RuleAction::Menu(menu, _) => RuleAction::Menu(menu.clone(), Vec::new()),
        other => other.clone(),
    }
}
