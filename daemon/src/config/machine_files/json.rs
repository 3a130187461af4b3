//! Machines from a JSON file: an array of objects, an object that has them by name, or one with such an array in it, as
//! interfaces page their answers. A key that is none of a machine's is a variable, as in a CSV. Values are taken apart
//! where they lie in the text, so that every error has its place.

use super::MachineReader;
use super::builder::{MachineField, FieldError};
use crate::config::diagnostic::{Diagnostic, Severity, Source, Span};
use crate::config::machines::check_machine_variable;
use crate::suggest::closest_match;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

pub fn read(reading: &mut MachineReader<'_>, source: &Source) {
    let mut json = serde_json::Deserializer::from_str(&source.text);
    let read = File { reading, source }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        reading.diagnostics.error(|| syntax(source, &error));
    }
}

/// The whole file.
struct File<'r, 'p, 's> {
    reading: &'r mut MachineReader<'p>,
    source: &'s Source,
}

impl<'de> DeserializeSeed<'de> for File<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for File<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of machines, or an object that has them by name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut others = Others::default();
        while let Some(machine) = list.next_element::<&RawValue>()? {
            machine_of(self.reading, self.source, &mut others, None, machine);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Object(pairs) = Pairs.visit_map(map)?;
        let mut others = Others::default();
        let lists: Vec<&RawValue> = pairs.iter().map(|(_, value)| *value).filter(|value| is_list(value)).collect();
        if lists.is_empty() {
            for (name, machine) in pairs {
                machine_of(self.reading, self.source, &mut others, Some(name), machine);
            }
        }
        // What lies beside a list says how many there are, and where the next part is.
        for list in lists {
            for machine in serde_json::from_str::<Vec<&RawValue>>(list.get()).map_err(A::Error::custom)? {
                machine_of(self.reading, self.source, &mut others, None, machine);
            }
        }
        Ok(())
    }
}

fn is_list(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

/// The keys that are none of a machine's, each told of once. False: it cannot be a variable either.
type Others = BTreeMap<String, bool>;

/// A key of the export's own: a variable, if it can be one.
fn other(
    reading: &mut MachineReader<'_>,
    others: &mut Others,
    word: &str,
    value: &RawValue,
    at: impl Fn(String) -> Diagnostic,
) -> Result<(), FieldError> {
    let is_variable = *others.entry(word.to_owned()).or_insert_with(|| {
        let unfit = check_machine_variable(word).err();
        let what = if unfit.is_some() { "passed over" } else { "taken for a variable" };
        let meant = closest_match(word, MachineField::ALL.map(MachineField::name)).map(|meant| format!("did you mean `{meant}`?"));
        let fit = unfit.is_none();
        if let Some(help) = meant.or(unfit) {
            let warning = Diagnostic { severity: Severity::Warning, ..at(format!("the key `{word}` is {what}")) };
            reading.diagnostics.warning(|| warning.help(help));
        }
        fit
    });
    let value: serde_json::Value =
        serde_json::from_str(value.get()).map_err(|_| FieldError::new("this is nested too deeply"))?;
    // As a field of a CSV that is empty.
    let says_nothing = value.is_null() || value.as_str().is_some_and(str::is_empty);
    if is_variable && !says_nothing { reading.current.add_variable(word, &value) } else { Ok(()) }
}

/// One machine, whose name is perhaps outside of it.
fn machine_of(
    reading: &mut MachineReader<'_>,
    source: &Source,
    others: &mut Others,
    name: Option<&RawValue>,
    machine: &RawValue,
) {
    reading.current.clear();
    let Ok(Object(pairs)) = serde_json::from_str::<Object<'_>>(machine.get()) else {
        let error = || source.error(place(source, machine), "a machine is an object: { \"mac\": ... }");
        return reading.diagnostics.error(error);
    };
    let mut named = name;
    let mut right = true;
    let outer = name.map(|name| (MachineField::Name, name));
    let mut check = |reading: &mut MachineReader<'_>, at: &RawValue, read: Result<(), FieldError>| {
        if let Err(wrong) = read {
            right = false;
            let error = source.error(place(source, at), wrong.message);
            reading.diagnostics.error(|| Diagnostic { help: wrong.help, ..error });
        }
    };
    if let Some((key, value)) = outer {
        let read = set(reading, key, value);
        check(reading, value, read);
    }
    for (word, value) in pairs {
        let unquoted = unquoted(word);
        let Some(key) = MachineField::from_name(&unquoted) else {
            let read = other(reading, others, &unquoted, value, |message| source.error(place(source, word), message));
            check(reading, value, read);
            continue;
        };
        if key == MachineField::Name && named.is_some() {
            check(reading, word, Err(FieldError::new("the machine has a name already")));
            continue;
        }
        if key == MachineField::Name {
            named = Some(value);
        }
        let read = set(reading, key, value);
        check(reading, value, read);
    }
    let Some(name) = named else {
        return reading.diagnostics.error(|| source.error(place(source, machine), "this machine has no `name`"));
    };
    if right {
        reading.current.close_variables();
        let offset = place(source, name).start;
        reading.add_current(offset, |message| source.error(place(source, name), message));
    }
}

fn set(reading: &mut MachineReader<'_>, key: MachineField, value: &RawValue) -> Result<(), FieldError> {
    let wrong_type = || {
        FieldError::new(match key {
            MachineField::Mac => "`mac` is a string, or an array of strings",
            MachineField::Variables => "`variables` is an object",
            _ => "this is a string, in quotes",
        })
    };
    match (key, serde_json::from_str(value.get()).map_err(|_| wrong_type())?) {
        // As exports write what they do not know.
        (_, serde_json::Value::Null) => Ok(()),
        (key, serde_json::Value::String(text)) if text.is_empty() && key != MachineField::Name => Ok(()),
        (MachineField::Variables, serde_json::Value::Object(variables)) => {
            variables.iter().try_for_each(|(name, value)| reading.current.add_variable(name, value))
        }
        (MachineField::Variables, _) => Err(wrong_type()),
        (key, serde_json::Value::String(text)) => reading.current.set(key, &text, reading.find_profile),
        (MachineField::Mac, serde_json::Value::Array(macs)) => macs.iter().try_for_each(|mac| {
            let mac = mac.as_str().ok_or_else(wrong_type)?;
            reading.current.set(MachineField::Mac, mac, reading.find_profile)
        }),
        _ => Err(wrong_type()),
    }
}

/// The pairs of an object, where they lie.
struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(MachineField::ALL.len());
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Object(pairs))
    }
}

fn unquoted(word: &RawValue) -> String {
    serde_json::from_str(word.get()).unwrap_or_default()
}

/// Where a value lies in the text from which it was borrowed.
fn place(source: &Source, value: &RawValue) -> Span {
    let start = (value.get().as_ptr() as usize).saturating_sub(source.text.as_ptr() as usize);
    start..start + value.get().len()
}

/// The reader counts columns in octets, and from the line's beginning.
fn syntax(source: &Source, error: &serde_json::Error) -> Diagnostic {
    let lines = source.text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let told = error.to_string();
    let message = told.rsplit_once(" at line ").map_or(&told[..], |(message, _)| message);
    source.error(start..start + 1, format!("this is no JSON: {message}"))
}
