//! Parses `[[rule]]`.

use super::architecture::parse_architecture;
use crate::settings::table_reader::{Reference, SourceLocation, TableReader};
use crate::settings::value::{
    TomlValue, ValueError, ValueResult, address, boolean, invalid, line, mac_pattern, machine_uuid, network,
    non_empty_list, one_of, text,
};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::{Firmware, Rule};
use proxydhcpd_reading::diagnostic::Span;
use toml::de::DeTable;

/// A rule whose profile is not resolved.
#[derive(Debug)]
pub struct RawRule<'a> {
    /// The name, the conditions and the flags of the rule.
    pub rule: Rule,
    /// The profile to boot.
    pub profile: Option<Reference<'a>>,
    /// The location of the rule's table.
    pub location: SourceLocation<'a>,
    /// Whether the table has errors. If so, the rule may have conditions that were not parsed.
    pub has_errors: bool,
}

/// Parses a rule. Reports invalid values and keeps the valid ones. `number`: the position of the rule among all rules,
/// from 1.
pub fn parse<'a>(reader: &mut TableReader<'a>, number: usize, at: Span, table: &DeTable<'_>) -> RawRule<'a> {
    let mut rule = Rule { name: format!("rule {number}"), ..Rule::default() };
    let (mut profile, mut deny_at, mut dialect_at) = (None, None, None);
    let count_before = reader.diagnostics.len();
    let when = &mut rule.when;
    reader.read_table("rule", table, |key, value| match key {
        "name" => line(value).map(|name| rule.name = name),
        "mac" => non_empty_list(value, mac_pattern).map(|macs| when.macs = macs),
        "uuid" => non_empty_list(value, machine_uuid).map(|uuids| when.uuids = uuids),
        "serial" => non_empty_list(value, glob).map(|serials| when.serials = serials),
        "arch" => non_empty_list(value, arch).map(|archs| when.archs = archs),
        "firmware" => non_empty_list(value, firmware).map(|kinds| when.firmware = kinds),
        "vendor-class" => non_empty_list(value, glob).map(|classes| when.vendor_classes = classes),
        "user-class" => non_empty_list(value, glob).map(|classes| when.user_classes = classes),
        "interface" => non_empty_list(value, interface).map(|names| when.interfaces = names),
        "subnet" => non_empty_list(value, network).map(|subnets| when.subnets = subnets),
        "relay" => non_empty_list(value, address).map(|relays| when.relays = relays),
        "circuit-id" => non_empty_list(value, glob).map(|circuits| when.circuit_ids = circuits),
        "interface-id" => non_empty_list(value, glob).map(|ids| when.interface_ids = ids),
        "known" => boolean(value).map(|known| when.known = Some(known)),
        "profile" => text(value).map(|name| profile = Some((name, value.span()))),
        "deny" => boolean(value).map(|deny| {
            rule.deny = deny;
            deny_at = Some(value.span());
        }),
        "as-firmware" => boolean(value).map(|on| rule.as_firmware = on),
        _ => key.strip_prefix("as-").and_then(Dialect::from_id).map_or(Ok(()), |dialect| {
            boolean(value).map(|on| {
                if on {
                    rule.as_dialect = Some(dialect);
                    dialect_at = Some((dialect, value.span()));
                }
            })
        }),
    });
    if let Some((_, span)) = profile.as_ref().filter(|_| rule.deny) {
        reader.error(span.clone(), "`profile` and `deny` exclude each other: a denied machine boots nothing");
    }
    if let Some((Dialect { id, name, .. }, span)) = dialect_at.filter(|_| rule.as_firmware) {
        reader.error(span, format!("`as-{id}` and `as-firmware` exclude each other: a {name} takes no loader"));
    }
    let profile = profile.map(|(name, span)| (name, reader.location(span)));
    RawRule { rule, profile, location: reader.location(at), has_errors: reader.diagnostics.len() > count_before }
}

fn glob(value: &TomlValue<'_>) -> ValueResult<Glob> {
    text(value).map(Glob)
}

/// A pattern for names of interfaces. Brackets are an error, because no name of an interface contains them. Other kinds
/// of patterns have brackets.
fn interface(value: &TomlValue<'_>) -> ValueResult<Glob> {
    let name = glob(value)?;
    match name.0.contains(['[', ']']) {
        true => Err(vec![ValueError {
            span: value.span(),
            reason: Some(format!("`{}` matches no interface: patterns have no brackets", name.0)),
            help: Some("`*` stands for any characters, `?` for one; for several names, write a list".into()),
        }]),
        false => Ok(name),
    }
}

fn arch(value: &TomlValue<'_>) -> ValueResult<Arch> {
    let word = value.get_ref().as_str().ok_or_else(|| invalid(value.span()))?;
    parse_architecture(word).map_err(|help| {
        let reason = Some(format!("unknown architecture `{word}`"));
        vec![ValueError { span: value.span(), reason, help: Some(help) }]
    })
}

fn firmware(value: &TomlValue<'_>) -> ValueResult<Firmware> {
    one_of(value, &Firmware::all().map(|kind| (kind.id(), kind)).collect::<Vec<_>>())
}
