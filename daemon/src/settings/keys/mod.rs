//! Every key of the configuration. The parser's known keys, the example file, the manual page and `check --keys` are
//! generated from this table.

mod key;
mod lookup;
pub mod render;
mod table;

pub use key::{ConfigKey, ConfigTable};
pub use lookup::{find, find_table, in_table, suggestion};
pub use table::{KEYS, TABLES};
