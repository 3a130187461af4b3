//! Every key of the configuration. The parser's known keys, the example file, the manual page and `check --keys` are
//! generated from this table.

pub mod render;
mod table;

use crate::reading::suggest::closest_match;

pub use table::{KEYS, TABLES};

/// A key and its documentation.
#[derive(Debug)]
pub struct ConfigKey {
    /// The name of the key's table in [`TABLES`]; empty for the top of the file.
    pub table: &'static str,
    /// The name of the key.
    pub name: &'static str,
    /// The expected value, as in "`port` must be a port, 1 to 65535".
    pub expected: &'static str,
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

/// Returns the key with this name in this table, or `None` if there is no such key.
pub fn find(table: &str, name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

/// Returns the keys of a table.
pub fn in_table(table: &str) -> impl Iterator<Item = &'static ConfigKey> {
    KEYS.iter().filter(move |key| key.table == table)
}

/// Returns the table with this name or, if there is no such table, the top of the file.
pub fn find_table(name: &str) -> &'static ConfigTable {
    TABLES.iter().find(|table| table.name == name).unwrap_or(&TABLES[0])
}

/// Returns help for a key that this table does not have: a similar key of this table, a similar key of another table
/// (`port` at the top means `[http] port`), or a list of the keys of this table.
pub fn suggestion(unknown: &str, within: &str) -> String {
    if let Some((.., help)) = FOREIGN_KEYS.iter().find(|(table, word, _)| (*table, *word) == (within, unknown)) {
        return (*help).to_owned();
    }
    let tables =
        || TABLES.iter().filter(|table| within.is_empty() && !table.name.is_empty() && !table.name.contains('.'));
    if let Some(name) =
        closest_match(unknown, in_table(within).map(|key| key.name).chain(tables().map(|table| table.name)))
    {
        return match tables().find(|table| table.name == name) {
            Some(table) => format!("did you mean {}?", table.header),
            None => format!("did you mean `{name}`?"),
        };
    }
    if within == "machine" {
        let known: Vec<_> = in_table(within).map(|key| key.name).collect();
        return format!("the keys of a machine are {}; put anything else into its `variables`", known.join(", "));
    }
    let elsewhere = closest_match(unknown, KEYS.iter().map(|key| key.name))
        .and_then(|name| KEYS.iter().find(|key| key.name == name));
    match elsewhere {
        Some(key) => format!("did you mean `{}` {}?", key.name, key.table_in_words()),
        None => {
            let known: Vec<_> =
                in_table(within).map(|key| key.name).chain(tables().map(|table| table.header)).collect();
            let table =
                if within.is_empty() { "there".to_owned() } else { format!("under {}", find_table(within).header) };
            format!("the keys {table} are {}", known.join(", "))
        }
    }
}

/// Help for keys that newcomers try, by table and key. These keys are not misspellings, so a search for a similar key
/// would not help.
const FOREIGN_KEYS: [(&str, &str, &str); 9] = [
    ("", "tftp-root", "did you mean `boot-dir`?"),
    ("", "root", "did you mean `boot-dir`?"),
    ("rule", "allow", "a rule without `deny` allows"),
    ("rule", "match", "each condition is a key of the rule: mac, arch, subnet and others"),
    ("profile", "append", "did you mean `arguments`?"),
    ("profile", "cmdline", "did you mean `arguments`?"),
    ("profile", "linux", "did you mean `kernel`?"),
    ("profile", "filename", "put a program for the firmware into [profile.NAME.loaders], by architecture"),
    ("machine", "hostname", "the name is the NAME in [machine.NAME]; put anything else into its `variables`"),
];

impl ConfigKey {
    fn table_in_words(&self) -> String {
        match self.table {
            "" => "at the top of the file".to_owned(),
            name => format!("under {}", find_table(name).header),
        }
    }
}
