//! What is wrong with a configuration, as values: `serve` prints the first screen of it, `check` all, a script reads
//! JSON.

use owo_colors::{OwoColorize, Style};
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// Octets of a [`Source`].
pub type Span = Range<usize>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    /// The file or the command line is wrong: exit status 2.
    Error,
    /// The file is right and does not fit this machine: exit status 1. The Python daemon printed such lines with
    /// `CRITICAL:` in front, and scripts look for it.
    Critical,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(flatten)]
    pub location: Option<Box<Location>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Where in the file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    pub line: usize,
    pub column: usize,
    /// Characters that the finger points at, at least one.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

/// The text of a configuration file and its name.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
}

impl Source {
    /// Takes a byte order mark off; refuses what is not UTF-8.
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
                    .help("save the file in UTF-8, or leave characters beyond ASCII out"))
            }
        }
    }

    pub fn error(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, at, message.into())
    }

    pub fn warning(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, at, message.into())
    }

    pub fn critical(&self, at: Span, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Critical, at, message.into())
    }

    /// The line of an octet, from 1.
    pub fn line_number(&self, at: usize) -> usize {
        1 + line_breaks(&self.text[..self.boundary(at)])
    }

    /// Something that the whole file lacks.
    pub fn file_error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).in_file(&self.name)
    }

    pub fn file_location(&self, at: Span) -> FileLocation {
        FileLocation { file: self.name.clone(), place: Box::new(self.place(at)) }
    }

    fn diagnostic(&self, severity: Severity, at: Span, message: String) -> Diagnostic {
        let place = Some(Box::new(self.place(at)));
        Diagnostic { severity, message, file: Some(self.name.clone()), location: place, help: None }
    }

    /// The character that this octet belongs to.
    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn place(&self, at: Span) -> Location {
        let start = self.boundary(at.start);
        let end = self.boundary(at.end).max(start);
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

/// Where the lines of a text begin, for whoever asks for many of them.
#[derive(Clone, Debug)]
pub struct LineIndex(Vec<usize>);

impl LineIndex {
    pub fn new(text: &str) -> LineIndex {
        let ends = text.bytes().enumerate().filter(|(at, _)| ends_line(text.as_bytes(), *at));
        LineIndex([0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// The line of an octet, from 1.
    pub fn line_number(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }

    /// What stands in a line, without the blanks around it.
    pub fn trimmed_line<'a>(&self, text: &'a str, number: usize) -> &'a str {
        let start = self.0.get(number.saturating_sub(1)).copied().unwrap_or(text.len());
        let end = self.0.get(number).copied().unwrap_or(text.len());
        text[start..end].trim()
    }
}

/// LF, CR LF and a lone CR each end a line, as they do for Python.
fn line_breaks(text: &str) -> usize {
    (0..text.len()).filter(|&at| ends_line(text.as_bytes(), at)).count()
}

fn ends_line(octets: &[u8], at: usize) -> bool {
    octets[at] == b'\n' || (octets[at] == b'\r' && octets.get(at + 1) != Some(&b'\n'))
}

impl Location {
    /// This place's part that `inner` is, which has a line of what stands here.
    fn with(&self, inner: &Location) -> Option<Location> {
        let behind: String = self.text.chars().skip(self.column - 1).take(self.width).collect();
        let before = &behind[..behind.find(&inner.text).filter(|_| inner.line == 1)?];
        let column = self.column + before.chars().count() + inner.column - 1;
        Some(Location { column, width: inner.width, ..self.clone() })
    }
}

/// A place that outlives the text of its file: for what is found out only when the files to boot are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLocation {
    file: String,
    place: Box<Location>,
}

impl FileLocation {
    pub fn critical(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Diagnostic::critical(message))
    }

    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Diagnostic::warning(message))
    }

    /// What was told of the text that stands here, with a place in that text. Where the file has the text as it is, on
    /// one line and without escapes, the finger points into it.
    pub fn relocate(&self, told: Diagnostic) -> Diagnostic {
        let within = told.location.as_deref().and_then(|inner| self.place.with(inner));
        Diagnostic { location: Some(within.map_or_else(|| self.place.clone(), Box::new)), ..self.diagnostic(told) }
    }

    fn diagnostic(&self, told: Diagnostic) -> Diagnostic {
        Diagnostic { file: Some(self.file.clone()), location: Some(self.place.clone()), ..told }
    }
}

impl Diagnostic {
    /// An error of no particular file: the command line.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), file: None, location: None, help: None }
    }

    pub fn critical(message: impl Into<String>) -> Self {
        Self { severity: Severity::Critical, ..Self::error(message) }
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// For telling in the order of files and lines.
    pub fn sort_key(&self) -> (Option<&str>, usize, usize) {
        let (line, column) = self.location.as_ref().map_or((0, 0), |place| (place.line, place.column));
        (self.file.as_deref(), line, column)
    }

    /// Without the picture: for the log.
    pub fn one_line(&self) -> String {
        let file = self.file.iter().map(|file| format!("{file}:"));
        let place = self.location.iter().map(|place| format!("{}:{}:", place.line, place.column));
        let place = file.chain(place).collect::<String>();
        let help = self.help.iter().map(|help| format!(" ({help})")).collect::<String>();
        format!("{place}{}{}{help}", if place.is_empty() { "" } else { " " }, self.message)
    }

    /// For a printer that strips colours where they are not wanted (`anstream`).
    pub fn styled(&self) -> impl fmt::Display + '_ {
        Styled(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, colours: &Colours) -> fmt::Result {
        let (word, colour) = match self.severity {
            Severity::Warning => ("warning", colours.warning),
            Severity::Error => ("error", colours.error),
            Severity::Critical => ("CRITICAL", colours.error),
        };
        write!(f, "{}{}", word.style(colour), format_args!(": {}", Printable(&self.message)).style(colours.bold))?;
        if let Some(file) = &self.file {
            write!(f, "\n {} {}", "-->".style(colours.frame), Printable(file))?;
        }
        if let Some(place) = &self.location {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            let bar = "|".style(colours.frame);
            let indent = " ".repeat(place.column - 1);
            write!(f, ":{}:{}", place.line, place.column)?;
            write!(f, "\n{margin} {bar}\n{} {bar} {}", number.style(colours.frame), Printable(&place.text))?;
            write!(f, "\n{margin} {bar} {indent}{}", "^".repeat(place.width).style(colour))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n {} {}", "= help:".style(colours.frame), Printable(help))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Colours {
    error: Style,
    warning: Style,
    bold: Style,
    frame: Style,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Colours::default())
    }
}

struct Styled<'a>(&'a Diagnostic);

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        self.0.write(f, &Colours { error: bold.red(), warning: bold.yellow(), bold, frame: bold.blue() })
    }
}

/// Every character in one column, so that the finger under the line points at the right one.
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
    fn the_finger_points_at_the_column_in_characters() {
        let source = Source::new("a.ini", "[proxy]\r\nküche\t= eins\r\n".into()).unwrap();
        let at = source.text.find("eins").unwrap();
        let shown = source.error(at..at + 4, "no such thing").help("try another").to_string();
        assert_eq!(
            shown,
            "error: no such thing\n --> a.ini:2:9\n  |\n2 | küche = eins\n  |         ^^^^\n = help: try another"
        );
    }

    #[test]
    fn the_log_gets_one_line() {
        let source = Source::new("a.ini", b"x = 1".to_vec()).unwrap();
        assert_eq!(source.error(4..5, "odd").help("even").one_line(), "a.ini:1:5: odd (even)");
        assert_eq!(source.file_error("odd").one_line(), "a.ini: odd");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(Source::new("a", b"\xef\xbb\xbf[proxy]".to_vec()).unwrap().text, "[proxy]");
    }

    #[test]
    fn another_encoding_is_named_with_its_place() {
        let error = Source::new("a.ini", b"[proxy]\nfilename=k\xfcche\n".to_vec()).unwrap_err();
        let place = error.location.unwrap();
        assert_eq!((place.line, place.column), (2, 11));
        assert!(error.message.contains("UTF-8"));
    }

    #[test]
    fn a_span_past_the_end_still_has_a_place() {
        let source = Source::new("a", b"x".to_vec()).unwrap();
        assert_eq!(source.place(5..9), Location { line: 1, column: 2, width: 1, text: "x".into() });
    }

    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let source = Source::new("a", b"\x1b[2J = 1".to_vec()).unwrap();
        assert!(!source.error(0..1, "bad \x07").to_string().contains(['\x1b', '\x07']));
    }

    #[test]
    fn json_is_flat() {
        let source = Source::new("a.ini", b"x".to_vec()).unwrap();
        let json = serde_json::to_value(source.warning(0..1, "odd")).unwrap();
        assert_eq!(json["severity"], "warning");
        assert_eq!(
            (json["file"].as_str(), json["line"].as_u64(), json["column"].as_u64()),
            (Some("a.ini"), Some(1), Some(1))
        );
    }
}
