//! Reads the records of a CSV file (RFC 4180) one after another, through a buffer of bounded size. A quoted field may
//! contain separators, doubled quotes and line breaks. Lines end in LF, CR LF or CR. Spaces around a field are ignored,
//! although RFC 4180 counts them as part of the field.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

/// Reads the records of a file.
#[derive(Debug)]
pub struct CsvRecords<R> {
    input: R,
    buffer: Vec<u8>,
    /// The part of the buffer that contains input not yet returned as a record.
    unread: Range<usize>,
    /// The offset in the file at which the buffer begins.
    buffer_offset: usize,
    line: usize,
    at_end: bool,
}

/// A record in the buffer, valid until the next one is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvRecord {
    octets: Range<usize>,
    /// The line of the file in which the record begins, from 1.
    pub line: usize,
    /// The offset of the record's first octet in the file.
    pub offset: usize,
}

/// Why a record cannot be read.
#[derive(Debug)]
pub enum CsvError {
    /// A syntax error at this octet of the record. The next record begins on the next line.
    Malformed(CsvRecord, usize, &'static str),
    /// The file cannot be read.
    Io(io::Error),
}

/// The maximum length of a record, in octets. A longer record most likely has an unclosed quote.
const MAX_RECORD: usize = 64 * 1024;
const BUFFER_SIZE: usize = 4 * MAX_RECORD;

impl<R: Read> CsvRecords<R> {
    /// Creates a reader at the beginning of this input.
    pub fn new(input: R) -> Self {
        CsvRecords { input, buffer: vec![0; BUFFER_SIZE], unread: 0..0, buffer_offset: 0, line: 1, at_end: false }
    }

    /// Skips a byte order mark at the beginning of the file.
    pub fn skip_bom(&mut self) -> Result<(), CsvError> {
        self.fill()?;
        if self.buffer[self.unread.clone()].starts_with(b"\xef\xbb\xbf") {
            self.unread.start += 3;
        }
        Ok(())
    }

    /// The unread part of the buffer. The caller looks for the separator in it.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// The octets of a record.
    pub fn octets(&self, record: &CsvRecord) -> &[u8] {
        &self.buffer[record.octets.clone()]
    }

    /// Returns the next record, or `None` at the end of the file. `fields` receives the fields, as ranges in the
    /// record.
    pub fn next(&mut self, separator: u8, fields: &mut Vec<Range<usize>>) -> Result<Option<CsvRecord>, CsvError> {
        loop {
            let is_complete = self.at_end || self.unread.len() > MAX_RECORD;
            match split(&self.buffer[self.unread.clone()], is_complete, separator, fields) {
                Split::Record { length, next } if next > length || self.at_end => {
                    return Ok(Some(self.take(length, next)));
                }
                Split::Record { next, .. } => {
                    return Err(CsvError::Malformed(self.take(next, next), 0, "this line is longer than 64 KiB"));
                }
                Split::Malformed { at, next, message } => {
                    let record = self.take(next, next);
                    return Err(CsvError::Malformed(record, at, message));
                }
                Split::More if self.at_end => return Ok(None),
                Split::More => self.fill()?,
            }
        }
    }

    fn take(&mut self, length: usize, next: usize) -> CsvRecord {
        let start = self.unread.start;
        let record = CsvRecord { octets: start..start + length, line: self.line, offset: self.buffer_offset + start };
        self.line += count_line_breaks(&self.buffer[start..start + next]);
        self.unread.start += next;
        record
    }

    fn fill(&mut self) -> Result<(), CsvError> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.buffer_offset += self.unread.start;
        self.unread = 0..self.unread.len();
        while self.unread.end < self.buffer.len() && !self.at_end {
            match self.input.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => self.at_end = true,
                Ok(more) => self.unread.end += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CsvError::Io(error)),
            }
        }
        Ok(())
    }
}

/// Returns the value of a field, without quotes and without spaces around it.
pub fn unquote(field: &str) -> Cow<'_, str> {
    let field = field.trim();
    match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
        Some(quoted) if quoted.contains('"') => Cow::Owned(quoted.replace("\"\"", "\"")),
        Some(quoted) => Cow::Borrowed(quoted),
        None => Cow::Borrowed(field),
    }
}

/// The number of line breaks: LF, CR LF or CR.
pub fn count_line_breaks(octets: &[u8]) -> usize {
    let lone_cr = |at: usize| octets[at] == b'\r' && octets.get(at + 1) != Some(&b'\n');
    (0..octets.len()).filter(|&at| octets[at] == b'\n' || lone_cr(at)).count()
}

#[derive(Debug, PartialEq, Eq)]
enum Split {
    /// A complete record. `next`: the offset of the record after it.
    Record {
        length: usize,
        next: usize,
    },
    Malformed {
        at: usize,
        next: usize,
        message: &'static str,
    },
    /// The record continues after these octets.
    More,
}

/// Finds the first record in these octets. `is_complete`: no octets follow.
fn split(octets: &[u8], is_complete: bool, separator: u8, fields: &mut Vec<Range<usize>>) -> Split {
    fields.clear();
    let mut start = 0;
    if octets.is_empty() {
        return Split::More;
    }
    loop {
        let end = match end_of_field(octets, start, is_complete, separator) {
            Ok(Some(end)) => end,
            Ok(None) => return Split::More,
            Err((at, message)) => return Split::Malformed { at, next: next_line(octets, at), message },
        };
        fields.push(start..end);
        match octets.get(end) {
            Some(&octet) if octet == separator => start = end + 1,
            Some(b'\r') if octets.get(end + 1) == Some(&b'\n') => return Split::Record { length: end, next: end + 2 },
            Some(b'\r') if end + 1 == octets.len() && !is_complete => return Split::More,
            Some(_) => return Split::Record { length: end, next: end + 1 },
            None => return Split::Record { length: end, next: end },
        }
    }
}

/// Returns the offset at which the field ends, or `None` if the field may continue after these octets. An error
/// consists of the offset of the fault and a message.
fn end_of_field(
    octets: &[u8],
    start: usize,
    is_complete: bool,
    separator: u8,
) -> Result<Option<usize>, (usize, &'static str)> {
    let ends = |octet: &u8| *octet == separator || *octet == b'\n' || *octet == b'\r';
    let blanks = |at: usize| octets[at..].iter().take_while(|octet| **octet == b' ').count();
    let start = start + blanks(start);
    if octets.get(start) != Some(&b'"') {
        let end = octets[start..].iter().position(ends).map(|length| start + length);
        return Ok(end.or(is_complete.then_some(octets.len())));
    }
    let mut at = start + 1;
    loop {
        let Some(length) = octets[at..].iter().position(|octet| *octet == b'"') else {
            return if is_complete { Err((start, "this quote is not closed")) } else { Ok(None) };
        };
        at += length + 1;
        let after = at + blanks(at);
        match octets.get(after) {
            Some(b'"') if after == at => at += 1,
            Some(octet) if ends(octet) => return Ok(Some(after)),
            Some(_) => return Err((after, "unexpected text after a closing quote; write a quote within quotes twice")),
            None => return Ok(is_complete.then_some(after)),
        }
    }
}

fn next_line(octets: &[u8], at: usize) -> usize {
    octets[at..].iter().position(|octet| *octet == b'\n').map_or(octets.len(), |length| at + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Vec<String>> {
        let mut records = CsvRecords::new(text);
        records.skip_bom().unwrap();
        let (mut fields, mut read) = (Vec::new(), Vec::new());
        while let Some(record) = records.next(b',', &mut fields).unwrap() {
            let text = std::str::from_utf8(records.octets(&record)).unwrap();
            read.push(fields.iter().map(|field| unquote(&text[field.clone()]).into_owned()).collect());
        }
        read
    }

    #[test]
    fn every_form_of_rfc_4180_is_read() {
        let text =
            b"\xef\xbb\xbfname,mac\r\nweb1 , \"a \"\"b\"\", c\"\r\n\"two\r\nlines\",\"\"\n\nlast,\"no line end\"";
        assert_eq!(
            read(text),
            [
                vec!["name", "mac"],
                vec!["web1", "a \"b\", c"],
                vec!["two\r\nlines", ""],
                vec![""],
                vec!["last", "no line end"]
            ]
        );
        assert_eq!(read(b"a,b\rc,\r"), [["a", "b"], ["c", ""]]);
        assert_eq!(read(b""), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_record_across_the_end_of_the_buffer_is_complete() {
        let line = |number: usize| format!("pc{number},\"x{}\"\r\n", "y".repeat(number % 97));
        let text: String = (0..20_000).map(line).collect();
        assert!(text.len() > 3 * BUFFER_SIZE);
        for (number, fields) in read(text.as_bytes()).iter().enumerate() {
            assert_eq!(fields, &[format!("pc{number}"), format!("x{}", "y".repeat(number % 97))]);
        }
    }

    #[test]
    fn a_syntax_error_has_its_location_and_the_next_line_is_read() {
        let mut records = CsvRecords::new(&b"a,\"b\" c\nd,e\nf,\"g"[..]);
        let mut fields = Vec::new();
        let Err(CsvError::Malformed(record, 6, _)) = records.next(b',', &mut fields) else { panic!() };
        assert_eq!((record.line, record.offset), (1, 0));
        assert_eq!(records.next(b',', &mut fields).unwrap().map(|record| (record.line, record.offset)), Some((2, 8)));
        let Err(CsvError::Malformed(record, 2, "this quote is not closed")) = records.next(b',', &mut fields) else {
            panic!()
        };
        assert_eq!(record.line, 3);
        assert!(records.next(b',', &mut fields).unwrap().is_none());
    }

    #[test]
    fn an_unclosed_quote_does_not_fill_the_memory() {
        let text = format!("a\n\"{}", "x\n".repeat(BUFFER_SIZE));
        let mut records = CsvRecords::new(text.as_bytes());
        let mut fields = Vec::new();
        assert!(records.next(b',', &mut fields).unwrap().is_some());
        assert!(matches!(records.next(b',', &mut fields), Err(CsvError::Malformed(_, 0, "this quote is not closed"))));
        assert_eq!(records.buffer.len(), BUFFER_SIZE);
    }
}
