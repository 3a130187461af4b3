//! Evaluates the Python daemon's proxy.ini. A file that worked with the Python daemon works with this server, and
//! machines get the same files.

pub mod addresses;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::ini::{self, Ini, IniItem, IniSection};
use crate::suggest::closest_match;
use addresses::LegacyAddresses;
use proxydhcpd_core::arch::{ARCHITECTURES, Arch, PythonBootstrap};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The contents of a proxy.ini.
#[derive(Clone, Debug)]
pub struct LegacyConfig {
    /// Loaders and the script for iPXE.
    pub boot: LegacyBoot,
    /// The interface and the address to serve.
    pub addresses: LegacyAddresses,
}

/// The loaders and the script for iPXE, as parts of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyBoot {
    /// The TFTP server that has the files (`tftpd`).
    pub tftpd: Ipv4Addr,
    /// The loaders by architecture.
    pub loaders: BTreeMap<Arch, Loader>,
    /// The loader for all other architectures.
    pub default_loader: Option<Loader>,
    /// The boot target of iPXE: the script of `chainload_url`, or the loader for the architecture of the client.
    pub ipxe: IpxeTarget,
}

/// Returns the contents of the file and the warnings about them, or the errors and warnings if the file has errors.
pub fn read(source: &Source) -> Result<(LegacyConfig, Vec<Diagnostic>), Vec<Diagnostic>> {
    let ini = ini::parse(source)?;
    let mut reader = LegacyReader { source, values: BTreeMap::new(), diagnostics: Vec::new() };
    for section in &ini.sections {
        reader.section(&ini, section);
    }
    // A misspelled key is reported as one error. Without this check, the key that is missing because of it would be a
    // second error.
    let evaluated = if reader.has_errors() { None } else { reader.evaluate(&ini) };
    match evaluated {
        Some((boot, addresses)) if !reader.has_errors() => Ok((LegacyConfig { boot, addresses }, reader.diagnostics)),
        _ => Err(reader.diagnostics),
    }
}

impl LegacyBoot {
    /// Replaces the loaders of a plan. The Python daemon did not support UEFI HTTP boot, so UEFI HTTP clients still get
    /// no answer.
    pub fn apply(&self, plan: &mut Plan) {
        plan.offer_mut().tftp = Some(TftpServer::Remote(self.tftpd));
        plan.policy_mut().http_clients = false;
        plan.offer_mut().loaders = self.loaders.clone();
        plan.offer_mut().default_loader = self.default_loader.clone();
        plan.policy_mut().ipxe = self.ipxe.clone();
    }
}

/// Returns the key under `[ipxe]` that sets the loader of this architecture. The log suggests the key if the file does
/// not set it. `None`: there is no such key.
pub fn loader_key(arch: Arch) -> Option<&'static str> {
    Some(arch.base().info()?.names.python_bootstrap?.key)
}

/// How a value is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Address,
    /// Any text that is not empty.
    Text,
    Boolean,
}

/// Every key, with the section from which it is read. In the other two sections, the key is accepted and ignored.
fn keys() -> impl Iterator<Item = (&'static str, &'static str, ValueKind)> {
    let addresses = [
        ("listen_address", "proxy", ValueKind::Address),
        ("interface", "proxy", ValueKind::Text),
        ("tftpd", "proxy", ValueKind::Address),
        ("filename", "proxy", ValueKind::Text),
    ];
    let mode = [
        (VENDOR_KEY, "proxy", ValueKind::Text),
        ("enabled", "ipxe", ValueKind::Boolean),
        ("chainload_url", "ipxe", ValueKind::Text),
    ];
    addresses
        .into_iter()
        .chain(filename_keys().map(|(_, key)| (key, "proxy", ValueKind::Text)))
        .chain(mode)
        .chain(bootstrap_keys().map(|(_, PythonBootstrap { key, .. })| (key, "ipxe", ValueKind::Text)))
}

/// The keys for the files of single architectures, without iPXE mode.
fn filename_keys() -> impl Iterator<Item = (Arch, &'static str)> {
    ARCHITECTURES.iter().filter_map(|row| Some((Arch(row.code), row.names.python_filename?)))
}

/// The keys for the loaders of iPXE mode. Those with a default come from the Python daemon, and come first. The others
/// are new. An architecture that the file does not name gets no answer, as with the Python daemon.
fn bootstrap_keys() -> impl Iterator<Item = (Arch, PythonBootstrap)> {
    let keys = || ARCHITECTURES.iter().filter_map(|row| Some((Arch(row.code), row.names.python_bootstrap?)));
    let has_default = |(_, key): &(Arch, PythonBootstrap)| key.default.is_some();
    keys().filter(has_default).chain(keys().filter(move |key| !has_default(key)))
}

/// A key that is accepted and checked, but never sent.
pub const VENDOR_KEY: &str = "vendor_specific_information";
const SECTIONS: [&str; 3] = ["proxy", "pxe", "ipxe"];

struct LegacyReader<'a> {
    source: &'a Source,
    /// The values read so far, by section and key.
    values: BTreeMap<(&'static str, &'static str), IniItem>,
    diagnostics: Vec<Diagnostic>,
}

impl LegacyReader<'_> {
    fn section(&mut self, ini: &Ini, section: &IniSection) {
        if !SECTIONS.contains(&section.name.as_str()) {
            let error = self.source.error(section.span.clone(), format!("unknown section [{}]", section.name));
            let help = match closest_match(&section.name, SECTIONS) {
                Some(known) => format!("did you mean [{known}]?"),
                None => "the sections are [proxy], [pxe] and [ipxe]".to_owned(),
            };
            return self.report(error.help(help));
        }
        for item in ini.items(section, self.source) {
            match item {
                Ok(item) => self.item(section, item),
                Err(error) => self.report(error),
            }
        }
    }

    fn item(&mut self, section: &IniSection, item: IniItem) {
        let Some((key, own_section, kind)) = keys().find(|(key, ..)| *key == item.key) else {
            let error = self.source.error(item.key_span, format!("unknown key `{}`", item.key));
            let known: Vec<&str> = keys().map(|(key, ..)| key).collect();
            return self.report(match closest_match(&item.key, known.iter().copied()) {
                Some(known) => error.help(format!("did you mean `{known}`?")),
                None => error.help(format!("the keys are {}", known.join(", "))),
            });
        };
        match kind {
            ValueKind::Address if address(&item.value).is_none() => {
                let error = self.source.error(item.value_span, format!("`{key}` must be an IPv4 address"));
                let help = match trailing_comment(&item.value) {
                    Some(_) => "a comment needs a separate line; here it is part of the value".to_owned(),
                    None => format!("for example `{key} = 192.0.2.10`"),
                };
                return self.report(error.help(help));
            }
            ValueKind::Text if item.value.is_empty() => {
                let error = self.source.error(item.key_span, format!("`{key}` has no value"));
                return self.report(error.help("give it a value, or delete the line"));
            }
            _ => {}
        }
        if section.name == own_section {
            self.values.insert((own_section, key), item);
        } else if !item.inherited {
            let warning = self.source.warning(item.key_span, format!("`{key}` has no effect under [{}]", section.name));
            self.report(warning.help(format!("move it to [{own_section}]")));
        }
    }

    /// Converts the values of the file. Returns `None` if a required section or key is missing.
    fn evaluate(&mut self, ini: &Ini) -> Option<(LegacyBoot, LegacyAddresses)> {
        let Some(proxy) = ini.sections.iter().find(|section| section.name == "proxy") else {
            self.report(self.source.file_error("there is no section [proxy]"));
            return None;
        };
        if self.item_of("proxy", "tftpd").is_none() {
            let error = self.source.error(proxy.span.clone(), "`tftpd` is missing under [proxy]");
            self.report(error.help("set it to the address of the server that has the boot files"));
        }
        self.vendor_information();
        let (loaders, default_loader, ipxe) = if self.ipxe_mode() {
            (self.bootstraps(), None, IpxeTarget::Configured(self.chainload_url()))
        } else {
            if self.item_of("proxy", "filename").is_none() {
                let error = self.source.error(proxy.span.clone(), "`filename` is missing under [proxy]");
                self.report(error.help("set it to the file that machines get while iPXE mode is off"));
            }
            (self.filenames(), self.loader("proxy", "filename", None), IpxeTarget::AsFirmware)
        };
        let boot = LegacyBoot { tftpd: self.tftpd()?, loaders, default_loader, ipxe };
        let interface = self.item_of("proxy", "interface").map(|item| (item.value.clone(), item.value_span.clone()));
        let listen = self.item_of("proxy", "listen_address");
        let listen_address = listen.and_then(|item| Some((address(&item.value)?, item.value_span.clone())));
        Some((boot, LegacyAddresses { source: self.source.clone(), interface, listen_address }))
    }

    fn tftpd(&mut self) -> Option<Ipv4Addr> {
        let item = self.item_of("proxy", "tftpd")?;
        let (address, at) = (address(&item.value)?, item.value_span.clone());
        if address.is_unspecified() {
            self.report(
                self.source.warning(at, "with `tftpd = 0.0.0.0`, no machine knows the server to fetch its file from"),
            );
        }
        Some(address)
    }

    /// Warns about the key for option 43, which is not sent. Option 43 is a list of sub-options (PXE 2.1 section
    /// 2.2.3). Plain text is not a valid list, and UEFI firmware drops the whole offer because of it. That is one
    /// reason why no UEFI machine ever booted from the Python daemon.
    fn vendor_information(&mut self) {
        let Some(item) = self.item_of("proxy", VENDOR_KEY) else { return };
        let (at, ascii) = (item.key_span.clone(), item.value.is_ascii());
        let value_at = item.value_span.clone();
        if ascii {
            let warning = self.source.warning(at, format!("`{VENDOR_KEY}` is not sent"));
            self.report(
                warning
                    .help("plain text is not a valid option 43, and UEFI firmware drops such offers; delete the line"),
            );
        } else {
            self.report(self.source.error(value_at, format!("`{VENDOR_KEY}` contains characters that are not ASCII")));
        }
    }

    /// Whether iPXE mode is on. Only `true` switches it on: the Python daemon did not accept `yes`, `1` or `on`.
    fn ipxe_mode(&mut self) -> bool {
        let Some(item) = self.item_of("ipxe", "enabled") else { return false };
        let (value, at) = (item.value.to_lowercase(), item.value_span.clone());
        if value != "true" && value != "false" {
            let warning = self.source.warning(at, "iPXE mode is off: only `enabled = true` turns it on");
            self.report(warning.help("write `true` or `false`"));
        }
        value == "true"
    }

    fn bootstraps(&mut self) -> BTreeMap<Arch, Loader> {
        let loader = |(arch, PythonBootstrap { key, default })| Some((arch, self.loader("ipxe", key, default)?));
        bootstrap_keys().filter_map(loader).collect()
    }

    fn filenames(&mut self) -> BTreeMap<Arch, Loader> {
        filename_keys().filter_map(|(arch, key)| Some((arch, self.loader("proxy", key, None)?))).collect()
    }

    fn loader(&mut self, section: &'static str, key: &'static str, default: Option<&str>) -> Option<Loader> {
        let name = self.name(section, key, MAX_FILE_LENGTH).or(default.map(str::to_owned))?;
        Some(Loader { name, path: None })
    }

    fn chainload_url(&mut self) -> String {
        self.name("ipxe", "chainload_url", MAX_URL_LENGTH).unwrap_or_else(|| "boot.ipxe".to_owned())
    }

    /// Returns a file name or URL as the server sends it, and reports problems in it. `None`: the file does not set the
    /// key.
    fn name(&mut self, section: &'static str, key: &'static str, max: usize) -> Option<String> {
        let item = self.item_of(section, key)?.clone();
        let (value, at) = (item.value, item.value_span);
        if !value.is_ascii() {
            let error = self.source.error(at, format!("`{key}` contains characters that are not ASCII"));
            self.report(error.help("firmware compares names octet by octet; rename the file"));
        } else if value.len() > max {
            let error =
                self.source.error(at, format!("`{key}` has {} octets: a reply has room for {max}", value.len()));
            self.report(error.help("use a shorter path, or a symbolic link on the server"));
        } else if let Some(bare) = unquoted(&value) {
            let warning = self.source.warning(at, format!("the quotes are part of `{key}`: machines request {value}"));
            self.report(warning.help(format!("write `{key} = {bare}` if the file has no quotes in its name")));
        } else if let Some(comment) = trailing_comment(&value) {
            let warning = self.source.warning(at, format!("`{comment}` is part of `{key}`: machines request {value}"));
            self.report(warning.help("a comment needs a separate line"));
        } else if value.contains(char::is_control) {
            let warning =
                self.source.warning(at, format!("`{key}` contains a line break or another control character"));
            self.report(warning.help("an indented line continues the value above it"));
        }
        Some(value)
    }

    fn item_of(&self, section: &'static str, key: &'static str) -> Option<&IniItem> {
        self.values.get(&(section, key))
    }

    /// Adds a diagnostic unless it was reported before: a value of `[DEFAULT]` is checked in each section.
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity >= Severity::Error)
    }
}

/// Returns the text in a value that looks like a comment. In this dialect of INI, it is part of the value.
fn trailing_comment(value: &str) -> Option<&str> {
    let at =
        value.match_indices(['#', ';']).map(|(at, _)| at).find(|at| value[..*at].ends_with(char::is_whitespace))?;
    Some(&value[at..])
}

/// Returns the value without the quotes around it, or `None` if the value has no quotes. In this dialect of INI, quotes
/// are part of the value.
fn unquoted(value: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Parses an IPv4 address of four decimal numbers. Leading zeros are allowed, because Python's `int` allows them.
fn address(text: &str) -> Option<Ipv4Addr> {
    let octet = |part: &str| {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<u8>().ok() } else { None }
    };
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}
