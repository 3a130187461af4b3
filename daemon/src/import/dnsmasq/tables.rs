//! The tables of the native file.

use super::super::output::{LineOutcome, unique_name, toml_list, one_line, toml_string};
use super::config::*;
use super::decide::PxeMenu;
use super::boot_files;
use super::lines::DnsmasqLine;
use super::machine_kinds::{MachineTests, MachineKind};
use super::rules::{RuleAction, ImportedRule};
use crate::boot::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Debug, Default)]
pub struct NativeTables {
    pub text: String,
    pub outcomes: Vec<(LineId, LineOutcome)>,
}

pub fn write(config: &DnsmasqConfig, facts: &MachineTests, rules: &[ImportedRule], lines: &[DnsmasqLine]) -> NativeTables {
    let root = boot_files::boot_dir(config);
    let (names, rule_names, profiles, fates) = Default::default();
    let mut writer = Writer { config, facts, lines, root, names, rule_names, profiles, fates };
    let mut text = writer.site();
    let mut tables = String::new();
    let (last, others) = match rules.split_last() {
        Some((last, others)) if last.action != RuleAction::Deny => (Some(last), others),
        _ => (None, rules),
    };
    for rule in others {
        tables += &writer.raspberry_pi(rule);
        tables += &writer.rule(rule);
    }
    tables += &last.map(|last| writer.raspberry_pi(last)).unwrap_or_default();
    if last.is_none_or(|last| last.action == RuleAction::Nothing) {
        tables += &writer.over_ipv6();
    }
    if let Some(last) = last {
        let name = writer.profile(last);
        text = format!("default-profile = {}\n{text}", toml_string(&name));
    }
    let machines = writer.machines();
    text += &tables;
    text += &writer.profiles;
    text += &machines;
    NativeTables { text, outcomes: writer.fates }
}

struct Writer<'a> {
    config: &'a DnsmasqConfig,
    facts: &'a MachineTests,
    lines: &'a [DnsmasqLine],
    /// The boot directory, which this machine may have or not.
    root: PathBuf,
    names: Names,
    rule_names: BTreeSet<String>,
    profiles: String,
    fates: Vec<(LineId, LineOutcome)>,
}

/// The names of the profiles, by what they give.
#[derive(Default)]
struct Names {
    known: BTreeMap<RuleAction, String>,
    taken: BTreeSet<String>,
}

/// Profiles that are there without being written.
const BUILT_IN: [&str; 3] = ["menu", "local-disk", "nothing"];
/// A line of a menu, or a prompt.
const LONGEST_TEXT: usize = 60;
const MOST_ITEMS: usize = 24;

impl Writer<'_> {
    /// The keys of the site, and `[tftp]`, `[dhcp]`.
    fn site(&mut self) -> String {
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
        tftp.max_transfers.map(|most| writeln!(keys, "max-transfers = {most}"));
        if !keys.is_empty() {
            write!(text, "\n[tftp]\n{keys}").ok();
        }
        if !config.vendor_classes.is_empty() {
            let words = toml_list(config.vendor_classes.iter().map(|(_, word)| word));
            write!(text, "\n[dhcp]\nvendor-classes = {words}\n").ok();
        }
        text
    }

    fn rule(&mut self, rule: &ImportedRule) -> String {
        let mut text = format!("\n[[rule]]{}\n", self.from(&rule.lines));
        let name = self.free_rule_name(rule);
        if !name.is_empty() {
            writeln!(text, "name = {}", toml_string(&name)).ok();
        }
        for (key, values) in self.facts.conditions(&rule.kind).unwrap_or_default() {
            writeln!(text, "{key} = {}", toml_list(values)).ok();
        }
        if !rule.archs.is_empty() {
            writeln!(text, "arch = {}", toml_list(rule.archs.iter().map(|arch| id(arch.0)))).ok();
        }
        match rule.action {
            RuleAction::Deny => text.push_str("deny = true\n"),
            _ => {
                writeln!(text, "profile = {}", toml_string(&self.profile(rule))).ok();
            }
        }
        text
    }

    /// ` # line 3, 4`
    fn from(&self, lines: &BTreeSet<LineId>) -> String {
        let numbers: BTreeSet<usize> = lines.iter().map(|line| self.lines[*line].number()).collect();
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!(" # line {}", numbers.join(", ")) }
    }

    /// A Raspberry Pi is answered without a line that decides it, so no rule may leave it to what boots nothing.
    fn raspberry_pi(&self, rule: &ImportedRule) -> String {
        let conditions = self.facts.conditions(&rule.kind).unwrap_or_default();
        let pis = &self.config.raspberry_pi_lines;
        let of_another = conditions.contains_key("firmware") || !rule.archs.is_empty();
        if pis.is_empty() || rule.action != RuleAction::Nothing || of_another {
            return String::new();
        }
        let from = self.from(&pis.iter().copied().collect());
        let mut text = format!("\n[[rule]]{from}\nname = \"Raspberry Pi\"\nfirmware = [\"raspberry-pi\"]\n");
        for (key, values) in conditions {
            writeln!(text, "{key} = {}", toml_list(values)).ok();
        }
        text + "profile = \"menu\"\n"
    }

    /// So are machines that boot over IPv6.
    fn over_ipv6(&self) -> String {
        let boots = &self.config.ipv6_boot_lines;
        if boots.is_empty() {
            return String::new();
        }
        let from = self.from(&boots.iter().copied().collect());
        format!("\n[[rule]]{from}\nname = \"IPv6\"\nsubnet = [\"::/0\"]\nprofile = \"menu\"\n")
    }

    /// The tags, the architectures where another rule has the same tags, else a number.
    fn free_rule_name(&mut self, rule: &ImportedRule) -> String {
        let tags = self.rule_name(&rule.kind);
        let archs: Vec<String> = rule.archs.iter().map(|arch| id(arch.0)).collect();
        let with_archs =
            [tags.clone()].into_iter().chain(archs).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let numbered = (2..).map(|number| format!("{with_archs} {number}"));
        let mut wishes = [tags.clone(), with_archs.clone()].into_iter().chain(numbered);
        let name = wishes.find(|name| !self.rule_names.contains(name)).unwrap_or_default();
        if !tags.is_empty() || !rule.archs.is_empty() {
            self.rule_names.insert(name.clone());
        }
        name
    }

    /// The tags by which dnsmasq knew these machines.
    fn rule_name(&self, kind: &MachineKind) -> String {
        let of_test = |index: &usize| {
            let test = &self.facts.tests[*index];
            let mark = self.config.tag_matches.iter().find(|mark| mark.test == *test);
            match (mark, test) {
                (Some(mark), _) => mark.tag.clone(),
                (None, TagTest::Interface(name)) => name.clone(),
                _ => String::new(),
            }
        };
        let of_group = kind.group.map(|group| {
            let sets: Vec<_> = self.facts.groups[group].set_tags.iter().cloned().collect();
            if sets.is_empty() { "known".to_owned() } else { sets.join(" ") }
        });
        let mut tags: Vec<String> = kind.tests.iter().map(of_test).chain(of_group).collect();
        tags.dedup();
        tags.join(" ")
    }

    /// The name of the profile that gives it; it is written where it is new.
    fn profile(&mut self, rule: &ImportedRule) -> String {
        match &rule.action {
            RuleAction::Deny | RuleAction::Nothing => return "nothing".into(),
            RuleAction::LocalDisk => return "local-disk".into(),
            gives => {
                if let Some(name) = self.names.known.get(gives) {
                    return name.clone();
                }
            }
        }
        let wish = match (self.rule_name(&rule.kind), &rule.action) {
            (tags, RuleAction::Menu(_, codes)) if tags.is_empty() => match codes[..] {
                [code] => format!("{} choice", id(code)),
                _ => "choice".into(),
            },
            (tags, _) if tags.is_empty() => "default".into(),
            (tags, _) => tags,
        };
        let name = self.names.take(&rule.action, &wish);
        let from = self.from(&rule.lines);
        let table = match &rule.action {
            RuleAction::Url(url) => format!("\n[profile.{name}]{from}\nscript = {}\n", toml_string(url)),
            RuleAction::Files(files, others) => {
                let keys = self.loaders(files, others.as_ref(), &rule.lines);
                let none = keys.lines().all(|line| line.starts_with('#'));
                let table = if none { "]" } else { ".loaders]" };
                let nothing = if none { "boot = \"nothing\"\n" } else { "" };
                format!("\n[profile.{name}{table}{from}\n{nothing}{keys}")
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
        others: Option<&(String, FileServer)>,
        lines: &BTreeSet<LineId>,
    ) -> String {
        let mut text = String::new();
        let each = files.iter().map(|(code, file)| (id(*code), file));
        for (key, (name, server)) in each.chain(others.map(|file| ("default".to_owned(), file))) {
            let ours = *server == FileServer::ThisServer && !name.contains("://");
            let name = self.name(name, *server, lines);
            // A file for every other architecture is for an iPXE, too, and need not be a program.
            let unfit = Arch::from_id(&key).filter(|_| ours).and_then(|arch| self.unfit(&name, arch));
            let off = if unfit.is_some() { "# " } else { "" };
            writeln!(text, "{off}{key} = {}", toml_string(&name)).ok();
            if let Some(why) = unfit {
                writeln!(text, "#   {}", one_line(&why)).ok();
                let of_file: Vec<LineId> =
                    lines.iter().copied().filter(|line| self.names_file(*line, &name, &key)).collect();
                self.fates.extend(of_file.into_iter().map(|line| (line, LineOutcome::Unsupported(why.clone()))));
            }
        }
        text
    }

    /// Why the server would not start with this loader, if the boot directory is here to look into.
    fn unfit(&self, name: &str, arch: Arch) -> Option<String> {
        if !self.root.is_dir() {
            return None;
        }
        let why = loaders::incompatibility(&self.root.join(name), arch)?;
        Some(format!("{name} cannot be offered for {arch}: {why}. The line is commented out"))
    }

    /// Whether the line gives this file to machines of this architecture.
    fn names_file(&self, line: LineId, name: &str, arch: &str) -> bool {
        let of_another = |service: &PxeService| service.line == line && id(service.arch.base().0) != arch;
        let names = self.lines[line].args().iter().any(|arg| arg.text.contains(name.trim_end_matches(".0")));
        names && !self.config.services.iter().any(of_another)
    }

    /// As this server, or another one, knows the file.
    fn name(&mut self, name: &str, server: FileServer, lines: &BTreeSet<LineId>) -> String {
        if name.len() > MAX_FILE_LENGTH && !name.contains("://") {
            let why = format!("firmware takes names of {MAX_FILE_LENGTH} octets");
            self.fates.extend(lines.iter().map(|line| (*line, LineOutcome::Unsupported(why.clone()))));
        }
        match server {
            _ if name.contains("://") => name.to_owned(),
            FileServer::Address(address) => format!("tftp://{address}/{name}"),
            FileServer::ThisServer => boot_files::relative_to_boot_dir(self.config, name).to_owned(),
        }
    }

    fn menu(&mut self, name: &str, menu: &PxeMenu, codes: &[u16], rule: &ImportedRule) -> String {
        let mut items = String::new();
        if menu.items.len() > MOST_ITEMS {
            self.lose(rule, &format!("a menu has {MOST_ITEMS} items at most: firmware shows no more"));
        }
        for (title, does) in menu.items.iter().take(MOST_ITEMS) {
            let title = self.fitting(title, rule);
            let leads = match does {
                ServiceAction::LocalDisk => "profile = \"local-disk\"".into(),
                ServiceAction::BootServer(kind, Some(address)) => format!("type = {kind}, server = \"{address}\""),
                ServiceAction::BootServer(kind, None) => format!("type = {kind}"),
                ServiceAction::File(file, server) => {
                    let files = codes.iter().map(|code| (*code, (file.clone(), *server))).collect();
                    let lines = self.config.services.iter().filter(|service| rule.lines.contains(&service.line));
                    let of_item = lines.filter(|service| service.title == title).map(|service| service.line).collect();
                    let gives = RuleAction::Files(files, None);
                    let of_item = ImportedRule { action: gives, lines: of_item, ..rule.clone() };
                    format!("profile = {}", toml_string(&self.item_profile(&of_item, &title)))
                }
            };
            writeln!(items, "  {{ title = {}, {leads} }},", toml_string(&title)).ok();
        }
        let prompt = toml_string(&self.fitting(&menu.prompt, rule));
        let from = self.from(&rule.lines);
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
        let (from, title) = (self.from(&rule.lines), toml_string(title));
        write!(self.profiles, "\n[profile.{name}]{from}\ntitle = {title}\n[profile.{name}.loaders]\n{keys}").ok();
        name
    }

    /// What firmware can show.
    fn fitting(&mut self, text: &str, rule: &ImportedRule) -> String {
        let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let fitting: String = text.chars().take(LONGEST_TEXT).map(shown).collect();
        if fitting != text {
            self.lose(rule, &format!("of a text, firmware is shown {LONGEST_TEXT} characters of ASCII"));
        }
        fitting
    }

    fn lose(&mut self, rule: &ImportedRule, why: &str) {
        self.fates.extend(rule.lines.iter().map(|line| (*line, LineOutcome::Unsupported(why.to_owned()))));
    }

    /// The hosts that have a name, for templates and for logs.
    fn machines(&mut self) -> String {
        let mut text = String::new();
        let mut taken = BTreeSet::new();
        for host in &self.config.hosts {
            let macs: Vec<String> =
                host.macs.iter().filter(|mac| mac.0.iter().all(Option::is_some)).map(ToString::to_string).collect();
            let in_group = self.facts.groups.iter().any(|group| group.lines.contains(&host.line));
            let Some(name) = host.name.as_ref().filter(|_| !macs.is_empty()) else {
                if !in_group {
                    self.fates.push((host.line, LineOutcome::Unneeded("it decides nothing of what a machine boots".into())));
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

impl Names {
    fn take(&mut self, gives: &RuleAction, wish: &str) -> String {
        let name = unique_name(wish, |name| BUILT_IN.contains(&name) || self.taken.contains(name));
        self.taken.insert(name.clone());
        self.known.insert(gives.clone(), name.clone());
        one_line(&name)
    }
}

/// The word for an architecture.
fn id(code: u16) -> String {
    Arch(code).info().map_or_else(|| code.to_string(), |row| row.id.to_owned())
}
