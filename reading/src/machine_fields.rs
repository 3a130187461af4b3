//! The keys of a machine in every format, and the usual names of columns that set them: in NetBox exports, in
//! inventories, and in lists made by hand.

use proxydhcpd_core::plan::inventory::BootMode;

/// A key of a machine, in every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineField {
    /// The key `name`.
    Name,
    /// The key `mac`.
    Mac,
    /// The key `uuid`.
    Uuid,
    /// The key `serial`.
    Serial,
    /// The key `profile`.
    Profile,
    /// The key `boot`.
    Boot,
    /// The key `variables`.
    Variables,
}

impl MachineField {
    /// All keys.
    pub const ALL: [MachineField; 7] =
        [Self::Name, Self::Mac, Self::Uuid, Self::Serial, Self::Profile, Self::Boot, Self::Variables];

    /// The key as text.
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

    /// Returns the key with this name, or `None` if there is no such key.
    pub fn from_name(word: &str) -> Option<MachineField> {
        Self::ALL.into_iter().find(|key| key.name() == word)
    }
}

/// The values of the key `boot`, with their meanings.
pub const BOOT_MODES: [(&str, BootMode); 3] =
    [("always", BootMode::Always), ("once", BootMode::Once), ("never", BootMode::Never)];

/// Usual names of columns, each with the key that the column sets.
const ALIASES: [(&str, MachineField); 31] = [
    ("hostname", MachineField::Name),
    ("host", MachineField::Name),
    ("host_name", MachineField::Name),
    ("device", MachineField::Name),
    ("device_name", MachineField::Name),
    ("inventory_hostname", MachineField::Name),
    ("computer_name", MachineField::Name),
    ("computername", MachineField::Name),
    ("machine", MachineField::Name),
    ("mac_address", MachineField::Mac),
    ("mac_addresses", MachineField::Mac),
    ("macaddress", MachineField::Mac),
    ("mac_addr", MachineField::Mac),
    ("hw_address", MachineField::Mac),
    ("hwaddr", MachineField::Mac),
    ("hardware_address", MachineField::Mac),
    ("ethernet_address", MachineField::Mac),
    ("primary_mac_address", MachineField::Mac),
    ("ansible_default_ipv4.macaddress", MachineField::Mac),
    ("system_uuid", MachineField::Uuid),
    ("product_uuid", MachineField::Uuid),
    ("smbios_uuid", MachineField::Uuid),
    ("bios_uuid", MachineField::Uuid),
    ("ansible_product_uuid", MachineField::Uuid),
    ("serial_number", MachineField::Serial),
    ("serialnumber", MachineField::Serial),
    ("serial_no", MachineField::Serial),
    ("service_tag", MachineField::Serial),
    ("product_serial", MachineField::Serial),
    ("ansible_product_serial", MachineField::Serial),
    ("boot_profile", MachineField::Profile),
];

/// Returns the key that each column sets, or `None` for a column that sets no key. If a column has the name of a key,
/// aliases of that key are ignored. In a list of interfaces, `device` is the name of the machine, and `name` that of
/// the interface.
pub fn fields(names: &[String]) -> Vec<Option<MachineField>> {
    let normalized: Vec<String> = names.iter().map(|name| normalize(name)).collect();
    let is_of_interfaces = lists_interfaces(names);
    let exact = |word: &str| {
        MachineField::from_name(word)
            .filter(|key| *key != MachineField::Variables)
            .filter(|_| !is_of_interfaces || word != "name")
    };
    let exact_keys: Vec<MachineField> = normalized.iter().filter_map(|word| exact(word)).collect();
    let mut taken = Vec::new();
    let mut keys = Vec::new();
    for word in &normalized {
        let alias = ALIASES.iter().find(|(name, _)| name == word).map(|(_, key)| *key);
        let alias = alias.filter(|key| !exact_keys.contains(key) && !taken.contains(key));
        taken.extend(alias);
        keys.push(exact(word).or(alias));
    }
    keys
}

/// Whether each row describes an interface, so that a machine may have several rows. Such a list has the columns
/// `device` and `name`.
pub fn lists_interfaces(names: &[String]) -> bool {
    let has = |word: &str| names.iter().any(|name| normalize(name) == word);
    has("device") && has("name")
}

/// Whether the column contains IP addresses. Most lists have such a column, but machines have no key for IP addresses.
pub fn is_ip_address(name: &str) -> bool {
    let name = normalize(name);
    ["ip", "ipv4", "ipv6"].iter().any(|word| name.starts_with(word))
        || name.contains("ip_address")
        || name.ends_with("_ip")
}

/// Converts a name to lower case, with underscores: `MAC Address`, `mac-address` and `mac_address` are the same.
fn normalize(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}
