//! Machines from a CSV file: one a line, below a line that names the columns. A column that is no key of a machine is a
//! variable; an empty field says nothing.

use super::MachineReader;
use super::builder::{MachineField, FieldError, json_string};
use super::headings;
use super::records::{CsvError, CsvRecord, CsvRecords, count_line_breaks, unquote};
use crate::config::diagnostic::{Diagnostic, Location, Severity};
use crate::config::machines::check_machine_variable;
use crate::suggest::closest_match;
use std::io::Read;
use std::ops::Range;

pub fn read(reading: &mut MachineReader<'_>, file: &str, input: impl Read) {
    let mut csv = Csv { file, records: CsvRecords::new(input), fields: Vec::new() };
    match csv.columns(reading) {
        Ok(Some((columns, separator))) => csv.machines(reading, &columns, separator),
        Ok(None) => reading.diagnostics.error(|| Diagnostic::error("no line names the columns").in_file(file).help(HEADER)),
        Err(error) => reading.diagnostics.error(|| error),
    }
}

const ADDRESSES: &str = "addresses come from the DHCP server";
const HEADER: &str = "the first line is, for example: name,mac,uuid,serial,profile,boot";

struct Csv<'a, R> {
    file: &'a str,
    records: CsvRecords<R>,
    /// Of the record at hand.
    fields: Vec<Range<usize>>,
}

enum Column {
    Key(MachineField),
    /// Its name, as JSON.
    Variable(String),
    /// Spreadsheets write such behind the last that was ever used.
    Unnamed,
    PassedOver,
}

impl<R: Read> Csv<'_, R> {
    /// What the first line says, and which character separates: spreadsheets of many countries write semicolons.
    fn columns(&mut self, reading: &mut MachineReader<'_>) -> Result<Option<(Vec<Column>, u8)>, Diagnostic> {
        self.records.skip_bom().map_err(|broken| self.broken(&broken))?;
        let first: Vec<u8> = self.records.buffered().iter().copied().take_while(|o| !b"\r\n".contains(o)).collect();
        let separator = *b",;\t".iter().find(|octet| first.contains(octet)).unwrap_or(&b',');
        let read = self.records.next(separator, &mut self.fields);
        let Some(record) = read.map_err(|broken| self.broken(&broken))? else { return Ok(None) };
        let text = self.text(&record)?;
        let mut columns: Vec<Column> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let written: Vec<String> = self.fields.iter().map(|field| unquote(&text[field.clone()]).into_owned()).collect();
        if headings::lists_interfaces(&written) {
            let error =
                self.error(&record, 0..text.len(), "each line of this list is an interface, not a machine".into());
            return Err(error.help(format!("`proxydhcpd import {} -o NEW.toml` makes machines of it", self.file)));
        }
        let keys = headings::fields(&written);
        for ((field, name), key) in self.fields.iter().zip(written.clone()).zip(keys.iter().copied()) {
            let error = |message: String| self.error(&record, field.clone(), message);
            let name = key.map_or(name, |key| key.name().to_owned());
            if !name.is_empty() && names.contains(&name) {
                reading.diagnostics.error(|| error(format!("there are two columns {name:?}")));
            }
            let meant = closest_match(&name, MachineField::ALL.map(MachineField::name)).filter(|_| key.is_none());
            // Another column is that already.
            let meant = meant.filter(|meant| !keys.contains(&MachineField::from_name(meant)));
            let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
            if key.is_none()
                && !name.is_empty()
                && let Err(why) = check_machine_variable(&name)
            {
                let warning = error(format!("the column {name:?} is passed over"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                let why = if headings::is_ip_address(&name) { ADDRESSES.to_owned() } else { meant.unwrap_or(why) };
                reading.diagnostics.warning(|| warning.help(why));
                columns.push(Column::PassedOver);
                names.push(name);
                continue;
            }
            if let Some(meant) = meant {
                let warning = error(format!("the column {name:?} is taken for a variable"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                reading.diagnostics.warning(|| warning.help(meant));
            }
            columns.push(match key {
                Some(key) => Column::Key(key),
                None if name.is_empty() => Column::Unnamed,
                None => Column::Variable(json_string(&name)),
            });
            names.push(name);
        }
        if !names.iter().any(|name| name == MachineField::Name.name()) {
            let all = 0..text.len();
            return Err(self.error(&record, all, "no column is called `name`".to_owned()).help(HEADER));
        }
        Ok(Some((columns, separator)))
    }

    fn machines(&mut self, reading: &mut MachineReader<'_>, columns: &[Column], separator: u8) {
        loop {
            match self.records.next(separator, &mut self.fields) {
                Ok(Some(record)) => self.machine(reading, columns, &record),
                Ok(None) => return,
                Err(broken) => {
                    reading.diagnostics.error(|| self.broken(&broken));
                    if let CsvError::Io(_) = broken {
                        return;
                    }
                }
            }
        }
    }

    fn machine(&self, reading: &mut MachineReader<'_>, columns: &[Column], record: &CsvRecord) {
        let text = match self.text(record) {
            Ok(text) => text,
            Err(error) => return reading.diagnostics.error(|| error),
        };
        if self.fields.iter().all(|field| field.is_empty()) {
            return;
        }
        if self.fields.len() != columns.len() {
            let (fields, columns) = (self.fields.len(), columns.len());
            let message = format!("this line has {fields} fields, and the first line names {columns} columns");
            return reading.diagnostics.error(|| self.error(record, 0..text.len(), message));
        }
        reading.current.clear();
        let mut name = None;
        let mut right = true;
        for (column, field) in columns.iter().zip(&self.fields) {
            let value = unquote(&text[field.clone()]);
            if let Column::Key(MachineField::Name) = column {
                name = Some(field.clone());
            } else if value.is_empty() {
                continue;
            }
            if let Err(wrong) = set(reading, column, &value) {
                reading.diagnostics.error(|| self.wrong(record, field.clone(), wrong));
                right = false;
            }
        }
        if right {
            reading.current.close_variables();
            reading.add_current(record.offset, |message| self.error(record, name.clone().unwrap_or(0..0), message));
        }
    }

    fn text(&self, record: &CsvRecord) -> Result<&str, Diagnostic> {
        let octets = self.records.octets(record);
        std::str::from_utf8(octets).map_err(|error| {
            let at = error.valid_up_to();
            self.error(record, at..at + 1, "this is not UTF-8 text".to_owned())
                .help("save the file in UTF-8: spreadsheets call it \"CSV UTF-8\"")
        })
    }

    fn broken(&self, broken: &CsvError) -> Diagnostic {
        match broken {
            CsvError::Malformed(record, at, why) => self.error(record, *at..*at + 1, (*why).to_owned()),
            CsvError::Io(error) => {
                Diagnostic::error(format!("unable to read the machines: {error}")).in_file(self.file)
            }
        }
    }

    fn wrong(&self, record: &CsvRecord, at: Range<usize>, wrong: FieldError) -> Diagnostic {
        let error = self.error(record, at, wrong.message);
        Diagnostic { help: wrong.help, ..error }
    }

    /// `at`: octets of the record.
    fn error(&self, record: &CsvRecord, at: Range<usize>, message: String) -> Diagnostic {
        let octets = self.records.octets(record);
        let start = at.start.min(octets.len());
        let breaks = |octet: &u8| b"\r\n".contains(octet);
        let line_start = octets[..start].iter().rposition(breaks).map_or(0, |newline| newline + 1);
        let line_end = octets[start..].iter().position(breaks).map_or(octets.len(), |length| start + length);
        let characters = |part: &[u8]| String::from_utf8_lossy(part).chars().count();
        let place = Location {
            line: record.line + count_line_breaks(&octets[..start]),
            column: 1 + characters(&octets[line_start..start]),
            width: characters(&octets[start..at.end.clamp(start, line_end)]).max(1),
            text: String::from_utf8_lossy(&octets[line_start..line_end]).into_owned(),
        };
        Diagnostic { location: Some(Box::new(place)), ..Diagnostic::error(message).in_file(self.file) }
    }
}

fn set(reading: &mut MachineReader<'_>, column: &Column, value: &str) -> Result<(), FieldError> {
    match column {
        // Several in one field.
        Column::Key(MachineField::Mac) => {
            value.split_ascii_whitespace().try_for_each(|mac| reading.current.set(MachineField::Mac, mac, reading.find_profile))
        }
        Column::Key(key) => reading.current.set(*key, value, reading.find_profile),
        Column::Variable(name) => {
            reading.current.add_text_variable(name, value);
            Ok(())
        }
        Column::PassedOver => Ok(()),
        Column::Unnamed => Err(FieldError::new("the first line has no name for this column")),
    }
}
