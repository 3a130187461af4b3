//! A directory of files that are named by machines: `pxelinux.cfg`, where each is PXELINUX's menu for a machine, a network
//! or all, and netboot.xyz's `MAC-525400000010.ipxe`, which iPXE runs as they are.

use super::pxelinux::{LabelBoot, PxelinuxLine, PxelinuxMenu, included_file, starts_text_block};
use super::output::{LineOutcome, LineNote, unique_name, header, toml_string};
use crate::config::diagnostic::{Diagnostic, Source};
use crate::config::toml::value::{parse_any_mac, parse_any_uuid};
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_core::wire::uuid::swap_fields;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Whose file it is, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Uuid(String),
    Mac(String),
    /// Bits first, so that the longest goes before others.
    Network(std::cmp::Reverse<usize>, String),
    All,
}

/// A machine file is at most as long as a person would write.
const LONGEST: u64 = 1 << 20;
const MOST_ITEMS: usize = 24;
/// Files in a file, and files that one menu takes in.
const DEEPEST: usize = 16;
const MOST_INCLUDED: usize = 100;
/// Programs that ask for the files of `pxelinux.cfg`.
const PXELINUX: [&str; 4] = ["pxelinux.0", "lpxelinux.0", "gpxelinux.0", "syslinux.efi"];
const IPXE: [&str; 5] = ["undionly.kpxe", "undionly.kkpxe", "ipxe.pxe", "ipxe.efi", "snponly.efi"];

pub fn import(directory: &Path) -> Result<String, Vec<Diagnostic>> {
    let directory = std::path::absolute(directory).map_err(|error| vec![unreadable(directory, &error)])?;
    let is_tree = directory.file_name().is_some_and(|name| name == "pxelinux.cfg");
    let root =
        if is_tree { directory.parent().map_or_else(|| directory.clone(), Path::to_owned) } else { directory.clone() };
    let tree = root.join("pxelinux.cfg");
    let menus = if tree.is_dir() { files(&tree)? } else { Vec::new() };
    let scripts = files(&root)?.into_iter().filter(|path| script_of(path).is_some()).collect::<Vec<_>>();
    if menus.is_empty() && scripts.is_empty() {
        let error =
            Diagnostic::error("nothing in this directory is for one machine").in_file(&directory.display().to_string());
        return Err(vec![
            error.help("name a file, a directory with pxelinux.cfg, or one with scripts as MAC-525400000010.ipxe"),
        ]);
    }
    let mut writer = Writer { root: root.clone(), ..Writer::default() };
    for path in &menus {
        writer.menu(path)?;
    }
    writer.unasked(&menus);
    scripts.iter().for_each(|path| writer.script(path));
    Ok(writer.written(&directory, &root))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(format!("it cannot be read: {error}")).in_file(&path.display().to_string())
}

/// Regular files by name.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let listed = std::fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = listed.map_err(|error| vec![unreadable(directory, &error)])?;
    paths.retain(|path| path.is_file() && !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What stands behind `MAC-` or `HOSTNAME-`, and whether it is the former.
fn script_of(path: &Path) -> Option<(bool, String)> {
    let name = name(path);
    let stem = name.strip_suffix(".ipxe")?;
    let mac = stem.strip_prefix("MAC-").map(|rest| (true, rest.to_owned()));
    mac.or_else(|| stem.strip_prefix("HOSTNAME-").map(|rest| (false, rest.to_owned())))
}

fn whose(name: &str) -> Option<Whose> {
    if name == "default" {
        return Some(Whose::All);
    }
    if let Some(mac) = name.strip_prefix("01-").filter(|rest| rest.len() == 17).and_then(parse_any_mac) {
        return Some(Whose::Mac(mac.map(|octet| format!("{octet:02x}")).join(":")));
    }
    if let Some(octets) = parse_any_uuid(name).filter(|_| name.len() == 36) {
        // PXELINUX names its file by the octets as option 97 has them, in which the first three fields are little
        // endian.
        return Some(Whose::Uuid(MachineId::from_uuid(swap_fields(octets)).to_string()));
    }
    let is_hex = (1..=8).contains(&name.len()) && name.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c));
    let bits = name.len() * 4;
    let network = is_hex.then(|| u32::from_str_radix(&format!("{name:0<8}"), 16).ok()).flatten()?;
    let network = std::net::Ipv4Addr::from(network);
    Some(Whose::Network(std::cmp::Reverse(bits), format!("{network}/{bits}")))
}

#[derive(Default)]
struct Writer {
    root: PathBuf,
    /// What a menu includes, with links resolved.
    included: BTreeSet<PathBuf>,
    attention: Vec<String>,
    told: Vec<LineNote>,
    profiles: String,
    names: BTreeSet<String>,
    /// What is written already, and the name of its profile.
    known: Vec<(String, String)>,
    of: Vec<(Whose, String, String)>,
}

impl Writer {
    fn tell(&mut self, file: &str, what: &str, fate: LineOutcome) {
        self.told.push(LineNote { location: file.to_owned(), line: what.to_owned(), outcome: fate });
    }

    fn lost(&mut self, file: &str, what: &str, why: &str) {
        self.tell(file, what, LineOutcome::Unsupported(why.to_owned()));
    }

    fn menu(&mut self, path: &Path) -> Result<(), Vec<Diagnostic>> {
        let file = name(path);
        let Some(whose) = whose(&file) else { return Ok(()) };
        let octets = crate::files::read_regular(path, LONGEST).map_err(|error| vec![unreadable(path, &error)])?;
        let source = Source::new(&path.display().to_string(), octets).map_err(|error| vec![error])?;
        let (mut lines, mut count) = (Vec::new(), 0);
        let mut open = vec![path.canonicalize().unwrap_or_else(|_| path.to_owned())];
        self.lines(&file, &source.text, &mut open, &mut count, &mut lines);
        let menu = PxelinuxMenu::parse(&lines);
        for (line, why) in &menu.unsupported {
            self.lost(&line.location, &line.text, why);
        }
        if menu.labels.is_empty() {
            self.lost(&file, "the file", "it has no label that boots anything known here");
            return Ok(());
        }
        let profile =
            if menu.is_shown && menu.labels.len() > 1 { self.choice(&file, &menu) } else { self.only(&file, &menu) };
        self.of.push((whose, file, profile));
        Ok(())
    }

    /// The lines of a menu, with those of the files that it includes in their places. `open`: the files that this one
    /// stands in; `count`: how many were included so far.
    fn lines(&mut self, file: &str, text: &str, open: &mut Vec<PathBuf>, count: &mut usize, lines: &mut Vec<PxelinuxLine>) {
        let mut in_text = false;
        for (index, text) in text.lines().enumerate() {
            let place = format!("{file} line {}", index + 1);
            in_text = starts_text_block(text).unwrap_or(in_text);
            let Some(wanted) = included_file(text).filter(|_| !in_text) else {
                lines.push(PxelinuxLine { location: place, text: text.to_owned() });
                continue;
            };
            match self.include(&wanted, open, count) {
                Ok((path, inner)) => {
                    open.push(path);
                    self.lines(&wanted, &inner, open, count, lines);
                    open.pop();
                }
                Err(why) => self.lost(&place, text.trim(), &why),
            }
        }
    }

    /// A file that a menu includes, and its text. `Err`: why it is not read.
    fn include(&mut self, wanted: &str, open: &[PathBuf], count: &mut usize) -> Result<(PathBuf, String), String> {
        if wanted.contains("://") {
            return Err("it is on another server: put the text of that file in its place".into());
        }
        let directory = self.root.canonicalize().map_err(|error| format!("the directory cannot be read: {error}"))?;
        let path = directory.join(wanted).canonicalize().map_err(|error| format!("it cannot be read: {error}"))?;
        if !path.starts_with(&directory) {
            return Err("it is outside this directory: put the text of that file in its place".into());
        }
        if open.contains(&path) {
            return Err("the file includes itself".into());
        }
        *count += 1;
        if open.len() > DEEPEST || *count > MOST_INCLUDED {
            return Err(format!("a menu includes {MOST_INCLUDED} files at most, and {DEEPEST} in one another"));
        }
        let octets =
            crate::files::read_regular(&path, LONGEST).map_err(|error| format!("it cannot be read: {error}"))?;
        let text = String::from_utf8(octets).map_err(|_| "it is no text in UTF-8".to_owned())?;
        self.included.insert(path.clone());
        Ok((path, text))
    }

    /// The files beside the menus that are for no machine, and in no menu.
    fn unasked(&mut self, files: &[PathBuf]) {
        for path in files.iter().filter(|path| whose(&name(path)).is_none()) {
            if !path.canonicalize().is_ok_and(|path| self.included.contains(&path)) {
                self.lost(&name(path), "the file", "PXELINUX asks for no file of this name: it is for no machine");
            }
        }
    }

    /// A machine has one entry: that of the file which its loader reads.
    fn settle(&mut self) {
        let there = |known: &[&'static str]| known.iter().find(|name| self.root.join(name).is_file()).copied();
        let is_netboot_xyz = |path: &PathBuf| name(path).starts_with("netboot.xyz");
        let netboot_xyz =
            || files(&self.root).unwrap_or_default().iter().find(|path| is_netboot_xyz(path)).map(|path| name(path));
        let pxelinux = there(&PXELINUX);
        let ipxe = there(&IPXE).map(str::to_owned).or_else(netboot_xyz);
        let is_script = |file: &str| file.ends_with(".ipxe");
        let (scripts_first, why) = match (pxelinux, ipxe) {
            (None, Some(ipxe)) => (true, format!("{ipxe} is in the directory, and PXELINUX is not")),
            (Some(pxelinux), _) => (false, format!("{pxelinux} is in the directory")),
            (None, None) => (false, "no loader in the directory tells which one the machines start".to_owned()),
        };
        // PXELINUX and netboot.xyz ask in small letters, the latter without marks between the octets.
        let is_asked = |file: &str| match script_of(Path::new(file)) {
            Some((_, of)) => of.len() == 12 && of == of.to_lowercase(),
            None => file == file.to_lowercase(),
        };
        let mut all = std::mem::take(&mut self.of);
        all.sort_by_key(|(whose, file, _)| {
            (whose.clone(), !is_asked(file), is_script(file) != scripts_first, file.clone())
        });
        for (whose, file, profile) in all {
            let Some((_, first, _)) = self.of.iter().find(|(known, ..)| *known == whose) else {
                self.of.push((whose, file, profile));
                continue;
            };
            let why = if is_asked(first) == is_asked(&file) { &why[..] } else { "loaders ask for that name" };
            self.attention.push(format!(
                "{first} and {file} are for the same machine. Its entry takes {first}: {why}. If the machine boots \
                 {file}, write `profile = {}` in its entry",
                toml_string(&profile)
            ));
        }
    }

    /// The label that is booted without a key.
    fn only(&mut self, file: &str, menu: &PxelinuxMenu) -> String {
        let others: Vec<&str> = menu.labels[1..].iter().map(|label| label.name.as_str()).collect();
        if !others.is_empty() {
            let why = format!("it boots {}; {} had to be typed at the prompt", menu.labels[0].name, others.join(", "));
            self.tell(file, "the file", LineOutcome::Changed(why));
        }
        self.label(&menu.labels[0].name, &menu.labels[0].title, &menu.labels[0].boot)
    }

    fn choice(&mut self, file: &str, menu: &PxelinuxMenu) -> String {
        if menu.labels.len() > MOST_ITEMS {
            self.lost(file, "the file", &format!("a menu has {MOST_ITEMS} items at most"));
        }
        let mut items = String::new();
        for label in menu.labels.iter().take(MOST_ITEMS) {
            let profile = self.label(&label.name, &label.title, &label.boot);
            writeln!(items, "  {{ title = {}, profile = {} }},", toml_string(&fitting(&label.title)), toml_string(&profile)).ok();
        }
        let prompt = if menu.title.is_empty() { "Boot" } else { &menu.title };
        let body = format!("prompt = {}\ntimeout = {}\nitems = [\n{items}]\n", toml_string(&fitting(prompt)), menu.timeout);
        self.profile(&format!("{file} menu"), ".menu", &body)
    }

    fn label(&mut self, name: &str, title: &str, boot: &LabelBoot) -> String {
        let mut body = format!("title = {}\n", toml_string(&fitting(title)));
        match boot {
            LabelBoot::Disk => return "local-disk".into(),
            LabelBoot::Kernel { kernel, initrds, arguments } => {
                writeln!(body, "kernel = {}", toml_string(kernel)).ok();
                match &initrds[..] {
                    [] => {}
                    [one] => drop(writeln!(body, "initrd = {}", toml_string(one))),
                    many => drop(writeln!(body, "initrd = {}", super::output::toml_list(many))),
                }
                if !arguments.is_empty() {
                    writeln!(body, "arguments = {}", toml_string(arguments)).ok();
                }
            }
        }
        self.profile(name, "", &body)
    }

    /// The profile that says so, which is written where it is new.
    fn profile(&mut self, wish: &str, table: &str, body: &str) -> String {
        let content = format!("{table}\n{body}");
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == content) {
            return name.clone();
        }
        const BUILT_IN: [&str; 3] = ["menu", "local-disk", "nothing"];
        let name = unique_name(wish, |name| BUILT_IN.contains(&name) || self.names.contains(name));
        write!(self.profiles, "\n[profile.{name}{table}]\n{body}").ok();
        self.names.insert(name.clone());
        self.known.push((content, name.clone()));
        name
    }

    fn script(&mut self, path: &Path) {
        let file = name(path);
        let Some((is_mac, of)) = script_of(path) else { return };
        match parse_any_mac(&of) {
            Some(mac) if is_mac => {
                let profile = self.profile(&format!("script {of}"), "", &format!("kernel = {}\n", toml_string(&file)));
                self.of.push((Whose::Mac(mac.map(|octet| format!("{octet:02x}")).join(":")), file, profile));
            }
            _ if is_mac => self.lost(&file, "the file", "what stands behind MAC- is no MAC address"),
            _ => self.by_host_name(path, &file, &of),
        }
    }

    /// Only the menu of the boot directory looks for it.
    fn by_host_name(&mut self, path: &Path, file: &str, of: &str) {
        let instead = format!(
            "write [machine.{}] with its `mac`, and kernel = {} in its profile",
            unique_name(of, |_| false),
            toml_string(file)
        );
        if self.of.iter().any(|(whose, ..)| *whose == Whose::All) {
            let why =
                format!("only the menu of the boot directory looks for it, and `default` goes before that: {instead}");
            self.lost(file, "the file", &why);
        } else if path.with_file_name("boot.ipxe").exists() {
            let why = format!("boot.ipxe takes the place of the menu, which would look for it: {instead}");
            self.lost(file, "the file", &why);
        } else {
            let why = format!(
                "the machine runs it that the DHCP server calls {of}, in front of the menu of the boot directory"
            );
            self.tell(file, "the file", LineOutcome::Changed(why));
        }
    }

    fn written(mut self, directory: &Path, root: &Path) -> String {
        self.settle();
        let (mut text, mut rules, mut machines) = (String::new(), String::new(), String::new());
        if let Some((.., profile)) = self.of.iter().find(|(whose, ..)| *whose == Whose::All) {
            writeln!(text, "default-profile = {}", toml_string(profile)).ok();
        }
        writeln!(text, "boot-dir = {}", toml_string(&root.display().to_string())).ok();
        let mut taken = BTreeSet::new();
        for (whose, file, profile) in &self.of {
            let profile = toml_string(profile);
            let mut machine = |key: &str, value: &str, digits: &str| {
                let name = unique_name(&format!("{key}-{digits}"), |name| taken.contains(name));
                write!(machines, "\n[machine.{name}] # {file}\n{key} = {}\nprofile = {profile}\n", toml_string(value)).ok();
                taken.insert(name);
            };
            match whose {
                Whose::Uuid(uuid) => machine("uuid", uuid, uuid),
                Whose::Mac(mac) => machine("mac", mac, &mac.replace(':', "")),
                Whose::Network(_, network) => {
                    let name = toml_string(file);
                    write!(
                        rules,
                        "\n[[rule]] # {file}\nname = {name}\nsubnet = [\"{network}\"]\nprofile = {profile}\n"
                    )
                    .ok();
                }
                Whose::All => {}
            }
        }
        header(&directory.display().to_string(), &self.attention, &self.told)
            + &text
            + &rules
            + &self.profiles
            + &machines
    }
}

/// What firmware can show.
fn fitting(text: &str) -> String {
    text.chars().take(60).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}
