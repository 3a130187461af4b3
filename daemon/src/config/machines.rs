//! Machines as files describe them: what may be said of one, and the reader of its table, in the configuration itself
//! and in machine files alike.

use crate::config::diagnostic::Span;
use crate::config::toml::value::{self, ValueResult, TomlValue, ValueError, list, parse_mac, machine_uuid, parse_with, one_of, invalid};
use crate::config::toml::table_reader::TableReader;
use proxydhcpd_core::plan::machines::{Machine, Policy};
use proxydhcpd_core::plan::profile::ProfileId;
use serde_json::Map;
use toml::de::DeTable;

/// A machine, before its profile is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMachine {
    pub name: String,
    pub macs: Vec<[u8; 6]>,
    /// In printed order.
    pub uuid: Option<[u8; 16]>,
    pub serial: Option<String>,
    /// By name, and where that stands in its file.
    pub profile: Option<(String, Span)>,
    pub policy: Policy,
    /// A JSON object, or nothing.
    pub variables: String,
}

pub const POLICIES: [(&str, Policy); 3] =
    [("always", Policy::Always), ("once", Policy::Once), ("never", Policy::Never)];

/// One `[machine.NAME]`. What is wrong with it is told; what is right is taken all the same.
pub fn parse_machine(walk: &mut TableReader<'_>, name: &str, name_at: Span, table: &DeTable<'_>) -> RawMachine {
    let before = walk.diagnostics.len();
    let mut machine = RawMachine { name: name.to_owned(), ..RawMachine::default() };
    if let Err(why) = check_name(name) {
        walk.error(name_at.clone(), why);
    }
    walk.read_table("machine", table, |key, value| match key {
        "mac" => match list(value, |value| parse_with(value, parse_mac))? {
            macs if macs.len() > MAX_MACS => Err(ValueError::because(value.span(), TOO_MANY_MACS)),
            macs => {
                machine.macs = macs;
                Ok(())
            }
        },
        "uuid" => machine_uuid(value).map(|uuid| machine.uuid = Some(uuid)),
        "serial" => parse_with(value, |text| parse_serial(text).map(str::to_owned)).map(|serial| machine.serial = Some(serial)),
        "profile" => {
            parse_with(value, |name| Some(name.to_owned())).map(|name| machine.profile = Some((name, value.span())))
        }
        "boot" => one_of(value, &POLICIES).map(|policy| machine.policy = policy),
        "variables" => {
            variables(value).map(|variables| machine.variables = serde_json::Value::Object(variables).to_string())
        }
        _ => Ok(()),
    });
    if walk.diagnostics.len() == before && machine.macs.is_empty() && machine.uuid.is_none() && machine.serial.is_none() {
        walk.warning(name_at, no_identity_message(name));
    }
    machine
}

impl RawMachine {
    /// As the plan takes it in. `profile`: that of its name.
    pub fn to_machine(&self, profile: Option<ProfileId>) -> Machine<'_> {
        let RawMachine { name, macs, uuid, serial, policy, variables, .. } = self;
        Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), profile, policy: *policy, variables }
    }
}

/// More than any server has; a look-up by address goes through those of one machine.
pub const MAX_MACS: usize = 64;
pub const TOO_MANY_MACS: &str = "a machine may have 64 addresses";

/// What `machine.` means in templates beside variables.
const OWN: [&str; 4] = ["name", "mac", "uuid", "serial"];

/// SMBIOS has strings of 64 octets in its older versions.
const LONGEST_SERIAL: usize = 255;

pub fn no_identity_message(name: &str) -> String {
    format!("machine `{name}` has neither MAC address nor UUID nor serial number: it is never found")
}

/// A name goes into URLs, into logs, and into the names of files, where one that begins with a dot is not seen.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if name.starts_with('.') {
        return Err(format!("`{name}` cannot be a name here: a name does not begin with a dot"));
    }
    if (1..=63).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("`{name}` cannot be a name here: 1 to 63 letters, digits, dots, hyphens and underscores can"))
}

/// Or why a variable of a machine cannot be called so.
pub fn check_machine_variable(name: &str) -> Result<(), String> {
    value::check_variable_name(name)?;
    if OWN.contains(&name) {
        return Err(format!("`{name}` is a machine's own, and no variable"));
    }
    Ok(())
}

/// As firmware says it, without the blanks around it.
pub fn parse_serial(text: &str) -> Option<&str> {
    let fits = |text: &&str| (1..=LONGEST_SERIAL).contains(&text.len()) && !text.chars().any(char::is_control);
    Some(text.trim()).filter(fits)
}

fn variables(value: &TomlValue<'_>) -> ValueResult<Map<String, serde_json::Value>> {
    let table = value.get_ref().as_table().ok_or_else(|| invalid(value.span()))?;
    value::named_values(table, check_machine_variable)
}
