//! Parses INI files as Python's ConfigParser does, because the Python daemon read proxy.ini with it. The same files are
//! accepted, and every value is the same. `tests/ini_like_python.rs` compares this parser with Python.
//!
//! Two differences are intended: a byte order mark is skipped, and all errors are reported at once.

use crate::diagnostic::{Diagnostic, Source, Span};

/// The contents of a file, before `%` is expanded.
#[derive(Debug, Default)]
pub struct Ini {
    /// The sections in the order of the file, without `[DEFAULT]`.
    pub sections: Vec<IniSection>,
    /// The entries of `[DEFAULT]`, which every section inherits.
    defaults: Vec<IniEntry>,
}

/// A section and its entries.
#[derive(Debug)]
pub struct IniSection {
    /// The text between the brackets.
    pub name: String,
    /// The location of the section's header.
    pub span: Span,
    entries: Vec<IniEntry>,
}

#[derive(Debug)]
struct IniEntry {
    key: String,
    key_span: Span,
    /// The lines of the value, joined by line feeds.
    raw: String,
    value_span: Span,
}

/// An entry of a section, with `%` expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniItem {
    /// The key, in lower case.
    pub key: String,
    /// The location of the key.
    pub key_span: Span,
    /// The expanded value. Line feeds join the lines of a value on several lines.
    pub value: String,
    /// The location of the value.
    pub value_span: Span,
    /// Whether the entry comes from `[DEFAULT]`.
    pub inherited: bool,
}

/// Parses a file. If the file has errors, returns all of them.
pub fn parse(source: &Source) -> Result<Ini, Vec<Diagnostic>> {
    let mut parser = IniParser {
        source,
        ini: Ini::default(),
        current: CurrentSection::None,
        indent: 0,
        in_value: false,
        errors: vec![],
    };
    for line in lines(&source.text) {
        parser.line(line);
    }
    for entry in parser.ini.all_entries() {
        entry.raw.truncate(entry.raw.trim_end_matches(is_space).len());
    }
    if parser.errors.is_empty() { Ok(parser.ini) } else { Err(parser.errors) }
}

impl Ini {
    /// Returns the entries of a section, inherited ones included, with `%` expanded. An entry whose `%` cannot be
    /// expanded is an error.
    pub fn items(&self, section: &IniSection, source: &Source) -> Vec<Result<IniItem, Diagnostic>> {
        let inherited = self.defaults.iter().filter(|entry| !section.entries.iter().any(|own| own.key == entry.key));
        let own = section.entries.iter().map(|entry| (entry, false));
        own.chain(inherited.map(|entry| (entry, true)))
            .map(|(entry, inherited)| {
                let mut value = String::new();
                self.expand(section, &entry.raw, 1, &mut value)
                    .map_err(|message| source.error(entry.value_span.clone(), message).help(PERCENT))?;
                let (key, key_span, value_span) = (entry.key.clone(), entry.key_span.clone(), entry.value_span.clone());
                Ok(IniItem { key, key_span, value, value_span, inherited })
            })
            .collect()
    }

    /// Appends `raw` to `out`, with `%%` and `%(key)s` replaced. Returns an error message if a reference is invalid or
    /// the value grows too long.
    fn expand(&self, section: &IniSection, raw: &str, depth: usize, out: &mut String) -> Result<(), String> {
        if depth > MAX_DEPTH && raw.contains('%') {
            return Err(format!("`%(...)s` refers to itself, or through more than {MAX_DEPTH} keys"));
        }
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let Some((key, after)) = reference(after) else {
                return Err("a `%` must be followed by `%` or by `(key)s`".to_owned());
            };
            let key = key.to_lowercase();
            let entry = section.entries.iter().chain(&self.defaults).find(|entry| entry.key == key);
            let entry = entry.ok_or_else(|| format!("`%({key})s` refers to a key that does not exist"))?;
            self.expand(section, &entry.raw, depth + 1, out)?;
            if out.len() > MAX_VALUE {
                return Err(format!("the value grows past {MAX_VALUE} octets"));
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }

    fn all_entries(&mut self) -> impl Iterator<Item = &mut IniEntry> {
        self.sections.iter_mut().flat_map(|section| &mut section.entries).chain(&mut self.defaults)
    }
}

/// The maximum depth of references to other keys: Python's MAX_INTERPOLATION_DEPTH.
const MAX_DEPTH: usize = 10;
/// The maximum length of an expanded value, in octets. Python has no limit, so ten keys with ten references each would
/// fill the memory.
const MAX_VALUE: usize = 65536;
const PERCENT: &str = "a single `%` is written `%%`";

/// Splits the text after a `%` into the key of `(key)s` and the text that follows. `None`: the text does not begin with
/// `(key)s`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (key, after) = text.strip_prefix('(')?.split_once(')')?;
    Some((key, after.strip_prefix('s')?)).filter(|_| !key.is_empty())
}

/// The section to which the next entry belongs.
enum CurrentSection {
    None,
    Defaults,
    /// The last of [`Ini::sections`].
    Last,
}

struct IniParser<'a> {
    source: &'a Source,
    ini: Ini,
    current: CurrentSection,
    /// The indentation, in characters, of the last line that did not continue a value.
    indent: usize,
    /// Whether the section has an entry already. If so, a line that is indented deeper continues the value of that
    /// entry.
    in_value: bool,
    errors: Vec<Diagnostic>,
}

impl IniParser<'_> {
    fn line(&mut self, line: Span) {
        let text = &self.source.text[line.clone()];
        let content = text.trim_matches(is_space);
        let at = line.start + (text.len() - text.trim_start_matches(is_space).len());
        let at = at..at + content.len();
        if content.starts_with(['#', ';']) {
            return;
        }
        if content.is_empty() {
            // An empty line belongs to the value above it. `parse` trims the empty lines at the end of each value.
            if self.in_value {
                self.continue_value("", at);
            }
            return;
        }
        let indent = text.chars().take_while(|c| is_space(*c)).count();
        if self.in_value && indent > self.indent {
            return self.continue_value(content, at);
        }
        self.indent = indent;
        if let Some(name) = header(content) {
            self.section(name, at);
        } else {
            self.entry(content, at);
        }
    }

    fn section(&mut self, name: &str, at: Span) {
        self.in_value = false;
        if name == "DEFAULT" {
            self.current = CurrentSection::Defaults;
            return;
        }
        if self.ini.sections.iter().any(|section| section.name == name) {
            self.errors.push(self.source.error(at.clone(), format!("duplicate section [{name}]")));
        }
        self.current = CurrentSection::Last;
        self.ini.sections.push(IniSection { name: name.to_owned(), span: at, entries: Vec::new() });
    }

    fn entry(&mut self, content: &str, at: Span) {
        let entries = match self.current {
            CurrentSection::Defaults => &mut self.ini.defaults,
            CurrentSection::Last => &mut self.ini.sections.last_mut().expect("added by its header").entries,
            CurrentSection::None => {
                let error = self.source.error(at, "a line before the first section");
                return self.errors.push(error.help("begin the file with `[proxy]`"));
            }
        };
        let Some(delimiter) = content.find(['=', ':']).filter(|position| *position > 0) else {
            let error = self.source.error(at, "neither `[section]` nor `key = value`");
            return self.errors.push(error);
        };
        let raw_key = content[..delimiter].trim_end_matches(is_space);
        let value = content[delimiter + 1..].trim_start_matches(is_space);
        let (key, key_span) = (raw_key.to_lowercase(), at.start..at.start + raw_key.len());
        if entries.iter().any(|entry| entry.key == key) {
            self.errors.push(self.source.error(key_span.clone(), format!("duplicate key `{key}`")));
        }
        entries.push(IniEntry { key, key_span, raw: value.to_owned(), value_span: at.end - value.len()..at.end });
        self.in_value = true;
    }

    fn continue_value(&mut self, content: &str, at: Span) {
        let entries = match self.current {
            CurrentSection::Defaults => &mut self.ini.defaults,
            _ => &mut self.ini.sections.last_mut().expect("added by its header").entries,
        };
        let entry = entries.last_mut().expect("in_value: the section has an entry");
        if entry.raw.is_empty() && !content.is_empty() {
            entry.value_span = at;
        }
        entry.raw.push('\n');
        entry.raw.push_str(content);
    }
}

/// Returns the name in `[name]`. `None`: the line is no header. Text after the last bracket is ignored, and a name may
/// contain brackets.
fn header(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// The lines of a text, without line ends. A line ends in LF, CR LF, or CR alone, as in Python.
fn lines(text: &str) -> impl Iterator<Item = Span> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = start..start + length;
        start = line.end + if rest[length..].starts_with("\r\n") { 2 } else { 1 };
        Some(line)
    })
}

/// Whether the character is white space for Python's `str.isspace`: Unicode white space and the four ASCII separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let source = Source::new("t.ini", text.into()).unwrap();
        let print = |errors: Vec<Diagnostic>| errors.iter().map(|e| format!("{e}\n")).collect::<String>();
        let ini = parse(&source).map_err(print)?;
        let section = &ini.sections[0];
        ini.items(section, &source)
            .into_iter()
            .map(|item| item.map(|item| (item.key, item.value)).map_err(|e| e.to_string()))
            .collect()
    }

    fn value(text: &str) -> String {
        read(&format!("[proxy]\n{text}")).unwrap().remove(0).1
    }

    #[test]
    fn a_value_keeps_its_quotes_and_what_looks_like_a_comment() {
        assert_eq!(value("a = \"x\" ; no comment"), "\"x\" ; no comment");
        assert_eq!(value("A:http://h:8080/#x"), "http://h:8080/#x");
    }

    #[test]
    fn an_indented_line_continues_the_value() {
        assert_eq!(value("a = 1\n  2\n\n  3\n\n"), "1\n2\n\n3");
        assert_eq!(value("a =\n  2"), "\n2");
    }

    #[test]
    fn keys_with_the_same_indentation_do_not_continue_each_other() {
        assert_eq!(read("[proxy]\n  a=1\n  b=2").unwrap().len(), 2);
    }

    #[test]
    fn percent_is_expanded_up_to_a_limit() {
        assert_eq!(value("a = 100%% %(B)s\nb=x"), "100% x");
        assert!(read("[proxy]\na = %(a)s").unwrap_err().contains("itself"));
        assert!(read("[proxy]\na = 50%").unwrap_err().contains("%%"));
        let bomb: String = (1..10).map(|n| format!("k{n}={}\n", format!("%(k{})s", n + 1).repeat(10))).collect();
        assert!(read(&format!("[proxy]\n{bomb}k10=0123456789")).unwrap_err().contains("grows"));
    }

    #[test]
    fn all_errors_are_reported_with_their_locations() {
        let printed = read("[proxy]\na=1\nA=2\nnonsense\n[proxy]").unwrap_err();
        for location in ["t.ini:3:1", "t.ini:4:1", "t.ini:5:1"] {
            assert!(printed.contains(location), "{location} in {printed}");
        }
    }
}
