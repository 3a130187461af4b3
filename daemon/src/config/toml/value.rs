//! Reading values: each function takes one, or says where it is wrong. What it must be is said by the table of keys.

use crate::config::diagnostic::Span;
use crate::config::flags::parse_port_range;
use crate::suggest::closest_match;
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::uuid::is_placeholder;
use serde_json::Map;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub type TomlValue<'a> = Spanned<DeValue<'a>>;

/// Where a value is wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ValueError {
    pub span: Span,
    /// What to say in place of what its key must be.
    pub reason: Option<String>,
    pub help: Option<String>,
}

pub type ValueResult<T> = Result<T, Vec<ValueError>>;

impl ValueError {
    pub fn because(at: Span, why: impl Into<String>) -> Vec<ValueError> {
        vec![ValueError { span: at, reason: Some(why.into()), help: None }]
    }

    pub fn help(self, help: String) -> ValueError {
        ValueError { help: Some(help), ..self }
    }
}

/// Simply not what its key must be.
pub fn invalid(at: Span) -> Vec<ValueError> {
    vec![ValueError { span: at, ..ValueError::default() }]
}

pub fn boolean(value: &TomlValue<'_>) -> ValueResult<bool> {
    value.get_ref().as_bool().ok_or_else(|| invalid(value.span()))
}

/// A text with something in it.
pub fn text(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |text| Some(text.to_owned()))
}

pub fn line(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |text| (!text.chars().any(char::is_control)).then(|| text.to_owned()))
}

/// A text that means something.
pub fn parse_with<T>(value: &TomlValue<'_>, parse: impl Fn(&str) -> Option<T>) -> ValueResult<T> {
    let text = value.get_ref().as_str().filter(|text| !text.is_empty());
    text.and_then(parse).ok_or_else(|| invalid(value.span()))
}

/// One of some words.
pub fn one_of<T: Copy>(value: &TomlValue<'_>, known: &[(&str, T)]) -> ValueResult<T> {
    let Some(text) = value.get_ref().as_str() else { return Err(invalid(value.span())) };
    known.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant).ok_or_else(|| {
        let mut wrong = ValueError { span: value.span(), ..ValueError::default() };
        if let Some(meant) = closest_match(text, known.iter().map(|(word, _)| *word)) {
            wrong = wrong.help(format!("did you mean \"{meant}\"?"));
        }
        vec![wrong]
    })
}

pub fn absolute_path(value: &TomlValue<'_>) -> ValueResult<PathBuf> {
    parse_with(value, |text| Some(PathBuf::from(text)).filter(|path| path.is_absolute()))
}

pub fn ports(value: &TomlValue<'_>) -> ValueResult<RangeInclusive<u16>> {
    parse_with(value, |text| parse_port_range(text).ok())
}

pub fn number<T: FromStr>(value: &TomlValue<'_>) -> ValueResult<T> {
    let integer = value.get_ref().as_integer().filter(|integer| integer.radix() == 10);
    integer.and_then(|integer| integer.as_str().parse().ok()).ok_or_else(|| invalid(value.span()))
}

/// Every element of a list, or a single one in its place. All that is wrong is told.
pub fn list<T>(value: &TomlValue<'_>, element: impl Fn(&TomlValue<'_>) -> ValueResult<T>) -> ValueResult<Vec<T>> {
    let Some(elements) = value.get_ref().as_array() else {
        return match value.get_ref() {
            DeValue::String(_) => Ok(vec![element(value)?]),
            _ => Err(invalid(value.span())),
        };
    };
    let (mut taken, mut told) = (Vec::new(), Vec::new());
    for value in elements {
        match element(value) {
            Ok(element) => taken.push(element),
            Err(mut wrong) => told.append(&mut wrong),
        }
    }
    if told.is_empty() { Ok(taken) } else { Err(told) }
}

/// A list that says something: an empty one would ask for nothing, where most likely something was meant.
pub fn non_empty_list<T>(value: &TomlValue<'_>, element: impl Fn(&TomlValue<'_>) -> ValueResult<T>) -> ValueResult<Vec<T>> {
    list(value, element).and_then(|list| if list.is_empty() { Err(invalid(value.span())) } else { Ok(list) })
}

pub fn address4(value: &TomlValue<'_>) -> ValueResult<Ipv4Addr> {
    parse_with(value, |text| text.parse().ok().filter(is_unicast))
}

pub fn address6(value: &TomlValue<'_>) -> ValueResult<Ipv6Addr> {
    parse_with(value, |text| text.parse().ok().filter(is_unicast6))
}

/// Of either family.
pub fn address(value: &TomlValue<'_>) -> ValueResult<IpAddr> {
    let fits = |address: &IpAddr| match address {
        IpAddr::V4(address) => is_unicast(address),
        IpAddr::V6(address) => is_unicast6(address),
    };
    parse_with(value, |text| text.parse().ok().filter(fits))
}

fn is_unicast(address: &Ipv4Addr) -> bool {
    !(address.octets()[0] == 0 || address.octets()[0] >= 224)
}

/// One that means the same on every link.
fn is_unicast6(address: &Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_unicast_link_local())
}

/// `10.1.0.0/16`, `2001:db8:12::/48`.
pub fn network(value: &TomlValue<'_>) -> ValueResult<Network> {
    parse_with(value, |text| {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse::<u8>().ok()?;
        Some(match address.parse().ok()? {
            IpAddr::V4(address) if prefix <= 32 => Network::V4(Network4 { address, prefix }),
            IpAddr::V6(address) if prefix <= 128 => Network::V6(Network6 { address, prefix }),
            _ => return None,
        })
    })
}

/// `example.org`: labels of letters, digits and hyphens, at most 63 of them in each (RFC 1035 2.3.1).
pub fn domain_name(value: &TomlValue<'_>) -> ValueResult<String> {
    let letters =
        |label: &str| label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && letters(label);
    parse_with(value, |text| (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_owned()))
}

pub fn mac_pattern(value: &TomlValue<'_>) -> ValueResult<MacPattern> {
    parse_with(value, |text| text.parse().ok())
}

/// A machine's own address: neither a group's nor none at all.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    parse_any_mac(text).filter(|mac| mac[0] & 1 == 0 && *mac != [0; 6])
}

/// As switches, labels and exports write it: `52:54:00:12:34:56`, with hyphens, `5254.0012.3456` or bare.
pub fn parse_any_mac(text: &str) -> Option<[u8; 6]> {
    let separated = |width: usize, separator: u8| {
        text.bytes().enumerate().all(|(at, octet)| (at % width == width - 1) == (octet == separator))
    };
    let regular = match text.len() {
        17 => separated(3, b':') || separated(3, b'-'),
        14 => separated(5, b'.'),
        12 => true,
        _ => false,
    };
    octets(text).filter(|_| regular)
}

/// In printed order. Those that many machines have are none.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    parse_any_uuid(text).filter(|uuid| !is_placeholder(uuid))
}

/// A UUID that tells machines apart.
pub fn machine_uuid(value: &TomlValue<'_>) -> ValueResult<[u8; 16]> {
    let uuid = parse_with(value, parse_any_uuid)?;
    if is_placeholder(&uuid) {
        let why =
            "this UUID is in many machines, whose makers gave them none of their own: it identifies none".to_owned();
        let help = "leave it out, and say `mac`".to_owned();
        return Err(vec![ValueError { span: value.span(), reason: Some(why), help: Some(help) }]);
    }
    Ok(uuid)
}

/// With hyphens or without, perhaps in braces.
pub fn parse_any_uuid(text: &str) -> Option<[u8; 16]> {
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let hyphens = |at| [8, 13, 18, 23].contains(&at);
    let regular = match bare.len() {
        36 => bare.bytes().enumerate().all(|(at, octet)| hyphens(at) == (octet == b'-')),
        32 => true,
        _ => false,
    };
    octets(bare).filter(|_| regular)
}

/// So many octets in hexadecimal, with anything between them that is no digit: its places have been looked at.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0u8; N];
    let mut digits = 0;
    for octet in text.bytes().filter(|octet| !b":-.".contains(octet)) {
        let value = char::from(octet).to_digit(16)? as u8;
        let place = octets.get_mut(digits / 2)?;
        *place = *place << 4 | value;
        digits += 1;
    }
    (digits == 2 * N).then_some(octets)
}

/// Names that a template has already.
const TAKEN: [&str; 6] = ["machine", "profile", "request", "base", "server", "done_url"];

/// Names a template can say, with any values.
pub fn variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    named_values(value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?, check_variable_name)
}

/// Any values, by names that pass.
pub fn named_values(table: &DeTable<'_>, check: impl Fn(&str) -> Result<(), String>) -> ValueResult<Map<String, serde_json::Value>> {
    let (mut taken, mut told) = (Map::new(), Vec::new());
    for (name, value) in table {
        match check(name.get_ref()) {
            Ok(()) => drop(taken.insert(name.get_ref().to_string(), to_json(value.get_ref()))),
            Err(why) => told.append(&mut ValueError::because(name.span(), why)),
        }
    }
    if told.is_empty() { Ok(taken) } else { Err(told) }
}

/// Or why it cannot be one: a hyphen would be a minus.
pub fn check_variable_name(name: &str) -> Result<(), String> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(begins) || !name.chars().all(|c| begins(c) || c.is_ascii_digit()) {
        return Err(format!("`{name}` cannot be the name of a variable: letters, digits and underscores can"));
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` cannot be the name of a variable: templates know something else by it"));
    }
    Ok(())
}

pub fn to_json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| number.to_string().into(), Into::into)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse::<f64>();
            parsed.map_or_else(|_| number.to_string().into(), Into::into)
        }
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => list.iter().map(|value| to_json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let each = |(key, value): (&Spanned<_>, &TomlValue<'_>)| {
                (AsRef::<str>::as_ref(key.get_ref()).to_owned(), to_json(value.get_ref()))
            };
            serde_json::Value::Object(table.iter().map(each).collect())
        }
    }
}
