//! A configuration that is run from top to bottom for each machine, where what is set later wins. It becomes options of
//! dnsmasq: every way through it is one `dhcp-boot` with the tags that lead there.

use super::expression::{Atom, Expr};
use super::host_info::HostInfo;
use super::translation::{RELAY_PREFIX, Translation, quote_value};
use super::output::{LineOutcome, LineNote, unique_name};
use crate::config::diagnostic::{Diagnostic, LineIndex, Source};
use proxydhcpd_core::arch::{Arch, Transport};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// How a message says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePart {
    Header,
    Option,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramStep {
    File(usize, MessagePart, String),
    /// `None`: the server that answers.
    Server(MessagePart, Option<Ipv4Addr>),
    /// The machine is not answered.
    Deny(usize),
    /// It is, whatever was said before.
    Allow,
    /// The first branch that holds; the last one may hold always. Each with the number of its line.
    If(Vec<(Expr, Vec<ProgramStep>)>),
}

/// Hosts that are given the same.
#[derive(Debug, Default)]
pub struct HostGroup {
    pub name: String,
    /// Line, addresses and name of each.
    pub members: Vec<(usize, Vec<String>, String)>,
}

#[derive(Debug, Default)]
pub struct Program {
    pub steps: Vec<ProgramStep>,
    pub host_groups: Vec<HostGroup>,
    /// Every network that is served, and its line.
    pub subnets: Vec<(usize, Ipv4Addr, u8)>,
    /// Names that the file has for facts.
    pub fact_names: Vec<(Atom, String)>,
}

/// What a machine has in the end, by field and by option. Of two files firmware takes that of option 67; its server is
/// the one that the field names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct End {
    files: [Option<(usize, String)>; 2],
    servers: [Option<Ipv4Addr>; 2],
    deny: Option<usize>,
}

type Facts = Vec<(Atom, bool)>;

/// Each way is a rule in the end.
const MOST_WAYS: usize = 4096;

impl Program {
    /// The options; `tells`: what tells machines apart in the file, and `says`: what says what they boot.
    pub fn to_dnsmasq(
        &self,
        (tells, says): (&str, &str),
        source: &Source,
        here: &HostInfo,
        mut translation: Translation,
    ) -> Result<Translation, Vec<Diagnostic>> {
        let Some(ways) = self.ways() else {
            let error = format!("its {tells} tell more than {MOST_WAYS} kinds of machines apart");
            let help =
                format!("each becomes a rule: take out {tells} that decide nothing, or import the hosts in parts");
            return Err(vec![source.file_error(error).help(help)]);
        };
        let own: Vec<Ipv4Addr> = here.networks.iter().map(|(_, network)| network.address).collect();
        self.translate(&ways, &own, source, &mut translation);
        if !translation.options.iter().any(|(_, option)| option.starts_with("dhcp-boot")) {
            let note = format!("no `{says}` of this file is for a machine that boots: nothing in it says what to boot");
            translation.action_items.push(note);
        }
        Ok(translation)
    }

    fn translate(&self, ways: &[(Facts, End)], own: &[Ipv4Addr], source: &Source, translation: &mut Translation) {
        let interface =
            |(atom, _): &(Atom, bool)| if let Atom::Interface(name) = atom { Some(name.clone()) } else { None };
        let interfaces = ways.iter().flat_map(|(facts, _)| facts.iter().filter_map(interface)).collect();
        let mut tags = Tags { program: self, known: Vec::new(), taken: BTreeSet::new(), interfaces };
        let mut options = Vec::new();
        for (facts, end) in ways {
            let literals: Vec<String> = facts
                .iter()
                .map(|(atom, holds)| format!("tag:{}{}", if *holds { "" } else { "!" }, tags.of(atom)))
                .collect();
            options.extend(end.option(&literals, own));
        }
        self.shadowed(ways, source, translation);
        let known = std::mem::take(&mut tags.known);
        let line = self.steps.iter().find_map(first_line).unwrap_or(1);
        known.iter().for_each(|(atom, tag)| self.mark(atom, tag, line, translation));
        self.other_subnets(&known, translation);
        self.other_hosts(&known, translation);
        translation.options.extend(options);
    }

    /// Tells of the files that no machine is given, because for each of them another one is set later.
    fn shadowed(&self, ways: &[(Facts, End)], source: &Source, translation: &mut Translation) {
        let used: BTreeSet<usize> = ways.iter().filter_map(|(_, end)| Some(end.file()?.0)).collect();
        let mut lines = BTreeSet::new();
        self.steps.iter().for_each(|step| files(step, &mut lines));
        let of_file = LineIndex::new(&source.text);
        for line in lines.into_iter().filter(|line| !used.contains(line)) {
            let (place, text) = (format!("line {line}"), of_file.trimmed_line(&source.text, line).to_owned());
            let fate = LineOutcome::Unneeded("no machine comes to it: for each one another file goes before it".into());
            translation.notes.push(LineNote { location: place, line: text, outcome: fate });
        }
    }

    /// Every way through the program that a machine may take, those of each kind of host first; `None`: too many.
    fn ways(&self) -> Option<Vec<(Facts, End)>> {
        let mut asked = Vec::new();
        self.steps.iter().for_each(|step| hosts_that_decide(step, &mut asked));
        let mut ways = Vec::new();
        for host in &asked {
            let mut own = Vec::new();
            self.walk(&mut vec![(Atom::Host(*host), true)], &mut own);
            // What else is true of it does not matter if all of its ways end alike.
            if own.iter().all(|(_, end)| *end == own[0].1) {
                own.truncate(1);
                own[0].0.truncate(1);
            }
            ways.extend(own);
            if ways.len() > MOST_WAYS {
                return None;
            }
        }
        let mut others = Vec::new();
        self.walk(&mut asked.into_iter().map(|host| (Atom::Host(host), false)).collect(), &mut others);
        ways.extend(others);
        (ways.len() <= MOST_WAYS).then_some(ways)
    }

    /// The ways that these facts leave open, and where each ends.
    fn walk(&self, facts: &mut Facts, ways: &mut Vec<(Facts, End)>) {
        let mut end = End::default();
        match run(&self.steps, facts, &mut end) {
            _ if ways.len() > MOST_WAYS => {}
            Ok(()) => ways.push((facts.clone(), end)),
            Err(atom) => {
                for holds in [true, false] {
                    facts.push((atom.clone(), holds));
                    self.walk(facts, ways);
                    facts.pop();
                }
            }
        }
    }

    fn mark(&self, atom: &Atom, tag: &str, line: usize, translation: &mut Translation) {
        match atom {
            Atom::Host(group) => {
                for (line, macs, name) in &self.host_groups[*group].members {
                    translation.add_option(*line, format!("dhcp-host={},set:{tag},{}", macs.join(","), label(name)));
                }
            }
            Atom::Subnet(address, prefix) => {
                let of = self.subnets.iter().find(|(_, known, length)| (known, length) == (address, prefix));
                let line = of.map_or(line, |(line, ..)| *line);
                translation.add_option(line, format!("dhcp-range=set:{tag},{}", range(*address, *prefix)));
            }
            atom => translation.add_option(line, mark(atom, tag)),
        }
    }

    /// Where networks are told apart, those that nothing tells apart are networks as well.
    fn other_subnets(&self, known: &[(Atom, String)], translation: &mut Translation) {
        let marked =
            |address: &Ipv4Addr, prefix: &u8| known.iter().any(|(atom, _)| *atom == Atom::Subnet(*address, *prefix));
        if !known.iter().any(|(atom, _)| matches!(atom, Atom::Subnet(..))) {
            return;
        }
        for (line, address, prefix) in self.subnets.iter().filter(|(_, address, prefix)| !marked(address, prefix)) {
            translation.add_option(*line, format!("dhcp-range={}", range(*address, *prefix)));
        }
    }

    /// A host that boots what others boot is a machine with a name.
    fn other_hosts(&self, known: &[(Atom, String)], translation: &mut Translation) {
        for (group, hosts) in self.host_groups.iter().enumerate() {
            if !known.iter().any(|(atom, _)| *atom == Atom::Host(group)) {
                for (line, macs, name) in &hosts.members {
                    translation.add_option(*line, format!("dhcp-host={},{}", macs.join(","), label(name)));
                }
            }
        }
    }
}

impl End {
    fn file(&self) -> Option<&(usize, String)> {
        let [of_field, of_option] = &self.files;
        of_option.as_ref().or(of_field.as_ref()).filter(|_| self.deny.is_none())
    }

    fn option(&self, literals: &[String], own: &[Ipv4Addr]) -> Option<(usize, String)> {
        let tags: String = literals.iter().map(|literal| format!("{literal},")).collect();
        if let Some(line) = self.deny {
            return Some((line, format!("dhcp-ignore={}", tags.trim_end_matches(','))));
        }
        let (line, file) = self.file()?;
        let [of_field, of_option] = self.servers;
        let server = of_field.or(of_option).filter(|server| !own.contains(server));
        let server = server.map_or(String::new(), |server| format!(",,{server}"));
        Some((*line, format!("dhcp-boot={tags}{}{server}", quote_value(file))))
    }
}

impl ProgramStep {
    pub fn sets_option(&self) -> bool {
        matches!(self, ProgramStep::File(_, MessagePart::Option, _) | ProgramStep::Server(MessagePart::Option, _))
    }
}

/// The hosts that something is said of.
fn hosts_that_decide(step: &ProgramStep, hosts: &mut Vec<usize>) {
    let ProgramStep::If(branches) = step else { return };
    for (condition, steps) in branches.iter().filter(|(_, steps)| !steps.is_empty()) {
        condition.collect_host_groups(hosts);
        steps.iter().for_each(|step| hosts_that_decide(step, hosts));
    }
}

/// The lines of all files but those of a condition that is not understood, which is told for itself.
fn files(step: &ProgramStep, lines: &mut BTreeSet<usize>) {
    match step {
        ProgramStep::File(line, _, file) if !file.is_empty() => drop(lines.insert(*line)),
        ProgramStep::If(branches) => {
            let met = branches.iter().filter(|(condition, _)| holds(condition, &Facts::new()) != Ok(false));
            met.flat_map(|(_, steps)| steps).for_each(|step| files(step, lines));
        }
        _ => {}
    }
}

/// The line of the first file, to which what tells machines apart is accounted.
fn first_line(step: &ProgramStep) -> Option<usize> {
    match step {
        ProgramStep::File(line, ..) | ProgramStep::Deny(line) => Some(*line),
        ProgramStep::Server(..) | ProgramStep::Allow => None,
        ProgramStep::If(branches) => branches.iter().flat_map(|(_, steps)| steps).find_map(first_line),
    }
}

/// `Err`: which fact decides how it goes on.
fn run(steps: &[ProgramStep], facts: &Facts, end: &mut End) -> Result<(), Atom> {
    for step in steps {
        match step {
            ProgramStep::File(line, way, file) => {
                end.files[*way as usize] = Some((*line, file.clone())).filter(|(_, file)| !file.is_empty());
            }
            ProgramStep::Server(way, server) => end.servers[*way as usize] = *server,
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

fn holds(expr: &Expr, facts: &Facts) -> Result<bool, Atom> {
    // One part may decide whatever the others are.
    let all = |parts: &[Expr], decides: bool| {
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
        Expr::And(parts) => all(parts, false),
        Expr::Or(parts) => all(parts, true),
        Expr::Atom(atom) => facts.iter().find_map(|(known, is)| follows(known, *is, atom)).ok_or_else(|| atom.clone()),
    }
}

/// What the one fact says of the other.
fn follows(known: &Atom, is: bool, asked: &Atom) -> Option<bool> {
    let on_web = |code: u16| Arch(code).transport() == Some(Transport::Http);
    match (known, asked) {
        (known, asked) if known == asked => Some(is),
        (Atom::Arch(_), Atom::Arch(_))
        | (Atom::Host(_), Atom::Host(_))
        | (Atom::Relay(_), Atom::Relay(_))
        | (Atom::Interface(_), Atom::Interface(_))
        | (Atom::Subnet(..), Atom::Subnet(..))
            if is =>
        {
            Some(false)
        }
        (Atom::Host(_), Atom::Known) if is => Some(true),
        (Atom::Known, Atom::Host(_)) if !is => Some(false),
        (Atom::Arch(code), Atom::Http) if is => Some(on_web(*code)),
        (Atom::Http, Atom::Arch(code)) if is != on_web(*code) => Some(false),
        _ => None,
    }
}

/// The tags of the facts that decide something.
struct Tags<'a> {
    program: &'a Program,
    known: Vec<(Atom, String)>,
    taken: BTreeSet<String>,
    /// The names of interfaces that conditions ask for, which are tags.
    interfaces: BTreeSet<String>,
}

impl Tags<'_> {
    fn of(&mut self, atom: &Atom) -> String {
        // dnsmasq sets it by itself.
        if *atom == Atom::Known {
            return "known".into();
        }
        // Nor does the name of an interface need a line.
        if let Atom::Interface(name) = atom {
            return name.clone();
        }
        if let Some((_, tag)) = self.known.iter().find(|(known, _)| known == atom) {
            return tag.clone();
        }
        let given = self.program.fact_names.iter().find(|(known, _)| known == atom).map(|(_, name)| name.clone());
        let wish = given.unwrap_or_else(|| match atom {
            Atom::Arch(code) => Arch(*code).info().map_or_else(|| format!("arch-{code}"), |row| row.id.to_owned()),
            Atom::Ipxe => "ipxe".into(),
            Atom::Http => "http".into(),
            Atom::VendorClass(text) | Atom::UserClass(text) | Atom::CircuitId(text) => text.clone(),
            Atom::Mac(octets) => mac(octets).replace([':', '*'], ""),
            Atom::Uuid(_) => "uuid".into(),
            Atom::Subnet(address, prefix) => format!("{address}-{prefix}"),
            Atom::Host(group) => self.program.host_groups[*group].name.clone(),
            Atom::Relay(address) => format!("relay-{address}"),
            Atom::Interface(name) => name.clone(),
            Atom::Known => "known".into(),
        });
        let is_interface = |name: &str| self.interfaces.iter().any(|known| known == name);
        let tag = unique_name(&wish, |name| name == "known" || is_interface(name) || self.taken.contains(name));
        self.taken.insert(tag.clone());
        self.known.push((atom.clone(), tag.clone()));
        tag
    }
}

fn mark(atom: &Atom, tag: &str) -> String {
    match atom {
        Atom::Arch(code) => format!("dhcp-match=set:{tag},option:client-arch,{code}"),
        Atom::Ipxe => format!("dhcp-match=set:{tag},175"),
        Atom::Http => format!("dhcp-vendorclass=set:{tag},HTTPClient"),
        Atom::VendorClass(text) => format!("dhcp-vendorclass=set:{tag},{}", quote_value(text)),
        Atom::UserClass(text) => format!("dhcp-userclass=set:{tag},{}", quote_value(text)),
        Atom::CircuitId(text) => format!("dhcp-circuitid=set:{tag},{}", quote_value(text)),
        Atom::Mac(octets) => format!("dhcp-mac=set:{tag},{}", mac(octets)),
        Atom::Uuid(uuid) => {
            let octets: Vec<String> = uuid.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("dhcp-match=set:{tag},97,00:{}", octets.join(":"))
        }
        Atom::Relay(address) => format!("dhcp-match=set:{tag},{RELAY_PREFIX}{address}"),
        Atom::Subnet(..) | Atom::Host(_) | Atom::Interface(_) | Atom::Known => String::new(),
    }
}

fn mac(octets: &[Option<u8>; 6]) -> String {
    let octet = |octet: &Option<u8>| octet.map_or("*".to_owned(), |octet| format!("{octet:02x}"));
    octets.iter().map(octet).collect::<Vec<_>>().join(":")
}

fn range(address: Ipv4Addr, prefix: u8) -> String {
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0));
    format!("{address},proxy,{mask}")
}

/// The name of a host, in the letters that dnsmasq takes for one; digits alone would be a lease time.
fn label(name: &str) -> String {
    let label = unique_name(name, |_| false);
    if label.chars().all(|c| c.is_ascii_digit()) || ["ignore", "infinite"].contains(&label.as_str()) {
        return format!("host-{label}");
    }
    label
}
