//! The tables of the configuration: the values that their keys set, before the names in them are resolved.

pub mod machine;
pub mod menu;
pub mod profile;
pub mod rule;
pub mod site;
pub mod webhook;
