//! What lists of machines call their columns: those that NetBox exports, those of inventories, those that people write.

use super::builder::MachineField;

/// A column by its name, as lists elsewhere have it.
const USUAL: [(&str, MachineField); 31] = [
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

/// The key of each column. Where one is called by the key's own word, others are not taken for it. In a list of
/// interfaces, `device` is the machine, and `name` the interface.
pub fn fields(names: &[String]) -> Vec<Option<MachineField>> {
    let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let is_of_interfaces = lists_interfaces(names);
    let own =
        |word: &str| MachineField::from_name(word).filter(|key| *key != MachineField::Variables).filter(|_| !is_of_interfaces || word != "name");
    let owned: Vec<MachineField> = plain.iter().filter_map(|word| own(word)).collect();
    let mut taken = Vec::new();
    let mut keys = Vec::new();
    for word in &plain {
        let usual = USUAL.iter().find(|(name, _)| name == word).map(|(_, key)| *key);
        let usual = usual.filter(|key| !owned.contains(key) && !taken.contains(key));
        taken.extend(usual);
        keys.push(own(word).or(usual));
    }
    keys
}

/// Whether the rows are interfaces, of which a machine may have several.
pub fn lists_interfaces(names: &[String]) -> bool {
    let has = |word: &str| names.iter().any(|name| plain(name) == word);
    has("device") && has("name")
}

/// Addresses are in most lists, and of no use here.
pub fn is_ip_address(name: &str) -> bool {
    let name = plain(name);
    ["ip", "ipv4", "ipv6"].iter().any(|word| name.starts_with(word))
        || name.contains("ip_address")
        || name.ends_with("_ip")
}

/// `MAC Address`, `mac-address` and `mac_address` are one.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}
