//! Translates OpenWrt's `/etc/config/dhcp` to dnsmasq options, as OpenWrt's start script does.

use super::output::{LineNote, LineOutcome};
use super::translation::{Translation, quote_value};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};

/// A section, such as `config boot 'linux'`, with its entries.
struct UciSection {
    line: usize,
    kind: String,
    name: String,
    entries: Vec<UciEntry>,
}

/// An entry of a section: `option NAME VALUE`, or `list NAME VALUE`.
struct UciEntry {
    line: usize,
    name: String,
    value: String,
}

const ADDRESSES: &str = "because addresses and names come from the router";

/// Translates the file to dnsmasq options.
pub fn translate(source: &Source) -> Result<Translation, Vec<Diagnostic>> {
    let sections = sections(source)?;
    let mut translator = UciTranslator { source, translation: Translation::default() };
    sections.iter().for_each(|section| translator.section(section));
    let networks: Vec<&UciSection> = sections.iter().filter(|section| section.kind == "dhcp").collect();
    networks.iter().for_each(|section| translator.network(section, networks.len() == 1));
    if translator.translation.options.is_empty() {
        translator.translation.action_items.push("this file configures no network boot".into());
    }
    Ok(translator.translation)
}

fn sections(source: &Source) -> Result<Vec<UciSection>, Vec<Diagnostic>> {
    let (mut sections, mut diagnostics) = (Vec::<UciSection>::new(), Vec::new());
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
                sections.push(UciSection { line: index + 1, kind, name, entries: Vec::new() });
            }
            (Some("option" | "list"), Some(name), Some(value), Some(section)) => {
                section.entries.push(UciEntry { line: index + 1, name, value });
            }
            _ => diagnostics.push(
                source
                    .error(at, "this is not a line of an OpenWrt configuration")
                    .help("lines have the form `config TYPE NAME`, `option NAME VALUE` or `list NAME VALUE`"),
            ),
        }
    }
    if diagnostics.is_empty() { Ok(sections) } else { Err(diagnostics) }
}

/// The words of a line, split as a shell does.
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

impl UciSection {
    fn get(&self, names: &[&str]) -> Option<&UciEntry> {
        self.entries.iter().find(|entry| names.contains(&entry.name.as_str()))
    }

    fn text(&self, name: &str) -> &str {
        self.get(&[name]).map_or("", |entry| &entry.value)
    }

    /// The tags of the section. OpenWrt also calls tags network ids.
    fn tags(&self) -> Vec<&str> {
        let named = self.entries.iter().filter(|entry| ["networkid", "tag"].contains(&entry.name.as_str()));
        named.flat_map(|entry| entry.value.split_whitespace()).map(|tag| strip_tag_prefix(tag).unwrap_or(tag)).collect()
    }
}

/// The tag after `tag:`, `set:` or `net:`. `None`: the text has no such prefix.
fn strip_tag_prefix(tag: &str) -> Option<&str> {
    ["tag:", "set:", "net:"].iter().find_map(|word| tag.strip_prefix(word))
}

struct UciTranslator<'a> {
    source: &'a Source,
    translation: Translation,
}

impl UciTranslator<'_> {
    fn add_note(&mut self, line: usize, outcome: LineOutcome) {
        let text = self.source.text.lines().nth(line - 1).unwrap_or_default().trim();
        let is_grouped = matches!(outcome, LineOutcome::Grouped(_));
        let text = if is_grouped { words(text).into_iter().nth(1).unwrap_or_default() } else { text.to_owned() };
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome });
    }

    fn section(&mut self, section: &UciSection) {
        match section.kind.as_str() {
            "dnsmasq" => section.entries.iter().for_each(|entry| self.dnsmasq_entry(entry)),
            "boot" => self.boot(section),
            "match" => self.tag_match(section, "dhcp-match", "match"),
            "userclass" => self.tag_match(section, "dhcp-userclass", "userclass"),
            "vendorclass" => self.tag_match(section, "dhcp-vendorclass", "vendorclass"),
            "mac" => self.tag_match(section, "dhcp-mac", "mac"),
            "circuitid" => self.tag_match(section, "dhcp-circuitid", "circuitid"),
            "remoteid" => self.tag_match(section, "dhcp-remoteid", "remoteid"),
            "subscrid" => self.tag_match(section, "dhcp-subscrid", "subscrid"),
            "host" => self.host(section),
            "dhcp" => {}
            _ => self.add_note(section.line, LineOutcome::Grouped(ADDRESSES)),
        }
    }

    fn dnsmasq_entry(&mut self, entry: &UciEntry) {
        let UciEntry { line, name, value: text } = entry;
        let is_on = ["1", "on", "true", "yes", "enabled"].contains(&text.as_str());
        match name.as_str() {
            "enable_tftp" if is_on => self.translation.add_option(*line, "enable-tftp"),
            "tftp_root" => self.translation.add_option(*line, format!("tftp-root={}", quote_value(text))),
            "tftp_lowercase" if is_on => self.translation.add_option(*line, "tftp-lowercase"),
            "dhcp_boot" => self.translation.add_option(*line, format!("dhcp-boot={text}")),
            "dhcp_option" | "dhcp_option_force" => self.translation.add_option(*line, format!("dhcp-option={text}")),
            "dhcp_match" | "dhcp_userclass" | "dhcp_vendorclass" | "pxe_prompt" | "pxe_service" | "tag_if" => {
                self.translation.add_option(*line, format!("{}={text}", name.replace('_', "-")));
            }
            "confdir" | "addnmount" | "extraconftext" => {
                let reason = "it is not imported: import the dnsmasq files that it names separately";
                self.add_note(*line, LineOutcome::Unsupported(reason.into()));
            }
            _ => self.add_note(*line, LineOutcome::Grouped(ADDRESSES)),
        }
    }

    fn boot(&mut self, section: &UciSection) {
        let Some(file) = section.get(&["filename"]) else {
            return self.add_note(section.line, LineOutcome::Unsupported("`config boot` needs a `filename`".into()));
        };
        let mut tags = section.tags();
        // Tags may also precede the name of the file, as in `tag:x,pxelinux.0`.
        let mut name = file.value.as_str();
        while let Some((tag, rest)) = name.split_once(',').and_then(|(tag, rest)| Some((strip_tag_prefix(tag)?, rest)))
        {
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

    fn tag_match(&mut self, section: &UciSection, option: &str, key: &str) {
        let (tags, entry) = (section.tags(), section.get(&[key]));
        let Some(entry) = entry.filter(|_| !tags.is_empty()) else {
            return self.add_note(
                section.line,
                LineOutcome::Unsupported(format!("the section needs a `networkid` and a `{key}`")),
            );
        };
        for tag in tags {
            self.translation.add_option(entry.line, format!("{option}=set:{tag},{}", entry.value));
        }
    }

    fn host(&mut self, section: &UciSection) {
        let macs: Vec<&str> = section
            .entries
            .iter()
            .filter(|entry| entry.name == "mac")
            .flat_map(|entry| entry.value.split_whitespace())
            .collect();
        if macs.is_empty() {
            let reason = "a boot client is identified by its MAC address, and this entry has none";
            return self.add_note(section.line, LineOutcome::Unsupported(reason.into()));
        }
        let tags: String = section
            .entries
            .iter()
            .filter(|entry| ["tag", "networkid"].contains(&entry.name.as_str()))
            .flat_map(|entry| entry.value.split_whitespace())
            .map(|tag| format!(",set:{}", strip_tag_prefix(tag).unwrap_or(tag)))
            .collect();
        let name = match section.text("name") {
            "" => section.name.as_str(),
            name => name,
        };
        let ignore = if section.text("ip") == "ignore" { ",ignore" } else { "" };
        let name = if name.is_empty() { String::new() } else { format!(",{name}") };
        self.translation.add_option(section.line, format!("dhcp-host={}{tags}{name}{ignore}", macs.join(",")));
    }

    /// Translates the DHCP options of `config dhcp 'lan'`, which may name a boot file. The router still assigns the
    /// addresses, so the other entries are not imported.
    fn network(&mut self, section: &UciSection, is_only_network: bool) {
        for entry in &section.entries {
            if !["dhcp_option", "dhcp_option_force"].contains(&entry.name.as_str()) {
                self.add_note(entry.line, LineOutcome::Grouped(ADDRESSES));
                continue;
            }
            let boot_options = ["67", "66", "150", "option:bootfile-name", "option:tftp-server"];
            let is_boot = entry.value.split(',').any(|part| boot_options.contains(&part));
            if is_boot && !is_only_network {
                let reason = "it is for one of several networks, whose addresses are in another file: \
                           write a [[rule]] with `subnet` for it";
                self.add_note(entry.line, LineOutcome::Unsupported(reason.into()));
                continue;
            }
            self.translation.add_option(entry.line, format!("dhcp-option={}", entry.value));
        }
    }
}
