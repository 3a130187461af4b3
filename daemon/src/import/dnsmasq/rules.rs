//! From kinds of machines and what they are given to rules, of which the first that matches decides, and profiles.

use super::config::*;
use super::decide::{Asker, Decided, Menu, Outcome, decide};
use super::machines::{Facts, Kind};
use proxydhcpd_core::arch::Arch;
use std::collections::{BTreeMap, BTreeSet};

/// A rule as it is to be written; without conditions it is for all that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub kind: Kind,
    /// Empty: any.
    pub archs: Vec<Arch>,
    pub gives: Gives,
    pub lines: BTreeSet<LineId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gives {
    Deny,
    Nothing,
    LocalDisk,
    /// A URL that iPXE is given.
    Url(String),
    /// By architecture, and for every other one.
    Files(BTreeMap<u16, (String, Server)>, Option<(String, Server)>),
    Menu(Menu, Vec<u16>),
}

/// Two codes of one kind of machine are given different files, which only dnsmasq tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub code: u16,
    pub lines: Vec<LineId>,
}

/// The rules in their order, the last of them for all; `None`: too many kinds of machines.
pub fn rules(config: &Config, facts: &Facts) -> Option<(Vec<Rule>, Vec<Conflict>)> {
    let archs = architectures(config, facts);
    let (mut rules, mut conflicts) = (Vec::new(), Vec::new());
    for kind in facts.kinds()? {
        let ipxe = kind.tests.iter().any(|index| is_ipxe(&facts.tests[*index]));
        let ignore = kind.group.is_some_and(|group| facts.groups[group].ignore);
        let http = facts.is_http(&kind);
        let decide = |code: Option<u16>| {
            let asker = Asker { arch: code.map(Arch), ipxe, http, ignore };
            decide(config, &facts.tags(config, &kind, code), asker)
        };
        let others = decide(None);
        let mut of_archs: BTreeMap<u16, Decided> = BTreeMap::new();
        for code in archs.iter().filter(|code| is_http(**code) == http) {
            let (base, decided) = (Arch(*code).base().0, decide(Some(*code)));
            match of_archs.get(&base) {
                Some(known) if known.outcome != decided.outcome => {
                    let conflict = Conflict { code: *code, lines: decided.lines };
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

fn is_ipxe(test: &Test) -> bool {
    matches!(test, Test::Ipxe) || matches!(test, Test::UserClass(class) if class == "iPXE")
}

/// The codes that lines tell apart.
fn architectures(config: &Config, facts: &Facts) -> BTreeSet<u16> {
    let of_services = config.services.iter().map(|service| service.arch.0);
    let of_marks =
        config.marks.iter().filter(|mark| facts.needed.contains(&mark.tag)).filter_map(|mark| match mark.test {
            Test::Arch(code) => Some(code),
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
fn of_kind(kind: &Kind, of_archs: BTreeMap<u16, Decided>, others: Decided, program: Program) -> Vec<Rule> {
    let is_file = |outcome: &Outcome| matches!(outcome, Outcome::File(..));
    let on_web = program.http;
    let mut own: Vec<(Outcome, Vec<u16>, BTreeSet<LineId>)> = Vec::new();
    let mut files = BTreeMap::new();
    let mut lines: BTreeSet<LineId> = others.lines.iter().copied().collect();
    for (code, Decided { outcome, lines: from }) in of_archs {
        match &outcome {
            outcome if *outcome == others.outcome => lines.extend(from),
            Outcome::File(name, server) if others.outcome != Outcome::Ignored && !program.ipxe => {
                files.insert(code, (name.clone(), *server));
                lines.extend(from);
            }
            Outcome::Nothing if others.outcome == Outcome::Nothing => {}
            _ => match own.iter_mut().find(|(known, ..)| *known == outcome) {
                Some((_, codes, known)) => {
                    codes.push(code);
                    known.extend(from);
                }
                None => own.push((outcome, vec![code], from.into_iter().collect())),
            },
        }
    }
    let mut rules: Vec<Rule> = own
        .into_iter()
        .map(|(outcome, codes, lines)| {
            let archs = codes.iter().map(|code| Arch(*code)).collect();
            Rule { kind: kind.clone(), archs, gives: gives(outcome, BTreeMap::new(), &codes, on_web), lines }
        })
        .collect();
    debug_assert!(files.is_empty() || is_file(&others.outcome) || others.outcome == Outcome::Nothing);
    rules.push(Rule { kind: kind.clone(), archs: Vec::new(), gives: gives(others.outcome, files, &[], on_web), lines });
    rules
}

fn gives(outcome: Outcome, files: BTreeMap<u16, (String, Server)>, codes: &[u16], on_web: bool) -> Gives {
    match outcome {
        Outcome::Ignored => Gives::Deny,
        Outcome::Nothing if files.is_empty() => Gives::Nothing,
        Outcome::Nothing => Gives::Files(files, None),
        Outcome::File(name, _) if name.contains("://") && files.is_empty() && !on_web => Gives::Url(name),
        Outcome::File(name, server) => Gives::Files(files, Some((name, server))),
        Outcome::LocalDisk => Gives::LocalDisk,
        Outcome::Menu(menu) => Gives::Menu(menu, codes.to_vec()),
    }
}

/// Takes out what the rules below give as well.
fn prune(rules: &mut Vec<Rule>, facts: &Facts, archs: &BTreeSet<u16>) {
    let mut worlds: Vec<(Kind, Option<u16>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.archs.is_empty()) {
        let codes = archs.iter().map(|code| Some(Arch(*code).base().0)).chain([None]);
        worlds.extend(codes.map(|code| (rule.kind.clone(), code)));
    }
    // Whether a pattern with open octets takes in a machine of another group is not looked into.
    let exact = facts.groups.iter().all(|group| group.open == 0);
    let first = |rules: &[Rule], without: Option<usize>, world: &(Kind, Option<u16>)| {
        let mut rules = rules.iter().enumerate().filter(|(index, _)| Some(*index) != without);
        rules.find(|(_, rule)| matches(rule, world)).map(|(_, rule)| own(&rule.gives, world.1))
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

fn matches(rule: &Rule, (kind, code): &(Kind, Option<u16>)) -> bool {
    rule.kind.tests.iter().all(|test| kind.tests.contains(test))
        && rule.kind.group.is_none_or(|group| kind.group == Some(group))
        && (rule.archs.is_empty() || code.is_some_and(|code| rule.archs.contains(&Arch(code))))
}

/// What it gives a machine of this architecture.
fn own(gives: &Gives, code: Option<u16>) -> Gives {
    match gives {
        Gives::Files(files, others) => match code.and_then(|code| files.get(&code)).or(others.as_ref()) {
            Some(file) => Gives::Files(BTreeMap::new(), Some(file.clone())),
            None => Gives::Nothing,
        },
        Gives::Menu(menu, _) => Gives::Menu(menu.clone(), Vec::new()),
        other => other.clone(),
    }
}
