//! A list of machines in CSV as tables of ours. Rows of one name are one machine, as in a list of network interfaces.

use super::output::{LineOutcome, LineNote, header, toml_list, toml_string};
use crate::config::diagnostic::{Diagnostic, Source};
use crate::config::machine_files::builder::MachineField;
use crate::config::machine_files::headings::{is_ip_address, fields, lists_interfaces};
use crate::config::machine_files::records::{CsvRecords, unquote};
use crate::config::machines::{POLICIES, check_name, check_machine_variable};
use crate::config::toml::value::{parse_any_mac, parse_any_uuid};
use crate::suggest::closest_match;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Key(MachineField),
    Variable(String),
    PassedOver,
}

#[derive(Debug, Default)]
struct Machine {
    line: usize,
    macs: Vec<String>,
    /// By the word of the key.
    keys: BTreeMap<&'static str, String>,
    variables: BTreeMap<String, String>,
}

/// `map`: what the operator says of columns, `COLUMN=KEY`.
pub fn import(source: &Source, map: &[(String, String)]) -> Result<String, Vec<Diagnostic>> {
    let first = source.text.lines().next().unwrap_or_default();
    let separator = *b",;\t".iter().find(|octet| first.as_bytes().contains(octet)).unwrap_or(&b',');
    let mut records = CsvRecords::new(source.text.as_bytes());
    let (mut fields, mut rows) = (Vec::new(), Vec::new());
    loop {
        match records.next(separator, &mut fields) {
            Ok(Some(record)) => {
                let text = String::from_utf8_lossy(records.octets(&record)).into_owned();
                let values: Vec<String> = fields.iter().map(|field| unquote(&text[field.clone()]).into_owned()).collect();
                rows.push((record.line, values));
            }
            Ok(None) => break,
            Err(_) => return Err(vec![source.file_error("a quote in it does not end, or text stands behind one")]),
        }
    }
    let mut rows = rows.into_iter();
    let (_, names) = rows.next().ok_or_else(|| vec![source.file_error("no line names the columns")])?;
    let mut list = List { told: Vec::new(), machines: Vec::new() };
    let columns = list.columns(source, &names, map)?;
    rows.for_each(|(line, row)| list.row(line, &row, &columns));
    Ok(list.written(source))
}

struct List {
    told: Vec<LineNote>,
    machines: Vec<(String, Machine)>,
}

impl List {
    fn columns(
        &mut self,
        source: &Source,
        names: &[String],
        map: &[(String, String)],
    ) -> Result<Vec<Column>, Vec<Diagnostic>> {
        let same = |one: &str, other: &str| one.trim().eq_ignore_ascii_case(other.trim());
        for (column, _) in map {
            if !names.iter().any(|name| same(name, column)) {
                let error = Diagnostic::error(format!("no column is called {column:?}")).in_file(&source.name);
                let meant = closest_match(column, names.iter().map(String::as_str));
                let help = meant.map_or_else(
                    || format!("they are {}", names.join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                return Err(vec![error.help(help)]);
            }
        }
        let said: Vec<MachineField> = map.iter().filter_map(|(_, word)| MachineField::from_name(word)).collect();
        let mut columns = Vec::new();
        for (name, usual) in names.iter().zip(fields(names)) {
            let mapped = map.iter().find(|(column, _)| same(name, column)).map(|(_, word)| word.as_str());
            // What the operator says of a key goes before what the column is called.
            let key = mapped.map_or(usual.filter(|key| !said.contains(key)), MachineField::from_name);
            columns.push(match (key, mapped) {
                (Some(key), _) => Column::Key(key),
                (None, Some(word)) => {
                    check_machine_variable(word).map_err(|why| vec![Diagnostic::error(format!("{word:?}: {why}"))])?;
                    Column::Variable(word.to_owned())
                }
                (None, None) if name.is_empty() => Column::PassedOver,
                (None, None) => self.other(name, lists_interfaces(names)),
            });
        }
        if !columns.contains(&Column::Key(MachineField::Name)) {
            let error = Diagnostic::error("no column is known for the machines' name").in_file(&source.name);
            return Err(vec![error.help(format!("say which it is: --map COLUMN=name; they are {}", names.join(", ")))]);
        }
        Ok(columns)
    }

    /// A column that is no key: of interfaces, it is about one of several.
    fn other(&mut self, name: &str, of_interfaces: bool) -> Column {
        let variable = name.trim().to_lowercase().replace([' ', '-'], "_");
        let why = if is_ip_address(name) {
            "addresses come from the DHCP server"
        } else if of_interfaces {
            "it is about an interface, not about a machine"
        } else if check_machine_variable(&variable).is_err() {
            "this is no name for a variable: --map gives it another"
        } else {
            return Column::Variable(variable);
        };
        let fate = LineOutcome::Unneeded(why.into());
        self.told.push(LineNote { location: "line 1".into(), line: format!("the column {name:?}"), outcome: fate });
        Column::PassedOver
    }

    fn row(&mut self, line: usize, row: &[String], columns: &[Column]) {
        if row.iter().all(String::is_empty) {
            return;
        }
        let mut lost = |why: String| {
            let text = row.join(",");
            self.told.push(LineNote { location: format!("line {line}"), line: text, outcome: LineOutcome::Unsupported(why) });
        };
        if row.len() != columns.len() {
            let why = format!("it has {} fields, and the first line names {} columns", row.len(), columns.len());
            return lost(why);
        }
        let cells = || columns.iter().zip(row).filter(|(_, text)| !text.is_empty());
        let name = cells().find(|(column, _)| **column == Column::Key(MachineField::Name)).map(|(_, text)| text.clone());
        let Some(name) = name else { return lost("it has no name".into()) };
        if let Err(why) = check_name(&name) {
            return lost(why);
        }
        let mut more = Machine { line, ..Machine::default() };
        for (column, text) in cells() {
            match column {
                Column::Key(MachineField::Name | MachineField::Variables) | Column::PassedOver => {}
                Column::Key(MachineField::Mac) => {
                    for word in text.split([' ', ';', ',']).filter(|word| !word.is_empty()) {
                        match parse_any_mac(word) {
                            Some(mac) => more.macs.push(mac.map(|octet| format!("{octet:02x}")).join(":")),
                            None => lost(format!("{word:?} is no MAC address")),
                        }
                    }
                }
                Column::Key(MachineField::Uuid) if parse_any_uuid(text).is_none() => lost(format!("{text:?} is no UUID")),
                Column::Key(MachineField::Boot) if !POLICIES.iter().any(|(word, _)| word == text) => {
                    lost(format!("`boot` is always, once or never, and not {text:?}"));
                }
                Column::Key(key) => drop(more.keys.insert(key.name(), text.clone())),
                Column::Variable(variable) => drop(more.variables.insert(variable.clone(), text.clone())),
            }
        }
        match self.machines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, machine)) => machine.take_in(more),
            None => self.machines.push((name, more)),
        }
    }

    fn written(self, source: &Source) -> String {
        let mut text = header(&source.name, &[], &self.told);
        for (name, machine) in &self.machines {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            let name = if plain { name.clone() } else { toml_string(name) };
            write!(text, "\n[machine.{name}] # line {}\n", machine.line).ok();
            if !machine.macs.is_empty() {
                writeln!(text, "mac = {}", toml_list(&machine.macs)).ok();
            }
            for (key, value) in &machine.keys {
                writeln!(text, "{key} = {}", toml_string(value)).ok();
            }
            if !machine.variables.is_empty() {
                let one = |(name, value): (&String, &String)| format!("{name} = {}", toml_string(value));
                let all: Vec<String> = machine.variables.iter().map(one).collect();
                writeln!(text, "variables = {{ {} }}", all.join(", ")).ok();
            }
        }
        text
    }
}

impl Machine {
    /// Another row of the same machine: its addresses are added, and what the first row says stays.
    fn take_in(&mut self, more: Machine) {
        for mac in more.macs {
            if !self.macs.contains(&mac) {
                self.macs.push(mac);
            }
        }
        for (key, value) in more.keys {
            self.keys.entry(key).or_insert(value);
        }
        for (name, value) in more.variables {
            self.variables.entry(name).or_insert(value);
        }
    }
}

/// Whether the first line names columns of machines.
pub fn is_machine_list(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let Some(separator) = [',', ';', '\t'].into_iter().find(|c| first.contains(*c)) else { return false };
    let names: Vec<String> = first.split(separator).map(|name| unquote(name).into_owned()).collect();
    let known = fields(&names);
    !first.contains('=') && known.iter().flatten().count() > 0 && names.iter().all(|name| name.len() < 60)
}
