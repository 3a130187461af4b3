//! Determines which kinds of machines the tests of a configuration distinguish, and the tags of each kind.

use super::config::*;
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::pxe::MachineId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The tests that affect decisions, and the groups of `dhcp-host` lines with the same effect.
#[derive(Debug)]
pub struct MachineTests {
    /// The tests that affect decisions.
    pub tests: Vec<TagTest>,
    /// The groups of hosts whose lines have the same effect.
    pub groups: Vec<DhcpHostGroup>,
    /// The tags on which a decision depends, directly or through `tag-if`.
    pub needed_tags: BTreeSet<String>,
}

/// Hosts whose `dhcp-host` lines have the same effect.
#[derive(Debug, Default)]
pub struct DhcpHostGroup {
    /// The tags that the lines set.
    pub set_tags: BTreeSet<String>,
    /// Whether dnsmasq ignores the hosts.
    pub ignore: bool,
    /// The MAC addresses of the hosts.
    pub macs: Vec<MacPattern>,
    /// The number of wildcard octets in each address. Of several lines that match a machine, dnsmasq uses the line with
    /// the fewest.
    pub wildcard_octets: usize,
    /// The `dhcp-host` lines of the group.
    pub lines: Vec<LineId>,
}

/// A kind of machines: the tests that hold for them, and their host group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineKind {
    /// The indexes of the tests that hold.
    pub tests: Vec<usize>,
    /// The index of the host group. `None`: the machines are in none of the groups.
    pub group: Option<usize>,
}

/// The limit of kinds without host groups. Each test may double the number of kinds.
pub const MAX_KINDS: usize = 1024;
/// The limit of kinds, including those with host groups.
pub const MAX_KINDS_WITH_HOSTS: usize = 4096;

impl MachineTests {
    /// Collects the tests and host groups of a configuration.
    pub fn new(config: &DnsmasqConfig) -> MachineTests {
        let needed = needed_tags(config);
        let mut tests: BTreeSet<TagTest> = config
            .tag_matches
            .iter()
            .filter(|tag_match| needed.contains(&tag_match.tag))
            .map(|tag_match| tag_match.test.clone())
            .filter_map(|test| match test {
                TagTest::Arch(code) if is_http_arch(code) => Some(TagTest::Http),
                TagTest::Always | TagTest::Arch(_) => None,
                test => Some(test),
            })
            .collect();
        // dnsmasq sets the name of the interface as a tag, without a line in the configuration.
        let is_built_in = |tag: &String| ["known", "known-othernet", "bootp"].contains(&tag.as_str());
        let is_set = |tag: &String| config.sets_tag(tag) || config.unsupported_tags.contains(tag);
        tests.extend(needed.iter().filter(|tag| !is_set(tag) && !is_built_in(tag)).cloned().map(TagTest::Interface));
        MachineTests { tests: tests.into_iter().collect(), groups: groups(config, &needed), needed_tags: needed }
    }

    /// Every possible kind, those with more tests first. `None`: there are too many kinds.
    pub fn kinds(&self) -> Option<Vec<MachineKind>> {
        let mut kinds = vec![MachineKind::default()];
        for test in 0..self.tests.len() {
            let extended: Vec<MachineKind> = kinds
                .iter()
                .map(|kind| MachineKind { tests: kind.tests.iter().copied().chain([test]).collect(), group: None })
                .filter(|kind| self.conditions(kind).is_some())
                .collect();
            kinds.extend(extended);
            if kinds.len() > MAX_KINDS {
                return None;
            }
        }
        for group in 0..self.groups.len() {
            let base_kinds: Vec<MachineKind> = kinds.iter().filter(|kind| kind.group.is_none()).cloned().collect();
            // If the line with the machine's full address ignores the machine, other tests do not matter.
            let is_ignored = self.groups[group].ignore && self.groups[group].wildcard_octets == 0;
            let base_kinds = if is_ignored { vec![MachineKind::default()] } else { base_kinds };
            let extended = base_kinds.into_iter().map(|kind| MachineKind { group: Some(group), ..kind });
            kinds.extend(extended.filter(|kind| self.conditions(kind).is_some()));
            if kinds.len() > MAX_KINDS_WITH_HOSTS {
                return None;
            }
        }
        kinds.retain(|kind| self.is_whole(kind));
        let wildcards = |kind: &MachineKind| kind.group.map_or(0, |group| self.groups[group].wildcard_octets);
        let is_ignored = |kind: &MachineKind| {
            kind.group.is_some_and(|group| self.groups[group].ignore && self.groups[group].wildcard_octets == 0)
        };
        let specificity = |kind: &MachineKind| kind.tests.len() + usize::from(kind.group.is_some());
        kinds.sort_by_key(|kind| (!is_ignored(kind), usize::MAX - specificity(kind), wildcards(kind)));
        Some(kinds)
    }

    /// Whether the kind contains every test that its tests imply. For example, a test for a text implies the tests for
    /// parts of that text.
    fn is_whole(&self, kind: &MachineKind) -> bool {
        kind.tests.iter().all(|longer| {
            (0..self.tests.len())
                .all(|shorter| kind.tests.contains(&shorter) || !implies(&self.tests[*longer], &self.tests[shorter]))
        })
    }

    /// Whether machines of this kind boot over HTTP.
    pub fn is_http(&self, kind: &MachineKind) -> bool {
        kind.tests.iter().any(|index| self.tests[*index] == TagTest::Http)
    }

    /// The tags of machines of this kind with this architecture.
    pub fn tags(&self, config: &DnsmasqConfig, kind: &MachineKind, arch: Option<u16>) -> BTreeSet<String> {
        let holds = |test: &TagTest| match test {
            TagTest::Always => true,
            TagTest::Arch(code) => arch == Some(*code),
            test => kind.tests.iter().any(|index| self.tests[*index] == *test),
        };
        let mut tags: BTreeSet<String> = config
            .tag_matches
            .iter()
            .filter(|tag_match| holds(&tag_match.test))
            .map(|tag_match| tag_match.tag.clone())
            .collect();
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

    /// The conditions of a rule for this kind, by key. `None`: the conditions contradict each other.
    pub fn conditions(&self, kind: &MachineKind) -> Option<BTreeMap<&'static str, Vec<String>>> {
        let mut conditions = BTreeMap::new();
        let mut macs: Option<Vec<MacPattern>> = kind.group.map(|group| self.groups[group].macs.clone());
        let mut texts: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        let mut subnet: Option<Network4> = None;
        for test in kind.tests.iter().map(|index| &self.tests[*index]) {
            match test {
                TagTest::Always | TagTest::Arch(_) => {}
                TagTest::Ipxe => insert_single(&mut conditions, "firmware", "ipxe".to_owned())?,
                TagTest::Http => insert_single(&mut conditions, "firmware", "http".to_owned())?,
                TagTest::VendorClass(text) => texts.entry("vendor-class").or_default().push(text),
                TagTest::UserClass(text) => texts.entry("user-class").or_default().push(text),
                TagTest::Mac(octets) => {
                    let with = MacPattern(*octets);
                    let known = macs.unwrap_or_else(|| vec![MacPattern([None; 6])]);
                    macs = Some(known.iter().filter_map(|mac| intersection(mac, &with)).collect());
                }
                TagTest::CircuitId(text) => insert_single(&mut conditions, "circuit-id", text.clone())?,
                TagTest::Relay(octets) => insert_single(&mut conditions, "relay", Ipv4Addr::from(*octets).to_string())?,
                TagTest::Interface(name) => insert_single(&mut conditions, "interface", name.clone())?,
                TagTest::Uuid(uuid) => insert_single(&mut conditions, "uuid", MachineId::from_uuid(*uuid).to_string())?,
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
            conditions.insert(key, patterns_containing(&texts)?);
        }
        conditions.extend(subnet.map(|subnet| ("subnet", vec![format!("{}/{}", subnet.address, subnet.prefix)])));
        Some(conditions)
    }
}

/// Whether the tags meet all of these requirements: each tag is set, or not set if it is negated.
pub fn tags_match(literals: &[TagLiteral], tags: &BTreeSet<String>) -> bool {
    literals.iter().all(|literal| tags.contains(&literal.tag) != literal.negated)
}

/// The tags on which a decision depends, directly or through `tag-if`.
pub fn needed_tags(config: &DnsmasqConfig) -> BTreeSet<String> {
    let from_boots = config.boots.iter().chain(&config.option_boots).flat_map(|boot| &boot.tags);
    let from_services = config.services.iter().flat_map(|service| &service.tags);
    let from_prompts = config.prompts.iter().flat_map(|prompt| &prompt.tags);
    let from_ignores = config.ignores.iter().flat_map(|(_, tags)| tags);
    let from_ranges = config.ranges.iter().filter(|range| range.is_proxy).flat_map(|range| &range.required_tags);
    let all = from_boots.chain(from_services).chain(from_prompts).chain(from_ignores).chain(from_ranges);
    let mut needed: BTreeSet<String> = all.map(|literal| literal.tag.clone()).collect();
    for tag_if in config.tag_ifs.iter().rev() {
        if tag_if.set_tags.iter().any(|tag| needed.contains(tag)) {
            needed.extend(tag_if.tags.iter().map(|literal| literal.tag.clone()));
        }
    }
    needed
}

/// Groups the hosts by the effect of their lines. A line that sets no needed tag has an effect only if a decision
/// depends on the tag `known`, or if the line ignores its hosts.
fn groups(config: &DnsmasqConfig, needed: &BTreeSet<String>) -> Vec<DhcpHostGroup> {
    let known_matters = needed.contains("known");
    let mut groups: Vec<DhcpHostGroup> = Vec::new();
    // If two lines have the same address, the last one applies.
    let mut used_macs: Vec<MacPattern> = Vec::new();
    for host in config.hosts.iter().rev() {
        let sets: BTreeSet<String> = host.set_tags.iter().filter(|tag| needed.contains(*tag)).cloned().collect();
        for mac in host.macs.iter().filter(|mac| !used_macs.contains(mac)) {
            let open = mac.0.iter().filter(|octet| octet.is_none()).count();
            if known_matters || host.ignore || !sets.is_empty() {
                let is_same = |group: &DhcpHostGroup| {
                    group.set_tags == sets && group.ignore == host.ignore && group.wildcard_octets == open
                };
                let group = match groups.iter().position(is_same) {
                    Some(index) => &mut groups[index],
                    None => {
                        groups.push(DhcpHostGroup {
                            set_tags: sets.clone(),
                            ignore: host.ignore,
                            wildcard_octets: open,
                            ..DhcpHostGroup::default()
                        });
                        groups.last_mut().expect("pushed")
                    }
                };
                group.macs.push(*mac);
                group.lines.push(host.line);
            }
        }
        used_macs.extend(&host.macs);
    }
    groups
}

/// Whether the first test implies the second: the text of the first contains that of the second, or the address pattern
/// of the second matches every address that the first matches.
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

/// The pattern of the addresses that match both patterns. `None`: no address does.
fn intersection(one: &MacPattern, other: &MacPattern) -> Option<MacPattern> {
    let mut octets = [None; 6];
    for (octet, pair) in octets.iter_mut().zip(one.0.into_iter().zip(other.0)) {
        *octet = match pair {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
    }
    Some(MacPattern(octets))
}

/// Adds a condition that only one value can meet. `None`: the conditions already contain this key.
fn insert_single(conditions: &mut BTreeMap<&'static str, Vec<String>>, key: &'static str, value: String) -> Option<()> {
    match conditions.insert(key, vec![value]) {
        Some(_) => None,
        None => Some(()),
    }
}

/// The narrower of two networks. `None`: the networks do not overlap.
fn narrower(known: Option<Network4>, other: Network4) -> Option<Network4> {
    let Some(known) = known else { return Some(other) };
    let (wide, narrow) = if known.prefix <= other.prefix { (known, other) } else { (other, known) };
    wide.contains(narrow.address).then_some(narrow)
}

/// The patterns for texts that contain all of these texts. `None`: no vendor class can contain them all.
fn patterns_containing(texts: &[&str]) -> Option<Vec<String>> {
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
