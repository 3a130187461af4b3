//! Imports a directory of files that are named after machines. In `pxelinux.cfg`, each file is PXELINUX's menu for a
//! machine, a network or all machines. netboot.xyz uses scripts such as `MAC-525400000010.ipxe`, which iPXE runs
//! unchanged.

use super::output::{LineNote, LineOutcome, header, toml_string, unique_name};
use super::pxelinux::{LabelBoot, PxelinuxLine, PxelinuxMenu, included_file, starts_text_block};
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_core::wire::uuid::swap_fields;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::identifiers::{parse_any_mac, parse_any_uuid};
use proxydhcpd_reading::regular::read_regular;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The machines that a file is for, from its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FileTarget {
    Uuid(String),
    Mac(String),
    /// A network. The prefix length is the first field, so that the longest prefix is sorted first.
    Network(std::cmp::Reverse<usize>, String),
    All,
}

/// The limit of octets in a file. Files for machines are written by hand, so they are small.
const MAX_FILE_SIZE: u64 = 1 << 20;
const MAX_ITEMS: usize = 24;
/// Limit of nested includes.
const MAX_DEPTH: usize = 16;
/// Limit of files that one menu includes.
const MAX_INCLUDED: usize = 100;
/// Loaders that request files of `pxelinux.cfg`.
const PXELINUX_LOADERS: [&str; 4] = ["pxelinux.0", "lpxelinux.0", "gpxelinux.0", "syslinux.efi"];
/// iPXE loaders.
const IPXE_LOADERS: [&str; 5] = ["undionly.kpxe", "undionly.kkpxe", "ipxe.pxe", "ipxe.efi", "snponly.efi"];

/// Converts the menus and scripts of the directory to `proxydhcpd.toml`.
pub fn import(directory: &Path) -> Result<String, Vec<Diagnostic>> {
    let directory = std::path::absolute(directory).map_err(|error| vec![unreadable(directory, &error)])?;
    let is_pxelinux_cfg = directory.file_name().is_some_and(|name| name == "pxelinux.cfg");
    let root = if is_pxelinux_cfg {
        directory.parent().map_or_else(|| directory.clone(), Path::to_owned)
    } else {
        directory.clone()
    };
    let menu_dir = root.join("pxelinux.cfg");
    let menus = if menu_dir.is_dir() { files(&menu_dir)? } else { Vec::new() };
    let scripts = files(&root)?.into_iter().filter(|path| script_key(path).is_some()).collect::<Vec<_>>();
    if menus.is_empty() && scripts.is_empty() {
        let error =
            Diagnostic::error("the directory contains no file for a machine").in_file(&directory.display().to_string());
        return Err(vec![error.help(
            "name a file, a directory with pxelinux.cfg, or a directory with scripts such as MAC-525400000010.ipxe",
        )]);
    }
    let mut importer = DirectoryImporter { root: root.clone(), ..DirectoryImporter::default() };
    for path in &menus {
        importer.menu(path)?;
    }
    importer.note_unused_files(&menus);
    scripts.iter().for_each(|path| importer.script(path));
    Ok(importer.finish(&directory, &root))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(format!("cannot read it: {error}")).in_file(&path.display().to_string())
}

/// The regular files of the directory, sorted by name.
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

/// The text after `MAC-` or `HOSTNAME-` in the name of a script, and whether it is a MAC address. `None`: the name does
/// not have this form.
fn script_key(path: &Path) -> Option<(bool, String)> {
    let name = name(path);
    let stem = name.strip_suffix(".ipxe")?;
    let mac = stem.strip_prefix("MAC-").map(|rest| (true, rest.to_owned()));
    mac.or_else(|| stem.strip_prefix("HOSTNAME-").map(|rest| (false, rest.to_owned())))
}

fn target_of(name: &str) -> Option<FileTarget> {
    if name == "default" {
        return Some(FileTarget::All);
    }
    if let Some(mac) = name.strip_prefix("01-").filter(|rest| rest.len() == 17).and_then(parse_any_mac) {
        return Some(FileTarget::Mac(mac.map(|octet| format!("{octet:02x}")).join(":")));
    }
    if let Some(octets) = parse_any_uuid(name).filter(|_| name.len() == 36) {
        // PXELINUX uses the octets of option 97, in which the first three fields are little-endian.
        return Some(FileTarget::Uuid(MachineId::from_uuid(swap_fields(octets)).to_string()));
    }
    let is_hex = (1..=8).contains(&name.len()) && name.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c));
    let bits = name.len() * 4;
    let network = is_hex.then(|| u32::from_str_radix(&format!("{name:0<8}"), 16).ok()).flatten()?;
    let network = std::net::Ipv4Addr::from(network);
    Some(FileTarget::Network(std::cmp::Reverse(bits), format!("{network}/{bits}")))
}

#[derive(Default)]
struct DirectoryImporter {
    root: PathBuf,
    /// The files that menus include, with symbolic links resolved.
    included: BTreeSet<PathBuf>,
    attention: Vec<String>,
    notes: Vec<LineNote>,
    profiles: String,
    names: BTreeSet<String>,
    /// The content and the name of each profile that is already written.
    known: Vec<(String, String)>,
    /// The target, the file and the profile of each entry.
    entries: Vec<(FileTarget, String, String)>,
}

impl DirectoryImporter {
    fn add_note(&mut self, file: &str, what: &str, outcome: LineOutcome) {
        self.notes.push(LineNote { location: file.to_owned(), line: what.to_owned(), outcome });
    }

    fn note_unsupported(&mut self, file: &str, what: &str, reason: &str) {
        self.add_note(file, what, LineOutcome::Unsupported(reason.to_owned()));
    }

    fn menu(&mut self, path: &Path) -> Result<(), Vec<Diagnostic>> {
        let file = name(path);
        let Some(target) = target_of(&file) else { return Ok(()) };
        let octets = read_regular(path, MAX_FILE_SIZE).map_err(|error| vec![unreadable(path, &error)])?;
        let source = Source::new(&path.display().to_string(), octets).map_err(|error| vec![error])?;
        let (mut lines, mut count) = (Vec::new(), 0);
        let mut open = vec![path.canonicalize().unwrap_or_else(|_| path.to_owned())];
        self.lines(&file, &source.text, &mut open, &mut count, &mut lines);
        let menu = PxelinuxMenu::parse(&lines);
        for (line, reason) in &menu.unsupported {
            self.note_unsupported(&line.location, &line.text, reason);
        }
        if menu.labels.is_empty() {
            self.note_unsupported(&file, "the file", "it has no label that can be imported");
            return Ok(());
        }
        let profile = if menu.is_shown && menu.labels.len() > 1 {
            self.menu_profile(&file, &menu)
        } else {
            self.default_label_profile(&file, &menu)
        };
        self.entries.push((target, file, profile));
        Ok(())
    }

    /// The lines of a menu, with the lines of included files inserted. `open` holds this file and the files that
    /// include it. `count` is the number of files included so far.
    fn lines(
        &mut self,
        file: &str,
        text: &str,
        open: &mut Vec<PathBuf>,
        count: &mut usize,
        lines: &mut Vec<PxelinuxLine>,
    ) {
        let mut in_text = false;
        for (index, text) in text.lines().enumerate() {
            let location = format!("{file} line {}", index + 1);
            in_text = starts_text_block(text).unwrap_or(in_text);
            let Some(included_name) = included_file(text).filter(|_| !in_text) else {
                lines.push(PxelinuxLine { location, text: text.to_owned() });
                continue;
            };
            match self.include(&included_name, open, count) {
                Ok((path, included_text)) => {
                    open.push(path);
                    self.lines(&included_name, &included_text, open, count, lines);
                    open.pop();
                }
                Err(reason) => self.note_unsupported(&location, text.trim(), &reason),
            }
        }
    }

    /// The path and the text of a file that a menu includes. `Err`: the reason why the import does not read the file.
    fn include(
        &mut self,
        included_name: &str,
        open: &[PathBuf],
        count: &mut usize,
    ) -> Result<(PathBuf, String), String> {
        if included_name.contains("://") {
            return Err("the file is on another server: replace this line by its text".into());
        }
        let directory = self.root.canonicalize().map_err(|error| format!("cannot read the directory: {error}"))?;
        let path = directory.join(included_name).canonicalize().map_err(|error| format!("cannot read it: {error}"))?;
        if !path.starts_with(&directory) {
            return Err("the file is outside of this directory: replace this line by its text".into());
        }
        if open.contains(&path) {
            return Err("the file includes itself".into());
        }
        *count += 1;
        if open.len() > MAX_DEPTH || *count > MAX_INCLUDED {
            return Err(format!("a menu includes at most {MAX_INCLUDED} files, nested at most {MAX_DEPTH} deep"));
        }
        let octets = read_regular(&path, MAX_FILE_SIZE).map_err(|error| format!("cannot read it: {error}"))?;
        let text = String::from_utf8(octets).map_err(|_| "it is not UTF-8 text".to_owned())?;
        self.included.insert(path.clone());
        Ok((path, text))
    }

    /// Adds notes on the files of `pxelinux.cfg` that are for no machine and that no menu includes.
    fn note_unused_files(&mut self, files: &[PathBuf]) {
        for path in files.iter().filter(|path| target_of(&name(path)).is_none()) {
            if !path.canonicalize().is_ok_and(|path| self.included.contains(&path)) {
                self.note_unsupported(
                    &name(path),
                    "the file",
                    "PXELINUX never requests a file of this name: it is for no machine",
                );
            }
        }
    }

    /// Keeps one file for each machine, the file that the machine's loader requests. Adds a note on each other file.
    fn keep_one_file_per_machine(&mut self) {
        let find_loader = |known: &[&'static str]| known.iter().find(|name| self.root.join(name).is_file()).copied();
        let is_netboot_xyz = |path: &PathBuf| name(path).starts_with("netboot.xyz");
        let netboot_xyz =
            || files(&self.root).unwrap_or_default().iter().find(|path| is_netboot_xyz(path)).map(|path| name(path));
        let pxelinux = find_loader(&PXELINUX_LOADERS);
        let ipxe = find_loader(&IPXE_LOADERS).map(str::to_owned).or_else(netboot_xyz);
        let is_script = |file: &str| file.ends_with(".ipxe");
        let (scripts_first, reason) = match (pxelinux, ipxe) {
            (None, Some(ipxe)) => (true, format!("{ipxe} is in the directory, and PXELINUX is not")),
            (Some(pxelinux), _) => (false, format!("{pxelinux} is in the directory")),
            (None, None) => (false, "no loader in the directory shows which one the machines use".to_owned()),
        };
        // PXELINUX and netboot.xyz request names in lower case. netboot.xyz uses no separators between the octets.
        let is_requested = |file: &str| match script_key(Path::new(file)) {
            Some((_, key)) => key.len() == 12 && key == key.to_lowercase(),
            None => file == file.to_lowercase(),
        };
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by_key(|(target, file, _)| {
            (target.clone(), !is_requested(file), is_script(file) != scripts_first, file.clone())
        });
        for (target, file, profile) in entries {
            let Some((_, kept, _)) = self.entries.iter().find(|(known, ..)| *known == target) else {
                self.entries.push((target, file, profile));
                continue;
            };
            let reason =
                if is_requested(kept) == is_requested(&file) { &reason[..] } else { "loaders request that name" };
            self.attention.push(format!(
                "{kept} and {file} are for the same machine. Its entry takes {kept}: {reason}. If the machine boots \
                 {file}, write `profile = {}` in its entry",
                toml_string(&profile)
            ));
        }
    }

    /// The name of the profile for the label that boots without a key press.
    fn default_label_profile(&mut self, file: &str, menu: &PxelinuxMenu) -> String {
        let others: Vec<&str> = menu.labels[1..].iter().map(|label| label.name.as_str()).collect();
        if !others.is_empty() {
            let reason = format!(
                "it boots {}; PXELINUX booted {} only if typed at its prompt",
                menu.labels[0].name,
                others.join(", ")
            );
            self.add_note(file, "the file", LineOutcome::Changed(reason));
        }
        self.label_profile(&menu.labels[0].name, &menu.labels[0].title, &menu.labels[0].boot)
    }

    fn menu_profile(&mut self, file: &str, menu: &PxelinuxMenu) -> String {
        if menu.labels.len() > MAX_ITEMS {
            self.note_unsupported(file, "the file", &format!("a menu has at most {MAX_ITEMS} items"));
        }
        let mut items = String::new();
        for label in menu.labels.iter().take(MAX_ITEMS) {
            let profile = self.label_profile(&label.name, &label.title, &label.boot);
            writeln!(
                items,
                "  {{ title = {}, profile = {} }},",
                toml_string(&printable(&label.title)),
                toml_string(&profile)
            )
            .ok();
        }
        let prompt = if menu.title.is_empty() { "Boot" } else { &menu.title };
        let body =
            format!("prompt = {}\ntimeout = {}\nitems = [\n{items}]\n", toml_string(&printable(prompt)), menu.timeout);
        self.profile(&format!("{file} menu"), ".menu", &body)
    }

    fn label_profile(&mut self, name: &str, title: &str, boot: &LabelBoot) -> String {
        let mut body = format!("title = {}\n", toml_string(&printable(title)));
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

    /// The name of the profile with this content. Writes the profile if none has this content yet.
    fn profile(&mut self, preferred_name: &str, table: &str, body: &str) -> String {
        let content = format!("{table}\n{body}");
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == content) {
            return name.clone();
        }
        const BUILT_IN: [&str; 3] = ["menu", "local-disk", "nothing"];
        let name = unique_name(preferred_name, |name| BUILT_IN.contains(&name) || self.names.contains(name));
        write!(self.profiles, "\n[profile.{name}{table}]\n{body}").ok();
        self.names.insert(name.clone());
        self.known.push((content, name.clone()));
        name
    }

    fn script(&mut self, path: &Path) {
        let file = name(path);
        let Some((is_mac, key)) = script_key(path) else { return };
        match parse_any_mac(&key) {
            Some(mac) if is_mac => {
                let profile = self.profile(&format!("script {key}"), "", &format!("kernel = {}\n", toml_string(&file)));
                self.entries.push((FileTarget::Mac(mac.map(|octet| format!("{octet:02x}")).join(":")), file, profile));
            }
            _ if is_mac => self.note_unsupported(&file, "the file", "the text after MAC- is not a MAC address"),
            _ => self.script_by_host_name(path, &file, &key),
        }
    }

    /// Adds a note on a script that is named after a host. Only the menu of the boot directory requests such a script.
    fn script_by_host_name(&mut self, path: &Path, file: &str, host_name: &str) {
        let alternative = format!(
            "write [machine.{}] with its `mac`, and kernel = {} in its profile",
            unique_name(host_name, |_| false),
            toml_string(file)
        );
        if self.entries.iter().any(|(target, ..)| *target == FileTarget::All) {
            let reason = format!(
                "only the menu of the boot directory runs it, and `default` takes precedence over that: {alternative}"
            );
            self.note_unsupported(file, "the file", &reason);
        } else if path.with_file_name("boot.ipxe").exists() {
            let reason = format!("boot.ipxe replaces the menu, which would run it: {alternative}");
            self.note_unsupported(file, "the file", &reason);
        } else {
            let reason = format!(
                "the machine that the DHCP server names {host_name} runs it before the menu of the boot directory"
            );
            self.add_note(file, "the file", LineOutcome::Changed(reason));
        }
    }

    fn finish(mut self, directory: &Path, root: &Path) -> String {
        self.keep_one_file_per_machine();
        let (mut text, mut rules, mut machines) = (String::new(), String::new(), String::new());
        if let Some((.., profile)) = self.entries.iter().find(|(target, ..)| *target == FileTarget::All) {
            writeln!(text, "default-profile = {}", toml_string(profile)).ok();
        }
        writeln!(text, "boot-dir = {}", toml_string(&root.display().to_string())).ok();
        let mut taken = BTreeSet::new();
        for (target, file, profile) in &self.entries {
            let profile = toml_string(profile);
            let mut machine = |key: &str, value: &str, digits: &str| {
                let name = unique_name(&format!("{key}-{digits}"), |name| taken.contains(name));
                write!(machines, "\n[machine.{name}] # {file}\n{key} = {}\nprofile = {profile}\n", toml_string(value))
                    .ok();
                taken.insert(name);
            };
            match target {
                FileTarget::Uuid(uuid) => machine("uuid", uuid, uuid),
                FileTarget::Mac(mac) => machine("mac", mac, &mac.replace(':', "")),
                FileTarget::Network(_, network) => {
                    let name = toml_string(file);
                    write!(
                        rules,
                        "\n[[rule]] # {file}\nname = {name}\nsubnet = [\"{network}\"]\nprofile = {profile}\n"
                    )
                    .ok();
                }
                FileTarget::All => {}
            }
        }
        header(&directory.display().to_string(), &self.attention, &self.notes)
            + &text
            + &rules
            + &self.profiles
            + &machines
    }
}

/// The text in characters that firmware can show: printable ASCII, at most 60 characters.
fn printable(text: &str) -> String {
    text.chars().take(60).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}
