//! Translates a program to dnsmasq options. A program is a configuration whose statements the imported server runs from
//! top to bottom for each machine, where the last assignment wins. Each path through the program becomes one
//! `dhcp-boot` line, whose tags stand for the facts on that path.

use super::expression::{Atom, Expr};
use super::host_info::HostInfo;
use super::output::{LineNote, LineOutcome, unique_name};
use super::translation::{RELAY_PREFIX, Translation, quote_value};
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_reading::diagnostic::{Diagnostic, LineIndex, Source};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The part of a DHCP message in which the server sends the boot file and the address of the file's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePart {
    /// The header fields `file` and `siaddr` (RFC 2131).
    Header,
    /// Options 67 and 66 (RFC 2132).
    Option,
}

/// A statement of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramStep {
    /// Sets the boot file. Holds the line number, the part of the message and the name. An empty name removes the file.
    File(usize, MessagePart, String),
    /// Sets the server that has the boot file. `None`: the server that sends the reply.
    Server(MessagePart, Option<Ipv4Addr>),
    /// Ignores the machine. Holds the line number.
    Deny(usize),
    /// Cancels an earlier [`ProgramStep::Deny`].
    Allow,
    /// Runs the first branch whose condition holds. An `else` is a last branch whose condition always holds.
    If(Vec<(Expr, Vec<ProgramStep>)>),
}

/// Hosts that receive the same boot settings.
#[derive(Debug, Default)]
pub struct HostGroup {
    /// The name of the group, from which the name of its tag derives.
    pub name: String,
    /// The line number, the MAC addresses and the name of each host.
    pub members: Vec<(usize, Vec<String>, String)>,
}

/// A configuration as statements, with the hosts and networks that their conditions refer to.
#[derive(Debug, Default)]
pub struct Program {
    /// The statements in the order in which the server runs them.
    pub steps: Vec<ProgramStep>,
    /// The groups of hosts. [`Atom::Host`] is an index into this list.
    pub host_groups: Vec<HostGroup>,
    /// Every network that the imported server serves: line number, address, prefix length.
    pub subnets: Vec<(usize, Ipv4Addr, u8)>,
    /// The facts that classes of the file test, each with the name of the class.
    pub fact_names: Vec<(Atom, String)>,
}

/// The settings at the end of a path, from header fields and from options, in the order of [`MessagePart`]. Firmware
/// prefers the file of option 67 to that of the header, and the server of the header field to that of option 66.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EndState {
    files: [Option<(usize, String)>; 2],
    servers: [Option<Ipv4Addr>; 2],
    deny: Option<usize>,
}

/// The facts that are known about a machine on a path, each with whether it holds.
type KnownFacts = Vec<(Atom, bool)>;

/// The limit of paths, because each path becomes a rule.
const MAX_PATHS: usize = 4096;

impl Program {
    /// Translates the program to dnsmasq options. Messages use `tests`, the plural word for the tests in this format,
    /// and `boot_key`, the key that sets the boot file.
    pub fn to_dnsmasq(
        &self,
        (tests, boot_key): (&str, &str),
        source: &Source,
        host: &HostInfo,
        mut translation: Translation,
    ) -> Result<Translation, Vec<Diagnostic>> {
        let Some(paths) = self.paths() else {
            let error = format!("its {tests} distinguish more than {MAX_PATHS} kinds of machines");
            let help =
                format!("each becomes a rule: remove {tests} that make no difference, or import the hosts in parts");
            return Err(vec![source.file_error(error).help(help)]);
        };
        let local: Vec<Ipv4Addr> = host.networks.iter().map(|(_, network)| network.address).collect();
        self.translate(&paths, &local, source, &mut translation);
        if !translation.options.iter().any(|(_, option)| option.starts_with("dhcp-boot")) {
            let action = format!(
                "no `{boot_key}` in this file applies to a machine that boots: the file configures no network boot"
            );
            translation.action_items.push(action);
        }
        Ok(translation)
    }

    fn translate(
        &self,
        paths: &[(KnownFacts, EndState)],
        local: &[Ipv4Addr],
        source: &Source,
        translation: &mut Translation,
    ) {
        let interface =
            |(atom, _): &(Atom, bool)| if let Atom::Interface(name) = atom { Some(name.clone()) } else { None };
        let interfaces = paths.iter().flat_map(|(facts, _)| facts.iter().filter_map(interface)).collect();
        let mut tags = TagNames { program: self, known: Vec::new(), taken: BTreeSet::new(), interfaces };
        let mut options = Vec::new();
        for (facts, end) in paths {
            let literals: Vec<String> = facts
                .iter()
                .map(|(atom, holds)| format!("tag:{}{}", if *holds { "" } else { "!" }, tags.name_for(atom)))
                .collect();
            options.extend(end.option(&literals, local));
        }
        self.note_unused_files(paths, source, translation);
        let tagged = std::mem::take(&mut tags.known);
        let first_line_number = self.steps.iter().find_map(first_line).unwrap_or(1);
        tagged.iter().for_each(|(atom, tag)| self.add_match(atom, tag, first_line_number, translation));
        self.add_other_subnets(&tagged, translation);
        self.add_other_hosts(&tagged, translation);
        translation.options.extend(options);
    }

    /// Adds notes on the files that no machine receives, because a later statement always sets another file.
    fn note_unused_files(&self, paths: &[(KnownFacts, EndState)], source: &Source, translation: &mut Translation) {
        let used: BTreeSet<usize> = paths.iter().filter_map(|(_, end)| Some(end.file()?.0)).collect();
        let mut lines = BTreeSet::new();
        self.steps.iter().for_each(|step| files(step, &mut lines));
        let source_lines = LineIndex::new(&source.text);
        for line in lines.into_iter().filter(|line| !used.contains(line)) {
            let (location, text) = (format!("line {line}"), source_lines.trimmed_line(&source.text, line).to_owned());
            let outcome = LineOutcome::Unneeded(
                "no machine gets this file: another one takes precedence for every machine".into(),
            );
            translation.notes.push(LineNote { location, line: text, outcome });
        }
    }

    /// Every path that a machine may take through the program. The paths of the host groups come first. `None`: there
    /// are more than [`MAX_PATHS`] paths.
    fn paths(&self) -> Option<Vec<(KnownFacts, EndState)>> {
        let mut groups = Vec::new();
        self.steps.iter().for_each(|step| collect_tested_hosts(step, &mut groups));
        let mut paths = Vec::new();
        for group in &groups {
            let mut group_paths = Vec::new();
            self.walk(&mut vec![(Atom::Host(*group), true)], &mut group_paths);
            // If all paths of the group have the same end, one path without other facts replaces them.
            if group_paths.iter().all(|(_, end)| *end == group_paths[0].1) {
                group_paths.truncate(1);
                group_paths[0].0.truncate(1);
            }
            paths.extend(group_paths);
            if paths.len() > MAX_PATHS {
                return None;
            }
        }
        let mut other_paths = Vec::new();
        self.walk(&mut groups.into_iter().map(|group| (Atom::Host(group), false)).collect(), &mut other_paths);
        paths.extend(other_paths);
        (paths.len() <= MAX_PATHS).then_some(paths)
    }

    /// Collects the paths that are possible with these facts, each with the settings at its end.
    fn walk(&self, facts: &mut KnownFacts, paths: &mut Vec<(KnownFacts, EndState)>) {
        let mut end = EndState::default();
        match run(&self.steps, facts, &mut end) {
            _ if paths.len() > MAX_PATHS => {}
            Ok(()) => paths.push((facts.clone(), end)),
            Err(atom) => {
                for holds in [true, false] {
                    facts.push((atom.clone(), holds));
                    self.walk(facts, paths);
                    facts.pop();
                }
            }
        }
    }

    fn add_match(&self, atom: &Atom, tag: &str, line: usize, translation: &mut Translation) {
        match atom {
            Atom::Host(group) => {
                for (line, macs, name) in &self.host_groups[*group].members {
                    translation
                        .add_option(*line, format!("dhcp-host={},set:{tag},{}", macs.join(","), host_label(name)));
                }
            }
            Atom::Subnet(address, prefix) => {
                let of = self.subnets.iter().find(|(_, known, length)| (known, length) == (address, prefix));
                let line = of.map_or(line, |(line, ..)| *line);
                translation.add_option(line, format!("dhcp-range=set:{tag},{}", range_value(*address, *prefix)));
            }
            atom => translation.add_option(line, match_option(atom, tag)),
        }
    }

    /// If conditions distinguish networks, adds a `dhcp-range` for each network that no condition names, so that the
    /// machines in that network are served, too.
    fn add_other_subnets(&self, tagged: &[(Atom, String)], translation: &mut Translation) {
        let has_tag =
            |address: &Ipv4Addr, prefix: &u8| tagged.iter().any(|(atom, _)| *atom == Atom::Subnet(*address, *prefix));
        if !tagged.iter().any(|(atom, _)| matches!(atom, Atom::Subnet(..))) {
            return;
        }
        for (line, address, prefix) in self.subnets.iter().filter(|(_, address, prefix)| !has_tag(address, prefix)) {
            translation.add_option(*line, format!("dhcp-range={}", range_value(*address, *prefix)));
        }
    }

    /// Adds a `dhcp-host` for each host whose group has no tag, so the host becomes a machine with a name and without
    /// boot settings.
    fn add_other_hosts(&self, tagged: &[(Atom, String)], translation: &mut Translation) {
        for (group, hosts) in self.host_groups.iter().enumerate() {
            if !tagged.iter().any(|(atom, _)| *atom == Atom::Host(group)) {
                for (line, macs, name) in &hosts.members {
                    translation.add_option(*line, format!("dhcp-host={},{}", macs.join(","), host_label(name)));
                }
            }
        }
    }
}

impl EndState {
    fn file(&self) -> Option<&(usize, String)> {
        let [header, option] = &self.files;
        option.as_ref().or(header.as_ref()).filter(|_| self.deny.is_none())
    }

    fn option(&self, literals: &[String], local: &[Ipv4Addr]) -> Option<(usize, String)> {
        let tags: String = literals.iter().map(|literal| format!("{literal},")).collect();
        if let Some(line) = self.deny {
            return Some((line, format!("dhcp-ignore={}", tags.trim_end_matches(','))));
        }
        let (line, file) = self.file()?;
        let [header, option] = self.servers;
        let server = header.or(option).filter(|server| !local.contains(server));
        let server = server.map_or(String::new(), |server| format!(",,{server}"));
        Some((*line, format!("dhcp-boot={tags}{}{server}", quote_value(file))))
    }
}

impl ProgramStep {
    /// Whether the step sets an option instead of a header field.
    pub fn sets_option(&self) -> bool {
        matches!(self, ProgramStep::File(_, MessagePart::Option, _) | ProgramStep::Server(MessagePart::Option, _))
    }
}

/// Collects the host groups that the conditions of this step test.
fn collect_tested_hosts(step: &ProgramStep, hosts: &mut Vec<usize>) {
    let ProgramStep::If(branches) = step else { return };
    for (condition, steps) in branches.iter().filter(|(_, steps)| !steps.is_empty()) {
        condition.collect_host_groups(hosts);
        steps.iter().for_each(|step| collect_tested_hosts(step, hosts));
    }
}

/// Collects the lines that set a file. Skips branches whose condition never holds: an unsupported condition already has
/// a note.
fn files(step: &ProgramStep, lines: &mut BTreeSet<usize>) {
    match step {
        ProgramStep::File(line, _, file) if !file.is_empty() => drop(lines.insert(*line)),
        ProgramStep::If(branches) => {
            let possible = branches.iter().filter(|(condition, _)| holds(condition, &KnownFacts::new()) != Ok(false));
            possible.flat_map(|(_, steps)| steps).for_each(|step| files(step, lines));
        }
        _ => {}
    }
}

/// The line of the first step that sets a file or denies service. The options that test facts receive this line number.
fn first_line(step: &ProgramStep) -> Option<usize> {
    match step {
        ProgramStep::File(line, ..) | ProgramStep::Deny(line) => Some(*line),
        ProgramStep::Server(..) | ProgramStep::Allow => None,
        ProgramStep::If(branches) => branches.iter().flat_map(|(_, steps)| steps).find_map(first_line),
    }
}

/// Runs the steps, which change `end`. `Err`: the unknown fact that decides which step follows.
fn run(steps: &[ProgramStep], facts: &KnownFacts, end: &mut EndState) -> Result<(), Atom> {
    for step in steps {
        match step {
            ProgramStep::File(line, part, file) => {
                end.files[*part as usize] = Some((*line, file.clone())).filter(|(_, file)| !file.is_empty());
            }
            ProgramStep::Server(part, server) => end.servers[*part as usize] = *server,
            ProgramStep::Deny(line) => end.deny = Some(*line),
            ProgramStep::Allow => end.deny = None,
            ProgramStep::If(branches) => {
                for (condition, steps) in branches {
                    if holds(condition, facts)? {
                        run(steps, facts, end)?;
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether the condition holds. `Err`: an unknown fact, on which the result depends.
fn holds(expr: &Expr, facts: &KnownFacts) -> Result<bool, Atom> {
    // One known part may decide the result, even if others are unknown.
    let combine = |parts: &[Expr], decides: bool| {
        let mut unknown = None;
        for part in parts {
            match holds(part, facts) {
                Ok(is) if is == decides => return Ok(decides),
                Ok(_) => {}
                Err(atom) => unknown = unknown.or(Some(atom)),
            }
        }
        unknown.map_or(Ok(!decides), Err)
    };
    match expr {
        Expr::Const(is) => Ok(*is),
        Expr::Not(expr) => holds(expr, facts).map(|is| !is),
        Expr::And(parts) => combine(parts, false),
        Expr::Or(parts) => combine(parts, true),
        Expr::Atom(atom) => facts.iter().find_map(|(known, is)| implied(known, *is, atom)).ok_or_else(|| atom.clone()),
    }
}

/// Whether `other` holds, if `fact` decides that. `holds` is whether `fact` holds. `None`: `fact` does not decide
/// whether `other` holds.
fn implied(fact: &Atom, holds: bool, other: &Atom) -> Option<bool> {
    let is_http = |code: u16| Arch(code).transport() == Some(Transport::Http);
    match (fact, other) {
        (fact, other) if fact == other => Some(holds),
        (Atom::Arch(_), Atom::Arch(_))
        | (Atom::Host(_), Atom::Host(_))
        | (Atom::Relay(_), Atom::Relay(_))
        | (Atom::Interface(_), Atom::Interface(_))
        | (Atom::Subnet(..), Atom::Subnet(..))
            if holds =>
        {
            Some(false)
        }
        (Atom::Host(_), Atom::Known) if holds => Some(true),
        (Atom::Known, Atom::Host(_)) if !holds => Some(false),
        (Atom::Arch(code), Atom::Http) if holds => Some(is_http(*code)),
        (Atom::Http, Atom::Arch(code)) if holds != is_http(*code) => Some(false),
        _ => None,
    }
}

/// The names of the tags for the facts that paths depend on.
struct TagNames<'a> {
    program: &'a Program,
    known: Vec<(Atom, String)>,
    taken: BTreeSet<String>,
    /// The interfaces that conditions name. dnsmasq sets the name of an interface as a tag, so no other tag may use it.
    interfaces: BTreeSet<String>,
}

impl TagNames<'_> {
    fn name_for(&mut self, atom: &Atom) -> String {
        // dnsmasq sets the tag `known` without a line in the configuration.
        if *atom == Atom::Known {
            return "known".into();
        }
        // dnsmasq also sets the name of the interface as a tag.
        if let Atom::Interface(name) = atom {
            return name.clone();
        }
        if let Some((_, tag)) = self.known.iter().find(|(known, _)| known == atom) {
            return tag.clone();
        }
        let class_name = self.program.fact_names.iter().find(|(known, _)| known == atom).map(|(_, name)| name.clone());
        let preferred = class_name.unwrap_or_else(|| match atom {
            Atom::Arch(code) => Arch(*code).info().map_or_else(|| format!("arch-{code}"), |row| row.id.to_owned()),
            Atom::Ipxe => "ipxe".into(),
            Atom::Http => "http".into(),
            Atom::VendorClass(text) | Atom::UserClass(text) | Atom::CircuitId(text) => text.clone(),
            Atom::Mac(octets) => mac_pattern(octets).replace([':', '*'], ""),
            Atom::Uuid(_) => "uuid".into(),
            Atom::Subnet(address, prefix) => format!("{address}-{prefix}"),
            Atom::Host(group) => self.program.host_groups[*group].name.clone(),
            Atom::Relay(address) => format!("relay-{address}"),
            Atom::Interface(name) => name.clone(),
            Atom::Known => "known".into(),
        });
        let is_interface = |name: &str| self.interfaces.iter().any(|known| known == name);
        let tag = unique_name(&preferred, |name| name == "known" || is_interface(name) || self.taken.contains(name));
        self.taken.insert(tag.clone());
        self.known.push((atom.clone(), tag.clone()));
        tag
    }
}

/// The dnsmasq option that sets the tag for machines with this fact.
fn match_option(atom: &Atom, tag: &str) -> String {
    match atom {
        Atom::Arch(code) => format!("dhcp-match=set:{tag},option:client-arch,{code}"),
        Atom::Ipxe => format!("dhcp-match=set:{tag},175"),
        Atom::Http => format!("dhcp-vendorclass=set:{tag},HTTPClient"),
        Atom::VendorClass(text) => format!("dhcp-vendorclass=set:{tag},{}", quote_value(text)),
        Atom::UserClass(text) => format!("dhcp-userclass=set:{tag},{}", quote_value(text)),
        Atom::CircuitId(text) => format!("dhcp-circuitid=set:{tag},{}", quote_value(text)),
        Atom::Mac(octets) => format!("dhcp-mac=set:{tag},{}", mac_pattern(octets)),
        Atom::Uuid(uuid) => {
            let octets: Vec<String> = uuid.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("dhcp-match=set:{tag},97,00:{}", octets.join(":"))
        }
        Atom::Relay(address) => format!("dhcp-match=set:{tag},{RELAY_PREFIX}{address}"),
        Atom::Subnet(..) | Atom::Host(_) | Atom::Interface(_) | Atom::Known => String::new(),
    }
}

fn mac_pattern(octets: &[Option<u8>; 6]) -> String {
    let octet = |octet: &Option<u8>| octet.map_or("*".to_owned(), |octet| format!("{octet:02x}"));
    octets.iter().map(octet).collect::<Vec<_>>().join(":")
}

fn range_value(address: Ipv4Addr, prefix: u8) -> String {
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0));
    format!("{address},proxy,{mask}")
}

/// The name of a host in the characters that dnsmasq allows. A name that dnsmasq would read as a lease time or as a
/// keyword, such as `12` or `ignore`, receives a prefix.
fn host_label(name: &str) -> String {
    let label = unique_name(name, |_| false);
    if label.chars().all(|c| c.is_ascii_digit()) || ["ignore", "infinite"].contains(&label.as_str()) {
        return format!("host-{label}");
    }
    label
}
