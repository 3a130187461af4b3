//! A table, key by key: a name that nobody knows and a value that cannot be are told, and the walk goes on, so that all
//! errors are told at once. A deserialiser stops at the first.

use super::value::{Read, Value};
use crate::config::diagnostic::{Diagnostic, Source, Span, Spot};
use crate::config::keys::{self, Key};
use std::fmt;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// What is told of one file.
#[derive(Debug)]
pub struct Walk<'a> {
    pub source: &'a Source,
    pub told: Vec<Diagnostic>,
}

/// A place in one of the files.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub source: &'a Source,
    pub span: Span,
}

impl<'a> Walk<'a> {
    pub fn new(source: &'a Source) -> Self {
        Walk { source, told: Vec::new() }
    }

    pub fn at(&self, span: Span) -> At<'a> {
        At { source: self.source, span }
    }

    pub fn error(&mut self, at: Span, message: impl Into<String>) {
        self.told.push(self.source.error(at, message));
    }

    pub fn warning(&mut self, at: Span, message: impl Into<String>) {
        self.told.push(self.source.warning(at, message));
    }

    /// Every key of a table that [`keys::KEYS`] knows is given to `take`, with its value.
    pub fn table<'t, 'v>(
        &mut self,
        name: &str,
        table: &'t DeTable<'v>,
        mut take: impl FnMut(&str, &'t Value<'v>) -> Read<()>,
    ) {
        for (key, value) in table {
            if let Some(known) = self.known(name, key) {
                let read = take(known.name, value);
                self.check(known, read);
            }
        }
    }

    /// The key by its name, or the one that was probably meant.
    pub fn known(&mut self, table: &str, key: &Spanned<DeString<'_>>) -> Option<&'static Key> {
        let name: &str = key.get_ref();
        let known = keys::find(table, name);
        if known.is_none() {
            let error = self.source.error(key.span(), format!("unknown key `{name}`"));
            self.told.push(error.help(keys::meant(name, table)));
        }
        known
    }

    pub fn check<T>(&mut self, key: &Key, read: Read<T>) -> Option<T> {
        let told = match read {
            Ok(value) => return Some(value),
            Err(told) => told,
        };
        for wrong in told {
            let must = || format!("`{}` must be {}", key.name, key.is);
            let error = self.source.error(wrong.at, wrong.why.unwrap_or_else(must));
            self.told.push(match wrong.help {
                Some(help) => error.help(help),
                None => error,
            });
        }
        None
    }

    /// The value as a table, or it is told that it must be one.
    pub fn as_table<'t, 'v>(&mut self, name: &str, value: &'t Value<'v>) -> Option<&'t DeTable<'v>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let error = self.source.error(value.span(), format!("`{name}` is a table"));
            let header = keys::TABLES.iter().find(|table| table.name == name).map(|table| table.header);
            self.told.push(header.map_or(error.clone(), |header| error.help(format!("it is written {header}"))));
        }
        table
    }
}

impl At<'_> {
    pub fn spot(&self) -> Spot {
        self.source.spot(self.span.clone())
    }

    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.source.error(self.span.clone(), message)
    }

    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.source.warning(self.span.clone(), message)
    }
}

/// The file and the line, for the message of another place.
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.source.line(self.span.start))
    }
}
