//! One machine of an exported file while it is read. The same draft serves one after the other, so that nothing is
//! allocated for most of them.

use super::ProfileLookup;
use crate::config::machines::{MAX_MACS, POLICIES, TOO_MANY_MACS, check_name, check_machine_variable, parse_serial};
use crate::config::toml::value::{parse_any_mac, parse_any_uuid, parse_mac, parse_uuid};
use crate::suggest::closest_match;
use proxydhcpd_core::plan::machines::{Machine, Policy};
use proxydhcpd_core::plan::profile::ProfileId;

/// What may be said of a machine, in every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineField {
    Name,
    Mac,
    Uuid,
    Serial,
    Profile,
    Boot,
    Variables,
}

#[derive(Debug, Default)]
pub struct MachineBuilder {
    pub name: String,
    macs: Vec<[u8; 6]>,
    uuid: Option<[u8; 16]>,
    /// Its UUID is one that makers leave in many machines, and is not taken.
    pub has_placeholder_uuid: bool,
    serial: String,
    profile: Option<ProfileId>,
    policy: Policy,
    /// A JSON object that is not closed yet, or nothing.
    variables: String,
}

/// What is wrong with a value, and perhaps what was meant.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldError {
    pub message: String,
    pub help: Option<String>,
}

impl MachineField {
    pub const ALL: [MachineField; 7] =
        [Self::Name, Self::Mac, Self::Uuid, Self::Serial, Self::Profile, Self::Boot, Self::Variables];

    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Mac => "mac",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Profile => "profile",
            Self::Boot => "boot",
            Self::Variables => "variables",
        }
    }

    pub fn from_name(word: &str) -> Option<MachineField> {
        Self::ALL.into_iter().find(|key| key.name() == word)
    }
}

impl MachineBuilder {
    pub fn clear(&mut self) {
        self.name.clear();
        self.macs.clear();
        self.uuid = None;
        self.has_placeholder_uuid = false;
        self.serial.clear();
        self.profile = None;
        self.policy = Policy::default();
        self.variables.clear();
    }

    /// What has been said so far, variables closed.
    pub fn machine(&self) -> Machine<'_> {
        Machine {
            name: &self.name,
            macs: &self.macs,
            uuid: self.uuid,
            serial: Some(&self.serial[..]).filter(|serial| !serial.is_empty()),
            profile: self.profile,
            policy: self.policy,
            variables: &self.variables,
        }
    }

    /// One more address for [`Key::Mac`]; any other key has one value.
    pub fn set(&mut self, key: MachineField, text: &str, profiles: &ProfileLookup<'_>) -> Result<(), FieldError> {
        match key {
            MachineField::Name => {
                check_name(text).map_err(|why| FieldError::new(&why))?;
                self.name.push_str(text);
            }
            MachineField::Mac if self.macs.len() == MAX_MACS => return Err(FieldError::new(TOO_MANY_MACS)),
            MachineField::Mac => self.macs.push(parse_mac(text).ok_or_else(|| no_mac(text))?),
            MachineField::Uuid => match parse_uuid(text) {
                // Only zeros or only ones: that is how others write down that they know none.
                None if parse_any_uuid(text).is_some_and(|uuid| [[0; 16], [0xff; 16]].contains(&uuid)) => {}
                None if parse_any_uuid(text).is_some() => self.has_placeholder_uuid = true,
                None => return Err(no_uuid(text)),
                known => self.uuid = known,
            },
            MachineField::Serial => self.serial.push_str(parse_serial(text).ok_or_else(|| FieldError::new(NO_SERIAL))?),
            MachineField::Profile => {
                self.profile = Some(profiles(text).map_err(|(message, help)| FieldError { message, help })?);
            }
            MachineField::Boot => self.policy = policy(text)?,
            MachineField::Variables => return Err(FieldError::new("`variables` is a table")),
        }
        Ok(())
    }

    /// A variable whose name is a JSON string already.
    pub fn add_text_variable(&mut self, json_name: &str, text: &str) {
        self.open_variables(json_name);
        let plain = |octet: &u8| *octet >= b' ' && !b"\"\\".contains(octet);
        if text.as_bytes().iter().all(plain) {
            self.variables.extend(["\"", text, "\""]);
        } else {
            self.variables.push_str(&json_string(text));
        }
    }

    pub fn add_variable(&mut self, name: &str, value: &serde_json::Value) -> Result<(), FieldError> {
        check_machine_variable(name).map_err(|why| FieldError::new(&why))?;
        self.open_variables(&json_string(name));
        self.variables.push_str(&value.to_string());
        Ok(())
    }

    fn open_variables(&mut self, json_name: &str) {
        self.variables.extend([if self.variables.is_empty() { "{" } else { "," }, json_name, ":"]);
    }

    pub fn close_variables(&mut self) {
        if !self.variables.is_empty() {
            self.variables.push('}');
        }
    }
}

pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const NO_SERIAL: &str = "a serial number is one line of 1 to 255 octets";

fn no_mac(text: &str) -> FieldError {
    if parse_any_mac(text).is_some() {
        return FieldError::new(&format!("{text:?} is no machine's own address, but one for a group or for nobody"));
    }
    let help = "a MAC address is 52:54:00:12:34:56, also with hyphens or as 5254.0012.3456".to_owned();
    FieldError { message: format!("{text:?} is no MAC address"), help: Some(help) }
}

fn no_uuid(text: &str) -> FieldError {
    let help = "a UUID is 11223344-5566-7788-99aa-bbccddeeff00, as the firmware's setup prints it".to_owned();
    FieldError { message: format!("{text:?} is no UUID"), help: Some(help) }
}

fn policy(text: &str) -> Result<Policy, FieldError> {
    POLICIES.iter().find(|(word, _)| *word == text).map(|(_, policy)| *policy).ok_or_else(|| {
        let help = closest_match(text, POLICIES.map(|(word, _)| word)).map(|meant| format!("did you mean `{meant}`?"));
        FieldError { message: format!("`boot` is always, once or never, and not {text:?}"), help }
    })
}

impl FieldError {
    pub fn new(message: &str) -> FieldError {
        FieldError { message: message.to_owned(), help: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_switches_labels_and_exports_write_them() {
        for text in ["52:54:00:12:ab:Ff", "52-54-00-12-AB-FF", "5254.0012.abff", "52540012abff"] {
            assert_eq!(parse_mac(text), Some([0x52, 0x54, 0, 0x12, 0xab, 0xff]), "{text}");
        }
        for text in
            ["", "52:54:00:12:ab", "52:54:00:12:ab:fg", "52:5:400:12:ab:ff", "52:54-00:12:ab:ff", "5254:0012:abff"]
        {
            assert_eq!((parse_mac(text), no_mac(text).message), (None, format!("{text:?} is no MAC address")));
        }
        for text in ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"] {
            assert!(parse_mac(text).is_none() && no_mac(text).message.contains("group"), "{text}");
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
    fn a_uuid_of_only_zeros_or_ones_says_nothing_in_an_export() {
        let mut draft = MachineBuilder::default();
        for text in ["00000000-0000-0000-0000-000000000000", "ffffffffffffffffffffffffffffffff"] {
            assert_eq!(draft.set(MachineField::Uuid, text, &|_| Ok(0)), Ok(()));
        }
        assert_eq!((draft.machine(), draft.has_placeholder_uuid), (Machine::default(), false));
        assert_eq!(draft.set(MachineField::Uuid, "03000200-0400-0500-0006-000700080009", &|_| Ok(0)), Ok(()));
        assert_eq!((draft.machine(), draft.has_placeholder_uuid), (Machine::default(), true));
    }

    #[test]
    fn variables_are_one_json_object() {
        let mut draft = MachineBuilder::default();
        draft.add_text_variable("\"role\"", "web");
        draft.add_text_variable("\"motto\"", "say \"hi\"\n\\");
        draft.add_variable("disks", &serde_json::json!([1, 2])).unwrap();
        for name in ["", "a b", "1a", "serial", "request", "server"] {
            assert!(draft.add_variable(name, &serde_json::Value::Null).is_err(), "{name}");
        }
        draft.close_variables();
        let read: serde_json::Value = serde_json::from_str(draft.machine().variables).unwrap();
        assert_eq!(read, serde_json::json!({ "role": "web", "motto": "say \"hi\"\n\\", "disks": [1, 2] }));
        draft.clear();
        draft.close_variables();
        assert_eq!(draft.machine(), Machine::default());
    }
}
