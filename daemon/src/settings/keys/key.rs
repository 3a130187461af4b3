//! The rows of the tables of keys: a key or a table, with its documentation. The row of a key has all that a parser
//! needs.

use crate::settings::Settings;
use crate::settings::location::SourceLocation;
use crate::settings::raw::machine::RawMachine;
use crate::settings::raw::menu::{RawMenu, RawMenuItem};
use crate::settings::raw::profile::RawProfile;
use crate::settings::raw::rule::RawRule;
use crate::settings::raw::site::RawSite;
use crate::settings::raw::webhook::RawWebhook;
use crate::settings::value::{TomlValue, ValueResult, range_in_words};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use std::borrow::Cow;
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
    /// A value of the whole site that is not a setting.
    Site {
        /// The description of the value.
        expected: &'static str,
        /// Parses the value and sets it.
        read: for<'a> fn(&mut RawSite<'a>, &TomlValue<'_>, &SourceLocation<'a>) -> ValueResult<()>,
    },
    /// `true` or `false`, for a rule.
    RuleFlag(fn(&mut Rule, bool)),
    /// A list of patterns, a condition of a rule.
    RulePatterns(fn(&mut Conditions, Vec<Glob>)),
    /// Any other value of a rule.
    Rule {
        /// The description of the value.
        expected: Expected,
        /// Parses the value and sets it.
        read: for<'a> fn(&mut RawRule<'a>, &TomlValue<'_>, &SourceLocation<'a>) -> ValueResult<()>,
    },
    /// A value of a profile.
    Profile {
        /// The description of the value.
        expected: Expected,
        /// Parses the value and sets it.
        read: for<'a> fn(&mut RawProfile<'a>, &TomlValue<'_>, &SourceLocation<'a>) -> ValueResult<()>,
    },
    /// A value of a menu.
    Menu {
        /// The description of the value.
        expected: &'static str,
        /// Parses the value and sets it.
        read: fn(&mut RawMenu<'_>, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// A value of an item of a menu.
    MenuItem {
        /// The description of the value.
        expected: &'static str,
        /// Parses the value and sets it.
        read: for<'a> fn(&mut RawMenuItem<'a>, &TomlValue<'_>, &SourceLocation<'a>) -> ValueResult<()>,
    },
    /// A value of a machine.
    Machine {
        /// The description of the value.
        expected: Expected,
        /// Parses the value and sets it.
        read: fn(&mut RawMachine, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// A value of a webhook.
    Webhook {
        /// The description of the value.
        expected: &'static str,
        /// Parses the value and sets it.
        read: fn(&mut RawWebhook, &TomlValue<'_>) -> ValueResult<()>,
    },
    /// A table. Its keys have separate rows.
    Table,
    /// A list of tables. Their keys have separate rows.
    Tables,
}

/// The description of a valid value.
#[derive(Debug)]
pub enum Expected {
    /// These words, as in "`title` must be text in quotes".
    Text(&'static str),
    /// One of these strings.
    OneOf(fn() -> Vec<&'static str>),
    /// A list of these strings.
    ListOf(fn() -> Vec<&'static str>),
}

impl ConfigKey {
    /// The description of a valid value, as in "`port` must be a port, 1 to 65535".
    pub fn expected(&self) -> Cow<'static, str> {
        match &self.kind {
            Kind::Boolean(_) | Kind::RuleFlag(_) => "true or false".into(),
            Kind::Integer { range, .. } => range_in_words(range).into(),
            Kind::Choice(words) => alternatives(words.iter().map(|(word, _)| *word)).into(),
            Kind::RulePatterns(_) => "a list of patterns with `*` and `?`".into(),
            Kind::Path(_) => "an absolute path in quotes".into(),
            Kind::Port(_) => "a port, 1 to 65535".into(),
            Kind::Ports(_) => "two ports, the lower one first: \"50000-51023\"".into(),
            Kind::Setting { expected, .. }
            | Kind::Site { expected, .. }
            | Kind::Menu { expected, .. }
            | Kind::Webhook { expected, .. }
            | Kind::MenuItem { expected, .. } => (*expected).into(),
            Kind::Rule { expected, .. } | Kind::Profile { expected, .. } | Kind::Machine { expected, .. } => {
                expected.to_text()
            }
            Kind::Table => "a table".into(),
            Kind::Tables => format!("a list of tables: {}", self.example).into(),
        }
    }
}

impl Expected {
    fn to_text(&self) -> Cow<'static, str> {
        match self {
            Expected::Text(text) => (*text).into(),
            Expected::OneOf(words) => alternatives(words().into_iter()).into(),
            Expected::ListOf(words) => format!("a list of {}", alternatives(words().into_iter())).into(),
        }
    }
}

/// The words in quotes, such as `"a", "b" or "c"`.
fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    let last = quoted.pop().unwrap_or_default();
    format!("{} or {last}", quoted.join(", "))
}
