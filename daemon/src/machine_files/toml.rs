//! Machine files in TOML: `[web1]` or, as in the configuration, `[machine.web1]`.

use super::entry;
use super::machine_reader::MachineReader;
use crate::settings::table_reader::TableReader;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity, Source};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Reads the machines of a TOML file.
pub fn read(reader: &mut MachineReader<'_>, source: &Source) {
    let (document, syntax) = DeTable::parse_recoverable(&source.text);
    for error in &syntax {
        reader.diagnostics.error(|| source.error(error.span().unwrap_or(0..0), error.message()));
    }
    // After a syntax error, the meaning of the rest of the file is uncertain, so more errors would mislead.
    if !syntax.is_empty() {
        return;
    }
    for (name, value) in document.get_ref() {
        match value.get_ref() {
            DeValue::Table(machines) if &name.get_ref()[..] == "machine" && holds_machines(machines) => {
                machines.iter().for_each(|(name, value)| machine(reader, source, name, value));
            }
            _ => machine(reader, source, name, value),
        }
    }
}

/// Whether `[machine]` only contains the tables `[machine.web1]` and others. If it contains values, it is a machine
/// with the name `machine`.
fn holds_machines(table: &DeTable<'_>) -> bool {
    table.values().all(|value| value.get_ref().as_table().is_some())
}

fn machine(
    reader: &mut MachineReader<'_>,
    source: &Source,
    name: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) {
    let Some(table) = value.get_ref().as_table() else {
        return reader.diagnostics.error(|| {
            let error = source.error(name.span(), format!("`{}` is a value, not a machine", name.get_ref()));
            error.help(format!("write a machine as a table: [{}]", name.get_ref()))
        });
    };
    let mut table_reader = TableReader::new(source);
    let raw = entry::parse_machine(&mut table_reader, name.get_ref(), name.span(), table);
    if let Some((profile, at)) = &raw.profile
        && let Err((message, help)) = (reader.check_profile)(profile)
    {
        let error = source.error(at.clone(), message);
        table_reader.diagnostics.push(Diagnostic { help, ..error });
    }
    table_reader.diagnostics.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let is_valid = table_reader.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    for diagnostic in table_reader.diagnostics {
        match diagnostic.severity {
            Severity::Warning => reader.diagnostics.warning(|| diagnostic),
            _ => reader.diagnostics.error(|| diagnostic),
        }
    }
    if is_valid {
        let machine = raw.to_machine(raw.profile.as_ref().map(|(name, _)| name.as_str()));
        let file = Path::new(&source.name);
        reader.add_machine(&machine, file, name.span().start, |message| source.error(name.span(), message));
    }
}
