//! The lines of a dnsmasq configuration, and those of the files that it includes, cut into key and arguments.

use super::super::translation::Translation;
use crate::config::diagnostic::{Diagnostic, Source, Span};
use crate::files;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many lines around its own may belong to what a line says.
const NEAR: usize = 12;
/// The longest file that is included.
const LONGEST: u64 = 64 << 20;

/// A line that says something.
#[derive(Clone, Debug)]
pub struct DnsmasqLine {
    pub source: Rc<Source>,
    /// The whole of it.
    pub span: Span,
    pub key: String,
    pub key_span: Span,
    /// What stands behind `=`, cut at commas; `None`: there is no `=`.
    pub value: Option<Vec<DnsmasqArg>>,
    origin: Option<Origin>,
}

/// Where a file in another format says what the line does.
#[derive(Clone, Debug)]
struct Origin {
    source: Rc<Source>,
    number: usize,
    /// What notes show of it.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsmasqArg {
    pub text: String,
    pub span: Span,
}

impl DnsmasqLine {
    pub fn text(&self) -> &str {
        self.origin.as_ref().map_or_else(|| self.source.text[self.span.clone()].trim(), |origin| &origin.text)
    }

    pub fn number(&self) -> usize {
        self.origin.as_ref().map_or_else(|| self.source.line_number(self.span.start), |origin| origin.number)
    }

    pub fn args(&self) -> &[DnsmasqArg] {
        self.value.as_deref().unwrap_or_default()
    }

    /// What is wrong with it, and where.
    pub fn error(&self, at: &Span, message: impl Into<String>) -> Diagnostic {
        match &self.origin {
            Some(origin) => origin.source.error(origin.place(&self.source.text[at.clone()]), message),
            None => self.source.error(at.clone(), message),
        }
    }
}

impl Origin {
    /// Where the file has this text: in its line, or else in the nearest one, as what belongs together may stand in
    /// several.
    fn place(&self, text: &str) -> Span {
        let mut start = 0;
        let lines = self.source.text.split_inclusive('\n').map(|line| {
            start += line.len();
            start - line.len()..start
        });
        let lines: Vec<Span> = lines.collect();
        let own = self.number.saturating_sub(1).min(lines.len().saturating_sub(1));
        let found = |line: &Span| Some(line.start + self.source.text[line.clone()].find(text)?);
        let near = own.saturating_sub(NEAR)..lines.len().min(own + NEAR);
        let mut near: Vec<usize> = near.filter(|_| !text.is_empty()).collect();
        near.sort_by_key(|line| line.abs_diff(own));
        match near.into_iter().find_map(|line| found(&lines[line])) {
            Some(at) => at..at + text.len(),
            None => lines.get(own).cloned().map_or(0..0, |line| {
                let trimmed = self.source.text[line.clone()].trim_start();
                line.end - trimmed.len()..line.end - trimmed.len() + trimmed.trim_end().len()
            }),
        }
    }
}

/// The options that a file in another format means, each with the number of its line there.
pub fn from_translation(source: &Source, translation: &Translation) -> Result<Vec<DnsmasqLine>, Vec<Diagnostic>> {
    let texts: Vec<&str> = source.text.lines().collect();
    let whole = Rc::new(source.clone());
    let (mut lines, mut told) = (Vec::new(), Vec::new());
    for (number, text) in &translation.options {
        let option = Rc::new(Source { name: source.name.clone(), text: text.clone() });
        let of_line = texts.get(number.saturating_sub(1)).map_or("", |text| text.trim());
        let shown = if translation.many_per_line { text.clone() } else { of_line.to_owned() };
        let origin = Origin { source: whole.clone(), number: *number, text: shown };
        match line(&option, 0..text.len()) {
            Ok(line) => lines.extend(line.map(|line| DnsmasqLine { origin: Some(origin), ..line })),
            // What is wrong with its quotes: the option is ours, the value is the file's.
            Err(error) => {
                let value = text.split_once('=').map_or("", |(_, value)| value);
                let error = Diagnostic { location: source.error(origin.place(value), "").location, ..error };
                told.push(error);
            }
        }
    }
    if told.is_empty() { Ok(lines) } else { Err(told) }
}

/// All lines in the order in which dnsmasq reads them.
pub fn read(source: &Source) -> Result<Vec<DnsmasqLine>, Vec<Diagnostic>> {
    let mut reader = Reader { lines: Vec::new(), told: Vec::new(), read: Vec::new() };
    reader.file(Rc::new(source.clone()));
    if reader.told.is_empty() { Ok(reader.lines) } else { Err(reader.told) }
}

struct Reader {
    lines: Vec<DnsmasqLine>,
    told: Vec<Diagnostic>,
    /// Files that were read: dnsmasq reads none twice.
    read: Vec<PathBuf>,
}

impl Reader {
    fn file(&mut self, source: Rc<Source>) {
        self.read.push(PathBuf::from(&source.name));
        let mut start = 0;
        for text in source.text.split_inclusive('\n') {
            let at = start..start + text.trim_end_matches(['\n', '\r']).len();
            start += text.len();
            match line(&source, at) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    let included = self.included(&line);
                    self.lines.push(line);
                    included.into_iter().for_each(|source| self.file(Rc::new(source)));
                }
                Err(error) => self.told.push(error),
            }
        }
    }

    /// The files that a line includes, as far as they were not read yet.
    fn included(&mut self, line: &DnsmasqLine) -> Vec<Source> {
        let Some(first) = line.args().first().filter(|arg| !arg.text.is_empty()) else { return Vec::new() };
        let paths = match line.key.as_str() {
            "conf-file" => Ok(vec![PathBuf::from(&first.text)]),
            "conf-dir" => in_directory(Path::new(&first.text), &line.args()[1..]),
            _ => return Vec::new(),
        };
        let cannot = |error: std::io::Error| line.error(&first.span, format!("it cannot be read: {error}"));
        let paths = paths.map_err(cannot).unwrap_or_else(|error| {
            self.told.push(error);
            Vec::new()
        });
        let mut sources = Vec::new();
        for path in paths.into_iter().filter(|path| !self.read.contains(path)) {
            let bytes = files::read_regular(&path, LONGEST).map_err(cannot);
            match bytes.and_then(|bytes| Source::new(&path.display().to_string(), bytes)) {
                Ok(source) => sources.push(source),
                Err(error) => self.told.push(error),
            }
        }
        sources
    }
}

/// By name, without what editors leave behind; with `*.conf` only such, with `.bak` none of those.
fn in_directory(directory: &Path, endings: &[DnsmasqArg]) -> std::io::Result<Vec<PathBuf>> {
    let (only, without): (Vec<_>, Vec<_>) =
        endings.iter().map(|arg| arg.text.as_str()).partition(|e| e.starts_with('*'));
    let only: Vec<&str> = only.iter().map(|ending| ending.trim_start_matches('*')).filter(|e| !e.is_empty()).collect();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left_behind =
            name.ends_with('~') || name.starts_with('.') || (name.starts_with('#') && name.ends_with('#'));
        let wanted = only.is_empty() || only.iter().any(|ending| name.ends_with(ending));
        if wanted && !left_behind && !without.iter().any(|ending| name.ends_with(ending)) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A character, where it stands, and whether quotes take its meaning away.
#[derive(Clone, Copy)]
struct Letter {
    c: char,
    at: usize,
    quoted: bool,
}

fn line(source: &Rc<Source>, at: Span) -> Result<Option<DnsmasqLine>, Diagnostic> {
    let letters = letters(source, at.clone())?;
    let letters = trim(&letters);
    let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return Ok(None) };
    let whole = first.at..last.at + 1;
    let equals = letters.iter().position(|letter| letter.c == '=' && !letter.quoted);
    let key = trim(&letters[..equals.unwrap_or(letters.len())]);
    let key_at = key.first().map_or(whole.clone(), |first| first.at..first.at + key.len());
    let value = equals.map(|equals| {
        letters[equals + 1..]
            .split(|letter| letter.c == ',' && !letter.quoted)
            .map(|part| arg(part, last.at + 1))
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

fn arg(letters: &[Letter], end: usize) -> DnsmasqArg {
    let letters = trim(letters);
    let start = letters.first().map_or(end, |first| first.at);
    let end = letters.last().map_or(end, |last| last.at + last.c.len_utf8());
    DnsmasqArg { text: letters.iter().map(|letter| letter.c).collect(), span: start..end }
}

/// Quotes and what `\` does in them are undone, and the comment is cut off: it begins behind white space.
fn letters(source: &Source, at: Span) -> Result<Vec<Letter>, Diagnostic> {
    let mut letters = Vec::new();
    let (mut quote, mut white) = (None, true);
    let mut rest = source.text[at.clone()].char_indices().map(|(offset, c)| (at.start + offset, c)).peekable();
    while let Some((at, c)) = rest.next() {
        let quoted = quote.is_some();
        match c {
            '"' => quote = if quoted { None } else { Some(at) },
            '\\' if quoted => {
                let meant = rest.peek().and_then(|(_, next)| {
                    let known =
                        [('"', '"'), ('t', '\t'), ('n', '\n'), ('e', '\x1b'), ('b', '\x08'), ('r', '\r'), ('\\', '\\')];
                    known.iter().find(|(word, _)| word == next).map(|(_, meant)| *meant)
                });
                if meant.is_some() {
                    rest.next();
                }
                letters.push(Letter { c: meant.unwrap_or(c), at, quoted });
            }
            '#' if white && !quoted => break,
            c => letters.push(Letter { c: if c.is_whitespace() && !quoted { ' ' } else { c }, at, quoted }),
        }
        white = c.is_whitespace() && !quoted;
    }
    match quote {
        Some(at) => Err(source.error(at..at + 1, "a quote that does not end").help("put another `\"` behind the text")),
        None => Ok(letters),
    }
}

fn trim(letters: &[Letter]) -> &[Letter] {
    let blank = |letter: &Letter| letter.c == ' ' && !letter.quoted;
    let start = letters.iter().position(|letter| !blank(letter)).unwrap_or(letters.len());
    let end = letters.iter().rposition(|letter| !blank(letter)).map_or(start, |last| last + 1);
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
    fn a_comma_in_quotes_divides_nothing_and_a_comment_begins_behind_white_space() {
        assert_eq!(args("pxe-prompt=\"Press F8, now.\", 60 # one minute"), ["Press F8, now.", "60"]);
        assert_eq!(args("dhcp-boot = x#y , \"a\\\"b\\n\""), ["x#y", "a\"b\n"]);
    }

    #[test]
    fn errors_have_line_and_column() {
        let told = read(&Source::new("d", b"port=0\npxe-prompt=\"Press".to_vec()).unwrap()).unwrap_err();
        assert_eq!(told[0].one_line(), "d:2:12: a quote that does not end (put another `\"` behind the text)");
        let told = read(&Source::new("d", b"conf-file=/nowhere/x.conf".to_vec()).unwrap()).unwrap_err();
        assert!(told[0].one_line().starts_with("d:1:11: it cannot be read"), "{}", told[0]);
    }
}
