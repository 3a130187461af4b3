//! `[profile.NAME]`: as it is written, and what it is with what it extends.

use super::menu::{self, Menu};
use super::said::Named;
use super::value::{Read, Value, Wrong, line, list, parsed, text, variables, word, wrong};
use super::walk::{At, Walk};
use crate::config::diagnostic::Span;
use crate::config::draft::BUILT_IN;
use crate::config::machines::check_name;
use crate::probable::probable;
use proxydhcpd_core::arch::{Arch, ARCHITECTURES};
use proxydhcpd_core::name::normalize;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH};
use proxydhcpd_core::url::is_url;
use serde_json::Map;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// A profile as its table says it.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    pub at: At<'a>,
    pub extends: Option<Named<'a>>,
    pub title: Option<String>,
    pub kind: Option<Kind<'a>>,
    pub initrds: Option<(Vec<Named<'a>>, At<'a>)>,
    pub arguments: Option<Named<'a>>,
    pub loaders: BTreeMap<Arch, Named<'a>>,
    pub default_loader: Option<Named<'a>>,
    pub boot_once_file: Option<Named<'a>>,
    pub variables: Map<String, serde_json::Value>,
    /// Something in it is wrong: what else seems to be missing may be just that.
    pub faulty: bool,
}

/// What it boots.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    Kernel(Named<'a>),
    Script(Named<'a>),
    Menu(Menu<'a>),
    BuiltIn(BootTarget),
}

pub fn written<'a>(walk: &mut Walk<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> Written<'a> {
    let before = walk.told.len();
    if let Err(why) = check_name(name.get_ref()) {
        walk.error(name.span(), why);
    } else if BUILT_IN.iter().any(|(known, ..)| known == name.get_ref()) {
        walk.error(name.span(), format!("`{}` is built in: call this profile otherwise", name.get_ref()));
    }
    let mut profile = Written::new(walk.at(name.span()));
    let mut kinds: Vec<(&str, Span, Kind<'a>)> = Vec::new();
    let (mut menu, mut loaders) = (None, None);
    let source = walk.source;
    let at = |value: &Value<'_>| At { source, span: value.span() };
    walk.table("profile", table, |key, value| match key {
        "extends" => text(value).map(|name| profile.extends = Some((name, at(value)))),
        "title" => line(value).map(|title| profile.title = Some(title)),
        "kernel" => file(value).map(|name| kinds.push(("kernel", value.span(), Kind::Kernel((name, at(value)))))),
        "script" => {
            path_or_url(value).map(|name| kinds.push(("script", value.span(), Kind::Script((name, at(value))))))
        }
        "boot" => word(value, &WORDS).map(|word| {
            let boots = BUILT_IN[word].2.clone();
            kinds.push(("boot", value.span(), Kind::BuiltIn(boots)));
        }),
        "initrd" => list(value, |value| file(value).map(|name| (name, at(value))))
            .map(|names| profile.initrds = Some((names, at(value)))),
        "arguments" => arguments(value).map(|text| profile.arguments = Some((text, at(value)))),
        "boot-once-file" => relative(value).map(|name| profile.boot_once_file = Some((name, at(value)))),
        "variables" => variables(value).map(|variables| profile.variables = variables),
        "loaders" => value.get_ref().as_table().map(|table| loaders = Some(table)).ok_or_else(|| wrong(value.span())),
        "menu" => {
            let table = value.get_ref().as_table();
            table.map(|table| menu = Some((value.span(), table))).ok_or_else(|| wrong(value.span()))
        }
        _ => Ok(()),
    });
    if let Some((span, table)) = menu {
        kinds.push(("menu", span.clone(), Kind::Menu(menu::written(walk, span, table))));
    }
    if let Some(table) = loaders {
        written_loaders(walk, table, &mut profile);
    }
    profile.kind = one_kind(walk, kinds);
    profile.faulty = walk.told.len() > before;
    profile
}

/// By their numbers among [`BUILT_IN`].
const WORDS: [(&str, usize); 3] = [(BUILT_IN[0].0, 0), (BUILT_IN[1].0, 1), (BUILT_IN[2].0, 2)];

/// A profile boots one thing. Which of two was meant nobody can tell.
fn one_kind<'a>(walk: &mut Walk<'a>, mut kinds: Vec<(&str, Span, Kind<'a>)>) -> Option<Kind<'a>> {
    kinds.sort_by_key(|(_, span, _)| span.start);
    let mut kinds = kinds.into_iter();
    let (first, _, kind) = kinds.next()?;
    for (other, span, _) in kinds {
        walk.error(span, format!("`{first}` and `{other}` exclude each other: a profile boots one thing"));
    }
    Some(kind)
}

fn written_loaders<'a>(walk: &mut Walk<'a>, table: &DeTable<'_>, profile: &mut Written<'a>) {
    for (key, value) in table {
        let arch = match architecture(key.get_ref()) {
            _ if key.get_ref() == ANY_OTHER => None,
            Ok(arch) if arch.base() == arch => Some(arch),
            Ok(arch) => {
                let error = walk.source.error(key.span(), format!("{arch} has no loaders of its own"));
                walk.told.push(error.help(format!("it takes those of `{}`", id(arch.base()))));
                continue;
            }
            Err(help) => {
                let error = walk.source.error(key.span(), format!("unknown architecture `{}`", key.get_ref()));
                walk.told.push(error.help(help));
                continue;
            }
        };
        match (path_or_url(value), arch) {
            (Ok(name), _) if !is_url(&name) && name.len() > MAX_FILE_LENGTH => {
                walk.error(value.span(), format!("a name of {} octets: firmware takes {MAX_FILE_LENGTH}", name.len()));
            }
            (Ok(name), Some(arch)) => drop(profile.loaders.insert(arch, (name, walk.at(value.span())))),
            (Ok(name), None) => profile.default_loader = Some((name, walk.at(value.span()))),
            (Err(wrong), _) => {
                let usual = || format!("`{}` must be a path in the boot directory, or a URL", key.get_ref());
                let why = wrong.into_iter().find_map(|wrong| wrong.why);
                walk.error(value.span(), why.unwrap_or_else(usual));
            }
        }
    }
}

/// Beside architectures: the loader of those that have none of their own.
const ANY_OTHER: &str = "default";

fn path_or_url(value: &Value<'_>) -> Read<String> {
    let fits = |text: &str| !text.chars().any(|c| c.is_control() || c == ' ');
    match value.get_ref().as_str().filter(|text| is_url(text)) {
        Some(url) if url.len() > MAX_URL_LENGTH => {
            Err(Wrong::because(value.span(), format!("a URL of {} octets: firmware takes {MAX_URL_LENGTH}", url.len())))
        }
        Some(_) => parsed(value, |text| fits(text).then(|| text.to_owned())),
        None => relative(value),
    }
}

/// The architecture, or what was probably meant: `x64` is the UEFI of that name.
pub fn architecture(word: &str) -> Result<Arch, String> {
    let ends = |id: &&str| id.split_once('-').is_some_and(|(_, end)| end == word);
    let ids = || ARCHITECTURES.iter().map(|row| row.id);
    Arch::from_id(word).ok_or_else(|| match ids().find(ends).or_else(|| probable(word, ids())) {
        Some(id) => format!("did you mean `{id}`?"),
        None => "the usual ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64".to_owned(),
    })
}

fn id(arch: Arch) -> &'static str {
    arch.info().map_or("", |row| row.id)
}

/// A path in the boot directory, as it will be asked for, or a URL; either may hold template expressions.
fn file(value: &Value<'_>) -> Read<String> {
    let text = line(value)?;
    match text.contains("://") || is_template(&text) {
        true => Ok(text.trim_start_matches('/').to_owned()),
        false => relative(value),
    }
}

pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn relative(value: &Value<'_>) -> Read<String> {
    parsed(value, |name| normalize(name.as_bytes()).ok())
}

/// On as many lines as one likes.
fn arguments(value: &Value<'_>) -> Read<String> {
    let text: String = parsed(value, |text| Some(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")))?;
    if text.chars().any(char::is_control) {
        return Err(wrong(value.span()));
    }
    // These would end the command in the script, and there is no way to quote them.
    match text.split_whitespace().find(|word| ["||", "&&"].contains(word)) {
        Some(word) => Err(Wrong::because(value.span(), format!("`{word}` cannot be passed on by iPXE"))),
        None => Ok(text.trim().to_owned()),
    }
}

impl<'a> Written<'a> {
    fn new(at: At<'a>) -> Self {
        Written {
            at,
            extends: None,
            title: None,
            kind: None,
            initrds: None,
            arguments: None,
            loaders: BTreeMap::new(),
            default_loader: None,
            boot_once_file: None,
            variables: Map::new(),
            faulty: false,
        }
    }

    pub fn extends_it(&self, name: &str) -> bool {
        self.extends.as_ref().is_some_and(|(base, _)| base == name)
    }

    /// What it is when the other one says what it does not.
    pub fn over(&self, other: &Written<'a>) -> Written<'a> {
        let mut both = self.clone();
        // With another kind of boot, what belongs to the first one's makes no sense.
        let same_kind =
            matches!((&self.kind, &other.kind), (None, _) | (Some(Kind::Kernel(_)), None | Some(Kind::Kernel(_))));
        if same_kind {
            both.initrds = both.initrds.or_else(|| other.initrds.clone());
            both.arguments = both.arguments.or_else(|| other.arguments.clone());
            both.boot_once_file = both.boot_once_file.or_else(|| other.boot_once_file.clone());
        }
        both.kind = both.kind.or_else(|| other.kind.clone());
        both.faulty |= other.faulty;
        both.default_loader = both.default_loader.or_else(|| other.default_loader.clone());
        for (arch, loader) in &other.loaders {
            both.loaders.entry(*arch).or_insert_with(|| loader.clone());
        }
        for (name, value) in &other.variables {
            both.variables.entry(name).or_insert_with(|| value.clone());
        }
        both
    }

    /// The keys that say what is booted, for whoever gave none.
    pub const KINDS: &'static str = "`kernel`, `script`, `boot`, `menu` and `loaders` does";
}
