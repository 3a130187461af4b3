//! Machines from a TOML file: `[web1]` or, as the configuration itself has it, `[machine.web1]`.

use super::MachineReader;
use crate::config::diagnostic::{Diagnostic, Severity, Source};
use crate::config::machines;
use crate::config::toml::table_reader::TableReader;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A machine file.
pub fn read(reading: &mut MachineReader<'_>, source: &Source) {
    let (document, syntax) = DeTable::parse_recoverable(&source.text);
    for error in &syntax {
        reading.diagnostics.error(|| source.error(error.span().unwrap_or(0..0), error.message()));
    }
    // What follows a syntax error is a guess, and errors in a guess would mislead.
    if !syntax.is_empty() {
        return;
    }
    for (name, value) in document.get_ref() {
        match value.get_ref() {
            DeValue::Table(machines) if &name.get_ref()[..] == "machine" && holds_machines(machines) => {
                machines.iter().for_each(|(name, value)| machine(reading, source, name, value));
            }
            _ => machine(reading, source, name, value),
        }
    }
}

/// `[machine.web1]`, where `[machine]` with a key of its own would be a machine of this name.
fn holds_machines(table: &DeTable<'_>) -> bool {
    table.values().all(|value| value.get_ref().as_table().is_some())
}

fn machine(reading: &mut MachineReader<'_>, source: &Source, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
    let Some(table) = value.get_ref().as_table() else {
        return reading.diagnostics.error(|| {
            let error = source.error(name.span(), format!("`{}` is no machine, but a value", name.get_ref()));
            error.help(format!("a machine is a table: [{}]", name.get_ref()))
        });
    };
    let mut walk = TableReader::new(source);
    let described = machines::parse_machine(&mut walk, name.get_ref(), name.span(), table);
    let profile = described.profile.as_ref().map(|(name, at)| (reading.find_profile)(name).map_err(|why| (why, at)));
    if let Some(Err(((message, help), at))) = &profile {
        let error = source.error((*at).clone(), message);
        walk.diagnostics.push(Diagnostic { help: help.clone(), ..error });
    }
    walk.diagnostics.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let is_right = walk.diagnostics.iter().all(|told| told.severity == Severity::Warning);
    for told in walk.diagnostics {
        match told.severity {
            Severity::Warning => reading.diagnostics.warning(|| told),
            _ => reading.diagnostics.error(|| told),
        }
    }
    if is_right {
        let machine = described.to_machine(profile.and_then(Result::ok));
        let file = Path::new(&source.name);
        reading.add_machine(&machine, file, name.span().start, |message| source.error(name.span(), message));
    }
}
