//! Machines from a TOML file: `[web1]` or, as the configuration itself has it, `[machine.web1]`.

use super::Reading;
use super::draft::{Key, Wrong};
use crate::config::diagnostic::{Diagnostic, Source, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

fn machine(
    reading: &mut Reading<'_>,
    source: &Source,
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) {
    let Some(table) = value.get_ref().as_table() else {
        let message = format!("a machine is a table: [{}]", name.get_ref());
        return reading.told.error(|| source.error(name.span(), message));
    };
    reading.draft.clear();
    let mut right = true;
    let mut check = |reading: &mut Reading<'_>, at: Span, read: Result<(), Wrong>| {
        if let Err(wrong) = read {
            right = false;
            let error = source.error(at, wrong.message);
            reading.told.error(|| Diagnostic { help: wrong.help, ..error });
        }
    };
    let named = reading.draft.set(Key::Name, name.get_ref(), reading.profiles);
    check(reading, name.span(), named);
    for (word, value) in table {
        match Key::named(word.get_ref()) {
            Ok(Key::Name) => {
                check(reading, word.span(), Err(Wrong::plain("the name stands in the table's head: [NAME]")));
            }
            Ok(key) => {
                let read = set(reading, key, value);
                check(reading, value.span(), read);
            }
            Err(wrong) => check(reading, word.span(), Err(wrong)),
        }
    }
    if right {
        reading.draft.close_variables();
        reading.add(name.span().start, |message| source.error(name.span(), message));
    }
}

fn set(reading: &mut Reading<'_>, key: Key, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
    match (key, value.get_ref()) {
        (Key::Variables, DeValue::Table(variables)) => variables
            .iter()
            .try_for_each(|(name, value)| reading.draft.variable(name.get_ref(), &json(value.get_ref()))),
        (Key::Variables, _) => Err(Wrong::plain("`variables` is a table: variables = { role = \"web\" }")),
        (key, DeValue::String(text)) => reading.draft.set(key, text, reading.profiles),
        (Key::Mac, DeValue::Array(macs)) => macs.iter().try_for_each(|mac| {
            let mac = mac.get_ref().as_str().ok_or_else(|| Wrong::plain("a MAC address stands in quotes"))?;
            reading.draft.set(Key::Mac, mac, reading.profiles)
        }),
        (Key::Mac, _) => Err(Wrong::plain("`mac` is an address in quotes, or a list of such")),
        (key, _) => Err(Wrong::plain(&format!("`{}` is a word in quotes", key.word()))),
    }
}

/// A value as templates see it. Dates and numbers beyond 64 bits are texts there.
fn json(value: &DeValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        DeValue::String(text) => Value::from(&text[..]),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(on) => Value::from(*on),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(list) => list.iter().map(|element| json(element.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}
