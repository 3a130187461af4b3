//! One machine while it is read, and what its values may be. The same draft serves one machine after the other, so that
//! nothing is allocated for most of them.

use super::Profiles;
use crate::probable::probable;
use proxydhcpd_core::plan::machines::{Machine, Policy};
use proxydhcpd_core::plan::profile::ProfileId;

/// What may be said of a machine, in every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Name,
    Mac,
    Uuid,
    Serial,
    Profile,
    Boot,
    Variables,
}

#[derive(Debug, Default)]
pub struct Draft {
    pub name: String,
    macs: Vec<[u8; 6]>,
    uuid: Option<[u8; 16]>,
    serial: String,
    profile: Option<ProfileId>,
    policy: Policy,
    /// A JSON object that is not closed yet, or nothing.
    variables: String,
}

/// What is wrong with a value, and perhaps what was meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub message: String,
    pub help: Option<String>,
}

impl Key {
    pub const ALL: [Key; 7] =
        [Self::Name, Self::Mac, Self::Uuid, Self::Serial, Self::Profile, Self::Boot, Self::Variables];

    pub fn word(self) -> &'static str {
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

    pub fn of(word: &str) -> Option<Key> {
        Self::ALL.into_iter().find(|key| key.word() == word)
    }

    /// The key of a machine's table, or what was probably meant.
    pub fn named(word: &str) -> Result<Key, Wrong> {
        Self::of(word).ok_or_else(|| {
            let words = || Self::ALL.map(Self::word);
            let help = probable(word, words()).map_or_else(
                || format!("a machine has {}; anything else goes into its `variables`", words().join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            Wrong { message: format!("unknown key `{word}`"), help: Some(help) }
        })
    }
}

impl Draft {
    pub fn clear(&mut self) {
        self.name.clear();
        self.macs.clear();
        self.uuid = None;
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
    pub fn set(&mut self, key: Key, text: &str, profiles: &Profiles<'_>) -> Result<(), Wrong> {
        match key {
            Key::Name => self.name.push_str(name(text)?),
            Key::Mac if self.macs.len() == MOST_MACS => return Err(Wrong::plain(TOO_MANY_MACS)),
            Key::Mac => self.macs.push(mac(text)?),
            Key::Uuid => self.uuid = Some(uuid(text)?),
            Key::Serial => self.serial.push_str(serial(text)?),
            Key::Profile => {
                self.profile = Some(profiles(text).map_err(|(message, help)| Wrong { message, help })?);
            }
            Key::Boot => self.policy = policy(text)?,
            Key::Variables => return Err(Wrong::plain("`variables` is a table")),
        }
        Ok(())
    }

    /// A variable whose name is a JSON string already.
    pub fn text_variable(&mut self, json_name: &str, text: &str) {
        self.open_variables(json_name);
        let plain = |octet: &u8| *octet >= b' ' && !b"\"\\".contains(octet);
        if text.as_bytes().iter().all(plain) {
            self.variables.extend(["\"", text, "\""]);
        } else {
            self.variables.push_str(&json_text(text));
        }
    }

    pub fn variable(&mut self, name: &str, value: &serde_json::Value) -> Result<(), Wrong> {
        if !is_variable(name) {
            return Err(Wrong {
                message: format!("`{name}` cannot be a variable's name"),
                help: Some(VARIABLES.into()),
            });
        }
        self.open_variables(&json_text(name));
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

/// Whether a template can say it, and means a variable by it.
pub fn is_variable(name: &str) -> bool {
    const TAKEN: [&str; 9] = ["machine", "profile", "request", "base", "done_url", "name", "mac", "uuid", "serial"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
        && !TAKEN.contains(&name)
}

pub const VARIABLES: &str = "it is of letters, digits and underscores, and none of those that templates have already";

pub fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// More than any server has; a look-up by address goes through those of one machine.
const MOST_MACS: usize = 64;
const TOO_MANY_MACS: &str = "a machine may have 64 addresses";
/// SMBIOS has strings of 64 octets in its older versions.
const LONGEST_SERIAL: usize = 255;

/// Names stand in URLs.
fn name(text: &str) -> Result<&str, Wrong> {
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"._-".contains(octet);
    // `.` and `..` would be lost on the way through a URL.
    let dots = text.bytes().all(|octet| octet == b'.');
    if !dots && text.len() <= 63 && text.as_bytes().iter().all(allowed) {
        return Ok(text);
    }
    let help = "a name has 1 to 63 letters (a to z, A to Z), digits, dots, hyphens and underscores".to_owned();
    Err(Wrong { message: format!("{text:?} is no name for a machine"), help: Some(help) })
}

fn mac(text: &str) -> Result<[u8; 6], Wrong> {
    let separated = |width: usize, separator: u8| {
        text.bytes().enumerate().all(|(at, octet)| (at % width == width - 1) == (octet == separator))
    };
    let regular = match text.len() {
        17 => separated(3, b':') || separated(3, b'-'),
        14 => separated(5, b'.'),
        12 => true,
        _ => false,
    };
    let Some(mac) = octets::<6>(text).filter(|_| regular) else {
        let help = "a MAC address is 52:54:00:12:34:56, also with hyphens or as 5254.0012.3456".to_owned();
        return Err(Wrong { message: format!("{text:?} is no MAC address"), help: Some(help) });
    };
    if mac[0] & 1 != 0 || mac == [0; 6] {
        return Err(Wrong::plain(&format!("{text:?} is no machine's own address, but one for a group or for nobody")));
    }
    Ok(mac)
}

fn uuid(text: &str) -> Result<[u8; 16], Wrong> {
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let hyphens = |at| [8, 13, 18, 23].contains(&at);
    let regular = match bare.len() {
        36 => bare.bytes().enumerate().all(|(at, octet)| hyphens(at) == (octet == b'-')),
        32 => true,
        _ => false,
    };
    octets(bare).filter(|_| regular).ok_or_else(|| {
        let help = "a UUID is 11223344-5566-7788-99aa-bbccddeeff00, as the firmware's setup prints it".to_owned();
        Wrong { message: format!("{text:?} is no UUID"), help: Some(help) }
    })
}

/// So many octets in hexadecimal, with anything between them that is no digit: its places have been looked at.
fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0u8; N];
    let mut digits = 0;
    for octet in text.bytes().filter(|octet| !b":-.".contains(octet)) {
        let value = char::from(octet).to_digit(16)? as u8;
        let place = octets.get_mut(digits / 2)?;
        *place = *place << 4 | value;
        digits += 1;
    }
    (digits == 2 * N).then_some(octets)
}

fn serial(text: &str) -> Result<&str, Wrong> {
    if text.len() > LONGEST_SERIAL || text.chars().any(char::is_control) {
        return Err(Wrong::plain("a serial number is one line of at most 255 octets"));
    }
    Ok(text.trim())
}

fn policy(text: &str) -> Result<Policy, Wrong> {
    match text {
        "always" => Ok(Policy::Always),
        "once" => Ok(Policy::Once),
        "never" => Ok(Policy::Never),
        _ => {
            let help = probable(text, ["always", "once", "never"]).map(|meant| format!("did you mean `{meant}`?"));
            Err(Wrong { message: format!("`boot` is always, once or never, and not {text:?}"), help })
        }
    }
}

impl Wrong {
    pub fn plain(message: &str) -> Wrong {
        Wrong { message: message.to_owned(), help: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_switches_labels_and_exports_write_them() {
        for text in ["52:54:00:12:ab:Ff", "52-54-00-12-AB-FF", "5254.0012.abff", "52540012abff"] {
            assert_eq!(mac(text), Ok([0x52, 0x54, 0, 0x12, 0xab, 0xff]), "{text}");
        }
        for text in
            ["", "52:54:00:12:ab", "52:54:00:12:ab:fg", "52:5:400:12:ab:ff", "52:54-00:12:ab:ff", "5254:0012:abff"]
        {
            assert_eq!(mac(text).unwrap_err().message, format!("{text:?} is no MAC address"));
        }
        for text in ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"] {
            assert!(mac(text).unwrap_err().message.contains("group"), "{text}");
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
            assert_eq!(uuid(text).unwrap()[..3], [0x11, 0x22, 0x33], "{text}");
            assert_eq!(uuid(text).unwrap()[14..], [0xff, 0], "{text}");
        }
        for text in ["", "1122334455667788-99aa-bbccddeeff00-----", "11223344-5566-7788-99aa-bbccddeeff0g"] {
            assert!(uuid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_are_one_json_object() {
        let mut draft = Draft::default();
        draft.text_variable("\"role\"", "web");
        draft.text_variable("\"motto\"", "say \"hi\"\n\\");
        draft.variable("disks", &serde_json::json!([1, 2])).unwrap();
        for name in ["", "a b", "1a", "serial", "request"] {
            assert!(draft.variable(name, &serde_json::Value::Null).is_err(), "{name}");
        }
        draft.close_variables();
        let read: serde_json::Value = serde_json::from_str(draft.machine().variables).unwrap();
        assert_eq!(read, serde_json::json!({ "role": "web", "motto": "say \"hi\"\n\\", "disks": [1, 2] }));
        draft.clear();
        draft.close_variables();
        assert_eq!(draft.machine(), Machine::default());
    }
}
