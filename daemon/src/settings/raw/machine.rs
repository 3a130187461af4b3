//! The values of `[machine.NAME]`, and their limits, which hold for every format of machine files.

use crate::settings::value::{TomlValue, ValueError, ValueResult, invalid, list, named_values, parse_with};
use proxydhcpd_core::plan::inventory::{BootMode, Machine};
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::identifiers::parse_mac;
use proxydhcpd_reading::names::check_machine_variable;
use serde_json::Map;

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

impl RawMachine {
    /// Sets the MAC addresses: one, or a list.
    pub fn set_macs(&mut self, value: &TomlValue<'_>) -> ValueResult<()> {
        let macs = list(value, |value| parse_with(value, parse_mac))?;
        if macs.len() > MAX_MACS {
            return Err(ValueError::because(value.span(), TOO_MANY_MACS));
        }
        self.macs = macs;
        Ok(())
    }

    /// Sets the variables.
    pub fn set_variables(&mut self, value: &TomlValue<'_>) -> ValueResult<()> {
        let variables = machine_variables(value)?;
        self.variables = serde_json::Value::Object(variables).to_string();
        Ok(())
    }

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

/// A serial number.
pub fn serial(value: &TomlValue<'_>) -> ValueResult<String> {
    parse_with(value, |text| parse_serial(text).map(str::to_owned))
}

/// Variables of a machine: a table with valid names and any values.
fn machine_variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    let table = value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?;
    named_values(table, check_machine_variable)
}
