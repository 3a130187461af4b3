//! The maker of a network card or hypervisor, by the first three octets of a MAC address. `daemon/vendors/build` makes
//! the table from the public list of the IEEE; it has the makers whose machines boot over the network.

use std::cmp::Ordering;

/// A prefix and a name a line, such as `525400 QEMU/KVM`, in the order of the prefixes. The binary search needs no
/// other form, so the table costs no time at the start and no memory until someone looks a maker up.
const PREFIXES: &str = include_str!("../vendors/prefixes.txt");
/// The number of hexadecimal digits of a prefix.
const DIGITS: usize = 6;
/// The word for an address that software made up (IEEE 802 section 8.4: bit 1 of the first octet).
pub const LOCAL: &str = "locally administered";

/// The maker of the card or of the hypervisor with this MAC address; `None` if it is not in the table.
pub fn vendor(mac: [u8; 6]) -> Option<&'static str> {
    let [a, b, c, ..] = mac;
    let name = find(&format!("{a:02X}{b:02X}{c:02X}"));
    name.or_else(|| (a & 0b11 == 0b10).then_some(LOCAL))
}

fn find(prefix: &str) -> Option<&'static str> {
    let mut rest = PREFIXES;
    while !rest.is_empty() {
        // A line begins after the last line feed before the middle.
        let middle = rest.as_bytes().get(..rest.len() / 2)?.iter().rposition(|octet| *octet == b'\n');
        let (before, from) = rest.split_at_checked(middle.map_or(0, |end| end + 1))?;
        let (line, after) = from.split_once('\n')?;
        let (found, name) = line.split_at_checked(DIGITS)?;
        match prefix.cmp(found) {
            Ordering::Equal => return Some(name.trim_start()),
            Ordering::Less => rest = before,
            Ordering::Greater => rest = after,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_reading::identifiers::parse_any_mac;

    #[test]
    fn every_line_of_the_table_is_found() {
        let lines: Vec<&str> = PREFIXES.lines().collect();
        assert!(lines.is_sorted() && PREFIXES.ends_with('\n'));
        for line in lines {
            assert_eq!(find(&line[..DIGITS]), Some(&line[DIGITS + 1..]), "{line}");
            assert!(!line[DIGITS + 1..].is_empty());
        }
        assert_eq!(find("000000"), None);
        assert_eq!(find("FFFFFF"), None);
    }

    #[test]
    fn makers_of_computers_of_cards_and_of_hypervisors_are_known() {
        for (mac, name) in [
            ("52:54:00:12:34:56", Some("QEMU/KVM")),
            ("00:0c:29:00:00:01", Some("VMware")),
            ("08:00:27:00:00:01", Some("VirtualBox")),
            ("00:15:5d:00:00:01", Some("Hyper-V")),
            ("00:16:3e:00:00:01", Some("Xen")),
            ("bc:24:11:00:00:01", Some("Proxmox")),
            ("b8:27:eb:00:00:01", Some("Raspberry Pi")),
            ("3c:ec:ef:00:00:01", Some("Supermicro")),
            ("00:14:22:00:00:01", Some("Dell")),
            ("00:1b:21:00:00:01", Some("Intel")),
            ("02:00:00:00:00:01", Some(LOCAL)),
            ("00:00:00:00:00:01", None),
            // A multicast address belongs to no maker.
            ("03:00:00:00:00:01", None),
        ] {
            assert_eq!(vendor(parse_any_mac(mac).unwrap()), name, "{mac}");
        }
    }
}
