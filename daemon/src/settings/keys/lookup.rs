//! Finds keys and tables by name, and suggests keys for unknown ones.

use super::key::{ConfigKey, ConfigTable};
use super::rows::KEYS;
use super::tables::TABLES;
use proxydhcpd_reading::suggest::closest_match;

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
        Some(key) => format!("did you mean `{}` {}?", key.name, table_in_words(key)),
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

fn table_in_words(key: &ConfigKey) -> String {
    match key.table {
        "" => "at the top of the file".to_owned(),
        name => format!("under {}", find_table(name).header),
    }
}
