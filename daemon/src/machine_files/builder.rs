//! Builds one machine after another from a machine file. The builder is reused, so most machines need no allocation.

use crate::settings::raw::machine::{MAX_MACS, TOO_MANY_MACS, parse_serial};
use proxydhcpd_core::plan::inventory::{BootMode, Machine};
use proxydhcpd_reading::identifiers::{parse_any_mac, parse_any_uuid, parse_mac, parse_uuid};
use proxydhcpd_reading::machine_fields::{BOOT_MODES, MachineField};
use proxydhcpd_reading::names::{check_machine_variable, check_name};
use proxydhcpd_reading::suggest::closest_match;

/// Checks that machines can boot the profile of this name, or returns an error message and help.
pub type ProfileCheck<'a> = dyn Fn(&str) -> Result<(), (String, Option<String>)> + 'a;

/// The values of one machine that have been read so far.
#[derive(Debug, Default)]
pub struct MachineBuilder {
    /// The name of the machine: see [`check_name`].
    pub name: String,
    macs: Vec<[u8; 6]>,
    uuid: Option<[u8; 16]>,
    /// Whether the UUID was a placeholder that many machines have. Such a UUID is dropped.
    pub has_placeholder_uuid: bool,
    serial: String,
    profile: String,
    boot_mode: BootMode,
    /// The variables: a JSON object without its closing brace until [`Self::close_variables`], or an empty string.
    variables: String,
}

/// Why a value is invalid.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The error message.
    pub message: String,
    /// Advice on how to correct the value.
    pub help: Option<String>,
}

impl MachineBuilder {
    /// Removes all values, for the next machine.
    pub fn clear(&mut self) {
        self.name.clear();
        self.macs.clear();
        self.uuid = None;
        self.has_placeholder_uuid = false;
        self.serial.clear();
        self.profile.clear();
        self.boot_mode = BootMode::default();
        self.variables.clear();
    }

    /// The machine built so far. Call [`Self::close_variables`] first.
    pub fn machine(&self) -> Machine<'_> {
        Machine {
            name: &self.name,
            macs: &self.macs,
            uuid: self.uuid,
            serial: Some(&self.serial[..]).filter(|serial| !serial.is_empty()),
            profile: Some(&self.profile[..]).filter(|profile| !profile.is_empty()),
            boot_mode: self.boot_mode,
            variables: &self.variables,
        }
    }

    /// Sets the value of a key, and fails if the value is invalid. Each key may be set once for a machine, except
    /// [`MachineField::Mac`], which adds one more address each time.
    pub fn set(&mut self, key: MachineField, text: &str, profiles: &ProfileCheck<'_>) -> Result<(), FieldError> {
        match key {
            MachineField::Name => {
                check_name(text).map_err(|message| FieldError::new(&message))?;
                self.name.push_str(text);
            }
            MachineField::Mac if self.macs.len() == MAX_MACS => return Err(FieldError::new(TOO_MANY_MACS)),
            MachineField::Mac => self.macs.push(parse_mac(text).ok_or_else(|| mac_error(text))?),
            MachineField::Uuid => match parse_uuid(text) {
                // Exports write all zeros or all ones for an unknown UUID, so such a value sets nothing.
                None if parse_any_uuid(text).is_some_and(|uuid| [[0; 16], [0xff; 16]].contains(&uuid)) => {}
                None if parse_any_uuid(text).is_some() => self.has_placeholder_uuid = true,
                None => return Err(uuid_error(text)),
                known => self.uuid = known,
            },
            MachineField::Serial => {
                self.serial.push_str(parse_serial(text).ok_or_else(|| FieldError::new(SERIAL_ERROR))?)
            }
            MachineField::Profile => {
                profiles(text).map_err(|(message, help)| FieldError { message, help })?;
                self.profile.push_str(text);
            }
            MachineField::Boot => self.boot_mode = boot_mode(text)?,
            MachineField::Variables => return Err(FieldError::new("`variables` must be a table")),
        }
        Ok(())
    }

    /// Adds a variable with a text value. `json_name`: the name of the variable, as a JSON string.
    pub fn add_text_variable(&mut self, json_name: &str, text: &str) {
        self.open_variables(json_name);
        let needs_no_escape = |octet: &u8| *octet >= b' ' && !b"\"\\".contains(octet);
        if text.as_bytes().iter().all(needs_no_escape) {
            self.variables.extend(["\"", text, "\""]);
        } else {
            self.variables.push_str(&json_string(text));
        }
    }

    /// Adds a variable with any JSON value. Fails if the name is invalid.
    pub fn add_variable(&mut self, name: &str, value: &serde_json::Value) -> Result<(), FieldError> {
        check_machine_variable(name).map_err(|message| FieldError::new(&message))?;
        self.open_variables(&json_string(name));
        self.variables.push_str(&value.to_string());
        Ok(())
    }

    fn open_variables(&mut self, json_name: &str) {
        self.variables.extend([if self.variables.is_empty() { "{" } else { "," }, json_name, ":"]);
    }

    /// Closes the JSON object of variables.
    pub fn close_variables(&mut self) {
        if !self.variables.is_empty() {
            self.variables.push('}');
        }
    }
}

/// Returns the text as a JSON string, with quotes.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const SERIAL_ERROR: &str = "a serial number must be one line of 1 to 255 octets";

fn mac_error(text: &str) -> FieldError {
    if parse_any_mac(text).is_some() {
        return FieldError::new(&format!("{text:?} is a multicast, broadcast or null address: no machine has it"));
    }
    let help = "write a MAC address as 52:54:00:12:34:56, 52-54-00-12-34-56 or 5254.0012.3456".to_owned();
    FieldError { message: format!("{text:?} is not a MAC address"), help: Some(help) }
}

fn uuid_error(text: &str) -> FieldError {
    let help = "write a UUID as the firmware setup shows it: 11223344-5566-7788-99aa-bbccddeeff00".to_owned();
    FieldError { message: format!("{text:?} is not a UUID"), help: Some(help) }
}

fn boot_mode(text: &str) -> Result<BootMode, FieldError> {
    BOOT_MODES.iter().find(|(word, _)| *word == text).map(|(_, boot_mode)| *boot_mode).ok_or_else(|| {
        let help =
            closest_match(text, BOOT_MODES.map(|(word, _)| word)).map(|similar| format!("did you mean `{similar}`?"));
        FieldError { message: format!("`boot` must be always, once or never, not {text:?}"), help }
    })
}

impl FieldError {
    /// An error without help.
    pub fn new(message: &str) -> FieldError {
        FieldError { message: message.to_owned(), help: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_are_read_as_switches_labels_and_exports_write_them() {
        for text in ["52:54:00:12:ab:Ff", "52-54-00-12-AB-FF", "5254.0012.abff", "52540012abff"] {
            assert_eq!(parse_mac(text), Some([0x52, 0x54, 0, 0x12, 0xab, 0xff]), "{text}");
        }
        for text in
            ["", "52:54:00:12:ab", "52:54:00:12:ab:fg", "52:5:400:12:ab:ff", "52:54-00:12:ab:ff", "5254:0012:abff"]
        {
            assert_eq!((parse_mac(text), mac_error(text).message), (None, format!("{text:?} is not a MAC address")));
        }
        for text in ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"] {
            assert!(parse_mac(text).is_none() && mac_error(text).message.contains("multicast"), "{text}");
        }
    }

    #[test]
    fn uuids_are_read_with_hyphens_braces_or_bare() {
        let texts = [
            "11223344-5566-7788-99aa-bbccddeeff00",
            "{11223344-5566-7788-99AA-BBCCDDEEFF00}",
            "112233445566778899aabbccddeeff00",
        ];
        for text in texts {
            assert_eq!(parse_uuid(text).unwrap()[..3], [0x11, 0x22, 0x33], "{text}");
            assert_eq!(parse_uuid(text).unwrap()[14..], [0xff, 0], "{text}");
        }
        for text in ["", "1122334455667788-99aa-bbccddeeff00-----", "11223344-5566-7788-99aa-bbccddeeff0g"] {
            assert_eq!(parse_any_uuid(text), None, "{text}");
        }
    }

    #[test]
    fn a_uuid_of_zeros_or_ones_is_ignored_in_an_export() {
        let mut builder = MachineBuilder::default();
        for text in ["00000000-0000-0000-0000-000000000000", "ffffffffffffffffffffffffffffffff"] {
            assert_eq!(builder.set(MachineField::Uuid, text, &|_| Ok(())), Ok(()));
        }
        assert_eq!((builder.machine(), builder.has_placeholder_uuid), (Machine::default(), false));
        assert_eq!(builder.set(MachineField::Uuid, "03000200-0400-0500-0006-000700080009", &|_| Ok(())), Ok(()));
        assert_eq!((builder.machine(), builder.has_placeholder_uuid), (Machine::default(), true));
    }

    #[test]
    fn variables_are_one_json_object() {
        let mut builder = MachineBuilder::default();
        builder.add_text_variable("\"role\"", "web");
        builder.add_text_variable("\"motto\"", "say \"hi\"\n\\");
        builder.add_variable("disks", &serde_json::json!([1, 2])).unwrap();
        for name in ["", "a b", "1a", "serial", "request", "server"] {
            assert!(builder.add_variable(name, &serde_json::Value::Null).is_err(), "{name}");
        }
        builder.close_variables();
        let read: serde_json::Value = serde_json::from_str(builder.machine().variables).unwrap();
        assert_eq!(read, serde_json::json!({ "role": "web", "motto": "say \"hi\"\n\\", "disks": [1, 2] }));
        builder.clear();
        builder.close_variables();
        assert_eq!(builder.machine(), Machine::default());
    }
}
