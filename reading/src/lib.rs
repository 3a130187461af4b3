//! The foundations of every reader of texts that people and other programs write: diagnostics with locations,
//! suggestions, and the formats and values that several readers share.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod csv;
pub mod diagnostic;
pub mod identifiers;
pub mod ini;
pub mod legacy;
pub mod machine_fields;
pub mod names;
pub mod regular;
pub mod suggest;
