//! Parses the TOML table `[machine.NAME]`. The configuration and machine files contain such tables.

use crate::settings::raw::machine::{RawMachine, no_identity_message};
use crate::settings::table_reader::TableReader;
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::names::check_name;
use toml::de::DeTable;

/// Parses one `[machine.NAME]`. Reports invalid values and keeps the valid ones.
pub fn parse_machine(reader: &mut TableReader<'_>, name: &str, name_at: Span, table: &DeTable<'_>) -> RawMachine {
    let count_before = reader.diagnostics.len();
    let mut machine = RawMachine { name: name.to_owned(), ..RawMachine::default() };
    if let Err(message) = check_name(name) {
        reader.error(name_at.clone(), message);
    }
    reader.read_table("machine", table, &mut machine);
    if reader.diagnostics.len() == count_before
        && machine.macs.is_empty()
        && machine.uuid.is_none()
        && machine.serial.is_none()
    {
        reader.warning(name_at, no_identity_message(name));
    }
    machine
}
