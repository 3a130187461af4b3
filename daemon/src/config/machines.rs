//! Machines as files describe them.

use crate::config::diagnostic::Span;
use crate::config::toml::value::{Read, Value, Wrong, list, mac, parsed, uuid, variables, word};
use crate::config::toml::walk::Walk;
use proxydhcpd_core::plan::machines::Policy;
use serde_json::Map;
use toml::de::DeTable;

/// A machine, before its profile is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
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
pub fn described(walk: &mut Walk<'_>, name: &str, name_at: Span, table: &DeTable<'_>) -> Described {
    let before = walk.told.len();
    let mut machine = Described { name: name.to_owned(), ..Described::default() };
    if let Err(why) = check_name(name) {
        walk.error(name_at.clone(), why);
    }
    walk.table("machine", table, |key, value| match key {
        "mac" => list(value, |value| parsed(value, mac)).map(|macs| machine.macs = macs),
        "uuid" => parsed(value, uuid).map(|uuid| machine.uuid = Some(uuid)),
        "serial" => parsed(value, serial).map(|serial| machine.serial = Some(serial)),
        "profile" => {
            parsed(value, |name| Some(name.to_owned())).map(|name| machine.profile = Some((name, value.span())))
        }
        "boot" => word(value, &POLICIES).map(|policy| machine.policy = policy),
        "variables" => {
            own_variables(value).map(|variables| machine.variables = serde_json::Value::Object(variables).to_string())
        }
        _ => Ok(()),
    });
    if walk.told.len() == before && machine.macs.is_empty() && machine.uuid.is_none() && machine.serial.is_none() {
        walk.warning(
            name_at,
            format!("machine `{name}` has neither MAC address nor UUID nor serial number: it is never found"),
        );
    }
    machine
}

/// What `machine.` means in templates beside variables.
pub const OWN: [&str; 4] = ["name", "mac", "uuid", "serial"];

/// A name goes into URLs and logs.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // `.` and `..` would be lost on the way through a URL.
    if (1..=63).contains(&name.len()) && name.chars().all(fits) && !name.chars().all(|c| c == '.') {
        return Ok(());
    }
    Err(format!("`{name}` cannot be a name here: 1 to 63 letters, digits, dots, hyphens and underscores can"))
}

fn own_variables(value: &Value<'_>) -> Read<Map<String, serde_json::Value>> {
    let variables = variables(value)?;
    match OWN.into_iter().find(|name| variables.contains_key(*name)) {
        Some(name) => Err(Wrong::because(value.span(), format!("`{name}` is a machine's own, and no variable"))),
        None => Ok(variables),
    }
}

/// As firmware says it, without the blanks around it.
fn serial(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty() && !text.chars().any(char::is_control)).map(str::to_owned)
}
