//! Machines from a TOML file: `[web1]` or, as the configuration itself has it, `[machine.web1]`.

use super::Reading;
use crate::config::diagnostic::{Diagnostic, Severity, Source};
use crate::config::machines;
use crate::config::toml::walk::Walk;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A machine file.
pub fn read(reading: &mut Reading<'_>, source: &Source) {
    let (document, syntax) = DeTable::parse_recoverable(&source.text);
    for error in &syntax {
        reading.told.error(|| source.error(error.span().unwrap_or(0..0), error.message()));
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

fn machine(reading: &mut Reading<'_>, source: &Source, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
    let Some(table) = value.get_ref().as_table() else {
        return reading.told.error(|| {
            let error = source.error(name.span(), format!("`{}` is no machine, but a value", name.get_ref()));
            error.help(format!("a machine is a table: [{}]", name.get_ref()))
        });
    };
    let mut walk = Walk::new(source);
    let described = machines::described(&mut walk, name.get_ref(), name.span(), table);
    let profile = described.profile.as_ref().map(|(name, at)| (reading.profiles)(name).map_err(|why| (why, at)));
    if let Some(Err(((message, help), at))) = &profile {
        let error = source.error((*at).clone(), message);
        walk.told.push(Diagnostic { help: help.clone(), ..error });
    }
    walk.told.sort_by(|one, other| one.order().cmp(&other.order()));
    let is_right = walk.told.iter().all(|told| told.severity == Severity::Warning);
    for told in walk.told {
        match told.severity {
            Severity::Warning => reading.told.warning(|| told),
            _ => reading.told.error(|| told),
        }
    }
    if is_right {
        let machine = described.machine(profile.and_then(Result::ok));
        let file = Path::new(&source.name);
        reading.described(&machine, file, name.span().start, |message| source.error(name.span(), message));
    }
}
