//! The rows of the tables of keys: a key or a table, with its documentation.

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
