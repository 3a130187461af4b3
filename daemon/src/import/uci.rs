//! OpenWrt's /etc/config/dhcp, as its start script makes options of dnsmasq from it.

use super::translation::{Translation, quote_value};
use super::output::{LineOutcome, LineNote};
use crate::config::diagnostic::{Diagnostic, Source};

/// A section: `config boot 'linux'`, and what is under it.
struct Section {
    line: usize,
    kind: String,
    name: String,
    entries: Vec<Entry>,
}

/// `option NAME VALUE`, or `list NAME VALUE`.
struct Entry {
    line: usize,
    name: String,
    value: String,
}

const ADDRESSES: &str = "for addresses and names come from the router";

pub fn translate(source: &Source) -> Result<Translation, Vec<Diagnostic>> {
    let sections = sections(source)?;
    let mut reader = Reader { source, translation: Translation::default() };
    sections.iter().for_each(|section| reader.section(section));
    let own: Vec<&Section> = sections.iter().filter(|section| section.kind == "dhcp").collect();
    own.iter().for_each(|section| reader.network(section, own.len() == 1));
    if reader.translation.options.is_empty() {
        reader.translation.action_items.push("nothing in this file says what machines boot".into());
    }
    Ok(reader.translation)
}

fn sections(source: &Source) -> Result<Vec<Section>, Vec<Diagnostic>> {
    let (mut sections, mut told) = (Vec::<Section>::new(), Vec::new());
    let mut start = 0;
    for (index, text) in source.text.split_inclusive('\n').enumerate() {
        let at = start + (text.len() - text.trim_start().len())..start + text.trim_end().len();
        start += text.len();
        let words = words(text);
        let mut words = words.into_iter();
        match (words.next().as_deref(), words.next(), words.next(), sections.last_mut()) {
            (None, ..) => {}
            (Some("package"), ..) => {}
            (Some("config"), Some(kind), name, _) => {
                let name = name.unwrap_or_default();
                sections.push(Section { line: index + 1, kind, name, entries: Vec::new() });
            }
            (Some("option" | "list"), Some(name), Some(value), Some(section)) => {
                section.entries.push(Entry { line: index + 1, name, value });
            }
            _ => told.push(
                source
                    .error(at, "this is no line of OpenWrt's configuration")
                    .help("the lines are `config TYPE NAME`, `option NAME VALUE` and `list NAME VALUE`"),
            ),
        }
    }
    if told.is_empty() { Ok(sections) } else { Err(told) }
}

/// The words of a line as a shell cuts it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in text.trim().chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

impl Section {
    fn get(&self, names: &[&str]) -> Option<&Entry> {
        self.entries.iter().find(|entry| names.contains(&entry.name.as_str()))
    }

    fn text(&self, name: &str) -> &str {
        self.get(&[name]).map_or("", |entry| &entry.value)
    }

    /// The tags, which are also called network ids.
    fn tags(&self) -> Vec<&str> {
        let named = self.entries.iter().filter(|entry| ["networkid", "tag"].contains(&entry.name.as_str()));
        named.flat_map(|entry| entry.value.split_whitespace()).map(|tag| bare(tag).unwrap_or(tag)).collect()
    }
}

/// What is behind the word that makes a tag of it; `None`: there is no such word.
fn bare(tag: &str) -> Option<&str> {
    ["tag:", "set:", "net:"].iter().find_map(|word| tag.strip_prefix(word))
}

struct Reader<'a> {
    source: &'a Source,
    translation: Translation,
}

impl Reader<'_> {
    fn tell(&mut self, line: usize, fate: LineOutcome) {
        let text = self.source.text.lines().nth(line - 1).unwrap_or_default().trim();
        let group = matches!(fate, LineOutcome::Grouped(_));
        let text = if group { words(text).into_iter().nth(1).unwrap_or_default() } else { text.to_owned() };
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome: fate });
    }

    fn section(&mut self, section: &Section) {
        match section.kind.as_str() {
            "dnsmasq" => section.entries.iter().for_each(|entry| self.of_dnsmasq(entry)),
            "boot" => self.boot(section),
            "match" => self.mark(section, "dhcp-match", "match"),
            "userclass" => self.mark(section, "dhcp-userclass", "userclass"),
            "vendorclass" => self.mark(section, "dhcp-vendorclass", "vendorclass"),
            "mac" => self.mark(section, "dhcp-mac", "mac"),
            "circuitid" => self.mark(section, "dhcp-circuitid", "circuitid"),
            "remoteid" => self.mark(section, "dhcp-remoteid", "remoteid"),
            "subscrid" => self.mark(section, "dhcp-subscrid", "subscrid"),
            "host" => self.host(section),
            "dhcp" => {}
            _ => self.tell(section.line, LineOutcome::Grouped(ADDRESSES)),
        }
    }

    fn of_dnsmasq(&mut self, entry: &Entry) {
        let Entry { line, name, value: text } = entry;
        let on = ["1", "on", "true", "yes", "enabled"].contains(&text.as_str());
        match name.as_str() {
            "enable_tftp" if on => self.translation.add_option(*line, "enable-tftp"),
            "tftp_root" => self.translation.add_option(*line, format!("tftp-root={}", quote_value(text))),
            "tftp_lowercase" if on => self.translation.add_option(*line, "tftp-lowercase"),
            "dhcp_boot" => self.translation.add_option(*line, format!("dhcp-boot={text}")),
            "dhcp_option" | "dhcp_option_force" => self.translation.add_option(*line, format!("dhcp-option={text}")),
            "dhcp_match" | "dhcp_userclass" | "dhcp_vendorclass" | "pxe_prompt" | "pxe_service" | "tag_if" => {
                self.translation.add_option(*line, format!("{}={text}", name.replace('_', "-")));
            }
            "confdir" | "addnmount" | "extraconftext" => {
                let why = "it is not read: import the files of dnsmasq that it names on their own";
                self.tell(*line, LineOutcome::Unsupported(why.into()));
            }
            _ => self.tell(*line, LineOutcome::Grouped(ADDRESSES)),
        }
    }

    fn boot(&mut self, section: &Section) {
        let Some(file) = section.get(&["filename"]) else {
            return self.tell(section.line, LineOutcome::Unsupported("a boot needs a `filename`".into()));
        };
        let mut tags = section.tags();
        // The tags may as well stand in front of the name.
        let mut name = file.value.as_str();
        while let Some((tag, rest)) = name.split_once(',').and_then(|(tag, rest)| Some((bare(tag)?, rest))) {
            tags.push(tag);
            name = rest;
        }
        let tag: String = tags.iter().map(|tag| format!("tag:{tag},")).collect();
        let server = match (section.text("servername"), section.text("serveraddress")) {
            ("", "") => String::new(),
            (name, address) => format!(",{},{address}", quote_value(name)),
        };
        let server = server.trim_end_matches(',');
        self.translation.add_option(file.line, format!("dhcp-boot={tag}{}{server}", quote_value(name)));
        for option in section.entries.iter().filter(|entry| entry.name == "dhcp_option") {
            self.translation.add_option(option.line, format!("dhcp-option={tag}{}", option.value));
        }
    }

    fn mark(&mut self, section: &Section, option: &str, key: &str) {
        let (tags, entry) = (section.tags(), section.get(&[key]));
        let Some(entry) = entry.filter(|_| !tags.is_empty()) else {
            return self.tell(section.line, LineOutcome::Unsupported(format!("it needs a `networkid` and a `{key}`")));
        };
        for tag in tags {
            self.translation.add_option(entry.line, format!("{option}=set:{tag},{}", entry.value));
        }
    }

    fn host(&mut self, section: &Section) {
        let macs: Vec<&str> = section
            .entries
            .iter()
            .filter(|entry| entry.name == "mac")
            .flat_map(|entry| entry.value.split_whitespace())
            .collect();
        if macs.is_empty() {
            let why = "a machine that boots is known by its MAC address, and here is none";
            return self.tell(section.line, LineOutcome::Unsupported(why.into()));
        }
        let tags: String = section
            .entries
            .iter()
            .filter(|entry| ["tag", "networkid"].contains(&entry.name.as_str()))
            .flat_map(|entry| entry.value.split_whitespace())
            .map(|tag| format!(",set:{}", bare(tag).unwrap_or(tag)))
            .collect();
        let name = match section.text("name") {
            "" => section.name.as_str(),
            name => name,
        };
        let ignore = if section.text("ip") == "ignore" { ",ignore" } else { "" };
        let name = if name.is_empty() { String::new() } else { format!(",{name}") };
        self.translation.add_option(section.line, format!("dhcp-host={}{tags}{name}{ignore}", macs.join(",")));
    }

    /// `config dhcp 'lan'`: its addresses are the router's, and its options may name what to boot.
    fn network(&mut self, section: &Section, alone: bool) {
        for entry in &section.entries {
            if !["dhcp_option", "dhcp_option_force"].contains(&entry.name.as_str()) {
                self.tell(entry.line, LineOutcome::Grouped(ADDRESSES));
                continue;
            }
            let boots = ["67", "66", "150", "option:bootfile-name", "option:tftp-server"];
            let is_boot = entry.value.split(',').any(|part| boots.contains(&part));
            if is_boot && !alone {
                let why = "it is for one of several networks, whose addresses stand in another file: write a [[rule]] with \
                           `subnet` for it";
                self.tell(entry.line, LineOutcome::Unsupported(why.into()));
                continue;
            }
            self.translation.add_option(entry.line, format!("dhcp-option={}", entry.value));
        }
    }
}
