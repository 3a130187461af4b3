//! Reads the configurations of other bootloaders in an unpacked tree, to find the arguments that they pass to a kernel.
//!
//! Supports ISOLINUX, SYSLINUX and PXELINUX (`KERNEL`, `APPEND`), and GRUB (`linux`). Drops arguments that only work
//! with a disc.

use super::walk::{Tree, join, split_path};
use std::fs::File;
use std::io::Read;

/// Limits for the configurations of one tree.
const MAX_CONFIGS: usize = 200;
const MAX_INCLUDES: usize = 32;
const MAX_LENGTH: u64 = 64 << 10;

/// A kernel that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stanza {
    /// The configuration's directory. Names in the configuration are relative to this directory, or to one above it.
    directory: String,
    kernel: String,
    arguments: String,
}

/// One configuration with the files that it includes. The stanza of the default label is the first.
#[derive(Debug)]
pub struct BootloaderConfig {
    path: String,
    /// Whether it applies only to certain machines, as `pxelinux.cfg/01-52-54-00-12-34-56` does.
    specific: bool,
    stanzas: Vec<Stanza>,
}

/// Reads every configuration of a tree. Returns those that apply to all machines first.
pub fn read(tree: &Tree) -> Vec<BootloaderConfig> {
    let files = tree.directories.iter().flat_map(|(directory, files)| files.iter().map(move |file| (directory, file)));
    let mut configs: Vec<BootloaderConfig> = files
        .filter_map(|(directory, file)| Some((is_config(directory, file)?, join(directory, file))))
        .take(MAX_CONFIGS)
        .map(|(specific, path)| {
            let mut parser =
                BootloaderConfigParser { tree, includes_left: MAX_INCLUDES, ..BootloaderConfigParser::new(tree) };
            parser.file(&path);
            BootloaderConfig { stanzas: parser.into_stanzas(), path, specific }
        })
        .collect();
    configs.sort_by_key(|config| config.specific);
    configs
}

/// The arguments for this kernel, the best first, each with the path of its configuration. Arguments from
/// configurations for certain machines are used only if no other configuration names the kernel, and if they are all
/// the same.
pub fn arguments_for<'a>(configs: &'a [BootloaderConfig], kernel: &str) -> Vec<(String, &'a str)> {
    let stanzas = |specific: bool| {
        let those = configs.iter().filter(move |config| config.specific == specific);
        those.flat_map(|config| config.stanzas.iter().map(|stanza| (stanza, &config.path[..])))
    };
    let arguments_of = |specific: bool| -> Vec<(String, &'a str)> {
        let own = stanzas(specific).filter(|(stanza, _)| stanza.names(kernel));
        own.map(|(stanza, path)| (network_arguments(&stanza.arguments), path)).collect()
    };
    let general = arguments_of(false);
    if !general.is_empty() {
        return general;
    }
    let mut specific = arguments_of(true);
    let agree = specific.windows(2).all(|pair| pair[0].0 == pair[1].0);
    specific.truncate(usize::from(agree));
    specific
}

/// `Some` if the file is a configuration: `true` if it applies only to certain machines.
fn is_config(directory: &str, file: &str) -> Option<bool> {
    let lower = file.to_ascii_lowercase();
    if split_path(directory).1.eq_ignore_ascii_case("pxelinux.cfg") {
        return Some(lower != "default");
    }
    match &lower[..] {
        "isolinux.cfg" | "syslinux.cfg" | "extlinux.conf" | "archiso_pxe-linux.cfg" | "grub.cfg" => Some(false),
        _ if lower.starts_with("grub.cfg-") => Some(true),
        _ => None,
    }
}

impl Stanza {
    /// Whether the stanza names this kernel, relative to the configuration's directory or to one above it.
    fn names(&self, kernel: &str) -> bool {
        let mut directory = Some(&self.directory[..]);
        while let Some(from) = directory {
            if normalize(&join(from, &self.kernel)).as_deref() == Some(kernel) {
                return true;
            }
            directory = (!from.is_empty()).then(|| split_path(from).0);
        }
        false
    }
}

/// Removes `.`, `..` and empty parts from a path. Returns `None` if the path leads out of the tree.
fn normalize(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Drops the arguments that point to a disc, that belong to the bootloader, or that an iPXE script cannot contain.
fn network_arguments(arguments: &str) -> String {
    const FOR_BOOTLOADER: [&str; 3] = ["initrd=", "BOOT_IMAGE=", "initrd16="];
    const ON_A_DISC: [&str; 15] = [
        "file=/cdrom",
        "preseed/file=/cdrom",
        "cdrom-detect/",
        "archisolabel=",
        "archisodevice=",
        "archisosearchuuid=",
        "misolabel=",
        "misodevice=",
        "img_dev=",
        "img_loop=",
        "iso-scan/",
        "findiso=",
        "fromiso=",
        "live-media=",
        "rd.live.check",
    ];
    // Keys of arguments that name the location of the system. Such an argument is dropped if the location is a device,
    // except for NFS and memory. Arguments with other keys may name a device too, such as the console.
    const ROOT_KEYS: [&str; 9] =
        ["root", "real_root", "cdroot", "isofrom_device", "bootfrom", "install", "repo", "method", "resume"];
    let is_device = |key: &str, value: &str| {
        let elsewhere = ["/dev/nfs", "/dev/ram"].iter().any(|root| value.starts_with(root));
        ROOT_KEYS.contains(&key.trim_start_matches("inst.")) && value.starts_with("/dev/") && !elsewhere
    };
    let is_on_disc = |word: &str| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        is_device(key, value)
            || ON_A_DISC.iter().any(|begin| word.starts_with(begin))
            || value.contains("LABEL=")
            || ["hd:", "cdrom", "cd:", "dvd:"].iter().any(|begin| value.starts_with(begin))
    };
    let is_unusable =
        |word: &str| word.contains(['$', '{', '}', '\\']) || ["---", "--", "||", "&&", "-"].contains(&word);
    let words = arguments.split_whitespace().filter(|word| {
        !FOR_BOOTLOADER.iter().any(|begin| word.starts_with(begin)) && !is_on_disc(word) && !is_unusable(word)
    });
    words.collect::<Vec<_>>().join(" ")
}

struct BootloaderConfigParser<'a> {
    tree: &'a Tree,
    /// The number of files that may still be included.
    includes_left: usize,
    /// The arguments of every label that has no APPEND line.
    global: String,
    default: Option<String>,
    label: Option<BootloaderLabel>,
    labels: Vec<BootloaderLabel>,
}

#[derive(Clone, Default)]
struct BootloaderLabel {
    name: String,
    directory: String,
    kernel: Option<String>,
    append: Option<String>,
    is_default: bool,
}

impl<'a> BootloaderConfigParser<'a> {
    fn new(tree: &'a Tree) -> BootloaderConfigParser<'a> {
        BootloaderConfigParser {
            tree,
            includes_left: 0,
            global: String::new(),
            default: None,
            label: None,
            labels: Vec::new(),
        }
    }

    fn file(&mut self, path: &str) {
        let Ok(text) = text(self.tree, path) else { return };
        let directory = split_path(path).0.to_owned();
        // In GRUB, a backslash at the end of a line continues the line.
        for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
            let line = line.trim();
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            self.command(&directory, &word.to_ascii_lowercase(), rest.trim());
        }
    }

    fn command(&mut self, directory: &str, word: &str, rest: &str) {
        match word {
            "label" | "menuentry" => {
                self.end_label();
                self.label = Some(BootloaderLabel {
                    name: rest.to_owned(),
                    directory: directory.to_owned(),
                    ..BootloaderLabel::default()
                });
            }
            "default" => self.default = Some(rest.to_owned()),
            "menu" => match &mut self.label {
                Some(label) if rest.eq_ignore_ascii_case("default") => label.is_default = true,
                _ if rest.to_ascii_lowercase().starts_with("include ") => self.include(directory, rest[8..].trim()),
                _ => {}
            },
            "include" => self.include(directory, rest),
            "append" => match &mut self.label {
                Some(label) => label.append = Some(if rest == "-" { String::new() } else { rest.to_owned() }),
                None => self.global = rest.to_owned(),
            },
            "kernel" | "linux" | "linuxefi" | "linux16" => self.kernel(directory, rest),
            _ => {}
        }
    }

    /// Begins a stanza for a kernel. In GRUB, the arguments follow the kernel's name.
    fn kernel(&mut self, directory: &str, rest: &str) {
        let label = self
            .label
            .get_or_insert_with(|| BootloaderLabel { directory: directory.to_owned(), ..BootloaderLabel::default() });
        let rest = rest.replace(['"', '\''], "");
        let (kernel, arguments) = rest.split_once(char::is_whitespace).unwrap_or((&rest, ""));
        label.kernel = Some(path_on_server(kernel).to_owned());
        if !arguments.is_empty() {
            label.append = Some(arguments.to_owned());
        }
    }

    fn include(&mut self, directory: &str, name: &str) {
        if self.includes_left == 0 {
            return;
        }
        self.includes_left -= 1;
        let name = name.split_whitespace().next().unwrap_or_default();
        let mut from = Some(directory);
        while let Some(directory) = from {
            if let Some(path) = normalize(&join(directory, name)).and_then(|path| self.tree.find(&path)) {
                return self.file(&path);
            }
            from = (!directory.is_empty()).then(|| split_path(directory).0);
        }
    }

    fn end_label(&mut self) {
        self.labels.extend(self.label.take());
    }

    fn into_stanzas(mut self) -> Vec<Stanza> {
        self.end_label();
        let (global, default) = (self.global, self.default);
        let mut labels = self.labels;
        labels.sort_by_key(|label| !(label.is_default || default.as_ref() == Some(&label.name)));
        let stanza = |label: BootloaderLabel| {
            let arguments = label.append.unwrap_or_else(|| global.clone());
            Some(Stanza { directory: label.directory, kernel: label.kernel?, arguments })
        };
        labels.into_iter().filter_map(stanza).collect()
    }
}

/// A name without the device or the server that precedes the path.
fn path_on_server(name: &str) -> &str {
    if let Some((_, path)) = name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        return path;
    }
    let after = |separator: &str| name.split_once(separator).map(|(_, rest)| rest);
    after("://").map(|rest| rest.split_once('/').map_or("", |(_, path)| path)).or_else(|| after("::")).unwrap_or(name)
}

fn text(tree: &Tree, path: &str) -> std::io::Result<String> {
    let mut octets = Vec::new();
    File::open(tree.path(path))?.take(MAX_LENGTH).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
