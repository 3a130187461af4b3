//! Imports a list of machines in CSV. Rows with the same name describe one machine, as in a list of network interfaces.

use super::file_names::refused_text;
use super::output::{LineNote, LineOutcome, header, toml_list, toml_string};
use proxydhcpd_reading::csv::{CsvRecords, unquote};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::identifiers::{parse_any_mac, parse_any_uuid};
use proxydhcpd_reading::machine_fields::{BOOT_MODES, MachineField, fields, is_ip_address, lists_interfaces};
use proxydhcpd_reading::names::{check_machine_variable, check_name};
use proxydhcpd_reading::suggest::closest_match;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The meaning of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CsvColumn {
    /// A key of a machine's table.
    Key(MachineField),
    /// A template variable.
    Variable(String),
    /// No meaning here: the column is not imported.
    Skipped,
}

#[derive(Debug, Default)]
struct CsvMachine {
    /// The line number of the machine's first row.
    line: usize,
    macs: Vec<String>,
    /// The values of the machine, by the name of the key.
    keys: BTreeMap<&'static str, String>,
    variables: BTreeMap<String, String>,
}

/// Converts the list to `[machine.NAME]` tables. `map` contains the pairs of column and key from `--map`.
pub fn import(source: &Source, map: &[(String, String)]) -> Result<String, Vec<Diagnostic>> {
    let first = source.text.lines().next().unwrap_or_default();
    let separator = *b",;\t".iter().find(|octet| first.as_bytes().contains(octet)).unwrap_or(&b',');
    let mut records = CsvRecords::new(source.text.as_bytes());
    let (mut fields, mut rows) = (Vec::new(), Vec::new());
    loop {
        match records.next(separator, &mut fields) {
            Ok(Some(record)) => {
                let text = String::from_utf8_lossy(records.octets(&record)).into_owned();
                let values: Vec<String> =
                    fields.iter().map(|field| unquote(&text[field.clone()]).into_owned()).collect();
                rows.push((record.line, values));
            }
            Ok(None) => break,
            Err(_) => return Err(vec![source.file_error("a quoted field does not end, or text follows it")]),
        }
    }
    let mut rows = rows.into_iter();
    let (_, names) = rows.next().ok_or_else(|| vec![source.file_error("the first line must name the columns")])?;
    let mut list = CsvMachineList { notes: Vec::new(), machines: Vec::new() };
    let columns = list.columns(source, &names, map)?;
    rows.for_each(|(line, row)| list.row(line, &row, &columns));
    Ok(list.finish(source))
}

/// The machines read so far, with notes on the rows.
struct CsvMachineList {
    notes: Vec<LineNote>,
    machines: Vec<(String, CsvMachine)>,
}

impl CsvMachineList {
    fn columns(
        &mut self,
        source: &Source,
        names: &[String],
        map: &[(String, String)],
    ) -> Result<Vec<CsvColumn>, Vec<Diagnostic>> {
        let same_name = |one: &str, other: &str| one.trim().eq_ignore_ascii_case(other.trim());
        for (column, _) in map {
            if !names.iter().any(|name| same_name(name, column)) {
                let error = Diagnostic::error(format!("no column is named {column:?}")).in_file(&source.name);
                let suggestion = closest_match(column, names.iter().map(String::as_str));
                let help = suggestion.map_or_else(
                    || format!("the columns are {}", names.join(", ")),
                    |suggestion| format!("did you mean `{suggestion}`?"),
                );
                return Err(vec![error.help(help)]);
            }
        }
        let mapped_keys: Vec<MachineField> = map.iter().filter_map(|(_, word)| MachineField::from_name(word)).collect();
        let mut columns = Vec::new();
        for (name, usual) in names.iter().zip(fields(names)) {
            let mapped = map.iter().find(|(column, _)| same_name(name, column)).map(|(_, word)| word.as_str());
            // `--map` takes precedence over the usual name of the column.
            let key = mapped.map_or(usual.filter(|key| !mapped_keys.contains(key)), MachineField::from_name);
            columns.push(match (key, mapped) {
                (Some(key), _) => CsvColumn::Key(key),
                (None, Some(word)) => {
                    check_machine_variable(word)
                        .map_err(|reason| vec![Diagnostic::error(format!("{word:?}: {reason}"))])?;
                    CsvColumn::Variable(word.to_owned())
                }
                (None, None) if name.is_empty() => CsvColumn::Skipped,
                (None, None) => self.other_column(name, lists_interfaces(names)),
            });
        }
        if !columns.contains(&CsvColumn::Key(MachineField::Name)) {
            let error = Diagnostic::error("no column contains the names of the machines").in_file(&source.name);
            return Err(vec![error.help(format!("add --map COLUMN=name; the columns are {}", names.join(", ")))]);
        }
        Ok(columns)
    }

    /// The meaning of a column that is not a key: a template variable, or none. `of_interfaces`: whether each row
    /// describes an interface instead of a machine.
    fn other_column(&mut self, name: &str, of_interfaces: bool) -> CsvColumn {
        let variable = name.trim().to_lowercase().replace([' ', '-'], "_");
        let reason = if is_ip_address(name) {
            "addresses come from the DHCP server"
        } else if of_interfaces {
            "it describes an interface, not a machine"
        } else if check_machine_variable(&variable).is_err() {
            "its name is not valid for a variable: rename it with --map COLUMN=NAME"
        } else {
            return CsvColumn::Variable(variable);
        };
        let outcome = LineOutcome::Unneeded(reason.into());
        self.notes.push(LineNote { location: "line 1".into(), line: format!("the column {name:?}"), outcome });
        CsvColumn::Skipped
    }

    fn row(&mut self, line: usize, row: &[String], columns: &[CsvColumn]) {
        if row.iter().all(String::is_empty) {
            return;
        }
        let mut note_lost = |reason: String| {
            let text = row.join(",");
            self.notes.push(LineNote {
                location: format!("line {line}"),
                line: text,
                outcome: LineOutcome::Unsupported(reason),
            });
        };
        if row.len() != columns.len() {
            let reason = format!("it has {} fields, but the first line names {} columns", row.len(), columns.len());
            return note_lost(reason);
        }
        let cells = || columns.iter().zip(row).filter(|(_, text)| !text.is_empty());
        let name =
            cells().find(|(column, _)| **column == CsvColumn::Key(MachineField::Name)).map(|(_, text)| text.clone());
        let Some(name) = name else { return note_lost("it has no name".into()) };
        if let Err(reason) = check_name(&name) {
            return note_lost(reason);
        }
        let mut new_machine = CsvMachine { line, ..CsvMachine::default() };
        for (column, text) in cells() {
            match column {
                CsvColumn::Key(MachineField::Name | MachineField::Variables) | CsvColumn::Skipped => {}
                CsvColumn::Key(MachineField::Mac) => {
                    for word in text.split([' ', ';', ',']).filter(|word| !word.is_empty()) {
                        match parse_any_mac(word) {
                            Some(mac) => new_machine.macs.push(mac.map(|octet| format!("{octet:02x}")).join(":")),
                            None => note_lost(format!("{word:?} is not a MAC address")),
                        }
                    }
                }
                CsvColumn::Key(MachineField::Uuid) if parse_any_uuid(text).is_none() => {
                    note_lost(format!("{text:?} is not a UUID"))
                }
                CsvColumn::Key(MachineField::Boot) if !BOOT_MODES.iter().any(|(word, _)| word == text) => {
                    note_lost(format!("`boot` must be always, once or never, not {text:?}"));
                }
                CsvColumn::Key(key) => match refused_text(text) {
                    Some(reason) => note_lost(format!("`{}` is not imported: {reason}", key.name())),
                    None => drop(new_machine.keys.insert(key.name(), text.clone())),
                },
                CsvColumn::Variable(variable) => drop(new_machine.variables.insert(variable.clone(), text.clone())),
            }
        }
        match self.machines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, machine)) => machine.merge(new_machine),
            None => self.machines.push((name, new_machine)),
        }
    }

    fn finish(self, source: &Source) -> String {
        let mut text = header(&source.name, &[], &self.notes);
        for (name, machine) in &self.machines {
            let is_bare_key = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            let name = if is_bare_key { name.clone() } else { toml_string(name) };
            write!(text, "\n[machine.{name}] # line {}\n", machine.line).ok();
            if !machine.macs.is_empty() {
                writeln!(text, "mac = {}", toml_list(&machine.macs)).ok();
            }
            for (key, value) in &machine.keys {
                writeln!(text, "{key} = {}", toml_string(value)).ok();
            }
            if !machine.variables.is_empty() {
                let assignment = |(name, value): (&String, &String)| format!("{name} = {}", toml_string(value));
                let assignments: Vec<String> = machine.variables.iter().map(assignment).collect();
                writeln!(text, "variables = {{ {} }}", assignments.join(", ")).ok();
            }
        }
        text
    }
}

impl CsvMachine {
    /// Merges a later row of the same machine: adds the MAC addresses of that row, and keeps the values of earlier
    /// rows.
    fn merge(&mut self, other: CsvMachine) {
        for mac in other.macs {
            if !self.macs.contains(&mac) {
                self.macs.push(mac);
            }
        }
        for (key, value) in other.keys {
            self.keys.entry(key).or_insert(value);
        }
        for (name, value) in other.variables {
            self.variables.entry(name).or_insert(value);
        }
    }
}

/// Whether the first line names the columns of a list of machines.
pub fn is_machine_list(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let Some(separator) = [',', ';', '\t'].into_iter().find(|c| first.contains(*c)) else { return false };
    let names: Vec<String> = first.split(separator).map(|name| unquote(name).into_owned()).collect();
    let known = fields(&names);
    !first.contains('=') && known.iter().flatten().count() > 0 && names.iter().all(|name| name.len() < 60)
}
