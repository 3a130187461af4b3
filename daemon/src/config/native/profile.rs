//! Parses `[profile.NAME]`, and merges it with the profile that it extends.

use super::menu::{self, RawMenu};
use crate::config::unresolved::BUILT_IN_PROFILES;
use crate::settings::architecture::parse_architecture;
use crate::settings::table_reader::{Reference, SourceLocation, TableReader};
use crate::settings::value::{
    TomlValue, ValueError, ValueResult, invalid, line, list, one_of, parse_with, text, variables,
};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH};
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::names::check_name;
use serde_json::Map;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// A profile as its table describes it, before the names in it are resolved.
#[derive(Clone, Debug)]
pub struct RawProfile<'a> {
    /// The location of the profile's name.
    pub location: SourceLocation<'a>,
    /// The profile that it extends.
    pub extends: Option<Reference<'a>>,
    /// The title of the profile.
    pub title: Option<String>,
    /// The kind of boot. `None`: the profile has only loaders.
    pub boot: Option<RawBoot<'a>>,
    /// The values of `initrd`, and the location of the list.
    pub initrds: Option<(Vec<Reference<'a>>, SourceLocation<'a>)>,
    /// The command line of the kernel.
    pub arguments: Option<Reference<'a>>,
    /// The loaders, by architecture. Each is a file name in the boot directory, or a URL.
    pub loaders: BTreeMap<Arch, Reference<'a>>,
    /// The loader for iPXE, and for every architecture that `loaders` does not contain.
    pub default_loader: Option<Reference<'a>>,
    /// The file whose complete download completes a boot-once.
    pub boot_once_file: Option<Reference<'a>>,
    /// Variables for templates.
    pub variables: Map<String, serde_json::Value>,
    /// Whether the table has errors. If so, a key that seems to be missing may be misspelled.
    pub has_errors: bool,
}

/// The kind of boot of a profile.
#[derive(Clone, Debug)]
pub enum RawBoot<'a> {
    /// The key `kernel`.
    Kernel(Reference<'a>),
    /// The key `script`.
    Script(Reference<'a>),
    /// The key `menu`.
    Menu(RawMenu<'a>),
    /// The key `boot`.
    BuiltIn(BootTarget),
}

/// Parses a profile. Reports invalid values and keeps the valid ones.
pub fn parse<'a>(reader: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> RawProfile<'a> {
    let count_before = reader.diagnostics.len();
    if let Err(message) = check_name(name.get_ref()) {
        reader.error(name.span(), message);
    } else if BUILT_IN_PROFILES.iter().any(|(known, ..)| known == name.get_ref()) {
        reader.error(name.span(), format!("`{}` is a built-in profile: rename this one", name.get_ref()));
    }
    let mut profile = RawProfile::new(reader.location(name.span()));
    let mut kinds: Vec<(&str, Span, RawBoot<'a>)> = Vec::new();
    let (mut menu, mut loaders) = (None, None);
    let source = reader.source;
    let at = |value: &TomlValue<'_>| SourceLocation { source, span: value.span() };
    reader.read_table("profile", table, |key, value| match key {
        "extends" => text(value).map(|name| profile.extends = Some((name, at(value)))),
        "title" => line(value).map(|title| profile.title = Some(title)),
        "kernel" => file(value).map(|name| kinds.push(("kernel", value.span(), RawBoot::Kernel((name, at(value)))))),
        "script" => {
            path_or_url(value).map(|name| kinds.push(("script", value.span(), RawBoot::Script((name, at(value))))))
        }
        "boot" => one_of(value, &BUILT_IN_NAMES).map(|word| {
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
        kinds.push(("menu", span.clone(), RawBoot::Menu(menu::parse(reader, span, table))));
    }
    if let Some(table) = loaders {
        parse_loaders(reader, table, &mut profile);
    }
    profile.boot = one_kind(reader, kinds);
    profile.has_errors = reader.diagnostics.len() > count_before;
    profile
}

/// The names of the built-in profiles, with their indices in [`BUILT_IN_PROFILES`].
const BUILT_IN_NAMES: [(&str, usize); 3] =
    [(BUILT_IN_PROFILES[0].0, 0), (BUILT_IN_PROFILES[1].0, 1), (BUILT_IN_PROFILES[2].0, 2)];

/// Returns the first kind of boot in the table, and reports an error for each additional one, because a profile boots
/// only one thing.
fn one_kind<'a>(reader: &mut TableReader<'a>, mut kinds: Vec<(&str, Span, RawBoot<'a>)>) -> Option<RawBoot<'a>> {
    kinds.sort_by_key(|(_, span, _)| span.start);
    let mut kinds = kinds.into_iter();
    let (first, _, kind) = kinds.next()?;
    for (other, span, _) in kinds {
        reader.error(span, format!("`{first}` and `{other}` exclude each other: a profile boots one thing"));
    }
    Some(kind)
}

fn parse_loaders<'a>(reader: &mut TableReader<'a>, table: &DeTable<'_>, profile: &mut RawProfile<'a>) {
    for (key, value) in table {
        let arch = match parse_architecture(key.get_ref()) {
            _ if key.get_ref() == DEFAULT_LOADER => None,
            Ok(arch) if arch.base() == arch => Some(arch),
            Ok(arch) => {
                let error = reader.source.error(key.span(), format!("{arch} has no separate loader"));
                reader.diagnostics.push(error.help(format!("it uses that of `{}`", id(arch.base()))));
                continue;
            }
            Err(help) => {
                let error = reader.source.error(key.span(), format!("unknown architecture `{}`", key.get_ref()));
                reader.diagnostics.push(error.help(help));
                continue;
            }
        };
        match (path_or_url(value), arch) {
            (Ok(name), _) if !is_url(&name) && name.len() > MAX_FILE_LENGTH => {
                reader.error(
                    value.span(),
                    format!("the name has {} octets: firmware accepts at most {MAX_FILE_LENGTH}", name.len()),
                );
            }
            (Ok(name), Some(arch)) => drop(profile.loaders.insert(arch, (name, reader.location(value.span())))),
            (Ok(name), None) => profile.default_loader = Some((name, reader.location(value.span()))),
            (Err(errors), _) => {
                let expected = || format!("`{}` must be a path in the boot directory, or a URL", key.get_ref());
                let message = errors.into_iter().find_map(|error| error.reason);
                reader.error(value.span(), message.unwrap_or_else(expected));
            }
        }
    }
}

/// The key of the loader for iPXE, and for every architecture without a loader.
const DEFAULT_LOADER: &str = "default";

fn path_or_url(value: &TomlValue<'_>) -> ValueResult<String> {
    let fits = |text: &str| !text.chars().any(|c| c.is_control() || c == ' ');
    match value.get_ref().as_str().filter(|text| is_url(text)) {
        Some(url) if url.len() > MAX_URL_LENGTH => Err(ValueError::because(
            value.span(),
            format!("the URL has {} octets: firmware accepts at most {MAX_URL_LENGTH}", url.len()),
        )),
        Some(_) => parse_with(value, |text| fits(text).then(|| text.to_owned())),
        None => relative(value),
    }
}

fn id(arch: Arch) -> &'static str {
    arch.info().map_or("", |row| row.id)
}

/// A path in the boot directory, as machines request it, or a URL. Either may contain template expressions.
fn file(value: &TomlValue<'_>) -> ValueResult<String> {
    let text = line(value)?;
    match text.contains("://") || is_template(&text) {
        true => Ok(text.trim_start_matches('/').to_owned()),
        false => relative(value),
    }
}

/// Whether the text contains template expressions.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn relative(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |name| normalize(name.as_bytes()).ok())
}

/// The command line of a kernel. Line breaks become spaces.
fn arguments(value: &TomlValue<'_>) -> ValueResult<String> {
    let text: String = parse_with(value, |text| Some(text.lines().map(str::trim).collect::<Vec<_>>().join(" ")))?;
    if text.chars().any(char::is_control) {
        return Err(invalid(value.span()));
    }
    // `||` and `&&` would end the command in iPXE's script, and iPXE has no way to quote them.
    match text.split_whitespace().find(|word| ["||", "&&"].contains(word)) {
        Some(word) => Err(ValueError::because(value.span(), format!("iPXE cannot pass `{word}` to the kernel"))),
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

    /// Whether this profile extends the profile with this name.
    pub fn extends_profile(&self, name: &str) -> bool {
        self.extends.as_ref().is_some_and(|(base, _)| base == name)
    }

    /// Returns this profile, with the keys that it does not set copied from `base`.
    pub fn with_base(&self, base: &RawProfile<'a>) -> RawProfile<'a> {
        let mut merged = self.clone();
        // The keys of one kind of boot have no meaning for another kind, so only a profile of the same kind inherits
        // them.
        let same_kind =
            matches!((&self.boot, &base.boot), (None, _) | (Some(RawBoot::Kernel(_)), None | Some(RawBoot::Kernel(_))));
        if same_kind {
            merged.initrds = merged.initrds.or_else(|| base.initrds.clone());
            merged.arguments = merged.arguments.or_else(|| base.arguments.clone());
            merged.boot_once_file = merged.boot_once_file.or_else(|| base.boot_once_file.clone());
        }
        merged.boot = merged.boot.or_else(|| base.boot.clone());
        merged.has_errors |= base.has_errors;
        merged.default_loader = merged.default_loader.or_else(|| base.default_loader.clone());
        for (arch, loader) in &base.loaders {
            merged.loaders.entry(*arch).or_insert_with(|| loader.clone());
        }
        for (name, value) in &base.variables {
            merged.variables.entry(name).or_insert_with(|| value.clone());
        }
        merged
    }

    /// The keys of which a profile needs at least one, as a list for help texts.
    pub const BOOT_KEYS: &'static str = "`kernel`, `script`, `boot`, `menu` and `loaders`";
}
