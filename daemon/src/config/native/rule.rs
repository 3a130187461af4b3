//! Parses `[[rule]]`.

use crate::settings::table_reader::{Reference, SourceLocation, TableReader};
use crate::settings::value::{boolean, text};
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::plan::rule::Rule;
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
    let (mut profile, mut dialect_at) = (None, None);
    let count_before = reader.diagnostics.len();
    for (name, value) in table {
        let Some(key) = reader.find_key("rule", name) else { continue };
        let read = key.read_rule(&mut rule, value).unwrap_or_else(|| match key.name {
            "profile" => text(value).map(|name| profile = Some((name, value.span()))),
            _ => boolean(value).map(|on| {
                let dialect = key.name.strip_prefix("as-").and_then(Dialect::from_id);
                if let Some(dialect) = dialect.filter(|_| on) {
                    rule.as_dialect = Some(dialect);
                    dialect_at = Some((dialect, value.span()));
                }
            }),
        });
        reader.check(key, read);
    }
    if let Some((_, span)) = profile.as_ref().filter(|_| rule.deny) {
        reader.error(span.clone(), "`profile` and `deny` exclude each other: a denied machine boots nothing");
    }
    if let Some((Dialect { id, name, .. }, span)) = dialect_at.filter(|_| rule.as_firmware) {
        reader.error(span, format!("`as-{id}` and `as-firmware` exclude each other: a {name} takes no loader"));
    }
    let profile = profile.map(|(name, span)| (name, reader.location(span)));
    RawRule { rule, profile, location: reader.location(at), has_errors: reader.diagnostics.len() > count_before }
}
