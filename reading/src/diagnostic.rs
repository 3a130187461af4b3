//! Errors and warnings about a configuration, with their locations. `serve` logs them. `check` prints them with the
//! line in question, or all of them as JSON.

use owo_colors::{OwoColorize, Style};
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// A range of octets of a [`Source`].
pub type Span = Range<usize>;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The server starts in spite of the problem.
    Warning,
    /// An error in a file or on the command line: exit status 2.
    Error,
    /// The configuration is valid, but not for this host: exit status 1. It is printed with `CRITICAL:`, as the Python
    /// daemon did, because scripts search for that word.
    Critical,
}

/// An error or a warning about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The severity.
    pub severity: Severity,
    /// The message: one line, without a full stop.
    pub message: String,
    /// The path of the file, as the server opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The location in the file. `None`: the diagnostic applies to the whole file, or to no file.
    #[serde(flatten)]
    pub location: Option<Box<Location>>,
    /// Advice on how to correct the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A location in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The column of the first character in question, from 1.
    pub column: usize,
    /// The number of characters to underline, at least one.
    pub width: usize,
    /// The text of the line.
    pub text: String,
}

/// The text of a configuration file and its name.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path of the file.
    pub name: String,
    /// The text of the file, without a byte order mark.
    pub text: String,
}

impl Source {
    /// Decodes UTF-8 and removes a byte order mark. Fails at the first octet that is not UTF-8.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Self, Diagnostic> {
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with('\u{feff}') {
                    text.drain(..'\u{feff}'.len_utf8());
                }
                Ok(Self { name: name.to_owned(), text })
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = Self { name: name.to_owned(), text };
                Err(source
                    .error(at..at + 1, "this is not UTF-8 text")
                    .help("save the file as UTF-8, or use only ASCII characters"))
            }
        }
    }

    /// An error at this span.
    pub fn error(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, at, message.into())
    }

    /// A warning at this span.
    pub fn warning(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, at, message.into())
    }

    /// A critical error at this span (see [`Severity::Critical`]).
    pub fn critical(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Critical, at, message.into())
    }

    /// The number of the line that contains this octet, from 1.
    pub fn line_number(&self, at: usize) -> usize {
        1 + line_breaks(&self.text[..self.char_start(at)])
    }

    /// An error about the whole file, without a location in it.
    pub fn file_error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).in_file(&self.name)
    }

    /// The location of this span, as a value that does not refer to the source.
    pub fn file_location(&self, at: Span) -> FileLocation {
        FileLocation { file: self.name.clone(), location: Box::new(self.locate(at)) }
    }

    fn diagnostic(&self, severity: Severity, at: Span, message: String) -> Diagnostic {
        let location = Some(Box::new(self.locate(at)));
        Diagnostic { severity, message, file: Some(self.name.clone()), location, help: None }
    }

    /// The offset of the first octet of the character that contains the octet at this offset. CR LF counts as one
    /// character: its LF does not begin another line.
    fn char_start(&self, at: usize) -> usize {
        let start = (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let is_within_line_end = self.text[..start].ends_with('\r') && self.text[start..].starts_with('\n');
        start - usize::from(is_within_line_end)
    }

    fn locate(&self, at: Span) -> Location {
        let start = self.char_start(at.start);
        let end = self.char_start(at.end).max(start);
        let before = &self.text[..start];
        let line_start = before.rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find(['\n', '\r']).map_or(self.text.len(), |length| start + length);
        Location {
            line: self.line_number(start),
            column: 1 + self.text[line_start..start].chars().count(),
            width: self.text[start..end.min(line_end).max(start)].chars().count().max(1),
            text: self.text[line_start..line_end].to_owned(),
        }
    }
}

/// The offsets at which the lines of a text begin. With this index, many line numbers are found without counting the
/// lines each time.
#[derive(Clone, Debug)]
pub struct LineIndex(Vec<usize>);

impl LineIndex {
    /// Indexes the lines of this text.
    pub fn new(text: &str) -> LineIndex {
        let ends = text.bytes().enumerate().filter(|(at, _)| ends_line(text.as_bytes(), *at));
        LineIndex([0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// The number of the line that contains this octet, from 1.
    pub fn line_number(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }

    /// The text of a line, without white space around it. Empty if there is no such line.
    pub fn trimmed_line<'a>(&self, text: &'a str, number: usize) -> &'a str {
        let start = self.0.get(number.saturating_sub(1)).copied().unwrap_or(text.len());
        let end = self.0.get(number).copied().unwrap_or(text.len());
        text[start..end].trim()
    }
}

/// The number of line breaks: LF, CR LF, or CR alone, as in Python.
fn line_breaks(text: &str) -> usize {
    (0..text.len()).filter(|&at| ends_line(text.as_bytes(), at)).count()
}

fn ends_line(octets: &[u8], at: usize) -> bool {
    octets[at] == b'\n' || (octets[at] == b'\r' && octets.get(at + 1) != Some(&b'\n'))
}

impl Location {
    /// Converts a location in a value to a location in the file, where `self` is the location of the whole value.
    /// `None` unless the value is on one line and the file contains it without escapes.
    fn nested(&self, inner: &Location) -> Option<Location> {
        let value: String = self.text.chars().skip(self.column - 1).take(self.width).collect();
        let before = &value[..value.find(&inner.text).filter(|_| inner.line == 1)?];
        let column = self.column + before.chars().count() + inner.column - 1;
        Some(Location { column, width: inner.width, ..self.clone() })
    }
}

/// A location that remains valid after the text of the file is dropped. Errors that are found after loading, when boot
/// files are opened, use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLocation {
    file: String,
    location: Box<Location>,
}

impl FileLocation {
    /// A critical error at this location.
    pub fn critical(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Diagnostic::critical(message))
    }

    /// A warning at this location.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Diagnostic::warning(message))
    }

    /// Converts a diagnostic about the value at this location to a diagnostic about the file. If the value is on one
    /// line of the file, without escapes, the result points into the value, otherwise at the whole value.
    pub fn relocate(&self, inner: Diagnostic) -> Diagnostic {
        let within = inner.location.as_deref().and_then(|location| self.location.nested(location));
        Diagnostic { location: Some(within.map_or_else(|| self.location.clone(), Box::new)), ..self.diagnostic(inner) }
    }

    fn diagnostic(&self, diagnostic: Diagnostic) -> Diagnostic {
        Diagnostic { file: Some(self.file.clone()), location: Some(self.location.clone()), ..diagnostic }
    }
}

impl Diagnostic {
    /// An error without a file, for example on the command line.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), file: None, location: None, help: None }
    }

    /// A critical error without a file.
    pub fn critical(message: impl Into<String>) -> Self {
        Self { severity: Severity::Critical, ..Self::error(message) }
    }

    /// A warning without a file.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Returns the diagnostic with this file.
    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Returns the diagnostic with this help.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The file, the line and the column by which diagnostics are sorted.
    pub fn sort_key(&self) -> (Option<&str>, usize, usize) {
        let (line, column) = self.location.as_ref().map_or((0, 0), |location| (location.line, location.column));
        (self.file.as_deref(), line, column)
    }

    /// The diagnostic as one line for the log: `FILE:LINE:COLUMN: message (help)`.
    pub fn one_line(&self) -> String {
        let file = self.file.iter().map(|file| format!("{file}:"));
        let location = self.location.iter().map(|location| format!("{}:{}:", location.line, location.column));
        let location = file.chain(location).collect::<String>();
        let help = self.help.iter().map(|help| format!(" ({help})")).collect::<String>();
        format!("{location}{}{}{help}", if location.is_empty() { "" } else { " " }, self.message)
    }

    /// The diagnostic in colour, for a writer that removes the colours if they are switched off (`anstream`).
    pub fn styled(&self) -> impl fmt::Display + '_ {
        Styled(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, palette: &Palette) -> fmt::Result {
        let (word, colour) = match self.severity {
            Severity::Warning => ("warning", palette.warning),
            Severity::Error => ("error", palette.error),
            Severity::Critical => ("CRITICAL", palette.error),
        };
        write!(f, "{}{}", word.style(colour), format_args!(": {}", Printable(&self.message)).style(palette.bold))?;
        if let Some(file) = &self.file {
            write!(f, "\n {} {}", "-->".style(palette.frame), Printable(file))?;
        }
        if let Some(location) = &self.location {
            let number = location.line.to_string();
            let margin = " ".repeat(number.len());
            let bar = "|".style(palette.frame);
            let indent = " ".repeat(location.column - 1);
            write!(f, ":{}:{}", location.line, location.column)?;
            write!(f, "\n{margin} {bar}\n{} {bar} {}", number.style(palette.frame), Printable(&location.text))?;
            write!(f, "\n{margin} {bar} {indent}{}", "^".repeat(location.width).style(colour))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n {} {}", "= help:".style(palette.frame), Printable(help))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Palette {
    error: Style,
    warning: Style,
    bold: Style,
    frame: Style,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Palette::default())
    }
}

struct Styled<'a>(&'a Diagnostic);

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        self.0.write(f, &Palette { error: bold.red(), warning: bold.yellow(), bold, frame: bold.blue() })
    }
}

/// Text in which every character takes one column, so that the carets are below the characters that they mark.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\t' => f.write_str(" "),
            c if c.is_control() => f.write_str("\u{fffd}"),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carets_are_below_the_column_in_characters() {
        let source = Source::new("a.ini", "[proxy]\r\nküche\t= eins\r\n".into()).unwrap();
        let at = source.text.find("eins").unwrap();
        let printed = source.error(at..at + 4, "no such thing").help("try another").to_string();
        assert_eq!(
            printed,
            "error: no such thing\n --> a.ini:2:9\n  |\n2 | küche = eins\n  |         ^^^^\n = help: try another"
        );
    }

    #[test]
    fn one_line_has_file_location_message_and_help() {
        let source = Source::new("a.ini", b"x = 1".to_vec()).unwrap();
        assert_eq!(source.error(4..5, "odd").help("even").one_line(), "a.ini:1:5: odd (even)");
        assert_eq!(source.file_error("odd").one_line(), "a.ini: odd");
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(Source::new("a", b"\xef\xbb\xbf[proxy]".to_vec()).unwrap().text, "[proxy]");
    }

    #[test]
    fn another_encoding_is_an_error_with_a_location() {
        let error = Source::new("a.ini", b"[proxy]\nfilename=k\xfcche\n".to_vec()).unwrap_err();
        let location = error.location.unwrap();
        assert_eq!((location.line, location.column), (2, 11));
        assert!(error.message.contains("UTF-8"));
    }

    #[test]
    fn a_span_past_the_end_still_has_a_location() {
        let source = Source::new("a", b"x".to_vec()).unwrap();
        assert_eq!(source.locate(5..9), Location { line: 1, column: 2, width: 1, text: "x".into() });
    }

    /// The TOML parser reports an unclosed string at the LF.
    #[test]
    fn a_span_at_the_line_feed_after_a_carriage_return_is_on_the_line_before_it() {
        let source = Source::new("a", b"x = \"y\r\nz = 1\r\n".to_vec()).unwrap();
        assert_eq!(source.locate(7..8), Location { line: 1, column: 7, width: 1, text: "x = \"y".into() });
        assert_eq!((source.line_number(7), source.line_number(8)), (1, 2));
    }

    #[test]
    fn control_characters_in_the_file_do_not_reach_the_terminal() {
        let source = Source::new("a", b"\x1b[2J = 1".to_vec()).unwrap();
        assert!(!source.error(0..1, "bad \x07").to_string().contains(['\x1b', '\x07']));
    }

    #[test]
    fn json_has_file_line_and_column_in_one_object() {
        let source = Source::new("a.ini", b"x".to_vec()).unwrap();
        let json = serde_json::to_value(source.warning(0..1, "odd")).unwrap();
        assert_eq!(json["severity"], "warning");
        assert_eq!(
            (json["file"].as_str(), json["line"].as_u64(), json["column"].as_u64()),
            (Some("a.ini"), Some(1), Some(1))
        );
    }
}
