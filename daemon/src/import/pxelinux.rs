//! A menu of PXELINUX, as far as it says what is booted.

use crate::suggest::closest_match;

/// What a label boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelBoot {
    Disk,
    Kernel { kernel: String, initrds: Vec<String>, arguments: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PxelinuxLabel {
    pub name: String,
    pub title: String,
    pub boot: LabelBoot,
}

/// A line of the file, or of one that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PxelinuxLine {
    /// `default line 12`.
    pub location: String,
    pub text: String,
}

#[derive(Debug, Default)]
pub struct PxelinuxMenu {
    /// Those that boot something, that which is booted without a key first.
    pub labels: Vec<PxelinuxLabel>,
    pub title: String,
    /// It is shown, or has a prompt.
    pub is_shown: bool,
    /// In seconds; 255: for ever.
    pub timeout: u8,
    pub unsupported: Vec<(PxelinuxLine, String)>,
}

#[derive(Debug, Default)]
struct Draft {
    place: String,
    name: String,
    title: String,
    kernel: String,
    initrds: Vec<String>,
    append: Option<String>,
    disk: bool,
    /// A program of SYSLINUX, which is no kernel.
    other: bool,
    is_default: bool,
}

const COM32: &str = "a program of SYSLINUX is no kernel: this label is left out";
const NO_KERNEL: &str = "the label has no KERNEL: it is left out";
const IPAPPEND: &str = "PXELINUX added to the arguments what it knew; iPXE has it as ${net0/mac}, ${net0/ip} and so on";

/// The words that a line begins with, beside `F1` to `F12`.
const WORDS: [&str; 35] = [
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
const MORE_WORDS: [&str; 6] = ["sysappend", "text", "timeout", "totaltimeout", "type", "ui"];

/// Whether the line begins or ends a text that is shown for an entry.
pub fn starts_text_block(line: &str) -> Option<bool> {
    match first_word(line).to_ascii_lowercase().as_str() {
        "text" => Some(true),
        "endtext" => Some(false),
        _ => None,
    }
}

/// The file that an `INCLUDE` or a `MENU INCLUDE` names, as it counts from the boot directory.
pub fn included_file(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| word.eq_ignore_ascii_case("menu"));
    words.next().filter(|word| word.eq_ignore_ascii_case("include"))?;
    words.next().map(path)
}

/// What is wrong with a word that PXELINUX does not have.
fn unknown(word: &str) -> Option<String> {
    let known = || WORDS.into_iter().chain(MORE_WORDS);
    let is_key = |word: &str| word.strip_prefix('f').is_some_and(|number| number.parse::<u8>().is_ok());
    let lower = word.to_ascii_lowercase();
    if word.is_empty() || word.starts_with('#') || is_key(&lower) || known().any(|known| known == lower) {
        return None;
    }
    let meant = closest_match(word, known()).map(|meant| format!(": did you mean {}?", meant.to_ascii_uppercase()));
    Some(format!("unknown word {word}{}", meant.unwrap_or(", which PXELINUX ignores".into())))
}

impl PxelinuxMenu {
    pub fn parse(lines: &[PxelinuxLine]) -> PxelinuxMenu {
        let mut menu = PxelinuxMenu { timeout: 255, ..PxelinuxMenu::default() };
        let (mut drafts, mut global, mut default, mut on_timeout) = (Vec::<Draft>::new(), None, String::new(), None);
        let mut in_text = false;
        for PxelinuxLine { location: place, text } in lines {
            let text = text.trim();
            if starts_text_block(text).is_some_and(|begins| std::mem::replace(&mut in_text, begins) || begins) || in_text {
                continue;
            }
            let (word, rest) =
                text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()));
            let mut lost = |why: &str| {
                menu.unsupported.push((PxelinuxLine { location: place.clone(), text: text.to_owned() }, why.to_owned()));
            };
            match (word.to_ascii_lowercase().as_str(), drafts.last_mut()) {
                ("label", _) => {
                    drafts.push(Draft {
                        place: place.clone(),
                        name: rest.to_owned(),
                        title: rest.to_owned(),
                        ..Draft::default()
                    });
                }
                ("default", _) => default = rest.to_owned(),
                ("ontimeout", _) => on_timeout = Some(rest.to_owned()),
                ("ui", _) => menu.is_shown = true,
                ("prompt", _) => menu.is_shown |= rest != "0",
                ("timeout", _) => {
                    let tenths: u32 = rest.parse().unwrap_or(0);
                    menu.timeout =
                        if tenths == 0 { 255 } else { u8::try_from(tenths.div_ceil(10)).unwrap_or(254).clamp(1, 254) };
                }
                ("ipappend" | "sysappend", _) => lost(IPAPPEND),
                ("menu", draft) => of_menu(rest, draft, &mut menu.title),
                ("append", None) => global = Some(rest.to_owned()),
                ("append", Some(draft)) => draft.append = Some(rest.to_owned()),
                ("kernel" | "linux", Some(draft)) => draft.kernel = rest.to_owned(),
                ("initrd", Some(draft)) => draft.initrds = rest.split(',').map(|name| path(name.trim())).collect(),
                ("localboot", Some(draft)) => draft.disk = true,
                ("com32", Some(draft)) if is_chain(rest) => draft.disk = true,
                ("com32" | "boot" | "bss" | "pxe" | "fdimage" | "config", Some(draft)) => draft.other = true,
                _ => {
                    if let Some(why) = unknown(word) {
                        lost(&why);
                    }
                }
            }
        }
        menu.is_shown |= program(&default);
        let wanted = on_timeout.unwrap_or(default);
        // Without a label of this name it is a kernel.
        let first = wanted.split_whitespace().next().unwrap_or_default();
        if !first.is_empty() && !program(first) && !drafts.iter().any(|draft| draft.name == first) {
            let append = wanted.split_once(char::is_whitespace).map(|(_, rest)| rest.to_owned());
            let name = first.to_owned();
            drafts.insert(0, Draft { title: name.clone(), kernel: name.clone(), name, append, ..Draft::default() });
        }
        let at = drafts.iter().position(|draft| draft.is_default);
        let at = at.filter(|_| menu.is_shown).or_else(|| drafts.iter().position(|draft| draft.name == first));
        if let Some(draft) = at.map(|at| drafts.remove(at)) {
            drafts.insert(0, draft);
        }
        for draft in drafts {
            let line = PxelinuxLine { location: draft.place.clone(), text: format!("label {}", draft.name) };
            match draft.label(global.as_deref()) {
                Ok(label) => menu.labels.push(label),
                Err(why) => menu.unsupported.push((line, why.to_owned())),
            }
        }
        menu
    }
}

/// `MENU LABEL x`, `MENU DEFAULT`, `MENU TITLE x`.
fn of_menu(rest: &str, draft: Option<&mut Draft>, title: &mut String) {
    let (word, rest) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(word, rest)| (word, rest.trim()));
    match (word.to_ascii_lowercase().as_str(), draft) {
        ("title", None) => rest.clone_into(title),
        // The letter behind `^` is a key.
        ("label", Some(draft)) => draft.title = rest.replacen('^', "", 1),
        ("default", Some(draft)) => draft.is_default = true,
        _ => {}
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// The program that goes on with a disk of the machine.
fn is_chain(kernel: &str) -> bool {
    first_word(kernel).rsplit(['/', ':']).next().is_some_and(|name| name.eq_ignore_ascii_case("chain.c32"))
}

/// Programs of SYSLINUX, and other boot loaders, by their endings.
fn program(name: &str) -> bool {
    let first = first_word(name).to_ascii_lowercase();
    [".c32", ".0", ".bin", ".bs", ".bss", ".com", ".cbt", ".img", ".efi"].iter().any(|ending| first.ends_with(ending))
}

impl Draft {
    /// `Err`: why it is left out.
    fn label(self, global: Option<&str>) -> Result<PxelinuxLabel, &'static str> {
        let Draft { name, title, .. } = &self;
        let label = |boot| Ok(PxelinuxLabel { name: name.clone(), title: title.clone(), boot });
        if self.disk || is_chain(&self.kernel) {
            return label(LabelBoot::Disk);
        }
        let (kernel, with) = self.kernel.split_once(char::is_whitespace).unwrap_or((&self.kernel, ""));
        if self.other || program(kernel) {
            return Err(COM32);
        }
        if kernel.is_empty() {
            return Err(NO_KERNEL);
        }
        // `APPEND -` is nothing, and an own line goes before that of the file.
        let append = self.append.as_deref().or(global).filter(|append| *append != "-").unwrap_or_default();
        let mut initrds = self.initrds.clone();
        let mut arguments: Vec<&str> = Vec::new();
        for word in with.split_whitespace().chain(append.split_whitespace()) {
            match word.strip_prefix("initrd=") {
                Some(names) => initrds = names.split(',').map(path).collect(),
                None => arguments.push(word),
            }
        }
        label(LabelBoot::Kernel { kernel: path(kernel), initrds, arguments: arguments.join(" ") })
    }
}

/// `192.0.2.5::name` is on another server, `::name` and `/name` on this one.
fn path(name: &str) -> String {
    match name.split_once("::") {
        Some(("", rest)) => rest.trim_start_matches('/').to_owned(),
        Some((server, rest)) => format!("tftp://{server}/{rest}"),
        None => name.trim_start_matches('/').trim_start_matches("./").to_owned(),
    }
}
