//! Splits the lines of a dnsmasq configuration, and of the files that it includes, into key and arguments.

use super::super::translation::Translation;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source, Span};
use proxydhcpd_reading::regular::read_regular;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many lines before and after a line the import searches for a value of that line, to locate an error.
const SEARCH_DISTANCE: usize = 12;
/// Limit of octets in an included file.
pub const MAX_FILE_SIZE: u64 = 64 << 20;

/// A line that is neither empty nor a comment.
#[derive(Clone, Debug)]
pub struct DnsmasqLine {
    /// The file that contains the line.
    pub source: Rc<Source>,
    /// The span of the whole line.
    pub span: Span,
    /// The text before `=`.
    pub key: String,
    /// The span of the key.
    pub key_span: Span,
    /// The arguments after `=`, split at commas. `None`: the line has no `=`.
    pub value: Option<Vec<DnsmasqArg>>,
    origin: Option<LineOrigin>,
}

/// The line in another format from which an option is translated.
#[derive(Clone, Debug)]
struct LineOrigin {
    source: Rc<Source>,
    number: usize,
    /// The text that notes show for the line.
    text: String,
}

/// An argument of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsmasqArg {
    /// The text of the argument, without quotes.
    pub text: String,
    /// The span of the argument in the file.
    pub span: Span,
}

impl DnsmasqLine {
    /// The text that notes show for the line.
    pub fn text(&self) -> &str {
        self.origin.as_ref().map_or_else(|| self.source.text[self.span.clone()].trim(), |origin| &origin.text)
    }

    /// The number of the line in the imported file.
    pub fn number(&self) -> usize {
        self.origin.as_ref().map_or_else(|| self.source.line_number(self.span.start), |origin| origin.number)
    }

    /// The arguments of the line, empty if it has none.
    pub fn args(&self) -> &[DnsmasqArg] {
        self.value.as_deref().unwrap_or_default()
    }

    /// An error at this span of the line.
    pub fn error(&self, at: &Span, message: impl Into<String>) -> Diagnostic {
        match &self.origin {
            Some(origin) => origin.source.error(origin.find_span(&self.source.text[at.clone()]), message),
            None => self.source.error(at.clone(), message),
        }
    }
}

impl LineOrigin {
    /// The span of this text in the imported file. The search begins at this line and continues with the nearest ones,
    /// because the values of an option may come from several lines. If no line contains the text, returns the span of
    /// this line.
    fn find_span(&self, text: &str) -> Span {
        let mut start = 0;
        let lines = self.source.text.split_inclusive('\n').map(|line| {
            start += line.len();
            start - line.len()..start
        });
        let lines: Vec<Span> = lines.collect();
        let own_index = self.number.saturating_sub(1).min(lines.len().saturating_sub(1));
        let find_in = |line: &Span| Some(line.start + self.source.text[line.clone()].find(text)?);
        let candidates = own_index.saturating_sub(SEARCH_DISTANCE)..lines.len().min(own_index + SEARCH_DISTANCE);
        let mut candidates: Vec<usize> = candidates.filter(|_| !text.is_empty()).collect();
        candidates.sort_by_key(|line| line.abs_diff(own_index));
        match candidates.into_iter().find_map(|line| find_in(&lines[line])) {
            Some(at) => at..at + text.len(),
            None => lines.get(own_index).cloned().map_or(0..0, |line| {
                let trimmed = self.source.text[line.clone()].trim_start();
                line.end - trimmed.len()..line.end - trimmed.len() + trimmed.trim_end().len()
            }),
        }
    }
}

/// Parses the dnsmasq options to which a file in another format is translated.
pub fn from_translation(source: &Source, translation: &Translation) -> Result<Vec<DnsmasqLine>, Vec<Diagnostic>> {
    let source_lines: Vec<&str> = source.text.lines().collect();
    let whole = Rc::new(source.clone());
    let (mut lines, mut diagnostics) = (Vec::new(), Vec::new());
    for (number, text) in &translation.options {
        let option = Rc::new(Source { name: source.name.clone(), text: text.clone() });
        let line_text = source_lines.get(number.saturating_sub(1)).map_or("", |text| text.trim());
        let shown = if translation.many_per_line { text.clone() } else { line_text.to_owned() };
        let origin = LineOrigin { source: whole.clone(), number: *number, text: shown };
        match parse_line(&option, 0..text.len()) {
            Ok(line) => lines.extend(line.map(|line| DnsmasqLine { origin: Some(origin), ..line })),
            // The quotes are wrong. The translation wrote the option, but its value comes from the file, so the error
            // shows where the file contains the value.
            Err(error) => {
                let value = text.split_once('=').map_or("", |(_, value)| value);
                let error = Diagnostic { location: source.error(origin.find_span(value), "").location, ..error };
                diagnostics.push(error);
            }
        }
    }
    if diagnostics.is_empty() { Ok(lines) } else { Err(diagnostics) }
}

/// Reads the lines of the file and of the files that it includes, in the order in which dnsmasq reads them.
pub fn read(source: &Source) -> Result<Vec<DnsmasqLine>, Vec<Diagnostic>> {
    let mut reader = LineReader { lines: Vec::new(), diagnostics: Vec::new(), read: Vec::new() };
    reader.file(Rc::new(source.clone()));
    if reader.diagnostics.is_empty() { Ok(reader.lines) } else { Err(reader.diagnostics) }
}

struct LineReader {
    lines: Vec<DnsmasqLine>,
    diagnostics: Vec<Diagnostic>,
    /// The files that were already read. dnsmasq reads no file twice.
    read: Vec<PathBuf>,
}

impl LineReader {
    fn file(&mut self, source: Rc<Source>) {
        self.read.push(PathBuf::from(&source.name));
        let mut start = 0;
        for text in source.text.split_inclusive('\n') {
            let at = start..start + text.trim_end_matches(['\n', '\r']).len();
            start += text.len();
            match parse_line(&source, at) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    let included = self.included(&line);
                    self.lines.push(line);
                    included.into_iter().for_each(|source| self.file(Rc::new(source)));
                }
                Err(error) => self.diagnostics.push(error),
            }
        }
    }

    /// Reads the files that a line includes, except those that were already read.
    fn included(&mut self, line: &DnsmasqLine) -> Vec<Source> {
        let Some(first) = line.args().first().filter(|arg| !arg.text.is_empty()) else { return Vec::new() };
        let paths = match line.key.as_str() {
            "conf-file" => Ok(vec![PathBuf::from(&first.text)]),
            "conf-dir" => config_files(Path::new(&first.text), &line.args()[1..]),
            _ => return Vec::new(),
        };
        let read_error = |error: std::io::Error| line.error(&first.span, format!("cannot read it: {error}"));
        let paths = paths.map_err(read_error).unwrap_or_else(|error| {
            self.diagnostics.push(error);
            Vec::new()
        });
        let mut sources = Vec::new();
        for path in paths.into_iter().filter(|path| !self.read.contains(path)) {
            let bytes = read_regular(&path, MAX_FILE_SIZE).map_err(read_error);
            match bytes.and_then(|bytes| Source::new(&path.display().to_string(), bytes)) {
                Ok(source) => sources.push(source),
                Err(error) => self.diagnostics.push(error),
            }
        }
        sources
    }
}

/// The files of the directory, sorted, without backup files of editors and hidden files. The pattern `*.conf` selects
/// files with that suffix, and the pattern `.bak` excludes files with that suffix.
fn config_files(directory: &Path, patterns: &[DnsmasqArg]) -> std::io::Result<Vec<PathBuf>> {
    let (include_suffixes, exclude_suffixes): (Vec<_>, Vec<_>) =
        patterns.iter().map(|arg| arg.text.as_str()).partition(|e| e.starts_with('*'));
    let include_suffixes: Vec<&str> =
        include_suffixes.iter().map(|ending| ending.trim_start_matches('*')).filter(|e| !e.is_empty()).collect();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_leftover =
            name.ends_with('~') || name.starts_with('.') || (name.starts_with('#') && name.ends_with('#'));
        let is_selected = include_suffixes.is_empty() || include_suffixes.iter().any(|ending| name.ends_with(ending));
        if is_selected
            && !is_leftover
            && !exclude_suffixes.iter().any(|ending| name.ends_with(ending))
            && path.is_file()
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A character with its offset. A character in quotes has no special meaning.
#[derive(Clone, Copy)]
struct QuotedChar {
    c: char,
    at: usize,
    quoted: bool,
}

fn parse_line(source: &Rc<Source>, at: Span) -> Result<Option<DnsmasqLine>, Diagnostic> {
    let letters = unquote(source, at.clone())?;
    let letters = trim(&letters);
    let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return Ok(None) };
    let whole = first.at..last.at + 1;
    let equals = letters.iter().position(|letter| letter.c == '=' && !letter.quoted);
    let key = trim(&letters[..equals.unwrap_or(letters.len())]);
    let key_at = key.first().map_or(whole.clone(), |first| first.at..first.at + key.len());
    let value = equals.map(|equals| {
        letters[equals + 1..]
            .split(|letter| letter.c == ',' && !letter.quoted)
            .map(|part| parse_arg(part, last.at + 1))
            .collect()
    });
    let at = at.start..at.end;
    Ok(Some(DnsmasqLine {
        source: source.clone(),
        span: at,
        key: key.iter().map(|letter| letter.c).collect(),
        key_span: key_at,
        value,
        origin: None,
    }))
}

fn parse_arg(letters: &[QuotedChar], end: usize) -> DnsmasqArg {
    let letters = trim(letters);
    let start = letters.first().map_or(end, |first| first.at);
    let end = letters.last().map_or(end, |last| last.at + last.c.len_utf8());
    DnsmasqArg { text: letters.iter().map(|letter| letter.c).collect(), span: start..end }
}

/// Removes quotes and the comment, and replaces escapes in quotes. A comment begins after white space.
fn unquote(source: &Source, at: Span) -> Result<Vec<QuotedChar>, Diagnostic> {
    let mut letters = Vec::new();
    let (mut quote, mut after_white_space) = (None, true);
    let mut chars = source.text[at.clone()].char_indices().map(|(offset, c)| (at.start + offset, c)).peekable();
    while let Some((at, c)) = chars.next() {
        let quoted = quote.is_some();
        match c {
            '"' => quote = if quoted { None } else { Some(at) },
            '\\' if quoted => {
                let unescaped = chars.peek().and_then(|(_, next)| {
                    let known =
                        [('"', '"'), ('t', '\t'), ('n', '\n'), ('e', '\x1b'), ('b', '\x08'), ('r', '\r'), ('\\', '\\')];
                    known.iter().find(|(word, _)| word == next).map(|(_, unescaped)| *unescaped)
                });
                if unescaped.is_some() {
                    chars.next();
                }
                letters.push(QuotedChar { c: unescaped.unwrap_or(c), at, quoted });
            }
            '#' if after_white_space && !quoted => break,
            c => letters.push(QuotedChar { c: if c.is_whitespace() && !quoted { ' ' } else { c }, at, quoted }),
        }
        after_white_space = c.is_whitespace() && !quoted;
    }
    match quote {
        Some(at) => Err(source.error(at..at + 1, "an unclosed quote").help("add a `\"` after the text")),
        None => Ok(letters),
    }
}

fn trim(letters: &[QuotedChar]) -> &[QuotedChar] {
    let is_blank = |letter: &QuotedChar| letter.c == ' ' && !letter.quoted;
    let start = letters.iter().position(|letter| !is_blank(letter)).unwrap_or(letters.len());
    let end = letters.iter().rposition(|letter| !is_blank(letter)).map_or(start, |last| last + 1);
    &letters[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<String> {
        let lines = read(&Source::new("dnsmasq.conf", text.into()).unwrap()).unwrap();
        lines[0].args().iter().map(|arg| arg.text.clone()).collect()
    }

    #[test]
    fn a_quoted_comma_does_not_split_and_a_comment_begins_after_white_space() {
        assert_eq!(args("pxe-prompt=\"Press F8, now.\", 60 # one minute"), ["Press F8, now.", "60"]);
        assert_eq!(args("dhcp-boot = x#y , \"a\\\"b\\n\""), ["x#y", "a\"b\n"]);
    }

    #[test]
    fn errors_have_line_and_column() {
        let errors = read(&Source::new("d", b"port=0\npxe-prompt=\"Press".to_vec()).unwrap()).unwrap_err();
        assert_eq!(errors[0].one_line(), "d:2:12: an unclosed quote (add a `\"` after the text)");
        let errors = read(&Source::new("d", b"conf-file=/nowhere/x.conf".to_vec()).unwrap()).unwrap_err();
        assert!(errors[0].one_line().starts_with("d:1:11: cannot read it"), "{}", errors[0]);
    }
}
