//! Parses PXELINUX menus: the labels, and what each label boots.

use super::file_names::{refused_file, refused_text};
use proxydhcpd_reading::suggest::closest_match;

/// The boot target of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelBoot {
    /// The machine's disk.
    Disk,
    /// A Linux kernel. File names are relative to the boot directory, or URLs.
    Kernel {
        /// The kernel's file.
        kernel: String,
        /// The initrd files.
        initrds: Vec<String>,
        /// The command line.
        arguments: String,
    },
}

/// A label of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PxelinuxLabel {
    /// The word after LABEL.
    pub name: String,
    /// The text that the menu shows for the label.
    pub title: String,
    /// The boot target of the label.
    pub boot: LabelBoot,
}

/// A line of the menu, or of a file that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PxelinuxLine {
    /// `default line 12`.
    pub location: String,
    /// The text of the line.
    pub text: String,
}

/// A menu.
#[derive(Debug, Default)]
pub struct PxelinuxMenu {
    /// The labels that the import supports, the default label first.
    pub labels: Vec<PxelinuxLabel>,
    /// The text of MENU TITLE.
    pub title: String,
    /// Whether PXELINUX shows the menu, or a prompt.
    pub is_shown: bool,
    /// The timeout in seconds. 255 means no timeout.
    pub timeout: u8,
    /// Lines that are not imported, with the reasons.
    pub unsupported: Vec<(PxelinuxLine, String)>,
}

#[derive(Debug, Default)]
struct LabelBuilder {
    location: String,
    name: String,
    title: String,
    kernel: String,
    initrds: Vec<String>,
    append: Option<String>,
    disk: bool,
    /// Whether the label boots a SYSLINUX program or a boot sector instead of a kernel.
    other: bool,
    is_default: bool,
}

const NOT_A_KERNEL: &str = "it boots a SYSLINUX program, not a kernel: the label is left out";
const NO_KERNEL: &str = "the label has no KERNEL: it is left out";
const IPAPPEND: &str =
    "PXELINUX appended network settings to the arguments; in iPXE, write ${net0/mac}, ${net0/ip} and so on";

/// The keywords of PXELINUX, except `F1` to `F12`.
const KEYWORDS: [&str; 35] = [
    "allowoptions",
    "append",
    "boot",
    "bss",
    "com32",
    "config",
    "console",
    "default",
    "display",
    "endtext",
    "fdimage",
    "fdt",
    "fdtdir",
    "font",
    "implicit",
    "include",
    "initrd",
    "ipappend",
    "kbdmap",
    "kernel",
    "label",
    "linux",
    "localboot",
    "menu",
    "nocomplete",
    "noescape",
    "nohalt",
    "onerror",
    "ontimeout",
    "path",
    "prompt",
    "pxe",
    "say",
    "sendcookies",
    "serial",
];
const MORE_KEYWORDS: [&str; 6] = ["sysappend", "text", "timeout", "totaltimeout", "type", "ui"];

/// `Some(true)` if the line starts the help text of a label, `Some(false)` if it ends the text, otherwise `None`.
pub fn starts_text_block(line: &str) -> Option<bool> {
    match first_word(line).to_ascii_lowercase().as_str() {
        "text" => Some(true),
        "endtext" => Some(false),
        _ => None,
    }
}

/// The file that an `INCLUDE` or a `MENU INCLUDE` names, relative to the boot directory. `None`: the line is neither.
pub fn included_file(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| word.eq_ignore_ascii_case("menu"));
    words.next().filter(|word| word.eq_ignore_ascii_case("include"))?;
    words.next().map(boot_path)
}

/// The reason why PXELINUX ignores a line that begins with this word. `None`: the word is a keyword, or the line is
/// empty or a comment.
fn unknown_keyword(word: &str) -> Option<String> {
    let keywords = || KEYWORDS.into_iter().chain(MORE_KEYWORDS);
    let is_function_key = |word: &str| word.strip_prefix('f').is_some_and(|number| number.parse::<u8>().is_ok());
    let lower = word.to_ascii_lowercase();
    if word.is_empty() || word.starts_with('#') || is_function_key(&lower) || keywords().any(|keyword| keyword == lower)
    {
        return None;
    }
    let suggestion =
        closest_match(word, keywords()).map(|keyword| format!(": did you mean {}?", keyword.to_ascii_uppercase()));
    Some(format!("unknown keyword {word}{}", suggestion.unwrap_or(", which PXELINUX ignores".into())))
}

impl PxelinuxMenu {
    /// Parses the lines of a menu.
    pub fn parse(lines: &[PxelinuxLine]) -> PxelinuxMenu {
        let mut menu = PxelinuxMenu { timeout: 255, ..PxelinuxMenu::default() };
        let (mut labels, mut global, mut default_label, mut on_timeout) =
            (Vec::<LabelBuilder>::new(), None, String::new(), None);
        let mut in_text = false;
        for PxelinuxLine { location, text } in lines {
            let text = text.trim();
            if starts_text_block(text).is_some_and(|begins| std::mem::replace(&mut in_text, begins) || begins)
                || in_text
            {
                continue;
            }
            let (word, rest) =
                text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()));
            let mut ignore = |reason: &str| {
                menu.unsupported
                    .push((PxelinuxLine { location: location.clone(), text: text.to_owned() }, reason.to_owned()));
            };
            match (word.to_ascii_lowercase().as_str(), labels.last_mut()) {
                ("label", _) => {
                    labels.push(LabelBuilder {
                        location: location.clone(),
                        name: rest.to_owned(),
                        title: rest.to_owned(),
                        ..LabelBuilder::default()
                    });
                }
                ("default", _) => default_label = rest.to_owned(),
                ("ontimeout", _) => on_timeout = Some(rest.to_owned()),
                ("ui", _) => menu.is_shown = true,
                ("prompt", _) => menu.is_shown |= rest != "0",
                ("timeout", _) => {
                    let tenths: u32 = rest.parse().unwrap_or(0);
                    menu.timeout =
                        if tenths == 0 { 255 } else { u8::try_from(tenths.div_ceil(10)).unwrap_or(254).clamp(1, 254) };
                }
                ("ipappend" | "sysappend", _) => ignore(IPAPPEND),
                ("menu", label) => menu_command(rest, label, &mut menu.title),
                ("append", None) => global = Some(rest.to_owned()),
                ("append", Some(label)) => label.append = Some(rest.to_owned()),
                ("kernel" | "linux", Some(label)) => label.kernel = rest.to_owned(),
                ("initrd", Some(label)) => label.initrds = rest.split(',').map(|name| boot_path(name.trim())).collect(),
                ("localboot", Some(label)) => label.disk = true,
                ("com32", Some(label)) if is_chain_loader(rest) => label.disk = true,
                ("com32" | "boot" | "bss" | "pxe" | "fdimage" | "config", Some(label)) => label.other = true,
                _ => {
                    if let Some(reason) = unknown_keyword(word) {
                        ignore(&reason);
                    }
                }
            }
        }
        menu.is_shown |= is_program(&default_label);
        let default_command = on_timeout.unwrap_or(default_label);
        // If no label has the name of the default, the name is that of a kernel file.
        let first = default_command.split_whitespace().next().unwrap_or_default();
        if !first.is_empty() && !is_program(first) && !labels.iter().any(|label| label.name == first) {
            let append = default_command.split_once(char::is_whitespace).map(|(_, rest)| rest.to_owned());
            let name = first.to_owned();
            labels.insert(
                0,
                LabelBuilder { title: name.clone(), kernel: name.clone(), name, append, ..LabelBuilder::default() },
            );
        }
        let default_index = labels.iter().position(|label| label.is_default);
        let default_index =
            default_index.filter(|_| menu.is_shown).or_else(|| labels.iter().position(|label| label.name == first));
        if let Some(label) = default_index.map(|default_index| labels.remove(default_index)) {
            labels.insert(0, label);
        }
        for label in labels {
            let line = PxelinuxLine { location: label.location.clone(), text: format!("label {}", label.name) };
            match label.build(global.as_deref()) {
                Ok(label) => menu.labels.push(label),
                Err(reason) => menu.unsupported.push((line, reason)),
            }
        }
        menu
    }
}

/// Applies `MENU LABEL x`, `MENU DEFAULT` or `MENU TITLE x`.
fn menu_command(rest: &str, label: Option<&mut LabelBuilder>, title: &mut String) {
    let (word, rest) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(word, rest)| (word, rest.trim()));
    match (word.to_ascii_lowercase().as_str(), label) {
        ("title", None) => rest.clone_into(title),
        // `^` marks the hotkey.
        ("label", Some(label)) => label.title = rest.replacen('^', "", 1),
        ("default", Some(label)) => label.is_default = true,
        _ => {}
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// Whether the file is `chain.c32`, which boots a disk of the machine.
fn is_chain_loader(kernel: &str) -> bool {
    first_word(kernel).rsplit(['/', ':']).next().is_some_and(|name| name.eq_ignore_ascii_case("chain.c32"))
}

/// Whether the file is a SYSLINUX program or another boot loader, by its suffix.
fn is_program(name: &str) -> bool {
    let first = first_word(name).to_ascii_lowercase();
    [".c32", ".0", ".bin", ".bs", ".bss", ".com", ".cbt", ".img", ".efi"].iter().any(|ending| first.ends_with(ending))
}

impl LabelBuilder {
    /// The finished label. `Err`: the reason why the import leaves the label out.
    fn build(self, global: Option<&str>) -> Result<PxelinuxLabel, String> {
        let LabelBuilder { name, title, .. } = &self;
        let label = |boot| Ok(PxelinuxLabel { name: name.clone(), title: title.clone(), boot });
        if self.disk || is_chain_loader(&self.kernel) {
            return label(LabelBoot::Disk);
        }
        let (kernel, with) = self.kernel.split_once(char::is_whitespace).unwrap_or((&self.kernel, ""));
        if self.other || is_program(kernel) {
            return Err(NOT_A_KERNEL.to_owned());
        }
        if kernel.is_empty() {
            return Err(NO_KERNEL.to_owned());
        }
        // `APPEND -` means no arguments. The APPEND of a label takes precedence over the global one.
        let append = self.append.as_deref().or(global).filter(|append| *append != "-").unwrap_or_default();
        let mut initrds = self.initrds.clone();
        let mut arguments: Vec<&str> = Vec::new();
        for word in with.split_whitespace().chain(append.split_whitespace()) {
            match word.strip_prefix("initrd=") {
                Some(names) => initrds = names.split(',').map(boot_path).collect(),
                None => arguments.push(word),
            }
        }
        initrds.retain(|name| !name.is_empty());
        let (kernel, arguments) = (boot_path(kernel), arguments.join(" "));
        let files = [&kernel].into_iter().chain(&initrds).find_map(|name| refused_file(name));
        match files.or_else(|| refused_arguments(&arguments)) {
            Some(reason) => Err(format!("{reason}: the label is left out")),
            None => label(LabelBoot::Kernel { kernel, initrds, arguments }),
        }
    }
}

/// The reason why iPXE cannot pass these arguments to a kernel. `None`: it can.
fn refused_arguments(arguments: &str) -> Option<String> {
    let separator = arguments.split(' ').find(|word| ["||", "&&"].contains(word));
    refused_text(arguments).or_else(|| separator.map(|word| format!("iPXE cannot pass `{word}` to a kernel")))
}

/// Converts the file name `192.0.2.5::name` to a URL of that server, and `::name` and `/name` to a path in the boot
/// directory.
fn boot_path(name: &str) -> String {
    match name.split_once("::") {
        Some(("", rest)) => rest.trim_start_matches('/').to_owned(),
        Some((server, rest)) => format!("tftp://{server}/{rest}"),
        None => name.trim_start_matches('/').trim_start_matches("./").to_owned(),
    }
}
