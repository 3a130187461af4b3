//! Parses `[[rule]]`.

use crate::settings::raw::rule::RawRule;
use crate::settings::table_reader::TableReader;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_reading::diagnostic::Span;
use toml::de::DeTable;

/// Parses a rule. Reports invalid values and keeps the valid ones. `number`: the position of the rule among all rules,
/// from 1.
pub fn parse<'a>(reader: &mut TableReader<'a>, number: usize, at: Span, table: &DeTable<'_>) -> RawRule<'a> {
    let count_before = reader.diagnostics.len();
    let mut raw = RawRule::new(format!("rule {number}"), reader.location(at));
    reader.read_table("rule", table, &mut raw);
    if let Some((_, at)) = raw.profile.as_ref().filter(|_| raw.rule.deny) {
        reader.error(at.span.clone(), "`profile` and `deny` exclude each other: a denied machine boots nothing");
    }
    if let (Some(Dialect { id, name, .. }), Some(at), true) =
        (raw.rule.as_dialect, &raw.dialect_location, raw.rule.as_firmware)
    {
        let message = format!("`as-{id}` and `as-firmware` exclude each other: a {name} takes no loader");
        reader.error(at.span.clone(), message);
    }
    raw.has_errors = reader.diagnostics.len() > count_before;
    raw
}
