//! Reads a table key by key. Unknown keys and invalid values are reported and skipped, so that all errors are reported
//! at once. A deserializer would stop at the first error.

use super::keys::{self, ConfigKey, Target};
use super::location::SourceLocation;
use super::value::{TomlValue, ValueResult};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source, Span};
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

    /// Sets each key of a table in `target` by its row ([`keys::KEYS`]), and reports the errors.
    pub fn read_table(&mut self, name: &str, table: &DeTable<'_>, target: &mut impl Target<'a>) {
        for (key, value) in table {
            if let Some(known) = self.find_key(name, key) {
                let read = target.set(&known.kind, value, &self.location(value.span()));
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
