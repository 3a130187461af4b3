//! Writes the tables of the native file.

use super::super::output::{LineOutcome, one_line, toml_list, toml_string, unique_name};
use super::super::server_info::ServerInfo;
use super::boot_files;
use super::config::*;
use super::decide::PxeMenu;
use super::lines::DnsmasqLine;
use super::machine_kinds::{MachineKind, MachineTests};
use super::rules::{ImportedRule, RuleAction};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// The tables of the native file, and the outcomes of lines that the writer of the tables determines.
#[derive(Debug, Default)]
pub struct NativeTables {
    /// The TOML text.
    pub text: String,
    /// The outcomes of lines.
    pub outcomes: Vec<(LineId, LineOutcome)>,
}

/// Writes the tables for these rules.
pub fn write(
    config: &DnsmasqConfig,
    machine_tests: &MachineTests,
    rules: &[ImportedRule],
    lines: &[DnsmasqLine],
    server: &ServerInfo,
) -> NativeTables {
    let root = boot_files::boot_dir(config, server);
    let (names, rule_names, profiles, outcomes) = Default::default();
    let mut writer = TableWriter { config, machine_tests, lines, server, root, names, rule_names, profiles, outcomes };
    let mut text = writer.settings();
    let mut tables = String::new();
    let (default_rule, other_rules) = match rules.split_last() {
        Some((default_rule, other_rules)) if default_rule.action != RuleAction::Deny => {
            (Some(default_rule), other_rules)
        }
        _ => (None, rules),
    };
    for rule in other_rules {
        tables += &writer.raspberry_pi_rule(rule);
        tables += &writer.rule(rule);
    }
    tables += &default_rule.map(|default_rule| writer.raspberry_pi_rule(default_rule)).unwrap_or_default();
    if default_rule.is_none_or(|default_rule| default_rule.action == RuleAction::Nothing) {
        tables += &writer.ipv6_rule();
    }
    if let Some(default_rule) = default_rule {
        let name = writer.profile(default_rule);
        text = format!("default-profile = {}\n{text}", toml_string(&name));
    }
    let machines = writer.machines();
    text += &tables;
    text += &writer.profiles;
    text += &machines;
    NativeTables { text, outcomes: writer.outcomes }
}

struct TableWriter<'a> {
    config: &'a DnsmasqConfig,
    machine_tests: &'a MachineTests,
    lines: &'a [DnsmasqLine],
    server: &'a ServerInfo,
    /// The boot directory, which may not exist on this host.
    root: PathBuf,
    names: ActionNames,
    rule_names: BTreeSet<String>,
    profiles: String,
    outcomes: Vec<(LineId, LineOutcome)>,
}

/// The names of the profiles, by their action.
#[derive(Default)]
struct ActionNames {
    known: BTreeMap<RuleAction, String>,
    taken: BTreeSet<String>,
}

/// The names of the built-in profiles.
const BUILT_IN: [&str; 3] = ["menu", "local-disk", "nothing"];
/// The limit of characters in a menu line or a prompt.
const MAX_TEXT_LENGTH: usize = 60;
/// The limit of items in a menu.
const MAX_ITEMS: usize = 24;

impl TableWriter<'_> {
    /// The text of the top-level keys, and of `[tftp]` and `[dhcp]`.
    fn settings(&mut self) -> String {
        let (config, mut text) = (self.config, String::new());
        if !config.interfaces.is_empty() {
            let names = config.interfaces.iter().map(|(_, name)| name);
            writeln!(text, "interfaces = {}", toml_list(names)).ok();
        }
        if !config.addresses.is_empty() {
            let addresses = config.addresses.iter().map(|(_, address)| address.to_string());
            writeln!(text, "address = {}", toml_list(addresses)).ok();
        }
        let tftp = &config.tftp;
        if let Some(root) = &tftp.root {
            writeln!(text, "boot-dir = {}", toml_string(root)).ok();
        }
        if tftp.ignore_case {
            text.push_str("ignore-case = true\n");
        }
        let mut keys = String::new();
        tftp.single_port.then(|| keys.push_str("single-port = true\n"));
        tftp.port_range.filter(|_| !tftp.single_port).map(|(low, high)| writeln!(keys, "ports = \"{low}-{high}\""));
        tftp.max_transfers.map(|limit| writeln!(keys, "max-transfers = {limit}"));
        if !keys.is_empty() {
            write!(text, "\n[tftp]\n{keys}").ok();
        }
        if !config.vendor_classes.is_empty() {
            let words = toml_list(config.vendor_classes.iter().map(|(_, word)| word));
            write!(text, "\n[dhcp]\npxe-vendor-classes = {words}\n").ok();
        }
        text
    }

    fn rule(&mut self, rule: &ImportedRule) -> String {
        let mut text = format!("\n[[rule]]{}\n", self.line_comment(&rule.lines));
        let name = self.unique_rule_name(rule);
        if !name.is_empty() {
            writeln!(text, "name = {}", toml_string(&name)).ok();
        }
        for (key, values) in self.machine_tests.conditions(&rule.kind).unwrap_or_default() {
            writeln!(text, "{key} = {}", toml_list(values)).ok();
        }
        if !rule.archs.is_empty() {
            writeln!(text, "arch = {}", toml_list(rule.archs.iter().map(|arch| arch_id(arch.0)))).ok();
        }
        match rule.action {
            RuleAction::Deny => text.push_str("deny = true\n"),
            _ => {
                writeln!(text, "profile = {}", toml_string(&self.profile(rule))).ok();
            }
        }
        text
    }

    /// The comment that names the lines from which a table comes: ` # line 3, 4`.
    fn line_comment(&self, lines: &BTreeSet<LineId>) -> String {
        let numbers: BTreeSet<usize> = lines.iter().map(|line| self.lines[*line].number()).collect();
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!(" # line {}", numbers.join(", ")) }
    }

    /// The text of a rule for Raspberry Pi machines, to precede this rule if this rule boots nothing. The new rule
    /// boots the machines with the profile `menu`, which needs no file name. Empty if no such rule is necessary.
    fn raspberry_pi_rule(&self, rule: &ImportedRule) -> String {
        let conditions = self.machine_tests.conditions(&rule.kind).unwrap_or_default();
        let pi_lines = &self.config.raspberry_pi_lines;
        let is_for_others = conditions.contains_key("firmware") || !rule.archs.is_empty();
        if pi_lines.is_empty() || rule.action != RuleAction::Nothing || is_for_others {
            return String::new();
        }
        let from = self.line_comment(&pi_lines.iter().copied().collect());
        let mut text = format!("\n[[rule]]{from}\nname = \"Raspberry Pi\"\nfirmware = [\"raspberry-pi\"]\n");
        for (key, values) in conditions {
            writeln!(text, "{key} = {}", toml_list(values)).ok();
        }
        text + "profile = \"menu\"\n"
    }

    /// The text of a rule for machines that boot over IPv6, with the profile `menu`, which needs no file name. Empty if
    /// no line sets a boot file for IPv6.
    fn ipv6_rule(&self) -> String {
        let boots = &self.config.ipv6_boot_lines;
        if boots.is_empty() {
            return String::new();
        }
        let from = self.line_comment(&boots.iter().copied().collect());
        format!("\n[[rule]]{from}\nname = \"IPv6\"\nsubnet = [\"::/0\"]\nprofile = \"menu\"\n")
    }

    /// A unique name for the rule. It consists of the tags, then also of the architectures if the name is taken, then
    /// also of a number.
    fn unique_rule_name(&mut self, rule: &ImportedRule) -> String {
        let tags = self.tag_names(&rule.kind);
        let archs: Vec<String> = rule.archs.iter().map(|arch| arch_id(arch.0)).collect();
        let with_archs =
            [tags.clone()].into_iter().chain(archs).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let numbered = (2..).map(|number| format!("{with_archs} {number}"));
        let mut candidates = [tags.clone(), with_archs.clone()].into_iter().chain(numbered);
        let name = candidates.find(|name| !self.rule_names.contains(name)).unwrap_or_default();
        if !tags.is_empty() || !rule.archs.is_empty() {
            self.rule_names.insert(name.clone());
        }
        name
    }

    /// The tags that dnsmasq sets for machines of this kind, as a name, which is one line.
    fn tag_names(&self, kind: &MachineKind) -> String {
        let test_tag = |index: &usize| {
            let test = &self.machine_tests.tests[*index];
            let tag_match = self.config.tag_matches.iter().find(|tag_match| tag_match.test == *test);
            match (tag_match, test) {
                (Some(tag_match), _) => tag_match.tag.clone(),
                (None, TagTest::Interface(name)) => name.clone(),
                _ => String::new(),
            }
        };
        let group_tags = kind.group.map(|group| {
            let sets: Vec<_> = self.machine_tests.groups[group].set_tags.iter().cloned().collect();
            if sets.is_empty() { "known".to_owned() } else { sets.join(" ") }
        });
        let mut tags: Vec<String> = kind.tests.iter().map(test_tag).chain(group_tags).collect();
        tags.dedup();
        one_line(&tags.join(" "))
    }

    /// The name of the profile for this rule. Writes the profile if no earlier rule has the same action.
    fn profile(&mut self, rule: &ImportedRule) -> String {
        match &rule.action {
            RuleAction::Deny | RuleAction::Nothing => return "nothing".into(),
            RuleAction::LocalDisk => return "local-disk".into(),
            action => {
                if let Some(name) = self.names.known.get(action) {
                    return name.clone();
                }
            }
        }
        let preferred_name = match (self.tag_names(&rule.kind), &rule.action) {
            (tags, RuleAction::Menu(_, codes)) if tags.is_empty() => match codes[..] {
                [code] => format!("{} choice", arch_id(code)),
                _ => "choice".into(),
            },
            (tags, _) if tags.is_empty() => "default".into(),
            (tags, _) => tags,
        };
        let name = self.names.take(&rule.action, &preferred_name);
        let from = self.line_comment(&rule.lines);
        let table = match &rule.action {
            RuleAction::Url(url) => format!("\n[profile.{name}]{from}\nscript = {}\n", toml_string(url)),
            RuleAction::Files(files, default) => {
                let keys = self.loaders(files, default.as_ref(), &rule.lines);
                let has_no_loader = keys.lines().all(|line| line.starts_with('#'));
                let table = if has_no_loader { "]" } else { ".loaders]" };
                let boot_key = if has_no_loader { "boot = \"nothing\"\n" } else { "" };
                format!("\n[profile.{name}{table}{from}\n{boot_key}{keys}")
            }
            RuleAction::Menu(menu, codes) => self.menu(&name, menu, codes, rule),
            RuleAction::Deny | RuleAction::Nothing | RuleAction::LocalDisk => String::new(),
        };
        self.profiles += &table;
        name
    }

    fn loaders(
        &mut self,
        files: &BTreeMap<u16, (String, FileServer)>,
        default: Option<&(String, FileServer)>,
        lines: &BTreeSet<LineId>,
    ) -> String {
        let mut text = String::new();
        let by_arch = files.iter().map(|(code, file)| (arch_id(*code), file));
        for (key, (name, server)) in by_arch.chain(default.map(|file| ("default".to_owned(), file))) {
            let is_local = *server == FileServer::ThisServer && !name.contains("://");
            let name = self.file_name(name, *server, lines);
            // Only the file of an architecture must be a program. The default file may be a script for iPXE.
            let problem = Arch::from_id(&key).filter(|_| is_local).and_then(|arch| self.unfit(&name, arch));
            let comment = if problem.is_some() { "# " } else { "" };
            writeln!(text, "{comment}{key} = {}", toml_string(&name)).ok();
            if let Some(reason) = problem {
                writeln!(text, "#   {}", one_line(&reason)).ok();
                let file_lines: Vec<LineId> =
                    lines.iter().copied().filter(|line| self.names_file(*line, &name, &key)).collect();
                self.outcomes
                    .extend(file_lines.into_iter().map(|line| (line, LineOutcome::Unsupported(reason.clone()))));
            }
        }
        text
    }

    /// The reason why the server would not start with this loader. `None`: the server can offer it, or the boot
    /// directory does not exist on this host.
    fn unfit(&self, name: &str, arch: Arch) -> Option<String> {
        if !self.root.is_dir() {
            return None;
        }
        let reason = (self.server.loader_fault)(&self.root.join(name), arch)?.reason;
        Some(format!("{name} cannot be offered for {arch}: {reason}. The line is commented out"))
    }

    /// Whether the line names this file, and is not a `pxe-service` for another architecture.
    fn names_file(&self, line: LineId, name: &str, arch: &str) -> bool {
        let is_for_another_arch = |service: &PxeService| service.line == line && arch_id(service.arch.base().0) != arch;
        let has_name = self.lines[line].args().iter().any(|arg| arg.text.contains(name.trim_end_matches(".0")));
        has_name && !self.config.services.iter().any(is_for_another_arch)
    }

    /// The name of the file in the boot directory, or its URL on another server.
    fn file_name(&mut self, name: &str, server: FileServer, lines: &BTreeSet<LineId>) -> String {
        if name.len() > MAX_FILE_LENGTH && !name.contains("://") {
            let reason = format!("the name is longer than the {MAX_FILE_LENGTH} octets that firmware supports");
            self.outcomes.extend(lines.iter().map(|line| (*line, LineOutcome::Unsupported(reason.clone()))));
        }
        boot_files::written_name(self.config, name, server)
    }

    fn menu(&mut self, name: &str, menu: &PxeMenu, codes: &[u16], rule: &ImportedRule) -> String {
        let mut items = String::new();
        if menu.items.len() > MAX_ITEMS {
            self.mark_unsupported(
                rule,
                &format!("a menu has at most {MAX_ITEMS} items, because firmware shows no more"),
            );
        }
        for (title, action) in menu.items.iter().take(MAX_ITEMS) {
            let title = self.printable(title, rule);
            let target = match action {
                ServiceAction::LocalDisk => "profile = \"local-disk\"".into(),
                ServiceAction::BootServer(kind, Some(address)) => format!("type = {kind}, server = \"{address}\""),
                ServiceAction::BootServer(kind, None) => format!("type = {kind}"),
                ServiceAction::File(file, server) => {
                    let files = codes.iter().map(|code| (*code, (file.clone(), *server))).collect();
                    let lines = self.config.services.iter().filter(|service| rule.lines.contains(&service.line));
                    let item_lines =
                        lines.filter(|service| service.title == title).map(|service| service.line).collect();
                    let action = RuleAction::Files(files, None);
                    let item_rule = ImportedRule { action, lines: item_lines, ..rule.clone() };
                    format!("profile = {}", toml_string(&self.item_profile(&item_rule, &title)))
                }
            };
            writeln!(items, "  {{ title = {}, {target} }},", toml_string(&title)).ok();
        }
        let prompt = toml_string(&self.printable(&menu.prompt, rule));
        let from = self.line_comment(&rule.lines);
        let timeout = menu.timeout;
        format!("\n[profile.{name}.menu]{from}\nprompt = {prompt}\ntimeout = {timeout}\nitems = [\n{items}]\n")
    }

    fn item_profile(&mut self, rule: &ImportedRule, title: &str) -> String {
        if let Some(name) = self.names.known.get(&rule.action) {
            return name.clone();
        }
        let name = self.names.take(&rule.action, &title.to_lowercase());
        let RuleAction::Files(files, _) = &rule.action else { return name };
        let keys = self.loaders(files, None, &rule.lines);
        let (from, title) = (self.line_comment(&rule.lines), toml_string(title));
        write!(self.profiles, "\n[profile.{name}]{from}\ntitle = {title}\n[profile.{name}.loaders]\n{keys}").ok();
        name
    }

    /// The text in characters that firmware can show. Records an outcome if the text changes.
    fn printable(&mut self, text: &str, rule: &ImportedRule) -> String {
        let replace_unprintable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let printed: String = text.chars().take(MAX_TEXT_LENGTH).map(replace_unprintable).collect();
        if printed != text {
            self.mark_unsupported(
                rule,
                &format!("texts for firmware are limited to {MAX_TEXT_LENGTH} ASCII characters"),
            );
        }
        printed
    }

    fn mark_unsupported(&mut self, rule: &ImportedRule, reason: &str) {
        self.outcomes.extend(rule.lines.iter().map(|line| (*line, LineOutcome::Unsupported(reason.to_owned()))));
    }

    /// The `[machine.NAME]` tables for hosts with a name. Templates and logs use the name.
    fn machines(&mut self) -> String {
        let mut text = String::new();
        let mut taken = BTreeSet::new();
        for host in &self.config.hosts {
            let macs: Vec<String> =
                host.macs.iter().filter(|mac| mac.0.iter().all(Option::is_some)).map(ToString::to_string).collect();
            let in_group = self.machine_tests.groups.iter().any(|group| group.lines.contains(&host.line));
            let Some(name) = host.name.as_ref().filter(|_| !macs.is_empty()) else {
                if !in_group {
                    self.outcomes
                        .push((host.line, LineOutcome::Unneeded("it does not affect what a machine boots".into())));
                }
                continue;
            };
            let name = unique_name(&name.replace('.', "-"), |name| taken.contains(name));
            let line = self.lines[host.line].number();
            write!(text, "\n[machine.{name}] # line {line}\nmac = {}\n", toml_list(macs)).ok();
            taken.insert(name);
        }
        text
    }
}

impl ActionNames {
    fn take(&mut self, action: &RuleAction, preferred_name: &str) -> String {
        let name = unique_name(preferred_name, |name| BUILT_IN.contains(&name) || self.taken.contains(name));
        self.taken.insert(name.clone());
        self.known.insert(action.clone(), name.clone());
        one_line(&name)
    }
}

/// The keyword of an architecture, or its code if it has no keyword.
fn arch_id(code: u16) -> String {
    Arch(code).info().map_or_else(|| code.to_string(), |row| row.id.to_owned())
}
