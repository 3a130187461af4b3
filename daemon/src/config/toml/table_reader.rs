//! A table, key by key: a name that nobody knows and a value that cannot be are told, and the walk goes on, so that all
//! errors are told at once. A deserialiser stops at the first.

use super::value::{ValueResult, TomlValue};
use crate::config::diagnostic::{Diagnostic, Source, Span, FileLocation};
use crate::config::keys::{self, ConfigKey};
use std::fmt;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// What is told of one file.
#[derive(Debug)]
pub struct TableReader<'a> {
    pub source: &'a Source,
    pub diagnostics: Vec<Diagnostic>,
}

/// A place in one of the files.
#[derive(Clone, Debug)]
pub struct SourceLocation<'a> {
    pub source: &'a Source,
    pub span: Span,
}

impl<'a> TableReader<'a> {
    pub fn new(source: &'a Source) -> Self {
        TableReader { source, diagnostics: Vec::new() }
    }

    pub fn location(&self, span: Span) -> SourceLocation<'a> {
        SourceLocation { source: self.source, span }
    }

    pub fn error(&mut self, at: Span, message: impl Into<String>) {
        self.diagnostics.push(self.source.error(at, message));
    }

    pub fn warning(&mut self, at: Span, message: impl Into<String>) {
        self.diagnostics.push(self.source.warning(at, message));
    }

    /// Every key of a table that [`keys::KEYS`] knows is given to `take`, with its value.
    pub fn read_table<'t, 'v>(
        &mut self,
        name: &str,
        table: &'t DeTable<'v>,
        mut take: impl FnMut(&str, &'t TomlValue<'v>) -> ValueResult<()>,
    ) {
        for (key, value) in table {
            if let Some(known) = self.find_key(name, key) {
                let read = take(known.name, value);
                self.check(known, read);
            }
        }
    }

    /// The key by its name, or the one that was probably meant.
    pub fn find_key(&mut self, table: &str, key: &Spanned<DeString<'_>>) -> Option<&'static ConfigKey> {
        let name: &str = key.get_ref();
        let known = keys::find(table, name);
        if known.is_none() {
            let error = self.source.error(key.span(), format!("unknown key `{name}`"));
            self.diagnostics.push(error.help(keys::suggestion(name, table)));
        }
        known
    }

    pub fn check<T>(&mut self, key: &ConfigKey, read: ValueResult<T>) -> Option<T> {
        let told = match read {
            Ok(value) => return Some(value),
            Err(told) => told,
        };
        for wrong in told {
            let must = || format!("`{}` must be {}", key.name, key.expected);
            let error = self.source.error(wrong.span, wrong.reason.unwrap_or_else(must));
            self.diagnostics.push(match wrong.help {
                Some(help) => error.help(help),
                None => error,
            });
        }
        None
    }

    /// The value as a table, or it is told that it must be one.
    pub fn as_table<'t, 'v>(&mut self, name: &str, value: &'t TomlValue<'v>) -> Option<&'t DeTable<'v>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let error = self.source.error(value.span(), format!("`{name}` is a table"));
            let header = keys::TABLES.iter().find(|table| table.name == name).map(|table| table.header);
            self.diagnostics.push(header.map_or(error.clone(), |header| error.help(format!("it is written {header}"))));
        }
        table
    }
}

impl SourceLocation<'_> {
    pub fn to_file_location(&self) -> FileLocation {
        self.source.file_location(self.span.clone())
    }

    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.source.error(self.span.clone(), message)
    }

    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.source.warning(self.span.clone(), message)
    }
}

/// The file and the line, for the message of another place.
impl fmt::Display for SourceLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.source.line_number(self.span.start))
    }
}
