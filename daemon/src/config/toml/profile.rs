//! `[profile.NAME]`: as it is written, and what it is with what it extends.

use super::menu::{self, RawMenu};
use super::document::Reference;
use super::value::{ValueResult, TomlValue, ValueError, line, list, parse_with, text, variables, one_of, invalid};
use super::table_reader::{SourceLocation, TableReader};
use crate::config::diagnostic::Span;
use crate::config::unresolved::BUILT_IN_PROFILES;
use crate::config::machines::check_name;
use crate::suggest::closest_match;
use proxydhcpd_core::arch::{Arch, ARCHITECTURES};
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH};
use proxydhcpd_core::url::is_url;
use serde_json::Map;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// A profile as its table says it.
#[derive(Clone, Debug)]
pub struct RawProfile<'a> {
    pub location: SourceLocation<'a>,
    pub extends: Option<Reference<'a>>,
    pub title: Option<String>,
    pub boot: Option<RawBoot<'a>>,
    pub initrds: Option<(Vec<Reference<'a>>, SourceLocation<'a>)>,
    pub arguments: Option<Reference<'a>>,
    pub loaders: BTreeMap<Arch, Reference<'a>>,
    pub default_loader: Option<Reference<'a>>,
    pub boot_once_file: Option<Reference<'a>>,
    pub variables: Map<String, serde_json::Value>,
    /// Something in it is wrong: what else seems to be missing may be just that.
    pub has_errors: bool,
}

/// What it boots.
#[derive(Clone, Debug)]
pub enum RawBoot<'a> {
    Kernel(Reference<'a>),
    Script(Reference<'a>),
    Menu(RawMenu<'a>),
    BuiltIn(BootTarget),
}

pub fn parse<'a>(walk: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> RawProfile<'a> {
    let before = walk.diagnostics.len();
    if let Err(why) = check_name(name.get_ref()) {
        walk.error(name.span(), why);
    } else if BUILT_IN_PROFILES.iter().any(|(known, ..)| known == name.get_ref()) {
        walk.error(name.span(), format!("`{}` is built in: call this profile otherwise", name.get_ref()));
    }
    let mut profile = RawProfile::new(walk.location(name.span()));
    let mut kinds: Vec<(&str, Span, RawBoot<'a>)> = Vec::new();
    let (mut menu, mut loaders) = (None, None);
    let source = walk.source;
    let at = |value: &TomlValue<'_>| SourceLocation { source, span: value.span() };
    walk.read_table("profile", table, |key, value| match key {
        "extends" => text(value).map(|name| profile.extends = Some((name, at(value)))),
        "title" => line(value).map(|title| profile.title = Some(title)),
        "kernel" => file(value).map(|name| kinds.push(("kernel", value.span(), RawBoot::Kernel((name, at(value)))))),
        "script" => {
            path_or_url(value).map(|name| kinds.push(("script", value.span(), RawBoot::Script((name, at(value))))))
        }
        "boot" => one_of(value, &WORDS).map(|word| {
            let boots = BUILT_IN_PROFILES[word].2.clone();
            kinds.push(("boot", value.span(), RawBoot::BuiltIn(boots)));
        }),
        "initrd" => list(value, |value| file(value).map(|name| (name, at(value))))
            .map(|names| profile.initrds = Some((names, at(value)))),
        "arguments" => arguments(value).map(|text| profile.arguments = Some((text, at(value)))),
        "boot-once-file" => relative(value).map(|name| profile.boot_once_file = Some((name, at(value)))),
        "variables" => variables(value).map(|variables| profile.variables = variables),
        "loaders" => value.get_ref().as_table().map(|table| loaders = Some(table)).ok_or_else(|| invalid(value.span())),
        "menu" => {
            let table = value.get_ref().as_table();
            table.map(|table| menu = Some((value.span(), table))).ok_or_else(|| invalid(value.span()))
        }
        _ => Ok(()),
    });
    if let Some((span, table)) = menu {
        kinds.push(("menu", span.clone(), RawBoot::Menu(menu::parse(walk, span, table))));
    }
    if let Some(table) = loaders {
        written_loaders(walk, table, &mut profile);
    }
    profile.boot = one_kind(walk, kinds);
    profile.has_errors = walk.diagnostics.len() > before;
    profile
}

/// By their numbers among [`BUILT_IN`].
const WORDS: [(&str, usize); 3] = [(BUILT_IN_PROFILES[0].0, 0), (BUILT_IN_PROFILES[1].0, 1), (BUILT_IN_PROFILES[2].0, 2)];

/// A profile boots one thing. Which of two was meant nobody can tell.
fn one_kind<'a>(walk: &mut TableReader<'a>, mut kinds: Vec<(&str, Span, RawBoot<'a>)>) -> Option<RawBoot<'a>> {
    kinds.sort_by_key(|(_, span, _)| span.start);
    let mut kinds = kinds.into_iter();
    let (first, _, kind) = kinds.next()?;
    for (other, span, _) in kinds {
        walk.error(span, format!("`{first}` and `{other}` exclude each other: a profile boots one thing"));
    }
    Some(kind)
}

fn written_loaders<'a>(walk: &mut TableReader<'a>, table: &DeTable<'_>, profile: &mut RawProfile<'a>) {
    for (key, value) in table {
        let arch = match parse_architecture(key.get_ref()) {
            _ if key.get_ref() == ANY_OTHER => None,
            Ok(arch) if arch.base() == arch => Some(arch),
            Ok(arch) => {
                let error = walk.source.error(key.span(), format!("{arch} has no loaders of its own"));
                walk.diagnostics.push(error.help(format!("it takes those of `{}`", id(arch.base()))));
                continue;
            }
            Err(help) => {
                let error = walk.source.error(key.span(), format!("unknown architecture `{}`", key.get_ref()));
                walk.diagnostics.push(error.help(help));
                continue;
            }
        };
        match (path_or_url(value), arch) {
            (Ok(name), _) if !is_url(&name) && name.len() > MAX_FILE_LENGTH => {
                walk.error(value.span(), format!("a name of {} octets: firmware takes {MAX_FILE_LENGTH}", name.len()));
            }
            (Ok(name), Some(arch)) => drop(profile.loaders.insert(arch, (name, walk.location(value.span())))),
            (Ok(name), None) => profile.default_loader = Some((name, walk.location(value.span()))),
            (Err(wrong), _) => {
                let usual = || format!("`{}` must be a path in the boot directory, or a URL", key.get_ref());
                let why = wrong.into_iter().find_map(|wrong| wrong.reason);
                walk.error(value.span(), why.unwrap_or_else(usual));
            }
        }
    }
}

/// Beside architectures: the loader of those that have none of their own.
const ANY_OTHER: &str = "default";

fn path_or_url(value: &TomlValue<'_>) -> ValueResult<String> {
    let fits = |text: &str| !text.chars().any(|c| c.is_control() || c == ' ');
    match value.get_ref().as_str().filter(|text| is_url(text)) {
        Some(url) if url.len() > MAX_URL_LENGTH => {
            Err(ValueError::because(value.span(), format!("a URL of {} octets: firmware takes {MAX_URL_LENGTH}", url.len())))
        }
        Some(_) => parse_with(value, |text| fits(text).then(|| text.to_owned())),
        None => relative(value),
    }
}

/// The architecture, or what was probably meant: `x64` is the UEFI of that name.
pub fn parse_architecture(word: &str) -> Result<Arch, String> {
    let ends = |id: &&str| id.split_once('-').is_some_and(|(_, end)| end == word);
    let ids = || ARCHITECTURES.iter().map(|row| row.id);
    Arch::from_id(word).ok_or_else(|| match ids().find(ends).or_else(|| closest_match(word, ids())) {
        Some(id) => format!("did you mean `{id}`?"),
        None => "the usual ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64".to_owned(),
    })
}

fn id(arch: Arch) -> &'static str {
    arch.info().map_or("", |row| row.id)
}

/// A path in the boot directory, as it will be asked for, or a URL; either may hold template expressions.
fn file(value: &TomlValue<'_>) -> ValueResult<String> {
    let text = line(value)?;
    match text.contains("://") || is_template(&text) {
        true => Ok(text.trim_start_matches('/').to_owned()),
        false => relative(value),
    }
}

pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn relative(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |name| normalize(name.as_bytes()).ok())
}

/// On as many lines as one likes.
fn arguments(value: &TomlValue<'_>) -> ValueResult<String> {
    let text: String = parse_with(value, |text| Some(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")))?;
    if text.chars().any(char::is_control) {
        return Err(invalid(value.span()));
    }
    // These would end the command in the script, and there is no way to quote them.
    match text.split_whitespace().find(|word| ["||", "&&"].contains(word)) {
        Some(word) => Err(ValueError::because(value.span(), format!("`{word}` cannot be passed on by iPXE"))),
        None => Ok(text.trim().to_owned()),
    }
}

impl<'a> RawProfile<'a> {
    fn new(at: SourceLocation<'a>) -> Self {
        RawProfile {
            location: at,
            extends: None,
            title: None,
            boot: None,
            initrds: None,
            arguments: None,
            loaders: BTreeMap::new(),
            default_loader: None,
            boot_once_file: None,
            variables: Map::new(),
            has_errors: false,
        }
    }

    pub fn extends_profile(&self, name: &str) -> bool {
        self.extends.as_ref().is_some_and(|(base, _)| base == name)
    }

    /// What it is when the other one says what it does not.
    pub fn with_base(&self, other: &RawProfile<'a>) -> RawProfile<'a> {
        let mut both = self.clone();
        // With another kind of boot, what belongs to the first one's makes no sense.
        let same_kind =
            matches!((&self.boot, &other.boot), (None, _) | (Some(RawBoot::Kernel(_)), None | Some(RawBoot::Kernel(_))));
        if same_kind {
            both.initrds = both.initrds.or_else(|| other.initrds.clone());
            both.arguments = both.arguments.or_else(|| other.arguments.clone());
            both.boot_once_file = both.boot_once_file.or_else(|| other.boot_once_file.clone());
        }
        both.boot = both.boot.or_else(|| other.boot.clone());
        both.has_errors |= other.has_errors;
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
    pub const BOOT_KEYS: &'static str = "`kernel`, `script`, `boot`, `menu` and `loaders` does";
}
