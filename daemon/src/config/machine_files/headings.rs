//! What lists of machines call their columns: those that NetBox exports, those of inventories, those that people write.

use super::draft::Key;

/// A column by its name, as lists elsewhere have it.
const USUAL: [(&str, Key); 31] = [
    ("hostname", Key::Name),
    ("host", Key::Name),
    ("host_name", Key::Name),
    ("device", Key::Name),
    ("device_name", Key::Name),
    ("inventory_hostname", Key::Name),
    ("computer_name", Key::Name),
    ("computername", Key::Name),
    ("machine", Key::Name),
    ("mac_address", Key::Mac),
    ("mac_addresses", Key::Mac),
    ("macaddress", Key::Mac),
    ("mac_addr", Key::Mac),
    ("hw_address", Key::Mac),
    ("hwaddr", Key::Mac),
    ("hardware_address", Key::Mac),
    ("ethernet_address", Key::Mac),
    ("primary_mac_address", Key::Mac),
    ("ansible_default_ipv4.macaddress", Key::Mac),
    ("system_uuid", Key::Uuid),
    ("product_uuid", Key::Uuid),
    ("smbios_uuid", Key::Uuid),
    ("bios_uuid", Key::Uuid),
    ("ansible_product_uuid", Key::Uuid),
    ("serial_number", Key::Serial),
    ("serialnumber", Key::Serial),
    ("serial_no", Key::Serial),
    ("service_tag", Key::Serial),
    ("product_serial", Key::Serial),
    ("ansible_product_serial", Key::Serial),
    ("boot_profile", Key::Profile),
];

/// The key of each column. Where one is called by the key's own word, others are not taken for it. In a list of
/// interfaces, `device` is the machine, and `name` the interface.
pub fn keys(names: &[String]) -> Vec<Option<Key>> {
    let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let is_of_interfaces = of_interfaces(names);
    let own =
        |word: &str| Key::of(word).filter(|key| *key != Key::Variables).filter(|_| !is_of_interfaces || word != "name");
    let owned: Vec<Key> = plain.iter().filter_map(|word| own(word)).collect();
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
pub fn of_interfaces(names: &[String]) -> bool {
    let has = |word: &str| names.iter().any(|name| plain(name) == word);
    has("device") && has("name")
}

/// Addresses are in most lists, and of no use here.
pub fn is_address(name: &str) -> bool {
    let name = plain(name);
    ["ip", "ipv4", "ipv6"].iter().any(|word| name.starts_with(word))
        || name.contains("ip_address")
        || name.ends_with("_ip")
}

/// `MAC Address`, `mac-address` and `mac_address` are one.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}
