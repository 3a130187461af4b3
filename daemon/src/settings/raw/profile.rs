//! The values of `[profile.NAME]`.

use super::menu::RawMenu;
use crate::settings::location::{Reference, SourceLocation};
use crate::settings::value::{TomlValue, ValueError, ValueResult, invalid, line, list, one_of, parse_with};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::shape::MAX_URL_LENGTH;
use proxydhcpd_core::url::is_url;
use serde_json::Map;
use std::collections::BTreeMap;

/// The profiles that always exist. Each has a name, a title, and a boot target.
pub const BUILT_IN_PROFILES: [(&str, &str, BootTarget); 3] = [
    ("menu", "Menu of the boot directory", BootTarget::BootDir),
    ("local-disk", "Local disk", BootTarget::LocalDisk),
    ("nothing", "Nothing", BootTarget::Nothing),
];

/// A profile as its table describes it, before the names in it are resolved.
#[derive(Clone, Debug)]
pub struct RawProfile<'a> {
    /// The location of the profile's name.
    pub location: SourceLocation<'a>,
    /// The profile that it extends.
    pub extends: Option<Reference<'a>>,
    /// The title of the profile.
    pub title: Option<String>,
    /// The boot of the profile, with its key and the location of that. Empty: the profile has only loaders. More than
    /// one is an error.
    pub boots: Vec<(&'static str, SourceLocation<'a>, RawBoot<'a>)>,
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

impl<'a> RawProfile<'a> {
    /// A profile without keys.
    pub fn new(at: SourceLocation<'a>) -> Self {
        RawProfile {
            location: at,
            extends: None,
            title: None,
            boots: Vec::new(),
            initrds: None,
            arguments: None,
            loaders: BTreeMap::new(),
            default_loader: None,
            boot_once_file: None,
            variables: Map::new(),
            has_errors: false,
        }
    }

    /// The boot of the profile: the first in the table, if the table has several.
    pub fn boot(&self) -> Option<&RawBoot<'a>> {
        self.boots.first().map(|(.., boot)| boot)
    }

    /// Adds a key that says what the profile boots. Keeps the order of the file.
    pub fn add_boot(&mut self, key: &'static str, at: SourceLocation<'a>, boot: RawBoot<'a>) {
        self.boots.push((key, at, boot));
        self.boots.sort_by_key(|(_, at, _)| at.span.start);
    }

    /// Sets the initrds: a list of files.
    pub fn set_initrds(&mut self, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        let names = list(value, |value| file(value).map(|name| (name, at.part(value.span()))))?;
        self.initrds = Some((names, at.clone()));
        Ok(())
    }

    /// Adds a built-in boot, by its name.
    pub fn add_built_in_boot(&mut self, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        let names: Vec<_> = BUILT_IN_PROFILES.iter().map(|(name, _, boots)| (*name, boots)).collect();
        let boots = one_of(value, &names)?.clone();
        self.add_boot("boot", at.clone(), RawBoot::BuiltIn(boots));
        Ok(())
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
        let same_kind = matches!(
            (self.boot(), base.boot()),
            (None, _) | (Some(RawBoot::Kernel(_)), None | Some(RawBoot::Kernel(_)))
        );
        if same_kind {
            merged.initrds = merged.initrds.or_else(|| base.initrds.clone());
            merged.arguments = merged.arguments.or_else(|| base.arguments.clone());
            merged.boot_once_file = merged.boot_once_file.or_else(|| base.boot_once_file.clone());
        }
        if merged.boots.is_empty() {
            merged.boots.clone_from(&base.boots);
        }
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

/// A path in the boot directory, as machines request it, or a URL.
pub fn path_or_url(value: &TomlValue<'_>) -> ValueResult<String> {
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

/// A path in the boot directory, as machines request it, or a URL. Either may contain template expressions.
pub fn file(value: &TomlValue<'_>) -> ValueResult<String> {
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

/// A path in the boot directory, as machines request it.
pub fn relative(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |name| normalize(name.as_bytes()).ok())
}

/// The command line of a kernel. Line breaks become spaces.
pub fn arguments(value: &TomlValue<'_>) -> ValueResult<String> {
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
