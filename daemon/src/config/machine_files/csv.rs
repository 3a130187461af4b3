//! Machines from a CSV file: one a line, below a line that names the columns. A column that is no key of a machine is a
//! variable; an empty field says nothing.

use super::Reading;
use super::draft::{Key, Wrong, json_text};
use super::headings;
use super::records::{Broken, Record, Records, line_breaks, value};
use crate::config::diagnostic::{Diagnostic, Place, Severity};
use crate::config::machines::check_variable;
use crate::probable::probable;
use std::io::Read;
use std::ops::Range;

pub fn read(reading: &mut Reading<'_>, file: &str, input: impl Read) {
    let mut csv = Csv { file, records: Records::new(input), fields: Vec::new() };
    match csv.columns(reading) {
        Ok(Some((columns, separator))) => csv.machines(reading, &columns, separator),
        Ok(None) => reading.told.error(|| Diagnostic::error("no line names the columns").of(file).help(HEADER)),
        Err(error) => reading.told.error(|| error),
    }
}

const ADDRESSES: &str = "addresses come from the DHCP server";
const HEADER: &str = "the first line is, for example: name,mac,uuid,serial,profile,boot";

struct Csv<'a, R> {
    file: &'a str,
    records: Records<R>,
    /// Of the record at hand.
    fields: Vec<Range<usize>>,
}

enum Column {
    Key(Key),
    /// Its name, as JSON.
    Variable(String),
    /// Spreadsheets write such behind the last that was ever used.
    Unnamed,
    PassedOver,
}

impl<R: Read> Csv<'_, R> {
    /// What the first line says, and which character separates: spreadsheets of many countries write semicolons.
    fn columns(&mut self, reading: &mut Reading<'_>) -> Result<Option<(Vec<Column>, u8)>, Diagnostic> {
        self.records.skip_mark().map_err(|broken| self.broken(&broken))?;
        let first: Vec<u8> = self.records.ahead().iter().copied().take_while(|o| !b"\r\n".contains(o)).collect();
        let separator = *b",;\t".iter().find(|octet| first.contains(octet)).unwrap_or(&b',');
        let read = self.records.next(separator, &mut self.fields);
        let Some(record) = read.map_err(|broken| self.broken(&broken))? else { return Ok(None) };
        let text = self.text(&record)?;
        let mut columns: Vec<Column> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let written: Vec<String> = self.fields.iter().map(|field| value(&text[field.clone()]).into_owned()).collect();
        if headings::of_interfaces(&written) {
            let error =
                self.error(&record, 0..text.len(), "each line of this list is an interface, not a machine".into());
            return Err(error.help(format!("`proxydhcpd import {} -o NEW.toml` makes machines of it", self.file)));
        }
        let keys = headings::keys(&written);
        for ((field, name), key) in self.fields.iter().zip(written.clone()).zip(keys.iter().copied()) {
            let error = |message: String| self.error(&record, field.clone(), message);
            let name = key.map_or(name, |key| key.word().to_owned());
            if !name.is_empty() && names.contains(&name) {
                reading.told.error(|| error(format!("there are two columns {name:?}")));
            }
            let meant = probable(&name, Key::ALL.map(Key::word)).filter(|_| key.is_none());
            // Another column is that already.
            let meant = meant.filter(|meant| !keys.contains(&Key::of(meant)));
            let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
            if key.is_none()
                && !name.is_empty()
                && let Err(why) = check_variable(&name)
            {
                let warning = error(format!("the column {name:?} is passed over"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                let why = if headings::is_address(&name) { ADDRESSES.to_owned() } else { meant.unwrap_or(why) };
                reading.told.warning(|| warning.help(why));
                columns.push(Column::PassedOver);
                names.push(name);
                continue;
            }
            if let Some(meant) = meant {
                let warning = error(format!("the column {name:?} is taken for a variable"));
                let warning = Diagnostic { severity: Severity::Warning, ..warning };
                reading.told.warning(|| warning.help(meant));
            }
            columns.push(match key {
                Some(key) => Column::Key(key),
                None if name.is_empty() => Column::Unnamed,
                None => Column::Variable(json_text(&name)),
            });
            names.push(name);
        }
        if !names.iter().any(|name| name == Key::Name.word()) {
            let all = 0..text.len();
            return Err(self.error(&record, all, "no column is called `name`".to_owned()).help(HEADER));
        }
        Ok(Some((columns, separator)))
    }

    fn machines(&mut self, reading: &mut Reading<'_>, columns: &[Column], separator: u8) {
        loop {
            match self.records.next(separator, &mut self.fields) {
                Ok(Some(record)) => self.machine(reading, columns, &record),
                Ok(None) => return,
                Err(broken) => {
                    reading.told.error(|| self.broken(&broken));
                    if let Broken::Unreadable(_) = broken {
                        return;
                    }
                }
            }
        }
    }

    fn machine(&self, reading: &mut Reading<'_>, columns: &[Column], record: &Record) {
        let text = match self.text(record) {
            Ok(text) => text,
            Err(error) => return reading.told.error(|| error),
        };
        if self.fields.iter().all(|field| field.is_empty()) {
            return;
        }
        if self.fields.len() != columns.len() {
            let (fields, columns) = (self.fields.len(), columns.len());
            let message = format!("this line has {fields} fields, and the first line names {columns} columns");
            return reading.told.error(|| self.error(record, 0..text.len(), message));
        }
        reading.draft.clear();
        let mut name = None;
        let mut right = true;
        for (column, field) in columns.iter().zip(&self.fields) {
            let value = value(&text[field.clone()]);
            if let Column::Key(Key::Name) = column {
                name = Some(field.clone());
            } else if value.is_empty() {
                continue;
            }
            if let Err(wrong) = set(reading, column, &value) {
                reading.told.error(|| self.wrong(record, field.clone(), wrong));
                right = false;
            }
        }
        if right {
            reading.draft.close_variables();
            reading.add(record.offset, |message| self.error(record, name.clone().unwrap_or(0..0), message));
        }
    }

    fn text(&self, record: &Record) -> Result<&str, Diagnostic> {
        let octets = self.records.octets(record);
        std::str::from_utf8(octets).map_err(|error| {
            let at = error.valid_up_to();
            self.error(record, at..at + 1, "this is not UTF-8 text".to_owned())
                .help("save the file in UTF-8: spreadsheets call it \"CSV UTF-8\"")
        })
    }

    fn broken(&self, broken: &Broken) -> Diagnostic {
        match broken {
            Broken::At(record, at, why) => self.error(record, *at..*at + 1, (*why).to_owned()),
            Broken::Unreadable(error) => {
                Diagnostic::error(format!("unable to read the machines: {error}")).of(self.file)
            }
        }
    }

    fn wrong(&self, record: &Record, at: Range<usize>, wrong: Wrong) -> Diagnostic {
        let error = self.error(record, at, wrong.message);
        Diagnostic { help: wrong.help, ..error }
    }

    /// `at`: octets of the record.
    fn error(&self, record: &Record, at: Range<usize>, message: String) -> Diagnostic {
        let octets = self.records.octets(record);
        let start = at.start.min(octets.len());
        let breaks = |octet: &u8| b"\r\n".contains(octet);
        let line_start = octets[..start].iter().rposition(breaks).map_or(0, |newline| newline + 1);
        let line_end = octets[start..].iter().position(breaks).map_or(octets.len(), |length| start + length);
        let characters = |part: &[u8]| String::from_utf8_lossy(part).chars().count();
        let place = Place {
            line: record.line + line_breaks(&octets[..start]),
            column: 1 + characters(&octets[line_start..start]),
            width: characters(&octets[start..at.end.clamp(start, line_end)]).max(1),
            text: String::from_utf8_lossy(&octets[line_start..line_end]).into_owned(),
        };
        Diagnostic { place: Some(Box::new(place)), ..Diagnostic::error(message).of(self.file) }
    }
}

fn set(reading: &mut Reading<'_>, column: &Column, value: &str) -> Result<(), Wrong> {
    match column {
        // Several in one field.
        Column::Key(Key::Mac) => {
            value.split_ascii_whitespace().try_for_each(|mac| reading.draft.set(Key::Mac, mac, reading.profiles))
        }
        Column::Key(key) => reading.draft.set(*key, value, reading.profiles),
        Column::Variable(name) => {
            reading.draft.text_variable(name, value);
            Ok(())
        }
        Column::PassedOver => Ok(()),
        Column::Unnamed => Err(Wrong::plain("the first line has no name for this column")),
    }
}
