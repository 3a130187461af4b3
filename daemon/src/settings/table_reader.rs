//! Reads a table key by key. Unknown keys and invalid values are reported and skipped, so that all errors are reported
//! at once. A deserializer would stop at the first error.

use super::value::{TomlValue, ValueResult};
use crate::settings::keys::{self, ConfigKey};
use proxydhcpd_reading::diagnostic::{Diagnostic, FileLocation, Source, Span};
use std::fmt;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// Reads the tables of one file and collects their diagnostics.
#[derive(Debug)]
pub struct TableReader<'a> {
    /// The file.
    pub source: &'a Source,
    /// Errors and warnings so far.
    pub diagnostics: Vec<Diagnostic>,
}

/// A location in one of the files.
#[derive(Clone, Debug)]
pub struct SourceLocation<'a> {
    /// The file.
    pub source: &'a Source,
    /// The octets in question.
    pub span: Span,
}

/// A name that refers to a profile or a file, or another text, with its location.
pub type Reference<'a> = (String, SourceLocation<'a>);

impl<'a> TableReader<'a> {
    /// Starts without diagnostics.
    pub fn new(source: &'a Source) -> Self {
        TableReader { source, diagnostics: Vec::new() }
    }

    /// The location of this span.
    pub fn location(&self, span: Span) -> SourceLocation<'a> {
        SourceLocation { source: self.source, span }
    }

    /// Reports an error.
    pub fn error(&mut self, at: Span, message: impl Into<String>) {
        self.diagnostics.push(self.source.error(at, message));
    }

    /// Reports a warning.
    pub fn warning(&mut self, at: Span, message: impl Into<String>) {
        self.diagnostics.push(self.source.warning(at, message));
    }

    /// Passes each known key of a table ([`keys::KEYS`]) and its value to `parse`, and reports the errors.
    pub fn read_table<'t, 'v>(
        &mut self,
        name: &str,
        table: &'t DeTable<'v>,
        mut parse: impl FnMut(&str, &'t TomlValue<'v>) -> ValueResult<()>,
    ) {
        for (key, value) in table {
            if let Some(known) = self.find_key(name, key) {
                let read = parse(known.name, value);
                self.check(known, read);
            }
        }
    }

    /// Returns the row of a key in the table of keys. `None`: the key is unknown, and was reported with a suggestion.
    pub fn find_key(&mut self, table: &str, key: &Spanned<DeString<'_>>) -> Option<&'static ConfigKey> {
        let name: &str = key.get_ref();
        let known = keys::find(table, name);
        if known.is_none() {
            let error = self.source.error(key.span(), format!("unknown key `{name}`"));
            self.diagnostics.push(error.help(keys::suggestion(name, table)));
        }
        known
    }

    /// Returns the value, or `None` after reporting the errors in it.
    pub fn check<T>(&mut self, key: &ConfigKey, read: ValueResult<T>) -> Option<T> {
        let errors = match read {
            Ok(value) => return Some(value),
            Err(errors) => errors,
        };
        for invalid in errors {
            let expected = || format!("`{}` must be {}", key.name, key.expected());
            let error = self.source.error(invalid.span, invalid.reason.unwrap_or_else(expected));
            self.diagnostics.push(match invalid.help {
                Some(help) => error.help(help),
                None => error,
            });
        }
        None
    }

    /// Returns the value as a table, or `None` after reporting that the value is no table.
    pub fn as_table<'t, 'v>(&mut self, name: &str, value: &'t TomlValue<'v>) -> Option<&'t DeTable<'v>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let error = self.source.error(value.span(), format!("`{name}` must be a table"));
            let header = keys::TABLES.iter().find(|table| table.name == name).map(|table| table.header);
            self.diagnostics.push(header.map_or(error.clone(), |header| error.help(format!("write it as {header}"))));
        }
        table
    }
}

impl SourceLocation<'_> {
    /// Converts the location to one that does not refer to the source.
    pub fn to_file_location(&self) -> FileLocation {
        self.source.file_location(self.span.clone())
    }

    /// An error at this location.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.source.error(self.span.clone(), message)
    }

    /// A warning at this location.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.source.warning(self.span.clone(), message)
    }
}

/// Prints `FILE:LINE`, so that a diagnostic at another location can refer to this one.
impl fmt::Display for SourceLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.source.line_number(self.span.start))
    }
}
