//! Machine files: machines from a directory of TOML files, or from a CSV or JSON file that another system exported. The
//! reader adds each machine to the plan's table as soon as it has read the machine. It also adds the machines of the
//! configuration.

mod builder;
mod csv;
mod diagnostics;
pub mod entry;
mod extension;
mod json;
mod location;
mod machine_reader;
mod paths;
mod toml;

pub use builder::ProfileCheck;
pub use extension::is_machine_file;
pub use machine_reader::{MachineFiles, MachineReader};
