//! Every key of the configuration, once. The parser's known keys, the example file, the manual page and `check --keys`
//! come from here.

pub mod render;
mod table;

use crate::suggest::closest_match;

pub use table::{KEYS, TABLES};

/// A key, and what there is to say of it.
#[derive(Debug)]
pub struct ConfigKey {
    /// As in [`TABLES`]; empty for the top of the file.
    pub table: &'static str,
    pub name: &'static str,
    /// What its value must be, as an error would say it.
    pub expected: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What else is to know; may be empty.
    pub details: &'static str,
    /// A value, as it is written.
    pub example: &'static str,
}

/// A table of the file.
#[derive(Debug)]
pub struct ConfigTable {
    /// Its keys have this in [`Key::table`].
    pub name: &'static str,
    /// As it is written.
    pub header: &'static str,
    pub summary: &'static str,
    pub details: &'static str,
    /// Where its keys stand in no order of their own: lines that show all of them.
    pub example: &'static str,
}

pub fn find(table: &str, name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

pub fn in_table(table: &str) -> impl Iterator<Item = &'static ConfigKey> {
    KEYS.iter().filter(move |key| key.table == table)
}

/// The table by its name; the top of the file is one.
pub fn find_table(name: &str) -> &'static ConfigTable {
    TABLES.iter().find(|table| table.name == name).unwrap_or(&TABLES[0])
}

/// What was probably meant by a key that this table does not have. It may stand in another one: `port` at the top means
/// `[http] port`.
pub fn suggestion(wrong: &str, within: &str) -> String {
    if let Some((.., help)) = OTHERS_WORDS.iter().find(|(table, word, _)| (*table, *word) == (within, wrong)) {
        return (*help).to_owned();
    }
    let tables =
        || TABLES.iter().filter(|table| within.is_empty() && !table.name.is_empty() && !table.name.contains('.'));
    if let Some(name) = closest_match(wrong, in_table(within).map(|key| key.name).chain(tables().map(|table| table.name))) {
        return match tables().find(|table| table.name == name) {
            Some(table) => format!("did you mean {}?", table.header),
            None => format!("did you mean `{name}`?"),
        };
    }
    if within == "machine" {
        let known: Vec<_> = in_table(within).map(|key| key.name).collect();
        return format!("a machine has {}; anything else goes into its `variables`", known.join(", "));
    }
    let elsewhere =
        closest_match(wrong, KEYS.iter().map(|key| key.name)).and_then(|name| KEYS.iter().find(|key| key.name == name));
    match elsewhere {
        Some(key) => format!("did you mean `{}` {}?", key.name, key.place()),
        None => {
            let known: Vec<_> = in_table(within).map(|key| key.name).chain(tables().map(|table| table.header)).collect();
            let place = if within.is_empty() { "there".to_owned() } else { format!("under {}", find_table(within).header) };
            format!("the keys {place} are {}", known.join(", "))
        }
    }
}

/// What newcomers write, by table and word, where no slip of the finger explains it.
const OTHERS_WORDS: [(&str, &str, &str); 9] = [
    ("", "tftp-root", "did you mean `boot-dir`?"),
    ("", "root", "did you mean `boot-dir`?"),
    ("rule", "allow", "a rule without `deny` allows"),
    ("rule", "match", "each condition is a key of the rule itself: mac, arch, subnet and the others"),
    ("profile", "append", "did you mean `arguments`?"),
    ("profile", "cmdline", "did you mean `arguments`?"),
    ("profile", "linux", "did you mean `kernel`?"),
    ("profile", "filename", "a program for the firmware goes into [profile.NAME.loaders], by architecture"),
    ("machine", "hostname", "it is the NAME in [machine.NAME]; anything else goes into its `variables`"),
];

impl ConfigKey {
    fn place(&self) -> String {
        match self.table {
            "" => "at the top of the file".to_owned(),
            name => format!("under {}", find_table(name).header),
        }
    }
}
