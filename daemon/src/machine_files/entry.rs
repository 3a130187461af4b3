//! The entry of a machine: its keys, their limits, and the parser of the TOML table `[machine.NAME]`. The configuration
//! and machine files contain such tables.

use crate::settings::table_reader::TableReader;
use crate::settings::value::{
    self, TomlValue, ValueError, ValueResult, invalid, list, machine_uuid, one_of, parse_with,
};
use proxydhcpd_core::plan::inventory::{BootMode, Machine};
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::identifiers::parse_mac;
use proxydhcpd_reading::machine_fields::BOOT_MODES;
use proxydhcpd_reading::names::{check_machine_variable, check_name};
use serde_json::Map;
use toml::de::DeTable;

/// A machine whose profile is not resolved: the profile is still a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMachine {
    /// The name of the machine: see [`check_name`].
    pub name: String,
    /// The MAC addresses, at most [`MAX_MACS`].
    pub macs: Vec<[u8; 6]>,
    /// The UUID, with its octets in printed order.
    pub uuid: Option<[u8; 16]>,
    /// The serial number, without white space around it.
    pub serial: Option<String>,
    /// The name of the machine's profile, and the location of that name in the file.
    pub profile: Option<(String, Span)>,
    /// When the machine boots its profile.
    pub boot_mode: BootMode,
    /// The variables: a JSON object, or an empty string if the machine has none.
    pub variables: String,
}

/// Parses one `[machine.NAME]`. Reports invalid values and keeps the valid ones.
pub fn parse_machine(reader: &mut TableReader<'_>, name: &str, name_at: Span, table: &DeTable<'_>) -> RawMachine {
    let count_before = reader.diagnostics.len();
    let mut machine = RawMachine { name: name.to_owned(), ..RawMachine::default() };
    if let Err(message) = check_name(name) {
        reader.error(name_at.clone(), message);
    }
    reader.read_table("machine", table, |key, value| match key {
        "mac" => match list(value, |value| parse_with(value, parse_mac))? {
            macs if macs.len() > MAX_MACS => Err(ValueError::because(value.span(), TOO_MANY_MACS)),
            macs => {
                machine.macs = macs;
                Ok(())
            }
        },
        "uuid" => machine_uuid(value).map(|uuid| machine.uuid = Some(uuid)),
        "serial" => {
            parse_with(value, |text| parse_serial(text).map(str::to_owned)).map(|serial| machine.serial = Some(serial))
        }
        "profile" => {
            parse_with(value, |name| Some(name.to_owned())).map(|name| machine.profile = Some((name, value.span())))
        }
        "boot" => one_of(value, &BOOT_MODES).map(|boot_mode| machine.boot_mode = boot_mode),
        "variables" => {
            variables(value).map(|variables| machine.variables = serde_json::Value::Object(variables).to_string())
        }
        _ => Ok(()),
    });
    if reader.diagnostics.len() == count_before
        && machine.macs.is_empty()
        && machine.uuid.is_none()
        && machine.serial.is_none()
    {
        reader.warning(name_at, no_identity_message(name));
    }
    machine
}

impl RawMachine {
    /// Converts the entry to a machine for the plan's table, with this profile.
    pub fn to_machine<'a>(&'a self, profile: Option<&'a str>) -> Machine<'a> {
        let RawMachine { name, macs, uuid, serial, boot_mode, variables, .. } = self;
        Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), profile, boot_mode: *boot_mode, variables }
    }
}

/// The maximum number of MAC addresses of a machine. No real machine has more. The limit bounds a search by address,
/// which compares all addresses of a machine.
pub const MAX_MACS: usize = 64;
/// The error for more than [`MAX_MACS`].
pub const TOO_MANY_MACS: &str = "a machine can have at most 64 MAC addresses";

/// The maximum length of a serial number, in octets. Older versions of SMBIOS have strings of 64 octets.
const MAX_SERIAL: usize = 255;

/// The warning about a machine without an identity.
pub fn no_identity_message(name: &str) -> String {
    format!("machine `{name}` has no MAC address, UUID or serial number, so its entry never applies")
}

/// Returns a serial number without white space around it. `None`: the serial number is empty, too long, or contains
/// control characters.
pub fn parse_serial(text: &str) -> Option<&str> {
    let fits = |text: &&str| (1..=MAX_SERIAL).contains(&text.len()) && !text.chars().any(char::is_control);
    Some(text.trim()).filter(fits)
}

fn variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    let table = value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?;
    value::named_values(table, check_machine_variable)
}
