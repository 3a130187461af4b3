//! Every key of the configuration. The parser's known keys, the example file, the manual page and `check --keys` come
//! from this table.

pub mod render;
mod table;

use crate::suggest::closest_match;

pub use table::{KEYS, TABLES};

/// A key and its documentation.
#[derive(Debug)]
pub struct ConfigKey {
    /// The name of its table in [`TABLES`]; empty for the top of the file.
    pub table: &'static str,
    /// The key.
    pub name: &'static str,
    /// The expected value, as in "`port` must be a port, 1 to 65535".
    pub expected: &'static str,
    /// The value that applies without the key.
    pub default: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Further sentences; may be empty.
    pub details: &'static str,
    /// A value, as TOML.
    pub example: &'static str,
}

/// A table of the file.
#[derive(Debug)]
pub struct ConfigTable {
    /// As in [`ConfigKey::table`].
    pub name: &'static str,
    /// As in the file.
    pub header: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Further sentences; may be empty.
    pub details: &'static str,
    /// Lines that show all its keys, for a table that is clearer as a whole. Empty for one that lists its keys in turn.
    pub example: &'static str,
}

/// A key by its table and name.
pub fn find(table: &str, name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

/// The keys of a table.
pub fn in_table(table: &str) -> impl Iterator<Item = &'static ConfigKey> {
    KEYS.iter().filter(move |key| key.table == table)
}

/// A table by its name. Without one of this name, the top of the file.
pub fn find_table(name: &str) -> &'static ConfigTable {
    TABLES.iter().find(|table| table.name == name).unwrap_or(&TABLES[0])
}

/// Help for a key that this table does not have: a similar key of it, one of another table (`port` at the top means
/// `[http] port`), or the keys that it has.
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

/// Help for keys that newcomers try, by table and key, and that are not just misspelled.
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
