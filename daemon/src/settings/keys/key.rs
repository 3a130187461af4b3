//! The rows of the tables of keys: a key or a table, with its documentation. The row of a key of a simple type has all
//! that a parser needs.

use crate::settings::Settings;
use crate::settings::rule_value::glob;
use crate::settings::value::{
    TomlValue, ValueResult, absolute_path, boolean, non_empty_list, number, number_in, one_of, ports, range_in_words,
};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use std::borrow::Cow;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A key and its documentation.
#[derive(Debug)]
pub struct ConfigKey {
    /// The name of the key's table in [`TABLES`]; empty for the top of the file.
    pub table: &'static str,
    /// The name of the key.
    pub name: &'static str,
    /// The type of the value, and the setting that it sets.
    pub kind: Kind,
    /// The value that applies if the key is not set.
    pub default: &'static str,
    /// One line that describes the key.
    pub summary: &'static str,
    /// More sentences about the key. May be empty.
    pub details: &'static str,
    /// An example of a value, as TOML.
    pub example: &'static str,
}

/// A table of the file.
#[derive(Debug)]
pub struct ConfigTable {
    /// The name of the table, as in [`ConfigKey::table`].
    pub name: &'static str,
    /// The header of the table, as in the file.
    pub header: &'static str,
    /// One line that describes the table.
    pub summary: &'static str,
    /// More sentences about the table. May be empty.
    pub details: &'static str,
    /// Lines that show all keys of the table together, for a table that is clearer as a whole. Empty if the example
    /// file shows the keys one by one.
    pub example: &'static str,
}

/// A word that a value may be, and the function that sets the setting.
pub type Word = (&'static str, fn(&mut Settings));

/// The type of a key's value, and the function that sets the setting.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean(fn(&mut Settings, bool)),
    /// A decimal integer.
    Integer {
        /// The valid numbers.
        range: RangeInclusive<u32>,
        /// Sets the setting.
        set: fn(&mut Settings, u32),
    },
    /// One of these words.
    Choice(&'static [Word]),
    /// An absolute path.
    Path(fn(&mut Settings, PathBuf)),
    /// A port.
    Port(fn(&mut Settings, u16)),
    /// A range of ports.
    Ports(fn(&mut Settings, RangeInclusive<u16>)),
    /// Any other value of a setting.
    Setting {
        /// The description of the value, as in "`relays` must be a list of addresses".
        expected: &'static str,
        /// Parses the value and sets the setting.
        read: fn(&mut Settings, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// `true` or `false`, for a rule.
    RuleFlag(fn(&mut Rule, bool)),
    /// A list of patterns, a condition of a rule.
    RulePatterns(fn(&mut Conditions, Vec<Glob>)),
    /// Any other value of a rule.
    Rule {
        /// The description of the value.
        expected: &'static str,
        /// Parses the value and sets it.
        read: fn(&mut Rule, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// A list of these words, a condition of a rule.
    RuleWords {
        /// The words.
        words: fn() -> Vec<&'static str>,
        /// Parses the value and sets it.
        read: fn(&mut Rule, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// The description of a value that refers to another part of the file, or that is a table. The parser of the key's
    /// table parses it.
    Described(&'static str),
}

impl ConfigKey {
    /// The description of a valid value, as in "`port` must be a port, 1 to 65535".
    pub fn expected(&self) -> Cow<'static, str> {
        match &self.kind {
            Kind::Boolean(_) | Kind::RuleFlag(_) => "true or false".into(),
            Kind::Integer { range, .. } => range_in_words(range).into(),
            Kind::Choice(words) => alternatives(words.iter().map(|(word, _)| *word)).into(),
            Kind::RuleWords { words, .. } => format!("a list of {}", alternatives(words().into_iter())).into(),
            Kind::RulePatterns(_) => "a list of patterns with `*` and `?`".into(),
            Kind::Path(_) => "an absolute path in quotes".into(),
            Kind::Port(_) => "a port, 1 to 65535".into(),
            Kind::Ports(_) => "two ports, the lower one first: \"50000-51023\"".into(),
            Kind::Setting { expected, .. } | Kind::Rule { expected, .. } | Kind::Described(expected) => {
                (*expected).into()
            }
        }
    }

    /// Parses the value and sets the setting. `None`: the key sets no setting.
    pub fn read(&self, settings: &mut Settings, value: &TomlValue<'_>) -> Option<ValueResult<()>> {
        Some(match &self.kind {
            Kind::Boolean(set) => boolean(value).map(|on| set(settings, on)),
            Kind::Integer { range, set } => number_in(value, range).map(|number| set(settings, number)),
            Kind::Choice(words) => one_of(value, words).map(|set| set(settings)),
            Kind::Path(set) => absolute_path(value).map(|path| set(settings, path)),
            Kind::Port(set) => number::<NonZeroU16>(value).map(|port| set(settings, port.get())),
            Kind::Ports(set) => ports(value).map(|ports| set(settings, ports)),
            Kind::Setting { read, .. } => read(settings, value),
            _ => return None,
        })
    }

    /// Parses the value and sets it in the rule. `None`: the parser of the rule parses it.
    pub fn read_rule(&self, rule: &mut Rule, value: &TomlValue<'_>) -> Option<ValueResult<()>> {
        Some(match &self.kind {
            Kind::RuleFlag(set) => boolean(value).map(|on| set(rule, on)),
            Kind::RulePatterns(set) => non_empty_list(value, glob).map(|patterns| set(&mut rule.when, patterns)),
            Kind::Rule { read, .. } | Kind::RuleWords { read, .. } => read(rule, value),
            _ => return None,
        })
    }
}

/// The words in quotes, such as `"a", "b" or "c"`.
fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    let last = quoted.pop().unwrap_or_default();
    format!("{} or {last}", quoted.join(", "))
}
