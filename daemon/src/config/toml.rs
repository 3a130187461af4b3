//! Our own file, proxydhcpd.toml. Every error is told at once: the table is walked here, because a deserialiser stops
//! at the first.

use crate::config::diagnostic::{Diagnostic, Source};
use crate::config::flags::port_range;
use crate::config::{Enabled, Settings, Transfers};
use crate::probable::probable;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub fn read(source: &Source) -> Result<Settings, Vec<Diagnostic>> {
    let (document, syntax) = DeTable::parse_recoverable(&source.text);
    let mut walk = Walk { source, told: Vec::new() };
    for error in syntax {
        walk.told.push(source.error(error.span().unwrap_or(0..0), error.message()));
    }
    let mut settings = Settings::default();
    // What follows a syntax error is a guess, and errors in a guess would mislead.
    if walk.told.is_empty() {
        walk.document(document.get_ref(), &mut settings);
    }
    if walk.told.is_empty() { Ok(settings) } else { Err(walk.told) }
}

/// Every key, as it is written with its table.
const KEYS: [&str; 15] = [
    "interfaces",
    "boot-dir",
    "state-dir",
    "ignore-case",
    "secure-boot-keys",
    "dhcp.proxy-only",
    "dhcp.relays",
    "dhcp.user-classes",
    "dhcp.max-packets-per-second",
    "http.enabled",
    "http.port",
    "tftp.enabled",
    "tftp.ports",
    "tftp.single-port",
    "tftp.max-transfers",
];
const TABLES: [&str; 3] = ["dhcp", "http", "tftp"];

struct Walk<'a> {
    source: &'a Source,
    told: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn document(&mut self, document: &DeTable<'_>, settings: &mut Settings) {
        for (key, value) in document {
            let name: &str = key.get_ref();
            match value.get_ref() {
                DeValue::Table(table) if TABLES.contains(&name) => {
                    for (key, value) in table {
                        self.entry(&format!("{name}.{}", key.get_ref()), key.span(), value, settings);
                    }
                }
                _ if TABLES.contains(&name) => {
                    self.told.push(self.source.error(value.span(), format!("`{name}` is a table")));
                }
                _ => self.entry(name, key.span(), value, settings),
            }
        }
        if settings.tftp.single_port && settings.tftp.ports.is_some() {
            let error = self.source.missing("`single-port` and `ports` of [tftp] exclude each other");
            self.told.push(error);
        }
    }

    fn entry(
        &mut self,
        key: &str,
        key_at: std::ops::Range<usize>,
        value: &Spanned<DeValue<'_>>,
        settings: &mut Settings,
    ) {
        let read = match key {
            "interfaces" => strings(value).map(|names| settings.interfaces = names),
            "boot-dir" => path(value).map(|dir| settings.boot_dir = dir),
            "state-dir" => path(value).map(|dir| settings.state_dir = dir),
            "ignore-case" => switch(value).map(|on| settings.ignore_case = on),
            "secure-boot-keys" => list(value, "a list of absolute paths: [\"/etc/proxydhcpd/site.pem\"]", path)
                .map(|keys| settings.secure_boot_keys = keys),
            "dhcp.proxy-only" => switch(value).map(|on| settings.proxy_only = on),
            "dhcp.relays" => list(value, "addresses", |relay| parsed(relay, "an IPv4 address"))
                .map(|relays| settings.relays = relays),
            "dhcp.user-classes" => strings(value).map(|words| settings.user_classes = words),
            "dhcp.max-packets-per-second" => {
                number::<NonZeroU32>(value).map(|most| settings.max_packets_per_second = Some(most))
            }
            "http.enabled" => switch(value).map(|on| settings.http.enabled = Enabled::from(on)),
            "http.port" => number::<NonZeroU16>(value).map(|port| settings.http.port = port.get()),
            "tftp.enabled" => switch(value).map(|on| settings.tftp.enabled = Enabled::from(on)),
            "tftp.ports" => ports(value).map(|ports| settings.tftp.ports = Some(ports)),
            "tftp.single-port" => switch(value).map(|on| settings.tftp.single_port = on),
            "tftp.max-transfers" => number::<Transfers>(value).map(|most| settings.tftp.max_transfers = Some(most)),
            _ => return self.unknown(key, key_at),
        };
        if let Err((at, wanted)) = read {
            self.told.push(self.source.error(at, format!("`{}` must be {wanted}", last(key))));
        }
    }

    /// The key that was meant may stand in another table: `port` at the top means `[http] port`.
    fn unknown(&mut self, key: &str, at: std::ops::Range<usize>) {
        let error = self.source.error(at, format!("unknown key `{}`", last(key)));
        let known = probable(key, KEYS.into_iter().chain(TABLES)).or_else(|| {
            let named = probable(last(key), KEYS.map(last))?;
            KEYS.into_iter().find(|key| last(key) == named)
        });
        let help = match known.map(|known| known.rsplit_once('.').unwrap_or(("", known))) {
            Some(("", table)) if TABLES.contains(&table) => format!("did you mean [{table}]?"),
            Some(("", known)) => format!("did you mean `{known}`?"),
            Some((table, known)) => format!("did you mean `{known}` under [{table}]?"),
            None => format!("the keys are {}", KEYS.join(", ")),
        };
        self.told.push(error.help(help));
    }
}

/// The key without its table.
fn last(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

/// A value, or where it is wrong and what it must be.
type Read<T> = Result<T, (std::ops::Range<usize>, &'static str)>;

fn switch(value: &Spanned<DeValue<'_>>) -> Read<bool> {
    value.get_ref().as_bool().ok_or((value.span(), "true or false"))
}

fn string<'a>(value: &'a Spanned<DeValue<'_>>, wanted: &'static str) -> Read<&'a str> {
    value.get_ref().as_str().filter(|text| !text.is_empty()).ok_or((value.span(), wanted))
}

fn parsed<T: std::str::FromStr>(value: &Spanned<DeValue<'_>>, wanted: &'static str) -> Read<T> {
    string(value, wanted)?.parse().map_err(|_| (value.span(), wanted))
}

fn path(value: &Spanned<DeValue<'_>>) -> Read<PathBuf> {
    let wanted = "an absolute path in quotes";
    Some(PathBuf::from(string(value, wanted)?)).filter(|path| path.is_absolute()).ok_or((value.span(), wanted))
}

fn ports(value: &Spanned<DeValue<'_>>) -> Read<std::ops::RangeInclusive<u16>> {
    let wanted = "two ports, the lower one first: \"50000-50999\"";
    port_range(string(value, wanted)?).map_err(|_| (value.span(), wanted))
}

fn number<T: std::str::FromStr + Limits>(value: &Spanned<DeValue<'_>>) -> Read<T> {
    let integer = value.get_ref().as_integer().filter(|integer| integer.radix() == 10);
    integer.and_then(|integer| integer.as_str().parse().ok()).ok_or((value.span(), T::WANTED))
}

trait Limits {
    const WANTED: &'static str;
}
impl Limits for NonZeroU16 {
    const WANTED: &'static str = "a port, 1 to 65535";
}
impl Limits for NonZeroU32 {
    const WANTED: &'static str = "a number above 0 (leave the line out for no limit)";
}
impl Limits for Transfers {
    const WANTED: &'static str = Transfers::WANTED;
}

fn strings(value: &Spanned<DeValue<'_>>) -> Read<Vec<String>> {
    list(value, "a list of words: [\"one\", \"two\"]", |element| parsed(element, "a word in quotes"))
}

fn list<T>(
    value: &Spanned<DeValue<'_>>,
    wanted: &'static str,
    element: impl Fn(&Spanned<DeValue<'_>>) -> Read<T>,
) -> Read<Vec<T>> {
    value.get_ref().as_array().ok_or((value.span(), wanted))?.iter().map(element).collect()
}
