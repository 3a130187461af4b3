//! The settings of an entry, as the API receives them and as the file of an entry has them. The reader of machine files
//! checks them.

use super::owned_machine::OwnedMachine;
use crate::machine_files::{ProfileCheck, read_text};
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::plan::inventory::{BootMode, Machine};
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::machine_fields::BOOT_MODES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The settings of an entry: the keys of `[machine.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntrySettings {
    /// The MAC addresses of the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mac: Vec<String>,
    /// Its UUID, as the firmware setup shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The name of its profile; absent if the rules or the default decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When it boots the profile: `always`, `once` or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Variables for templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, serde_json::Value>,
}

impl EntrySettings {
    /// The settings of an entry.
    pub fn new(machine: &Machine<'_>) -> EntrySettings {
        let word = BOOT_MODES.iter().find(|(_, mode)| *mode == machine.boot_mode).map(|(word, _)| (*word).to_owned());
        EntrySettings {
            mac: machine.macs.iter().map(|mac| HardwareAddress::from_mac(*mac).to_string()).collect(),
            uuid: machine.uuid.map(|uuid| MachineId::from_uuid(uuid).to_string()),
            serial: machine.serial.map(str::to_owned),
            profile: machine.profile.map(str::to_owned),
            boot: word.filter(|_| machine.boot_mode != BootMode::Unspecified),
            variables: serde_json::from_str(machine.variables).unwrap_or_default(),
        }
    }

    /// Reads the file of an entry. Its profile may be gone: then the machine boots its disk.
    pub fn parse(name: &str, source: &Source) -> Result<OwnedMachine, String> {
        let found = read_text(source, &|_| Ok(())).map_err(|errors| first_line(&errors))?;
        let machine = found.get_by_name(name).map(OwnedMachine::from);
        machine.ok_or_else(|| format!("the file has no entry `{name}`"))
    }

    /// Checks the settings, and returns the entry of this name.
    ///
    /// # Errors
    /// The diagnostics of the reader of machine files, about the lines of [`EntrySettings::to_toml`].
    pub fn check(&self, name: &str, profiles: &ProfileCheck<'_>) -> Result<OwnedMachine, Vec<Diagnostic>> {
        let source = Source { name: name.to_owned(), text: self.to_toml(name) };
        let found = read_text(&source, profiles)?;
        let machine = found.get_by_name(name).map(OwnedMachine::from);
        machine.ok_or_else(|| vec![Diagnostic::error(format!("`{name}` is not a valid name"))])
    }

    /// The text of the file of an entry with this name.
    pub fn to_toml(&self, name: &str) -> String {
        let text = toml::to_string(&BTreeMap::from([(name, self)]));
        text.unwrap_or_else(|error| format!("# {error}\n"))
    }
}

fn first_line(errors: &[Diagnostic]) -> String {
    errors.first().map(Diagnostic::one_line).unwrap_or_default()
}
