//! Parsers of values. Each parser returns the value, or the errors in it. The table of keys describes the expected form
//! of each value.

use super::port_range::parse_port_range;
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::uuid::is_placeholder;
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::identifiers::parse_any_uuid;
use proxydhcpd_reading::names::check_variable_name;
use proxydhcpd_reading::suggest::closest_match;
use serde_json::Map;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its span.
pub type TomlValue<'a> = Spanned<DeValue<'a>>;

/// Why a value is invalid.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ValueError {
    /// The location of the invalid part.
    pub span: Span,
    /// The error message. `None`: the message states the value that the key expects (`ConfigKey::expected`).
    pub reason: Option<String>,
    /// How to fix it.
    pub help: Option<String>,
}

/// A value, or its errors.
pub type ValueResult<T> = Result<T, Vec<ValueError>>;

impl ValueError {
    /// Returns one error with this message.
    pub fn because(at: Span, message: impl Into<String>) -> Vec<ValueError> {
        vec![ValueError { span: at, reason: Some(message.into()), help: None }]
    }

    /// Sets the help.
    pub fn help(self, help: String) -> ValueError {
        ValueError { help: Some(help), ..self }
    }
}

/// Returns one error without a message: the value is not the one that the key expects.
pub fn invalid(at: Span) -> Vec<ValueError> {
    vec![ValueError { span: at, ..ValueError::default() }]
}

/// `true` or `false`.
pub fn boolean(value: &TomlValue<'_>) -> ValueResult<bool> {
    value.get_ref().as_bool().ok_or_else(|| invalid(value.span()))
}

/// A string that is not empty.
pub fn text(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |text| Some(text.to_owned()))
}

/// A string that is not empty, without control characters.
pub fn line(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |text| (!text.chars().any(char::is_control)).then(|| text.to_owned()))
}

/// A string that is not empty and that `parse` accepts.
pub fn parse_with<T>(value: &TomlValue<'_>, parse: impl Fn(&str) -> Option<T>) -> ValueResult<T> {
    let text = value.get_ref().as_str().filter(|text| !text.is_empty());
    text.and_then(parse).ok_or_else(|| invalid(value.span()))
}

/// One of these strings.
pub fn one_of<T: Copy>(value: &TomlValue<'_>, known: &[(&str, T)]) -> ValueResult<T> {
    let Some(text) = value.get_ref().as_str() else { return Err(invalid(value.span())) };
    known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let mut error = ValueError { span: value.span(), ..ValueError::default() };
        if let Some(similar) = closest_match(text, known.iter().map(|(word, _)| *word)) {
            error = error.help(format!("did you mean \"{similar}\"?"));
        }
        vec![error]
    })
}

/// An absolute path.
pub fn absolute_path(value: &TomlValue<'_>) -> ValueResult<PathBuf> {
    parse_with(value, |text| Some(PathBuf::from(text)).filter(|path| path.is_absolute()))
}

/// An absolute path, or `None` for `false`.
pub fn path_or_false(value: &TomlValue<'_>) -> ValueResult<Option<PathBuf>> {
    match value.get_ref().as_bool() {
        Some(false) => Ok(None),
        _ => absolute_path(value).map(Some),
    }
}

/// A range of ports: `"50000-51023"`.
pub fn ports(value: &TomlValue<'_>) -> ValueResult<RangeInclusive<u16>> {
    parse_with(value, |text| parse_port_range(text).ok())
}

/// A decimal integer in the range of `T`.
pub fn number<T: FromStr>(value: &TomlValue<'_>) -> ValueResult<T> {
    let integer = value.get_ref().as_integer().filter(|integer| integer.radix() == 10);
    integer.and_then(|integer| integer.as_str().parse().ok()).ok_or_else(|| invalid(value.span()))
}

/// A decimal integer in this range.
pub fn number_in(value: &TomlValue<'_>, range: &RangeInclusive<u32>) -> ValueResult<u32> {
    number(value).ok().filter(|number| range.contains(number)).ok_or_else(|| invalid(value.span()))
}

/// The description of a number in this range, for error messages.
pub fn range_in_words(range: &RangeInclusive<u32>) -> String {
    format!("a number from {} to {}", range.start(), range.end())
}

/// Returns the elements of a list, or a single string as a list of one element. If elements are invalid, returns the
/// errors of all of them.
pub fn list<T>(value: &TomlValue<'_>, element: impl Fn(&TomlValue<'_>) -> ValueResult<T>) -> ValueResult<Vec<T>> {
    let Some(elements) = value.get_ref().as_array() else {
        return match value.get_ref() {
            DeValue::String(_) => Ok(vec![element(value)?]),
            _ => Err(invalid(value.span())),
        };
    };
    let (mut valid, mut errors) = (Vec::new(), Vec::new());
    for value in elements {
        match element(value) {
            Ok(element) => valid.push(element),
            Err(mut invalid) => errors.append(&mut invalid),
        }
    }
    if errors.is_empty() { Ok(valid) } else { Err(errors) }
}

/// A list that is not empty. An empty list as a condition is most likely a mistake.
pub fn non_empty_list<T>(
    value: &TomlValue<'_>,
    element: impl Fn(&TomlValue<'_>) -> ValueResult<T>,
) -> ValueResult<Vec<T>> {
    list(value, element).and_then(|list| if list.is_empty() { Err(invalid(value.span())) } else { Ok(list) })
}

/// A unicast IPv4 address.
pub fn address4(value: &TomlValue<'_>) -> ValueResult<Ipv4Addr> {
    parse_with(value, |text| text.parse().ok().filter(is_unicast))
}

/// A unicast IPv6 address that is not link-local.
pub fn address6(value: &TomlValue<'_>) -> ValueResult<Ipv6Addr> {
    parse_with(value, |text| text.parse().ok().filter(is_unicast6))
}

/// A unicast address of either family.
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

/// Link-local addresses are excluded, because on another link the same address belongs to another host.
fn is_unicast6(address: &Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_unicast_link_local())
}

/// A network: `10.1.0.0/16`, `2001:db8:12::/48`.
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

/// An IPv4 subnet that has a broadcast address: `10.1.0.0/24`.
pub fn broadcast_subnet(value: &TomlValue<'_>) -> ValueResult<Network> {
    match network(value)? {
        Network::V4(subnet) if subnet.broadcast().is_some() => Ok(Network::V4(subnet)),
        _ => Err(invalid(value.span())),
    }
}

/// An IP address with a port: `192.0.2.10:8067`, `[2001:db8::10]:8067`.
pub fn socket_address(value: &TomlValue<'_>) -> ValueResult<SocketAddr> {
    parse_with(value, |text| text.parse().ok().filter(|address: &SocketAddr| address.port() != 0))
}

/// The address of a proxy, which may be on this host.
pub fn proxy_address(value: &TomlValue<'_>) -> ValueResult<IpAddr> {
    parse_with(value, |text| text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified()))
}

/// The name of a header of HTTP (RFC 9110 5.1): letters, digits and hyphens. Names with other characters are valid, but
/// proxies remove them.
pub fn header_name(value: &TomlValue<'_>) -> ValueResult<String> {
    let is_name = |text: &str| text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    parse_with(value, |text| Some(text.to_owned()).filter(|text| is_name(text)))
}

/// A domain name: labels of at most 63 letters, digits, hyphens and underscores (RFC 1035 2.3.1).
pub fn domain_name(value: &TomlValue<'_>) -> ValueResult<String> {
    let letters =
        |label: &str| label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && letters(label);
    parse_with(value, |text| (text.len() <= 253 && text.split('.').all(label)).then(|| text.to_owned()))
}

/// A MAC address, or part of one.
pub fn mac_pattern(value: &TomlValue<'_>) -> ValueResult<MacPattern> {
    parse_with(value, |text| text.parse().ok())
}

/// A UUID that identifies a machine. A placeholder, which many machines have, is an error.
pub fn machine_uuid(value: &TomlValue<'_>) -> ValueResult<[u8; 16]> {
    let uuid = parse_with(value, parse_any_uuid)?;
    if is_placeholder(&uuid) {
        let reason = "this UUID is a placeholder that many machines have, so it identifies none".to_owned();
        let help = "use `mac` instead".to_owned();
        return Err(vec![ValueError { span: value.span(), reason: Some(reason), help: Some(help) }]);
    }
    Ok(uuid)
}

/// Variables for templates: a table with valid names and any values.
pub fn variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    named_values(value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?, check_variable_name)
}

/// Returns the values of a table as JSON. A value may have any type, but its name must pass `check`.
pub fn named_values(
    table: &DeTable<'_>,
    check: impl Fn(&str) -> Result<(), String>,
) -> ValueResult<Map<String, serde_json::Value>> {
    let (mut valid, mut errors) = (Map::new(), Vec::new());
    for (name, value) in table {
        match check(name.get_ref()) {
            Ok(()) => drop(valid.insert(name.get_ref().to_string(), to_json(value.get_ref()))),
            Err(message) => errors.append(&mut ValueError::because(name.span(), message)),
        }
    }
    if errors.is_empty() { Ok(valid) } else { Err(errors) }
}

/// Converts a value to JSON.
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
