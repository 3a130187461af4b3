//! The entry of a machine: its keys and their limits, and the parser of its TOML table, in the configuration and in
//! machine files.

use crate::config::diagnostic::Span;
use crate::config::toml::table_reader::TableReader;
use crate::config::toml::value::{
    self, TomlValue, ValueError, ValueResult, invalid, list, machine_uuid, one_of, parse_mac, parse_with,
};
use proxydhcpd_core::plan::machines::{Machine, Policy};
use proxydhcpd_core::plan::profile::ProfileId;
use serde_json::Map;
use toml::de::DeTable;

/// A machine whose profile is not resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMachine {
    /// Its name: see [`check_name`].
    pub name: String,
    /// At most [`MAX_MACS`].
    pub macs: Vec<[u8; 6]>,
    /// In printed order.
    pub uuid: Option<[u8; 16]>,
    /// The serial number, without white space around it.
    pub serial: Option<String>,
    /// The name of its profile, and its location in the file.
    pub profile: Option<(String, Span)>,
    /// When it boots its profile.
    pub policy: Policy,
    /// A JSON object, or an empty string.
    pub variables: String,
}

/// The values of `boot`.
pub const POLICIES: [(&str, Policy); 3] =
    [("always", Policy::Always), ("once", Policy::Once), ("never", Policy::Never)];

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
        "boot" => one_of(value, &POLICIES).map(|policy| machine.policy = policy),
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
    /// The machine for the plan's table, with its resolved profile.
    pub fn to_machine(&self, profile: Option<ProfileId>) -> Machine<'_> {
        let RawMachine { name, macs, uuid, serial, policy, variables, .. } = self;
        Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), profile, policy: *policy, variables }
    }
}

/// The maximum number of MAC addresses of a machine, more than any has. A search by address compares all of a
/// machine's.
pub const MAX_MACS: usize = 64;
/// The error for more than [`MAX_MACS`].
pub const TOO_MANY_MACS: &str = "a machine can have at most 64 MAC addresses";

/// Names after `machine.` in templates that are not variables.
const RESERVED_NAMES: [&str; 4] = ["name", "mac", "uuid", "serial"];

/// In octets. Older versions of SMBIOS have strings of 64 octets.
const MAX_SERIAL: usize = 255;

/// The warning about a machine without an identity.
pub fn no_identity_message(name: &str) -> String {
    format!("machine `{name}` has no MAC address, UUID or serial number, so its entry never applies")
}

/// Checks the name of a machine or a profile: URLs, logs and file names contain it, and files whose name begins with a
/// dot are hidden.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if name.starts_with('.') {
        return Err(format!("`{name}` is not a valid name: a name must not begin with a dot"));
    }
    if (1..=63).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("`{name}` is not a valid name: use 1 to 63 letters, digits, dots, hyphens and underscores"))
}

/// Checks the name of a machine's variable.
pub fn check_machine_variable(name: &str) -> Result<(), String> {
    value::check_variable_name(name)?;
    if RESERVED_NAMES.contains(&name) {
        return Err(format!("`{name}` is reserved for the machine itself: rename the variable"));
    }
    Ok(())
}

/// A serial number as firmware has it, without white space around it.
pub fn parse_serial(text: &str) -> Option<&str> {
    let fits = |text: &&str| (1..=MAX_SERIAL).contains(&text.len()) && !text.chars().any(char::is_control);
    Some(text.trim()).filter(fits)
}

fn variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    let table = value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?;
    value::named_values(table, check_machine_variable)
}
