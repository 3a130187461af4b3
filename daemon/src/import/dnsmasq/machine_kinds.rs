//! Which kinds of machines a configuration tells apart: by the tests that its lines make, each kind with its tags.

use super::config::*;
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::pxe::MachineId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The tests that matter, and the groups of `dhcp-host` lines that do the same.
#[derive(Debug)]
pub struct MachineTests {
    pub tests: Vec<TagTest>,
    pub groups: Vec<DhcpHostGroup>,
    /// Tags that some decision looks at, directly or by way of another.
    pub needed_tags: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct DhcpHostGroup {
    pub set_tags: BTreeSet<String>,
    pub ignore: bool,
    pub macs: Vec<MacPattern>,
    /// Octets that are open: dnsmasq takes the line with the fewest.
    pub wildcard_octets: usize,
    pub lines: Vec<LineId>,
}

/// Machines of one kind: the tests that hold, and their group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineKind {
    pub tests: Vec<usize>,
    pub group: Option<usize>,
}

/// Kinds by what machines say: tests multiply.
pub const MAX_KINDS: usize = 1024;
/// With those by hosts.
pub const MAX_KINDS_WITH_HOSTS: usize = 4096;

impl MachineTests {
    pub fn new(config: &DnsmasqConfig) -> MachineTests {
        let needed = needed_tags(config);
        let mut tests: BTreeSet<TagTest> = config
            .tag_matches
            .iter()
            .filter(|mark| needed.contains(&mark.tag))
            .map(|mark| mark.test.clone())
            .filter_map(|test| match test {
                TagTest::Arch(code) if is_http_arch(code) => Some(TagTest::Http),
                TagTest::Always | TagTest::Arch(_) => None,
                test => Some(test),
            })
            .collect();
        // dnsmasq sets the name of the interface as a tag by itself.
        let builtin = |tag: &String| ["known", "known-othernet", "bootp"].contains(&tag.as_str());
        let is_set = |tag: &String| config.sets_tag(tag) || config.unsupported_tags.contains(tag);
        tests.extend(needed.iter().filter(|tag| !is_set(tag) && !builtin(tag)).cloned().map(TagTest::Interface));
        MachineTests { tests: tests.into_iter().collect(), groups: groups(config, &needed), needed_tags: needed }
    }

    /// Every kind there can be, those of which more is said first; `None`: too many.
    pub fn kinds(&self) -> Option<Vec<MachineKind>> {
        let mut kinds = vec![MachineKind::default()];
        for test in 0..self.tests.len() {
            let more: Vec<MachineKind> = kinds
                .iter()
                .map(|kind| MachineKind { tests: kind.tests.iter().copied().chain([test]).collect(), group: None })
                .filter(|kind| self.conditions(kind).is_some())
                .collect();
            kinds.extend(more);
            if kinds.len() > MAX_KINDS {
                return None;
            }
        }
        for group in 0..self.groups.len() {
            let without: Vec<MachineKind> = kinds.iter().filter(|kind| kind.group.is_none()).cloned().collect();
            // Whatever else is true of a machine that its own line ignores, it is ignored.
            let ignored = self.groups[group].ignore && self.groups[group].wildcard_octets == 0;
            let without = if ignored { vec![MachineKind::default()] } else { without };
            let more = without.into_iter().map(|kind| MachineKind { group: Some(group), ..kind });
            kinds.extend(more.filter(|kind| self.conditions(kind).is_some()));
            if kinds.len() > MAX_KINDS_WITH_HOSTS {
                return None;
            }
        }
        kinds.retain(|kind| self.is_whole(kind));
        let open = |kind: &MachineKind| kind.group.map_or(0, |group| self.groups[group].wildcard_octets);
        let ignored =
            |kind: &MachineKind| kind.group.is_some_and(|group| self.groups[group].ignore && self.groups[group].wildcard_octets == 0);
        let said = |kind: &MachineKind| kind.tests.len() + usize::from(kind.group.is_some());
        kinds.sort_by_key(|kind| (!ignored(kind), usize::MAX - said(kind), open(kind)));
        Some(kinds)
    }

    /// Where a text holds, whatever it contains holds as well.
    fn is_whole(&self, kind: &MachineKind) -> bool {
        kind.tests.iter().all(|longer| {
            (0..self.tests.len())
                .all(|shorter| kind.tests.contains(&shorter) || !implies(&self.tests[*longer], &self.tests[shorter]))
        })
    }

    /// Whether such machines boot over HTTP.
    pub fn is_http(&self, kind: &MachineKind) -> bool {
        kind.tests.iter().any(|index| self.tests[*index] == TagTest::Http)
    }

    pub fn tags(&self, config: &DnsmasqConfig, kind: &MachineKind, arch: Option<u16>) -> BTreeSet<String> {
        let holds = |test: &TagTest| match test {
            TagTest::Always => true,
            TagTest::Arch(code) => arch == Some(*code),
            test => kind.tests.iter().any(|index| self.tests[*index] == *test),
        };
        let mut tags: BTreeSet<String> =
            config.tag_matches.iter().filter(|mark| holds(&mark.test)).map(|mark| mark.tag.clone()).collect();
        let interfaces = kind.tests.iter().filter_map(|index| match &self.tests[*index] {
            TagTest::Interface(name) => Some(name.clone()),
            _ => None,
        });
        tags.extend(interfaces);
        if let Some(group) = kind.group.map(|group| &self.groups[group]) {
            tags.insert("known".into());
            tags.extend(group.set_tags.iter().cloned());
        }
        for tag_if in &config.tag_ifs {
            if tags_match(&tag_if.tags, &tags) {
                tags.extend(tag_if.set_tags.iter().cloned());
            }
        }
        tags
    }

    /// What a rule asks for this kind, by key; `None`: no machine is of this kind.
    pub fn conditions(&self, kind: &MachineKind) -> Option<BTreeMap<&'static str, Vec<String>>> {
        let mut conditions = BTreeMap::new();
        let mut macs: Option<Vec<MacPattern>> = kind.group.map(|group| self.groups[group].macs.clone());
        let mut texts: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        let mut subnet: Option<Network4> = None;
        for test in kind.tests.iter().map(|index| &self.tests[*index]) {
            match test {
                TagTest::Always | TagTest::Arch(_) => {}
                TagTest::Ipxe => alone(&mut conditions, "firmware", "ipxe".to_owned())?,
                TagTest::Http => alone(&mut conditions, "firmware", "http".to_owned())?,
                TagTest::VendorClass(text) => texts.entry("vendor-class").or_default().push(text),
                TagTest::UserClass(text) => texts.entry("user-class").or_default().push(text),
                TagTest::Mac(octets) => {
                    let with = MacPattern(*octets);
                    let known = macs.unwrap_or_else(|| vec![MacPattern([None; 6])]);
                    macs = Some(known.iter().filter_map(|mac| both(mac, &with)).collect());
                }
                TagTest::CircuitId(text) => alone(&mut conditions, "circuit-id", text.clone())?,
                TagTest::Relay(octets) => alone(&mut conditions, "relay", Ipv4Addr::from(*octets).to_string())?,
                TagTest::Interface(name) => alone(&mut conditions, "interface", name.clone())?,
                TagTest::Uuid(uuid) => alone(&mut conditions, "uuid", MachineId::from_uuid(*uuid).to_string())?,
                TagTest::Subnet(octets, prefix) => {
                    subnet = Some(narrower(subnet, Network4 { address: (*octets).into(), prefix: *prefix })?);
                }
            }
        }
        if let Some(macs) = macs {
            if macs.is_empty() {
                return None;
            }
            conditions.insert("mac", macs.iter().map(MacPattern::to_string).collect());
        }
        let is_pxe = texts.get("vendor-class").is_some_and(|texts| texts.iter().any(|text| text.contains("PXEClient")));
        if is_pxe && self.is_http(kind) {
            return None;
        }
        for (key, texts) in texts {
            conditions.insert(key, containing(&texts)?);
        }
        conditions.extend(subnet.map(|subnet| ("subnet", vec![format!("{}/{}", subnet.address, subnet.prefix)])));
        Some(conditions)
    }
}

/// Whether all of these tags are there, and those with `!` are not.
pub fn tags_match(literals: &[TagLiteral], tags: &BTreeSet<String>) -> bool {
    literals.iter().all(|literal| tags.contains(&literal.tag) != literal.negated)
}

/// The tags that some decision looks at.
pub fn needed_tags(config: &DnsmasqConfig) -> BTreeSet<String> {
    let of_boots = config.boots.iter().chain(&config.option_boots).flat_map(|boot| &boot.tags);
    let of_services = config.services.iter().flat_map(|service| &service.tags);
    let of_prompts = config.prompts.iter().flat_map(|prompt| &prompt.tags);
    let of_ignores = config.ignores.iter().flat_map(|(_, tags)| tags);
    let of_ranges = config.ranges.iter().filter(|range| range.is_proxy).flat_map(|range| &range.required_tags);
    let all = of_boots.chain(of_services).chain(of_prompts).chain(of_ignores).chain(of_ranges);
    let mut needed: BTreeSet<String> = all.map(|literal| literal.tag.clone()).collect();
    for tag_if in config.tag_ifs.iter().rev() {
        if tag_if.set_tags.iter().any(|tag| needed.contains(tag)) {
            needed.extend(tag_if.tags.iter().map(|literal| literal.tag.clone()));
        }
    }
    needed
}

/// The hosts by what their lines do; a line that does nothing here counts only where it matters who is known.
fn groups(config: &DnsmasqConfig, needed: &BTreeSet<String>) -> Vec<DhcpHostGroup> {
    let known = needed.contains("known");
    let mut groups: Vec<DhcpHostGroup> = Vec::new();
    // Of two lines for one address the last one counts.
    let mut taken: Vec<MacPattern> = Vec::new();
    for host in config.hosts.iter().rev() {
        let sets: BTreeSet<String> = host.set_tags.iter().filter(|tag| needed.contains(*tag)).cloned().collect();
        for mac in host.macs.iter().filter(|mac| !taken.contains(mac)) {
            let open = mac.0.iter().filter(|octet| octet.is_none()).count();
            if known || host.ignore || !sets.is_empty() {
                let same = |group: &DhcpHostGroup| group.set_tags == sets && group.ignore == host.ignore && group.wildcard_octets == open;
                let group = match groups.iter().position(same) {
                    Some(index) => &mut groups[index],
                    None => {
                        groups.push(DhcpHostGroup { set_tags: sets.clone(), ignore: host.ignore, wildcard_octets: open, ..DhcpHostGroup::default() });
                        groups.last_mut().expect("pushed")
                    }
                };
                group.macs.push(*mac);
                group.lines.push(host.line);
            }
        }
        taken.extend(&host.macs);
    }
    groups
}

/// The second text or address is a part of the first, of the same kind.
fn implies(longer: &TagTest, shorter: &TagTest) -> bool {
    match (longer, shorter) {
        (TagTest::VendorClass(longer), TagTest::VendorClass(shorter))
        | (TagTest::UserClass(longer), TagTest::UserClass(shorter)) => longer.contains(shorter.as_str()),
        (TagTest::Mac(longer), TagTest::Mac(shorter)) => {
            longer.iter().zip(shorter).all(|(longer, shorter)| shorter.is_none() || shorter == longer)
        }
        _ => false,
    }
}

/// What both patterns leave open.
fn both(one: &MacPattern, other: &MacPattern) -> Option<MacPattern> {
    let mut octets = [None; 6];
    for (octet, pair) in octets.iter_mut().zip(one.0.into_iter().zip(other.0)) {
        *octet = match pair {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
    }
    Some(MacPattern(octets))
}

/// A condition that only one value can meet.
fn alone(conditions: &mut BTreeMap<&'static str, Vec<String>>, key: &'static str, value: String) -> Option<()> {
    match conditions.insert(key, vec![value]) {
        Some(_) => None,
        None => Some(()),
    }
}

fn narrower(known: Option<Network4>, other: Network4) -> Option<Network4> {
    let Some(known) = known else { return Some(other) };
    let (wide, narrow) = if known.prefix <= other.prefix { (known, other) } else { (other, known) };
    wide.contains(narrow.address).then_some(narrow)
}

/// Patterns of texts that contain all of these; `None`: no text does.
fn containing(texts: &[&str]) -> Option<Vec<String>> {
    const ARCH: &str = "PXEClient:Arch:";
    let mut longest: Vec<&str> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let part = |(other_index, other): (usize, &&str)| other_index != index && other.contains(text) && other != text;
        if !texts.iter().enumerate().any(part) {
            longest.push(text);
        }
    }
    if longest.iter().filter(|text| text.starts_with(ARCH)).count() > 1 {
        return None;
    }
    let star = |texts: &[&str]| format!("*{}*", texts.join("*"));
    match longest[..] {
        [one, other] => Some(vec![star(&[one, other]), star(&[other, one])]),
        _ => Some(vec![star(&longest)]),
    }
}
