//! Machine files in CSV: a header line that names the columns, then one machine a line. A column whose name is not a
//! key of machines becomes a variable. An empty field sets nothing.

use super::builder::{FieldError, json_string};
use super::machine_reader::MachineReader;
use proxydhcpd_reading::csv::{CsvError, CsvRecord, CsvRecords, count_line_breaks, unquote};
use proxydhcpd_reading::diagnostic::{Diagnostic, Location, Severity};
use proxydhcpd_reading::machine_fields::{self, MachineField};
use proxydhcpd_reading::names::check_machine_variable;
use proxydhcpd_reading::suggest::closest_match;
use std::io::Read;
use std::ops::Range;

/// Reads the machines of a CSV file.
pub fn read(reader: &mut MachineReader<'_>, file: &str, input: impl Read) {
    let mut csv = CsvReader { file, records: CsvRecords::new(input), fields: Vec::new() };
    match csv.columns(reader) {
        Ok(Some((columns, separator))) => csv.machines(reader, &columns, separator),
        Ok(None) => reader
            .diagnostics
            .error(|| Diagnostic::error("the file has no header line").in_file(file).help(HEADER_HELP)),
        Err(error) => reader.diagnostics.error(|| error),
    }
}

const IP_ADDRESS_HELP: &str = "the DHCP server assigns addresses";
const HEADER_HELP: &str = "name the columns in the first line, for example: name,mac,uuid,serial,profile,boot";

struct CsvReader<'a, R> {
    file: &'a str,
    records: CsvRecords<R>,
    /// The fields of the current record, as ranges in the record.
    fields: Vec<Range<usize>>,
}

enum MachineColumn {
    Key(MachineField),
    /// A variable. The value is its name, as a JSON string.
    Variable(String),
    /// A column without a name. Spreadsheets write such columns after the last column in use.
    Unnamed,
    Ignored,
}

impl<R: Read> CsvReader<'_, R> {
    /// Returns the columns that the header line names, and the separator: spreadsheets of many countries write
    /// semicolons. `None`: the file is empty.
    fn columns(&mut self, reader: &mut MachineReader<'_>) -> Result<Option<(Vec<MachineColumn>, u8)>, Diagnostic> {
        self.records.skip_bom().map_err(|error| self.csv_error(&error))?;
        let first: Vec<u8> = self.records.buffered().iter().copied().take_while(|o| !b"\r\n".contains(o)).collect();
        let separator = *b",;\t".iter().find(|octet| first.contains(octet)).unwrap_or(&b',');
        let read = self.records.next(separator, &mut self.fields);
        let Some(record) = read.map_err(|error| self.csv_error(&error))? else { return Ok(None) };
        let text = self.text(&record)?;
        let mut columns: Vec<MachineColumn> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let titles: Vec<String> = self.fields.iter().map(|field| unquote(&text[field.clone()]).into_owned()).collect();
        if machine_fields::lists_interfaces(&titles) {
            let error = self.error(
                &record,
                0..text.len(),
                "each line of this file describes an interface, not a machine".into(),
            );
            return Err(
                error.help(format!("`proxydhcpd import {} -o NEW.toml` converts it to a list of machines", self.file))
            );
        }
        let keys = machine_fields::fields(&titles);
        for ((field, name), key) in self.fields.iter().zip(titles.clone()).zip(keys.iter().copied()) {
            let error = |message: String| self.error(&record, field.clone(), message);
            let name = key.map_or(name, |key| key.name().to_owned());
            if !name.is_empty() && names.contains(&name) {
                reader.diagnostics.error(|| error(format!("duplicate column {name:?}")));
            }
            let similar = closest_match(&name, MachineField::ALL.map(MachineField::name)).filter(|_| key.is_none());
            // Does not suggest a key that another column sets.
            let similar = similar.filter(|similar| !keys.contains(&MachineField::from_name(similar)));
            let suggestion = similar.map(|similar| format!("did you mean `{similar}`?"));
            if key.is_none()
                && !name.is_empty()
                && let Err(message) = check_machine_variable(&name)
            {
                let warning = error(format!("the column {name:?} is ignored"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                let help = if machine_fields::is_ip_address(&name) {
                    IP_ADDRESS_HELP.to_owned()
                } else {
                    suggestion.unwrap_or(message)
                };
                reader.diagnostics.warning(|| warning.help(help));
                columns.push(MachineColumn::Ignored);
                names.push(name);
                continue;
            }
            if let Some(suggestion) = suggestion {
                let warning = error(format!("the column {name:?} becomes a variable"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                reader.diagnostics.warning(|| warning.help(suggestion));
            }
            columns.push(match key {
                Some(key) => MachineColumn::Key(key),
                None if name.is_empty() => MachineColumn::Unnamed,
                None => MachineColumn::Variable(json_string(&name)),
            });
            names.push(name);
        }
        if !names.iter().any(|name| name == MachineField::Name.name()) {
            let all = 0..text.len();
            return Err(self.error(&record, all, "the column `name` is missing".to_owned()).help(HEADER_HELP));
        }
        Ok(Some((columns, separator)))
    }

    fn machines(&mut self, reader: &mut MachineReader<'_>, columns: &[MachineColumn], separator: u8) {
        loop {
            match self.records.next(separator, &mut self.fields) {
                Ok(Some(record)) => self.machine(reader, columns, &record),
                Ok(None) => return,
                Err(error) => {
                    reader.diagnostics.error(|| self.csv_error(&error));
                    if let CsvError::Io(_) = error {
                        return;
                    }
                }
            }
        }
    }

    fn machine(&self, reader: &mut MachineReader<'_>, columns: &[MachineColumn], record: &CsvRecord) {
        let text = match self.text(record) {
            Ok(text) => text,
            Err(error) => return reader.diagnostics.error(|| error),
        };
        if self.fields.iter().all(|field| field.is_empty()) {
            return;
        }
        if self.fields.len() != columns.len() {
            let (fields, columns) = (self.fields.len(), columns.len());
            let message = format!("this line has {fields} fields, but the header line has {columns} columns");
            return reader.diagnostics.error(|| self.error(record, 0..text.len(), message));
        }
        reader.current.clear();
        let mut name = None;
        let mut is_valid = true;
        for (column, field) in columns.iter().zip(&self.fields) {
            let value = unquote(&text[field.clone()]);
            if let MachineColumn::Key(MachineField::Name) = column {
                name = Some(field.clone());
            } else if value.is_empty() {
                continue;
            }
            if let Err(error) = set(reader, column, &value) {
                reader.diagnostics.error(|| self.field_error(record, field.clone(), error));
                is_valid = false;
            }
        }
        if is_valid {
            reader.current.close_variables();
            reader.add_current(record.offset, |message| self.error(record, name.clone().unwrap_or(0..0), message));
        }
    }

    fn text(&self, record: &CsvRecord) -> Result<&str, Diagnostic> {
        let octets = self.records.octets(record);
        std::str::from_utf8(octets).map_err(|error| {
            let at = error.valid_up_to();
            self.error(record, at..at + 1, "this is not UTF-8 text".to_owned())
                .help("save the file as UTF-8: spreadsheets call it \"CSV UTF-8\"")
        })
    }

    fn csv_error(&self, error: &CsvError) -> Diagnostic {
        match error {
            CsvError::Malformed(record, at, message) => self.error(record, *at..*at + 1, (*message).to_owned()),
            CsvError::Io(error) => Diagnostic::error(format!("cannot read the machines: {error}")).in_file(self.file),
        }
    }

    fn field_error(&self, record: &CsvRecord, at: Range<usize>, field_error: FieldError) -> Diagnostic {
        let error = self.error(record, at, field_error.message);
        Diagnostic { help: field_error.help, ..error }
    }

    /// Returns an error at these octets of the record.
    fn error(&self, record: &CsvRecord, at: Range<usize>, message: String) -> Diagnostic {
        let octets = self.records.octets(record);
        let start = at.start.min(octets.len());
        let breaks = |octet: &u8| b"\r\n".contains(octet);
        let line_start = octets[..start].iter().rposition(breaks).map_or(0, |newline| newline + 1);
        let line_end = octets[start..].iter().position(breaks).map_or(octets.len(), |length| start + length);
        let characters = |part: &[u8]| String::from_utf8_lossy(part).chars().count();
        let location = Location {
            line: record.line + count_line_breaks(&octets[..start]),
            column: 1 + characters(&octets[line_start..start]),
            width: characters(&octets[start..at.end.clamp(start, line_end)]).max(1),
            text: String::from_utf8_lossy(&octets[line_start..line_end]).into_owned(),
        };
        Diagnostic { location: Some(Box::new(location)), ..Diagnostic::error(message).in_file(self.file) }
    }
}

fn set(reader: &mut MachineReader<'_>, column: &MachineColumn, value: &str) -> Result<(), FieldError> {
    match column {
        // A field may contain several MAC addresses.
        MachineColumn::Key(MachineField::Mac) => value
            .split_ascii_whitespace()
            .try_for_each(|mac| reader.current.set(MachineField::Mac, mac, reader.check_profile)),
        MachineColumn::Key(key) => reader.current.set(*key, value, reader.check_profile),
        MachineColumn::Variable(name) => {
            reader.current.add_text_variable(name, value);
            Ok(())
        }
        MachineColumn::Ignored => Ok(()),
        MachineColumn::Unnamed => Err(FieldError::new("the header line has no name for this column")),
    }
}
