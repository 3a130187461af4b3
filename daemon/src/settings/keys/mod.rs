//! Every key of the configuration. The table says how to parse a key and what it sets. The example file, the manual
//! page and `check --keys` are generated from it.

mod key;
mod lookup;
pub mod render;
mod rows;
mod tables;
mod target;

pub use key::{ConfigKey, ConfigTable, Expected, Kind};
pub use lookup::{find, find_table, in_table, suggestion};
pub use rows::KEYS;
pub use tables::TABLES;
pub use target::Target;
