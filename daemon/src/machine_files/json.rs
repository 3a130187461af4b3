//! Machine files in JSON: an array of objects, an object with machines by name, or an object that contains such an
//! array, as paged APIs return it. A key that machines do not have becomes a variable, as in CSV. Values are parsed in
//! place ([`RawValue`]), so that every error has its location.

use super::builder::FieldError;
use super::machine_reader::MachineReader;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity, Source, Span};
use proxydhcpd_reading::machine_fields::MachineField;
use proxydhcpd_reading::names::check_machine_variable;
use proxydhcpd_reading::suggest::closest_match;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Reads the machines of a JSON file.
pub fn read(reader: &mut MachineReader<'_>, source: &Source) {
    let mut json = serde_json::Deserializer::from_str(&source.text);
    let read = JsonFile { reader, source }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        reader.diagnostics.error(|| syntax(source, &error));
    }
}

/// The whole file.
struct JsonFile<'r, 'p, 's> {
    reader: &'r mut MachineReader<'p>,
    source: &'s Source,
}

impl<'de> DeserializeSeed<'de> for JsonFile<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonFile<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of machines, or an object with machines by name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut unknown_keys = UnknownKeys::default();
        while let Some(machine) = list.next_element::<&RawValue>()? {
            read_machine(self.reader, self.source, &mut unknown_keys, None, machine);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let JsonObject(pairs) = ObjectVisitor.visit_map(map)?;
        let mut unknown_keys = UnknownKeys::default();
        let lists: Vec<&RawValue> = pairs.iter().map(|(_, value)| *value).filter(|value| is_list(value)).collect();
        if lists.is_empty() {
            for (name, machine) in pairs {
                read_machine(self.reader, self.source, &mut unknown_keys, Some(name), machine);
            }
        }
        // Only the arrays contain machines. A paged API also returns the number of machines and the URL of the next
        // page.
        for list in lists {
            for machine in serde_json::from_str::<Vec<&RawValue>>(list.get()).map_err(A::Error::custom)? {
                read_machine(self.reader, self.source, &mut unknown_keys, None, machine);
            }
        }
        Ok(())
    }
}

fn is_list(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

/// The keys in the file that machines do not have, so that each is reported only once. The value states whether the
/// name is valid for a variable.
type UnknownKeys = BTreeMap<String, bool>;

/// Handles a key that machines do not have: adds a variable if the name is valid for one, otherwise ignores the key.
/// Fails if the value is nested too deeply.
fn unknown_key(
    reader: &mut MachineReader<'_>,
    unknown_keys: &mut UnknownKeys,
    key: &str,
    value: &RawValue,
    at: impl Fn(String) -> Diagnostic,
) -> Result<(), FieldError> {
    let is_variable = *unknown_keys.entry(key.to_owned()).or_insert_with(|| {
        let invalid = check_machine_variable(key).err();
        let outcome = if invalid.is_some() { "is ignored" } else { "becomes a variable" };
        let suggestion = closest_match(key, MachineField::ALL.map(MachineField::name))
            .map(|similar| format!("did you mean `{similar}`?"));
        let is_valid = invalid.is_none();
        if let Some(help) = suggestion.or(invalid) {
            let warning = Diagnostic { severity: Severity::Warning, ..at(format!("the key `{key}` {outcome}")) };
            reader.diagnostics.warning(|| warning.help(help));
        }
        is_valid
    });
    let value: serde_json::Value =
        serde_json::from_str(value.get()).map_err(|_| FieldError::new("the value is nested too deeply"))?;
    // An empty value sets nothing, as an empty field in CSV does.
    let is_empty = value.is_null() || value.as_str().is_some_and(str::is_empty);
    if is_variable && !is_empty { reader.current.add_variable(key, &value) } else { Ok(()) }
}

/// Reads one machine. `name`: the key of the machine, in an object with machines by name.
fn read_machine(
    reader: &mut MachineReader<'_>,
    source: &Source,
    unknown_keys: &mut UnknownKeys,
    name: Option<&RawValue>,
    machine: &RawValue,
) {
    reader.current.clear();
    let Ok(JsonObject(pairs)) = serde_json::from_str::<JsonObject<'_>>(machine.get()) else {
        let error = || source.error(span(source, machine), "a machine must be an object: { \"mac\": ... }");
        return reader.diagnostics.error(error);
    };
    let mut name_value = name;
    let mut is_valid = true;
    let outer = name.map(|name| (MachineField::Name, name));
    let mut check = |reader: &mut MachineReader<'_>, at: &RawValue, read: Result<(), FieldError>| {
        if let Err(field_error) = read {
            is_valid = false;
            let error = source.error(span(source, at), field_error.message);
            reader.diagnostics.error(|| Diagnostic { help: field_error.help, ..error });
        }
    };
    if let Some((key, value)) = outer {
        let read = set(reader, key, value);
        check(reader, value, read);
    }
    for (word, value) in pairs {
        let unquoted = unquoted(word);
        let Some(key) = MachineField::from_name(&unquoted) else {
            let read = unknown_key(reader, unknown_keys, &unquoted, value, |message| {
                source.error(span(source, word), message)
            });
            check(reader, value, read);
            continue;
        };
        if key == MachineField::Name && name_value.is_some() {
            check(reader, word, Err(FieldError::new("the machine has a name already")));
            continue;
        }
        if key == MachineField::Name {
            name_value = Some(value);
        }
        let read = set(reader, key, value);
        check(reader, value, read);
    }
    let Some(name) = name_value else {
        return reader.diagnostics.error(|| source.error(span(source, machine), "this machine has no `name`"));
    };
    if is_valid {
        reader.current.close_variables();
        let offset = span(source, name).start;
        reader.add_current(offset, |message| source.error(span(source, name), message));
    }
}

fn set(reader: &mut MachineReader<'_>, key: MachineField, value: &RawValue) -> Result<(), FieldError> {
    let wrong_type = || {
        FieldError::new(match key {
            MachineField::Mac => "`mac` must be a string, or an array of strings",
            MachineField::Variables => "`variables` must be an object",
            _ => "the value must be a string, in quotes",
        })
    };
    match (key, serde_json::from_str(value.get()).map_err(|_| wrong_type())?) {
        // Exports write null or an empty string for an unknown value, so such a value sets nothing.
        (_, serde_json::Value::Null) => Ok(()),
        (key, serde_json::Value::String(text)) if text.is_empty() && key != MachineField::Name => Ok(()),
        (MachineField::Variables, serde_json::Value::Object(variables)) => {
            variables.iter().try_for_each(|(name, value)| reader.current.add_variable(name, value))
        }
        (MachineField::Variables, _) => Err(wrong_type()),
        (key, serde_json::Value::String(text)) => reader.current.set(key, &text, reader.check_profile),
        (MachineField::Mac, serde_json::Value::Array(macs)) => macs.iter().try_for_each(|mac| {
            let mac = mac.as_str().ok_or_else(wrong_type)?;
            reader.current.set(MachineField::Mac, mac, reader.check_profile)
        }),
        _ => Err(wrong_type()),
    }
}

/// The keys and values of an object, not yet parsed.
struct JsonObject<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for JsonObject<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = JsonObject<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(MachineField::ALL.len());
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(JsonObject(pairs))
    }
}

fn unquoted(word: &RawValue) -> String {
    serde_json::from_str(word.get()).unwrap_or_default()
}

/// The span of a value in the text from which it was borrowed.
fn span(source: &Source, value: &RawValue) -> Span {
    let start = (value.get().as_ptr() as usize).saturating_sub(source.text.as_ptr() as usize);
    start..start + value.get().len()
}

/// Converts a syntax error to a diagnostic. `serde_json` counts columns in octets.
fn syntax(source: &Source, error: &serde_json::Error) -> Diagnostic {
    let lines = source.text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(&text[..], |(message, _)| message);
    source.error(start..start + 1, format!("invalid JSON: {message}"))
}
