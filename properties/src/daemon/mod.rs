//! The properties of the daemon, and of the import, whose result the daemon reads.

pub mod boot_files;
pub mod config;
pub mod digest;
pub mod http_fields;
pub mod import;
pub mod machines;
pub mod netlink;
pub mod report;
pub mod script;
pub mod templates;

use crate::property::Property;

/// These properties.
pub const PROPERTIES: &[Property] =
    properties!(boot_files, config, digest, http_fields, import, machines, netlink, report, script, templates,);
