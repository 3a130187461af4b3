//! Parses the arguments of a line, such as tags, addresses and architectures, and reports the invalid ones.

use super::config::TagLiteral;
use super::lines::{DnsmasqArg, DnsmasqLine};
use proxydhcpd_core::arch::{ARCHITECTURES, Arch};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::uuid::is_placeholder;
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An error at the key of the line.
pub fn invalid_option(line: &DnsmasqLine, expected: &str) -> Box<Diagnostic> {
    Box::new(line.error(&line.key_span, format!("`{}` needs {expected}", line.key)))
}

/// An error at this argument.
pub fn invalid_arg(line: &DnsmasqLine, arg: &DnsmasqArg, expected: &str) -> Box<Diagnostic> {
    Box::new(line.error(&arg.span, format!("this must be {expected}")))
}

/// The arguments of the line. `Err`: the line has none.
pub fn require_args(line: &DnsmasqLine) -> Result<&[DnsmasqArg], Box<Diagnostic>> {
    match line.args() {
        [] => Err(invalid_option(line, "a value after `=`")),
        [DnsmasqArg { text, .. }] if text.is_empty() => Err(invalid_option(line, "a value after `=`")),
        args => Ok(args),
    }
}

/// The first of these arguments. `Err`: the list is empty.
pub fn require_first<'a>(
    line: &DnsmasqLine,
    args: &'a [DnsmasqArg],
    expected: &str,
) -> Result<&'a DnsmasqArg, Box<Diagnostic>> {
    args.first().ok_or_else(|| invalid_option(line, expected))
}

/// Parses a number. `Err`: the argument is no number, or is out of range.
pub fn parse_number<T: FromStr>(line: &DnsmasqLine, arg: &DnsmasqArg) -> Result<T, Box<Diagnostic>> {
    arg.text.parse().map_err(|_| invalid_arg(line, arg, "a number in range"))
}

/// Splits the arguments into leading tags and the rest.
pub fn split_tags(args: &[DnsmasqArg]) -> (Vec<TagLiteral>, &[DnsmasqArg]) {
    let mut tags = Vec::new();
    let mut rest = args;
    while let Some((arg, after)) = rest.split_first()
        && let Some(literal) = parse_tag(&arg.text)
    {
        tags.push(literal);
        rest = after;
    }
    (tags, rest)
}

/// Splits the arguments of `dhcp-option` into tags and the rest. In these lines, tags and names of interfaces need no
/// `tag:`.
pub fn split_option_tags(args: &[DnsmasqArg]) -> (Vec<TagLiteral>, &[DnsmasqArg]) {
    let is_option = |arg: &DnsmasqArg| {
        arg.text.parse::<u8>().is_ok()
            || ["option:", "option6:", "vendor:", "encap:"].iter().any(|word| arg.text.starts_with(word))
    };
    let at = args.iter().position(is_option).unwrap_or(args.len());
    let tags = args[..at].iter().filter_map(|arg| parse_tag(&arg.text).or_else(|| parse_bare_tag(&arg.text)));
    (tags.collect(), &args[at..])
}

/// Parses `tag:TAG`, or `net:TAG`, the form before 2011. `None`: the text is no tag.
pub fn parse_tag(text: &str) -> Option<TagLiteral> {
    text.strip_prefix("tag:").or_else(|| text.strip_prefix("net:")).and_then(parse_bare_tag)
}

/// Parses a tag without a prefix. A leading `!` or `#` negates the tag. `None`: the text contains no name.
pub fn parse_bare_tag(text: &str) -> Option<TagLiteral> {
    let tag = text.trim_start_matches(['!', '#']);
    (!tag.is_empty()).then(|| TagLiteral { tag: tag.to_owned(), negated: tag.len() < text.len() })
}

/// The tag that an argument sets. Its prefix, such as `set:`, is optional.
pub fn tag_to_set(text: &str) -> &str {
    text.strip_prefix("set:")
        .or_else(|| text.strip_prefix("net:"))
        .or_else(|| text.strip_prefix("tag:"))
        .unwrap_or(text)
}

/// The options that rules can test: dnsmasq's name and the code.
pub const OPTION_CODES: [(&str, &str); 4] =
    [("client-arch", "93"), ("vendor-class", "60"), ("user-class", "77"), ("client-machine-id", "97")];

/// Parses an architecture, given as a name or as a code.
pub fn parse_arch(line: &DnsmasqLine, arg: &DnsmasqArg) -> Result<Arch, Box<Diagnostic>> {
    let known = || ARCHITECTURES.iter().filter_map(|row| row.names.dnsmasq);
    let named = Arch::with(|row| row.names.dnsmasq.is_some_and(|word| word.eq_ignore_ascii_case(&arg.text)));
    named.or_else(|| arg.text.parse().ok().map(Arch)).ok_or_else(|| {
        let error = line.error(&arg.span, format!("unknown architecture `{}`", arg.text));
        Box::new(match closest_match(&arg.text, known()) {
            Some(suggestion) => error.help(format!("did you mean `{suggestion}`?")),
            None => error.help(format!("use one of {}, or a number", known().collect::<Vec<_>>().join(", "))),
        })
    })
}

/// Parses an architecture code, `7`, or its octets, `00:07`.
pub fn parse_arch_code(text: &str) -> Option<u16> {
    let octets = || {
        let (high, low) = text.split_once(':')?;
        Some(u16::from_be_bytes([u8::from_str_radix(high, 16).ok()?, u8::from_str_radix(low, 16).ok()?]))
    };
    text.parse().ok().or_else(octets)
}

/// Parses a MAC address of six octets, each of which may be `*`, after an optional hardware type.
pub fn parse_mac_pattern(text: &str) -> Option<MacPattern> {
    let text = text.strip_prefix("01-").or_else(|| text.strip_prefix("1-")).unwrap_or(text);
    let parts: Vec<&str> = text.split(':').collect();
    let octet = |part: &&str| (1..=2).contains(&part.len()) && (*part == "*" || u8::from_str_radix(part, 16).is_ok());
    if parts.len() != 6 || !parts.iter().all(octet) {
        return None;
    }
    let mut pattern = [None; 6];
    for (octet, part) in pattern.iter_mut().zip(parts) {
        *octet = u8::from_str_radix(part, 16).ok();
    }
    Some(MacPattern(pattern))
}

/// Whether the text is a host name instead of an address or a lease time.
pub fn is_host_name(text: &str) -> bool {
    let is_lease_time = text == "infinite" || text.trim_end_matches(['s', 'm', 'h', 'd', 'w']).parse::<u64>().is_ok();
    !is_lease_time
        && text.parse::<Ipv4Addr>().is_err()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// Parses a circuit ID, given as text or as the hexadecimal octets of a text.
pub fn parse_circuit_id(text: &str) -> Option<String> {
    let is_hex = text.contains(':') && text.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    if !is_hex {
        return Some(text.to_owned());
    }
    let octets: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    String::from_utf8(octets?).ok().filter(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()))
}

/// Parses a UUID, given as `00:` and 16 octets in the order of option 97. In the printed order, which the result has,
/// the first three fields are reversed. `None`: the text is no UUID, or a placeholder that many machines share.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let octets: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let mut octets = octets.filter(|octets| octets.len() == 17 && octets[0] == 0)?;
    octets[1..5].reverse();
    octets[5..7].reverse();
    octets[7..9].reverse();
    octets[1..].try_into().ok().filter(|uuid| !is_placeholder(uuid))
}
