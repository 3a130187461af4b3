//! The tables of the native file.

use super::super::written::{Fate, free_name, list_of, one_line, quoted};
use super::config::*;
use super::decide::Menu;
use super::files;
use super::lines::Line;
use super::machines::{Facts, Kind};
use super::rules::{Gives, Rule};
use crate::boot::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Debug, Default)]
pub struct Written {
    pub text: String,
    pub fates: Vec<(LineId, Fate)>,
}

pub fn write(config: &Config, facts: &Facts, rules: &[Rule], lines: &[Line]) -> Written {
    let root = files::root(config);
    let (names, rule_names, profiles, fates) = Default::default();
    let mut writer = Writer { config, facts, lines, root, names, rule_names, profiles, fates };
    let mut text = writer.site();
    let mut tables = String::new();
    let (last, others) = match rules.split_last() {
        Some((last, others)) if last.gives != Gives::Deny => (Some(last), others),
        _ => (None, rules),
    };
    for rule in others {
        tables += &writer.raspberry_pi(rule);
        tables += &writer.rule(rule);
    }
    tables += &last.map(|last| writer.raspberry_pi(last)).unwrap_or_default();
    if last.is_none_or(|last| last.gives == Gives::Nothing) {
        tables += &writer.over_ipv6();
    }
    if let Some(last) = last {
        let name = writer.profile(last);
        text = format!("default-profile = {}\n{text}", quoted(&name));
    }
    let machines = writer.machines();
    text += &tables;
    text += &writer.profiles;
    text += &machines;
    Written { text, fates: writer.fates }
}

struct Writer<'a> {
    config: &'a Config,
    facts: &'a Facts,
    lines: &'a [Line],
    /// The boot directory, which this machine may have or not.
    root: PathBuf,
    names: Names,
    rule_names: BTreeSet<String>,
    profiles: String,
    fates: Vec<(LineId, Fate)>,
}

/// The names of the profiles, by what they give.
#[derive(Default)]
struct Names {
    known: BTreeMap<Gives, String>,
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
            writeln!(text, "interfaces = {}", list_of(names)).ok();
        }
        if !config.addresses.is_empty() {
            let addresses = config.addresses.iter().map(|(_, address)| address.to_string());
            writeln!(text, "address = {}", list_of(addresses)).ok();
        }
        let tftp = &config.tftp;
        if let Some(root) = &tftp.root {
            writeln!(text, "boot-dir = {}", quoted(root)).ok();
        }
        if tftp.ignore_case {
            text.push_str("ignore-case = true\n");
        }
        let mut keys = String::new();
        tftp.single_port.then(|| keys.push_str("single-port = true\n"));
        tftp.ports.filter(|_| !tftp.single_port).map(|(low, high)| writeln!(keys, "ports = \"{low}-{high}\""));
        tftp.most.map(|most| writeln!(keys, "max-transfers = {most}"));
        if !keys.is_empty() {
            write!(text, "\n[tftp]\n{keys}").ok();
        }
        if !config.vendor_classes.is_empty() {
            let words = list_of(config.vendor_classes.iter().map(|(_, word)| word));
            write!(text, "\n[dhcp]\nvendor-classes = {words}\n").ok();
        }
        text
    }

    fn rule(&mut self, rule: &Rule) -> String {
        let mut text = format!("\n[[rule]]{}\n", self.from(&rule.lines));
        let name = self.free_rule_name(rule);
        if !name.is_empty() {
            writeln!(text, "name = {}", quoted(&name)).ok();
        }
        for (key, values) in self.facts.conditions(&rule.kind).unwrap_or_default() {
            writeln!(text, "{key} = {}", list_of(values)).ok();
        }
        if !rule.archs.is_empty() {
            writeln!(text, "arch = {}", list_of(rule.archs.iter().map(|arch| id(arch.0)))).ok();
        }
        match rule.gives {
            Gives::Deny => text.push_str("deny = true\n"),
            _ => {
                writeln!(text, "profile = {}", quoted(&self.profile(rule))).ok();
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
    fn raspberry_pi(&self, rule: &Rule) -> String {
        let conditions = self.facts.conditions(&rule.kind).unwrap_or_default();
        let pis = &self.config.raspberry_pis;
        let of_another = conditions.contains_key("firmware") || !rule.archs.is_empty();
        if pis.is_empty() || rule.gives != Gives::Nothing || of_another {
            return String::new();
        }
        let from = self.from(&pis.iter().copied().collect());
        let mut text = format!("\n[[rule]]{from}\nname = \"Raspberry Pi\"\nfirmware = [\"raspberry-pi\"]\n");
        for (key, values) in conditions {
            writeln!(text, "{key} = {}", list_of(values)).ok();
        }
        text + "profile = \"menu\"\n"
    }

    /// So are machines that boot over IPv6.
    fn over_ipv6(&self) -> String {
        let boots = &self.config.ipv6_boots;
        if boots.is_empty() {
            return String::new();
        }
        let from = self.from(&boots.iter().copied().collect());
        format!("\n[[rule]]{from}\nname = \"IPv6\"\nsubnet = [\"::/0\"]\nprofile = \"menu\"\n")
    }

    /// The tags, the architectures where another rule has the same tags, else a number.
    fn free_rule_name(&mut self, rule: &Rule) -> String {
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
    fn rule_name(&self, kind: &Kind) -> String {
        let of_test = |index: &usize| {
            let test = &self.facts.tests[*index];
            let mark = self.config.marks.iter().find(|mark| mark.test == *test);
            match (mark, test) {
                (Some(mark), _) => mark.tag.clone(),
                (None, Test::Interface(name)) => name.clone(),
                _ => String::new(),
            }
        };
        let of_group = kind.group.map(|group| {
            let sets: Vec<_> = self.facts.groups[group].sets.iter().cloned().collect();
            if sets.is_empty() { "known".to_owned() } else { sets.join(" ") }
        });
        let mut tags: Vec<String> = kind.tests.iter().map(of_test).chain(of_group).collect();
        tags.dedup();
        tags.join(" ")
    }

    /// The name of the profile that gives it; it is written where it is new.
    fn profile(&mut self, rule: &Rule) -> String {
        match &rule.gives {
            Gives::Deny | Gives::Nothing => return "nothing".into(),
            Gives::LocalDisk => return "local-disk".into(),
            gives => {
                if let Some(name) = self.names.known.get(gives) {
                    return name.clone();
                }
            }
        }
        let wish = match (self.rule_name(&rule.kind), &rule.gives) {
            (tags, Gives::Menu(_, codes)) if tags.is_empty() => match codes[..] {
                [code] => format!("{} choice", id(code)),
                _ => "choice".into(),
            },
            (tags, _) if tags.is_empty() => "default".into(),
            (tags, _) => tags,
        };
        let name = self.names.take(&rule.gives, &wish);
        let from = self.from(&rule.lines);
        let table = match &rule.gives {
            Gives::Url(url) => format!("\n[profile.{name}]{from}\nscript = {}\n", quoted(url)),
            Gives::Files(files, others) => {
                let keys = self.loaders(files, others.as_ref(), &rule.lines);
                let none = keys.lines().all(|line| line.starts_with('#'));
                let table = if none { "]" } else { ".loaders]" };
                let nothing = if none { "boot = \"nothing\"\n" } else { "" };
                format!("\n[profile.{name}{table}{from}\n{nothing}{keys}")
            }
            Gives::Menu(menu, codes) => self.menu(&name, menu, codes, rule),
            Gives::Deny | Gives::Nothing | Gives::LocalDisk => String::new(),
        };
        self.profiles += &table;
        name
    }

    fn loaders(
        &mut self,
        files: &BTreeMap<u16, (String, Server)>,
        others: Option<&(String, Server)>,
        lines: &BTreeSet<LineId>,
    ) -> String {
        let mut text = String::new();
        let each = files.iter().map(|(code, file)| (id(*code), file));
        for (key, (name, server)) in each.chain(others.map(|file| ("default".to_owned(), file))) {
            let ours = *server == Server::Ours && !name.contains("://");
            let name = self.name(name, *server, lines);
            // A file for every other architecture is for an iPXE, too, and need not be a program.
            let unfit = Arch::from_id(&key).filter(|_| ours).and_then(|arch| self.unfit(&name, arch));
            let off = if unfit.is_some() { "# " } else { "" };
            writeln!(text, "{off}{key} = {}", quoted(&name)).ok();
            if let Some(why) = unfit {
                writeln!(text, "#   {}", one_line(&why)).ok();
                let of_file: Vec<LineId> =
                    lines.iter().copied().filter(|line| self.names_file(*line, &name, &key)).collect();
                self.fates.extend(of_file.into_iter().map(|line| (line, Fate::Lost(why.clone()))));
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
        let of_another = |service: &Service| service.line == line && id(service.arch.base().0) != arch;
        let names = self.lines[line].args().iter().any(|arg| arg.text.contains(name.trim_end_matches(".0")));
        names && !self.config.services.iter().any(of_another)
    }

    /// As this server, or another one, knows the file.
    fn name(&mut self, name: &str, server: Server, lines: &BTreeSet<LineId>) -> String {
        if name.len() > MAX_FILE_LENGTH && !name.contains("://") {
            let why = format!("firmware takes names of {MAX_FILE_LENGTH} octets");
            self.fates.extend(lines.iter().map(|line| (*line, Fate::Lost(why.clone()))));
        }
        match server {
            _ if name.contains("://") => name.to_owned(),
            Server::At(address) => format!("tftp://{address}/{name}"),
            Server::Ours => files::inside(self.config, name).to_owned(),
        }
    }

    fn menu(&mut self, name: &str, menu: &Menu, codes: &[u16], rule: &Rule) -> String {
        let mut items = String::new();
        if menu.items.len() > MOST_ITEMS {
            self.lose(rule, &format!("a menu has {MOST_ITEMS} items at most: firmware shows no more"));
        }
        for (title, does) in menu.items.iter().take(MOST_ITEMS) {
            let title = self.fitting(title, rule);
            let leads = match does {
                Does::LocalDisk => "profile = \"local-disk\"".into(),
                Does::BootServer(kind, Some(address)) => format!("type = {kind}, server = \"{address}\""),
                Does::BootServer(kind, None) => format!("type = {kind}"),
                Does::File(file, server) => {
                    let files = codes.iter().map(|code| (*code, (file.clone(), *server))).collect();
                    let lines = self.config.services.iter().filter(|service| rule.lines.contains(&service.line));
                    let of_item = lines.filter(|service| service.title == title).map(|service| service.line).collect();
                    let gives = Gives::Files(files, None);
                    let of_item = Rule { gives, lines: of_item, ..rule.clone() };
                    format!("profile = {}", quoted(&self.item_profile(&of_item, &title)))
                }
            };
            writeln!(items, "  {{ title = {}, {leads} }},", quoted(&title)).ok();
        }
        let prompt = quoted(&self.fitting(&menu.prompt, rule));
        let from = self.from(&rule.lines);
        let timeout = menu.timeout;
        format!("\n[profile.{name}.menu]{from}\nprompt = {prompt}\ntimeout = {timeout}\nitems = [\n{items}]\n")
    }

    fn item_profile(&mut self, rule: &Rule, title: &str) -> String {
        if let Some(name) = self.names.known.get(&rule.gives) {
            return name.clone();
        }
        let name = self.names.take(&rule.gives, &title.to_lowercase());
        let Gives::Files(files, _) = &rule.gives else { return name };
        let keys = self.loaders(files, None, &rule.lines);
        let (from, title) = (self.from(&rule.lines), quoted(title));
        write!(self.profiles, "\n[profile.{name}]{from}\ntitle = {title}\n[profile.{name}.loaders]\n{keys}").ok();
        name
    }

    /// What firmware can show.
    fn fitting(&mut self, text: &str, rule: &Rule) -> String {
        let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let fitting: String = text.chars().take(LONGEST_TEXT).map(shown).collect();
        if fitting != text {
            self.lose(rule, &format!("of a text, firmware is shown {LONGEST_TEXT} characters of ASCII"));
        }
        fitting
    }

    fn lose(&mut self, rule: &Rule, why: &str) {
        self.fates.extend(rule.lines.iter().map(|line| (*line, Fate::Lost(why.to_owned()))));
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
                    self.fates.push((host.line, Fate::Needless("it decides nothing of what a machine boots".into())));
                }
                continue;
            };
            let name = free_name(&name.replace('.', "-"), |name| taken.contains(name));
            let line = self.lines[host.line].number();
            write!(text, "\n[machine.{name}] # line {line}\nmac = {}\n", list_of(macs)).ok();
            taken.insert(name);
        }
        text
    }
}

impl Names {
    fn take(&mut self, gives: &Gives, wish: &str) -> String {
        let name = free_name(wish, |name| BUILT_IN.contains(&name) || self.taken.contains(name));
        self.taken.insert(name.clone());
        self.known.insert(gives.clone(), name.clone());
        one_line(&name)
    }
}

/// The word for an architecture.
fn id(code: u16) -> String {
    Arch(code).info().map_or_else(|| code.to_string(), |row| row.id.to_owned())
}
