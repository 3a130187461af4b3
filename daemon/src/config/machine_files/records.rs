//! Records of a CSV file (RFC 4180), one after the other from a buffer of bounded size. A quoted field may hold
//! separators, doubled quotes and line breaks; lines end in LF, CR LF or CR. Blanks around a field, which RFC 4180
//! counts as part of it, mean nothing here.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

#[derive(Debug)]
pub struct CsvRecords<R> {
    input: R,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not given out.
    unread: Range<usize>,
    /// Where the buffer begins in the file.
    before: usize,
    line: usize,
    at_end: bool,
}

/// A record where it lies, and the line of the file in which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvRecord {
    octets: Range<usize>,
    pub line: usize,
    /// Where it begins in the file.
    pub offset: usize,
}

/// A record cannot be told from the next.
#[derive(Debug)]
pub enum CsvError {
    /// At this octet of the record, which is given out nevertheless: the next begins in the line after it.
    Malformed(CsvRecord, usize, &'static str),
    Io(io::Error),
}

/// What is left of a longer one is no record, but a quote that was not closed.
const LONGEST: usize = 64 * 1024;
const BUFFER: usize = 4 * LONGEST;

impl<R: Read> CsvRecords<R> {
    pub fn new(input: R) -> Self {
        CsvRecords { input, buffer: vec![0; BUFFER], unread: 0..0, before: 0, line: 1, at_end: false }
    }

    /// Takes a byte order mark off the beginning.
    pub fn skip_bom(&mut self) -> Result<(), CsvError> {
        self.fill()?;
        if self.buffer[self.unread.clone()].starts_with(b"\xef\xbb\xbf") {
            self.unread.start += 3;
        }
        Ok(())
    }

    /// The rest of the buffer, to choose a separator by it.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    pub fn octets(&self, record: &CsvRecord) -> &[u8] {
        &self.buffer[record.octets.clone()]
    }

    /// The next record, and its fields by their place in it. `None` at the end.
    pub fn next(&mut self, separator: u8, fields: &mut Vec<Range<usize>>) -> Result<Option<CsvRecord>, CsvError> {
        loop {
            let whole = self.at_end || self.unread.len() > LONGEST;
            match split(&self.buffer[self.unread.clone()], whole, separator, fields) {
                Split::Record { length, next } if next > length || self.at_end => {
                    return Ok(Some(self.give(length, next)));
                }
                Split::Record { next, .. } => {
                    return Err(CsvError::Malformed(self.give(next, next), 0, "a line of more than 64 KiB"));
                }
                Split::Wrong { at, next, why } => {
                    let record = self.give(next, next);
                    return Err(CsvError::Malformed(record, at, why));
                }
                Split::More if self.at_end => return Ok(None),
                Split::More => self.fill()?,
            }
        }
    }

    fn give(&mut self, length: usize, next: usize) -> CsvRecord {
        let start = self.unread.start;
        let record = CsvRecord { octets: start..start + length, line: self.line, offset: self.before + start };
        self.line += count_line_breaks(&self.buffer[start..start + next]);
        self.unread.start += next;
        record
    }

    fn fill(&mut self) -> Result<(), CsvError> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.before += self.unread.start;
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

/// A field without its quotes and without the spaces around it.
pub fn unquote(field: &str) -> Cow<'_, str> {
    let field = field.trim();
    match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
        Some(quoted) if quoted.contains('"') => Cow::Owned(quoted.replace("\"\"", "\"")),
        Some(quoted) => Cow::Borrowed(quoted),
        None => Cow::Borrowed(field),
    }
}

pub fn count_line_breaks(octets: &[u8]) -> usize {
    let lone_cr = |at: usize| octets[at] == b'\r' && octets.get(at + 1) != Some(&b'\n');
    (0..octets.len()).filter(|&at| octets[at] == b'\n' || lone_cr(at)).count()
}

#[derive(Debug, PartialEq, Eq)]
enum Split {
    /// `next`: where the next one begins.
    Record {
        length: usize,
        next: usize,
    },
    Wrong {
        at: usize,
        next: usize,
        why: &'static str,
    },
    /// It does not end here.
    More,
}

/// The first record. `whole`: nothing comes behind these octets.
fn split(octets: &[u8], whole: bool, separator: u8, fields: &mut Vec<Range<usize>>) -> Split {
    fields.clear();
    let mut start = 0;
    if octets.is_empty() {
        return Split::More;
    }
    loop {
        let end = match end_of_field(octets, start, whole, separator) {
            Ok(Some(end)) => end,
            Ok(None) => return Split::More,
            Err((at, why)) => return Split::Wrong { at, next: next_line(octets, at), why },
        };
        fields.push(start..end);
        match octets.get(end) {
            Some(&octet) if octet == separator => start = end + 1,
            Some(b'\r') if octets.get(end + 1) == Some(&b'\n') => return Split::Record { length: end, next: end + 2 },
            Some(b'\r') if end + 1 == octets.len() && !whole => return Split::More,
            Some(_) => return Split::Record { length: end, next: end + 1 },
            None => return Split::Record { length: end, next: end },
        }
    }
}

/// `None`: it may go on behind these octets.
fn end_of_field(
    octets: &[u8],
    start: usize,
    whole: bool,
    separator: u8,
) -> Result<Option<usize>, (usize, &'static str)> {
    let ends = |octet: &u8| *octet == separator || *octet == b'\n' || *octet == b'\r';
    let blanks = |at: usize| octets[at..].iter().take_while(|octet| **octet == b' ').count();
    let start = start + blanks(start);
    if octets.get(start) != Some(&b'"') {
        let end = octets[start..].iter().position(ends).map(|length| start + length);
        return Ok(end.or(whole.then_some(octets.len())));
    }
    let mut at = start + 1;
    loop {
        let Some(length) = octets[at..].iter().position(|octet| *octet == b'"') else {
            return if whole { Err((start, "this quote is not closed")) } else { Ok(None) };
        };
        at += length + 1;
        let behind = at + blanks(at);
        match octets.get(behind) {
            Some(b'"') if behind == at => at += 1,
            Some(octet) if ends(octet) => return Ok(Some(behind)),
            Some(_) => return Err((behind, "text behind a closing quote; a quote within quotes is written twice")),
            None => return Ok(whole.then_some(behind)),
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
    fn what_rfc_4180_allows_is_read() {
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
    fn a_record_across_the_end_of_the_buffer_is_whole() {
        let line = |number: usize| format!("pc{number},\"x{}\"\r\n", "y".repeat(number % 97));
        let text: String = (0..20_000).map(line).collect();
        assert!(text.len() > 3 * BUFFER);
        for (number, fields) in read(text.as_bytes()).iter().enumerate() {
            assert_eq!(fields, &[format!("pc{number}"), format!("x{}", "y".repeat(number % 97))]);
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_place_and_the_next_line_is_read() {
        let mut records = CsvRecords::new(&b"a,\"b\" c\nd,e\nf,\"g"[..]);
        let mut fields = Vec::new();
        let Err(CsvError::Malformed(record, 6, _)) = records.next(b',', &mut fields) else { panic!() };
        assert_eq!((record.line, record.offset), (1, 0));
        assert_eq!(records.next(b',', &mut fields).unwrap().map(|record| (record.line, record.offset)), Some((2, 8)));
        let Err(CsvError::Malformed(record, 2, "this quote is not closed")) = records.next(b',', &mut fields) else { panic!() };
        assert_eq!(record.line, 3);
        assert!(records.next(b',', &mut fields).unwrap().is_none());
    }

    #[test]
    fn a_quote_that_nobody_closes_does_not_fill_the_memory() {
        let text = format!("a\n\"{}", "x\n".repeat(BUFFER));
        let mut records = CsvRecords::new(text.as_bytes());
        let mut fields = Vec::new();
        assert!(records.next(b',', &mut fields).unwrap().is_some());
        assert!(matches!(records.next(b',', &mut fields), Err(CsvError::Malformed(_, 0, "this quote is not closed"))));
        assert_eq!(records.buffer.len(), BUFFER);
    }
}
