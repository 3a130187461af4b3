//! A boot order: a machine boots another profile than its entry says.

use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::plan::inventory::BootMode;
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_reading::identifiers::parse_mac;
use serde::{Deserialize, Serialize};

/// A boot order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootOrder {
    /// The name of the profile.
    pub profile: String,
    /// `Once`: the machine boots the profile until its boot-once is completed, and then its disk. `Always`: it boots
    /// the profile until the order is cancelled.
    pub boot: BootMode,
    /// The MAC addresses of a machine that has no entry.
    pub macs: Vec<[u8; 6]>,
    /// When the machine completed the order, in seconds since 1970.
    pub completed: Option<u64>,
    /// Whether the boot-once of the machine's own entry was completed before the order. The order resets it, and its
    /// end restores it: otherwise the machine would be installed again.
    pub was_completed: bool,
}

/// The file of a boot order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderFile {
    profile: String,
    once: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mac: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<u64>,
    #[serde(default, rename = "was-completed")]
    was_completed: bool,
}

impl BootOrder {
    /// Reads the file of an order.
    pub fn parse(_: &str, source: &Source) -> Result<BootOrder, String> {
        let file: OrderFile = toml::from_str(&source.text).map_err(|error| error.message().to_owned())?;
        let mac = |text: &String| parse_mac(text).ok_or_else(|| format!("{text:?} is not a MAC address"));
        Ok(BootOrder {
            profile: file.profile,
            boot: if file.once { BootMode::Once } else { BootMode::Always },
            macs: file.mac.iter().map(mac).collect::<Result<_, _>>()?,
            completed: file.completed,
            was_completed: file.was_completed,
        })
    }

    /// Whether the machine is still to complete the order.
    pub fn is_open(&self) -> bool {
        self.boot == BootMode::Once && self.completed.is_none()
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let file = OrderFile {
            profile: self.profile.clone(),
            once: self.boot == BootMode::Once,
            mac: self.macs.iter().map(|mac| HardwareAddress::from_mac(*mac).to_string()).collect(),
            completed: self.completed,
            was_completed: self.was_completed,
        };
        toml::to_string(&file).unwrap_or_default()
    }
}
