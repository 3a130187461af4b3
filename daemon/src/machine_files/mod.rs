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
pub use location::MachineLocations;
pub use machine_reader::{MachineFiles, MachineReader};
use proxydhcpd_core::plan::inventory::Inventory;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::time::Duration;

/// Reads the machines of a TOML text.
///
/// # Errors
/// All errors and warnings, if there is an error.
pub fn read_text(source: &Source, profiles: &ProfileCheck<'_>) -> Result<Inventory, Vec<Diagnostic>> {
    let mut reader = MachineReader::new(profiles);
    toml::read(&mut reader, source);
    reader.finish(&[], false).map(|read| read.machines)
}

/// How many machines were read, for the log and for `check`: `3 machines in 1 file, read in 12.0ms`.
pub fn summary(machines: usize, files: usize, duration: Duration) -> String {
    let count = |number, one: &str| if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") };
    format!("{} in {}, read in {duration:.1?}", count(machines, "machine"), count(files, "file"))
}
