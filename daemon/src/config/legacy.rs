//! The Python daemon's proxy.ini: what it means. A file that worked there works here and routes by it identically.

use crate::config::legacy_addresses::LegacyAddresses;
use crate::config::diagnostic::{Diagnostic, Severity, Source};
use crate::config::ini::{self, Ini, IniItem, IniSection};
use crate::suggest::closest_match;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::{IpxeTarget, Loader, Plan, TftpServer};
use proxydhcpd_core::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An old file, read.
#[derive(Clone, Debug)]
pub struct LegacyConfig {
    pub boot: LegacyBoot,
    pub addresses: LegacyAddresses,
}

/// What its keys route, as parts of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyBoot {
    pub tftpd: Ipv4Addr,
    pub loaders: BTreeMap<Arch, Loader>,
    pub default_loader: Option<Loader>,
    pub ipxe: IpxeTarget,
}

/// The file and its warnings, or its errors among them.
pub fn read(source: &Source) -> Result<(LegacyConfig, Vec<Diagnostic>), Vec<Diagnostic>> {
    let ini = ini::parse(source)?;
    let mut reader = Reader { source, values: BTreeMap::new(), told: Vec::new() };
    for section in &ini.sections {
        reader.section(&ini, section);
    }
    // A misspelt key is told as such, and not also as a missing one.
    let meaning = if reader.wrong() { None } else { reader.meaning(&ini) };
    match meaning {
        Some((routing, addresses)) if !reader.wrong() => Ok((LegacyConfig { boot: routing, addresses }, reader.told)),
        _ => Err(reader.told),
    }
}

impl LegacyBoot {
    /// Puts itself into a plan in place of whatever we would choose ourselves. The file knows no HTTP boot: such
    /// clients stay unanswered as they were.
    pub fn apply(&self, plan: &mut Plan) {
        plan.tftp = Some(TftpServer::Remote(self.tftpd));
        plan.http_clients = false;
        plan.loaders = self.loaders.clone();
        plan.default_loader = self.default_loader.clone();
        plan.ipxe = self.ipxe.clone();
    }
}

/// The key of [ipxe] that would serve this architecture: a hint for the log when there is none.
pub fn loader_key(arch: Arch) -> Option<&'static str> {
    BOOTSTRAPS.iter().find(|(_, served, _)| *served == arch.base()).map(|(key, ..)| *key)
}

/// How a value is checked, wherever its key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Address,
    /// Anything but nothing.
    Text,
    Switch,
}

/// Every key, and the section from which it is read; in the other two it is accepted and does nothing.
const KEYS: [(&str, &str, Kind); 16] = [
    ("listen_address", "proxy", Kind::Address),
    ("interface", "proxy", Kind::Text),
    ("tftpd", "proxy", Kind::Address),
    ("filename", "proxy", Kind::Text),
    ("filename_efi32", "proxy", Kind::Text),
    ("filename_efi64", "proxy", Kind::Text),
    (VENDOR_KEY, "proxy", Kind::Text),
    ("enabled", "ipxe", Kind::Switch),
    ("chainload_url", "ipxe", Kind::Text),
    ("legacy_bootstrap", "ipxe", Kind::Text),
    ("efi_bootstrap", "ipxe", Kind::Text),
    ("efi32_bootstrap", "ipxe", Kind::Text),
    ("arm32_bootstrap", "ipxe", Kind::Text),
    ("arm64_bootstrap", "ipxe", Kind::Text),
    ("riscv64_bootstrap", "ipxe", Kind::Text),
    ("loongarch64_bootstrap", "ipxe", Kind::Text),
];

pub const VENDOR_KEY: &str = "vendor_specific_information";
const SECTIONS: [&str; 3] = ["proxy", "pxe", "ipxe"];

/// The loaders of iPXE mode: the two that the Python daemon had, with its defaults, and ours, without: an architecture
/// that the file does not name stays unserved, as its owner knows it.
const BOOTSTRAPS: [(&str, Arch, Option<&str>); 7] = [
    ("legacy_bootstrap", Arch::BIOS, Some("undionly.kpxe")),
    ("efi_bootstrap", Arch::X64, Some("ipxe.efi")),
    ("efi32_bootstrap", Arch::IA32, None),
    ("arm32_bootstrap", Arch(10), None),
    ("arm64_bootstrap", Arch(11), None),
    ("riscv64_bootstrap", Arch(27), None),
    ("loongarch64_bootstrap", Arch(39), None),
];

struct Reader<'a> {
    source: &'a Source,
    /// The values that are read, by section and key.
    values: BTreeMap<(&'static str, &'static str), IniItem>,
    told: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn section(&mut self, ini: &Ini, section: &IniSection) {
        if !SECTIONS.contains(&section.name.as_str()) {
            let error = self.source.error(section.span.clone(), format!("unknown section [{}]", section.name));
            let help = match closest_match(&section.name, SECTIONS) {
                Some(known) => format!("did you mean [{known}]?"),
                None => "the sections are [proxy], [pxe] and [ipxe]".to_owned(),
            };
            return self.tell(error.help(help));
        }
        for item in ini.items(section, self.source) {
            match item {
                Ok(item) => self.item(section, item),
                Err(error) => self.tell(error),
            }
        }
    }

    fn item(&mut self, section: &IniSection, item: IniItem) {
        let Some((key, home, kind)) = KEYS.into_iter().find(|(key, ..)| *key == item.key) else {
            let error = self.source.error(item.key_span, format!("unknown key `{}`", item.key));
            let known = closest_match(&item.key, KEYS.map(|(key, ..)| key));
            return self.tell(match known {
                Some(known) => error.help(format!("did you mean `{known}`?")),
                None => error.help(format!("the keys are {}", KEYS.map(|(key, ..)| key).join(", "))),
            });
        };
        match kind {
            Kind::Address if address(&item.value).is_none() => {
                let error = self.source.error(item.value_span, format!("`{key}` must be an IPv4 address"));
                let help = match comment_behind(&item.value) {
                    Some(_) => "a comment needs a line of its own: here it is a part of the value".to_owned(),
                    None => format!("for example `{key} = 192.0.2.10`"),
                };
                return self.tell(error.help(help));
            }
            Kind::Text if item.value.is_empty() => {
                let error = self.source.error(item.key_span, format!("`{key}` has no value"));
                return self.tell(error.help("give it one, or take the line out"));
            }
            _ => {}
        }
        if section.name == home {
            self.values.insert((home, key), item);
        } else if !item.inherited {
            let warning = self.source.warning(item.key_span, format!("`{key}` is not read from [{}]", section.name));
            self.tell(warning.help(format!("it counts under [{home}] only")));
        }
    }

    /// What the values mean together; `None` if something needed is missing.
    fn meaning(&mut self, ini: &Ini) -> Option<(LegacyBoot, LegacyAddresses)> {
        let Some(proxy) = ini.sections.iter().find(|section| section.name == "proxy") else {
            self.tell(self.source.file_error("there is no section [proxy]"));
            return None;
        };
        if self.item_of("proxy", "tftpd").is_none() {
            let error = self.source.error(proxy.span.clone(), "`tftpd` is missing under [proxy]");
            self.tell(error.help("the address of the server that has the boot files"));
        }
        self.vendor_information();
        let (loaders, default_loader, ipxe) = if self.ipxe_mode() {
            (self.bootstraps(), None, IpxeTarget::Configured(self.chainload_url()))
        } else {
            if self.item_of("proxy", "filename").is_none() {
                let error = self.source.error(proxy.span.clone(), "`filename` is missing under [proxy]");
                self.tell(error.help("the file that every machine gets while iPXE mode is off"));
            }
            (self.filenames(), self.loader("proxy", "filename", None), IpxeTarget::AsFirmware)
        };
        let routing = LegacyBoot { tftpd: self.tftpd()?, loaders, default_loader, ipxe };
        let interface = self.item_of("proxy", "interface").map(|item| (item.value.clone(), item.value_span.clone()));
        let listen = self.item_of("proxy", "listen_address");
        let listen_address = listen.and_then(|item| Some((address(&item.value)?, item.value_span.clone())));
        Some((routing, LegacyAddresses { source: self.source.clone(), interface, listen_address }))
    }

    fn tftpd(&mut self) -> Option<Ipv4Addr> {
        let item = self.item_of("proxy", "tftpd")?;
        let (address, at) = (address(&item.value)?, item.value_span.clone());
        if address.is_unspecified() {
            self.tell(self.source.warning(at, "with `tftpd = 0.0.0.0` no machine knows where to fetch its file"));
        }
        Some(address)
    }

    /// Option 43 is a list of sub-options (PXE 2.1 section 2.2.3). Text there is none, and UEFI firmware drops the
    /// whole offer for it, which is one reason why no UEFI machine ever booted from the Python daemon.
    fn vendor_information(&mut self) {
        let Some(item) = self.item_of("proxy", VENDOR_KEY) else { return };
        let (at, ascii) = (item.key_span.clone(), item.value.is_ascii());
        let value_at = item.value_span.clone();
        if ascii {
            let warning = self.source.warning(at, format!("`{VENDOR_KEY}` is not sent"));
            self.tell(warning.help("as plain text it is no valid option 43 and stops UEFI firmware; the line can go"));
        } else {
            self.tell(self.source.error(value_at, format!("`{VENDOR_KEY}` holds characters beyond ASCII")));
        }
    }

    /// On only for `true`; the Python daemon knew no `yes`, `1` or `on`.
    fn ipxe_mode(&mut self) -> bool {
        let Some(item) = self.item_of("ipxe", "enabled") else { return false };
        let (value, at) = (item.value.to_lowercase(), item.value_span.clone());
        if value != "true" && value != "false" {
            let warning = self.source.warning(at, "iPXE mode is off: it is on for `enabled = true` only");
            self.tell(warning.help("write `true` or `false`"));
        }
        value == "true"
    }

    fn bootstraps(&mut self) -> BTreeMap<Arch, Loader> {
        let loader = |(key, arch, default)| self.loader("ipxe", key, default).map(|loader| (arch, loader));
        BOOTSTRAPS.into_iter().filter_map(loader).collect()
    }

    fn filenames(&mut self) -> BTreeMap<Arch, Loader> {
        let named = [("filename_efi32", Arch::IA32), ("filename_efi64", Arch::X64)];
        named.into_iter().filter_map(|(key, arch)| Some((arch, self.loader("proxy", key, None)?))).collect()
    }

    fn loader(&mut self, section: &'static str, key: &'static str, default: Option<&str>) -> Option<Loader> {
        let name = self.name(section, key, MAX_FILE_LENGTH).or(default.map(str::to_owned))?;
        Some(Loader { name, path: None })
    }

    fn chainload_url(&mut self) -> String {
        self.name("ipxe", "chainload_url", MAX_URL_LENGTH).unwrap_or_else(|| "boot.ipxe".to_owned())
    }

    /// A name as it goes on the wire.
    fn name(&mut self, section: &'static str, key: &'static str, longest: usize) -> Option<String> {
        let item = self.item_of(section, key)?.clone();
        let (value, at) = (item.value, item.value_span);
        if !value.is_ascii() {
            let error = self.source.error(at, format!("`{key}` holds characters beyond ASCII"));
            self.tell(error.help("firmware compares names octet by octet; rename the file"));
        } else if value.len() > longest {
            let error =
                self.source.error(at, format!("`{key}` has {} octets, the wire has room for {longest}", value.len()));
            self.tell(error.help("a shorter path, or a symbolic link on the server"));
        } else if let Some(bare) = unquoted(&value) {
            let warning = self.source.warning(at, format!("the quotes are part of `{key}`: machines ask for {value}"));
            self.tell(warning.help(format!("write `{key} = {bare}` if the file has no quotes in its name")));
        } else if let Some(comment) = comment_behind(&value) {
            let warning = self.source.warning(at, format!("`{comment}` is part of `{key}`: machines ask for {value}"));
            self.tell(warning.help("a comment needs a line of its own"));
        } else if value.contains(char::is_control) {
            let warning = self.source.warning(at, format!("`{key}` holds a line break or another control character"));
            self.tell(warning.help("an indented line continues the value above it"));
        }
        Some(value)
    }

    fn item_of(&self, section: &'static str, key: &'static str) -> Option<&IniItem> {
        self.values.get(&(section, key))
    }

    /// What [DEFAULT] gives to three sections is told once.
    fn tell(&mut self, diagnostic: Diagnostic) {
        if !self.told.contains(&diagnostic) {
            self.told.push(diagnostic);
        }
    }

    fn wrong(&self) -> bool {
        self.told.iter().any(|told| told.severity >= Severity::Error)
    }
}

/// What the writer may have meant for a comment: the dialect knows none behind a value.
fn comment_behind(value: &str) -> Option<&str> {
    let at =
        value.match_indices(['#', ';']).map(|(at, _)| at).find(|at| value[..*at].ends_with(char::is_whitespace))?;
    Some(&value[at..])
}

/// The value without the quotes around it: the dialect takes them for what they are.
fn unquoted(value: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Four decimal numbers, leading zeros allowed and decimal all the same: Python's `int` read them so.
fn address(text: &str) -> Option<Ipv4Addr> {
    let octet = |part: &str| {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<u8>().ok() } else { None }
    };
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}
