//! The identity of the machine that sent a packet or a request for a file, and the key by which observations know it.

use crate::bounded_cache::CacheKey;
use crate::relay::Relay;
use crate::wire::pxe::MachineId;
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::net::IpAddr;

/// A hardware address: htype, hlen and chaddr; or the end of a DUID.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HardwareAddress {
    /// Hardware address type (1: Ethernet), or [`HardwareAddress::DUID`] for the end of a DUID.
    pub htype: u8,
    /// Number of valid octets, at most 16.
    pub hlen: u8,
    /// The address, padded with zeros.
    pub octets: [u8; 16],
}

/// The machine that sent a packet or a request for a file. The server identifies it once for each packet and each
/// request; the decision, the script, the transfer and the events all use this value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineIdentity {
    /// The hardware address by which the server knows the machine: chaddr, the MAC address that a DHCPv6 packet states,
    /// or else the end of the DUID. For a request for a file, it is that of the owner of the address, and `None` if the
    /// server has not overheard the owner's DHCP packets.
    pub hardware: Option<HardwareAddress>,
    /// The end of the DUID of a DHCPv6 client.
    pub duid: Option<HardwareAddress>,
    /// The machine identifier: option 97, if it is 17 octets long. For a DHCPv6 client, it is the more likely
    /// interpretation of a DUID-UUID; for a request for a file, it contains the UUID in its name.
    pub machine_id: Option<MachineId>,
    /// The identifiers that find the entry of the machine.
    pub identifiers: Identifiers,
    /// The serial number, which only the name of a requested file states.
    pub serial: Option<String>,
    /// The name of the machine's entry, from a URL that the server generated for the machine.
    pub name: Option<String>,
    /// The IP address: ciaddr, the source address of a DHCPv6 packet unless that is link-local or a relay's, or the
    /// source address of a request for a file.
    pub address: Option<IpAddr>,
    /// The relay that forwarded the packet.
    pub relay: Option<Relay>,
    /// The key by which observations know the machine.
    pub key: MachineKey,
}

/// The hardware address of the requests that `proxydhcpd probe` sends. It is unicast (bit 0 of the first octet is 0)
/// and locally administered (bit 1 is 1, IEEE 802 section 8.4), so that no network card has it from its maker; 50:58:45
/// is "PXE". The probe takes no address and fetches no file, so that its requests are no boot attempts.
pub const PROBE_MAC: [u8; 6] = [0x02, 0x50, 0x58, 0x45, 0x00, 0x01];

/// The identities that a lookup in the inventory uses: those of a [`MachineIdentity`], without the ones in doubt.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShownIdentities<'a> {
    /// The MAC addresses and UUIDs that may be the machine's.
    pub identifiers: Identifiers,
    /// The serial number.
    pub serial: Option<&'a str>,
    /// The name of the machine's entry.
    pub name: Option<&'a str>,
    /// Whether the machine's UUID has also come from other hardware addresses.
    pub shares_uuid: bool,
}

/// Identifiers that may be the client's. A DHCPv4 packet states each identifier once. A DHCPv6 packet allows several
/// interpretations, and only the list of machines shows which of them is right (protocol.md 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// MAC addresses.
    pub macs: [Option<[u8; 6]>; 3],
    /// UUIDs, in printed order.
    pub uuids: [Option<[u8; 16]>; 2],
}

/// The key of a machine in the caches of observations. Its first octet says what the key is made of: a hardware address
/// (hlen, 1 to 16), a DUID (0x80 and more), an IP address (0xfe) or a UUID (0xff).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MachineKey([u8; 17]);

impl MachineIdentity {
    /// The machine with this hardware address.
    pub fn from_hardware(hardware: HardwareAddress) -> Self {
        let identifiers = Identifiers::new(hardware.mac(), None);
        let key = MachineKey::from_hardware(&hardware);
        MachineIdentity { hardware: Some(hardware), identifiers, key, ..MachineIdentity::default() }
    }

    /// Whether `proxydhcpd probe` sent the packet ([`PROBE_MAC`]).
    pub fn is_probe(&self) -> bool {
        // The source address of a DHCPv6 packet of the probe contains the MAC address of its host; the DUID contains
        // that of the probe.
        self.identifiers.macs.contains(&Some(PROBE_MAC))
    }

    /// The identities for a lookup in the inventory.
    pub fn shown(&self) -> ShownIdentities<'_> {
        ShownIdentities {
            identifiers: self.identifiers,
            serial: self.serial.as_deref(),
            name: self.name.as_deref(),
            shares_uuid: false,
        }
    }
}

impl HardwareAddress {
    /// The `htype` that marks the end of a DUID, as type 255 marks a client identifier based on a DUID (RFC 4361 6.1).
    pub const DUID: u8 = 255;

    /// The valid octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.hlen.min(16))]
    }

    /// An Ethernet address.
    pub fn from_mac(mac: [u8; 6]) -> Self {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&mac);
        HardwareAddress { htype: 1, hlen: 6, octets }
    }

    /// The MAC address; `None` if the address is the end of a DUID, or is not 6 octets long: EDK2 may send a UUID in
    /// chaddr.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.octets().try_into().ok().filter(|_| self.htype != HardwareAddress::DUID)
    }
}

impl Identifiers {
    /// The identifiers of a client that states each one once.
    pub fn new(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> Self {
        Identifiers { macs: [mac, None, None], uuids: [uuid, None] }
    }
}

impl MachineKey {
    /// The key of a hardware address, or of a DUID.
    pub fn from_hardware(hardware: &HardwareAddress) -> MachineKey {
        let kind = if hardware.htype == HardwareAddress::DUID { 0x80 | hardware.hlen } else { hardware.hlen };
        MachineKey::new(kind, hardware.octets())
    }

    /// The key of an IP address, for a machine that has shown nothing else.
    pub fn from_address(address: IpAddr) -> MachineKey {
        match address.to_canonical() {
            IpAddr::V4(address) => MachineKey::new(0xfe, &address.octets()),
            IpAddr::V6(address) => MachineKey::new(0xfe, &address.octets()),
        }
    }

    /// The key of a UUID.
    pub fn from_uuid(machine_id: MachineId) -> MachineKey {
        MachineKey::new(0xff, &machine_id.0[1..])
    }

    fn new(kind: u8, octets: &[u8]) -> MachineKey {
        let mut key = [0; 17];
        key[0] = kind;
        key[1..=octets.len()].copy_from_slice(octets);
        MachineKey(key)
    }
}

/// Shows what the key is made of: a hardware address or a DUID as [`HardwareAddress`] does, an IP address, or a UUID.
impl fmt::Display for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, octets @ ..] = self.0;
        match kind {
            0xff => {
                let mut id = [0; 17];
                id[1..].copy_from_slice(&octets);
                MachineId(id).fmt(f)
            }
            // No host has an IPv6 address whose last 12 octets are zero.
            0xfe => match octets {
                [a, b, c, d, rest @ ..] if rest == [0; 12] => IpAddr::from([a, b, c, d]).fmt(f),
                _ => IpAddr::from(octets).fmt(f),
            },
            _ => {
                let htype = if kind & 0x80 != 0 { HardwareAddress::DUID } else { 1 };
                HardwareAddress { htype, hlen: kind & 0x7f, octets }.fmt(f)
            }
        }
    }
}

/// By the octets. Maps of thousands of machines compare keys all the time, and numbers compare faster than octets.
impl Ord for MachineKey {
    fn cmp(&self, other: &MachineKey) -> Ordering {
        let numbers = |MachineKey([head @ .., last]): &MachineKey| (u128::from_be_bytes(*head), *last);
        numbers(self).cmp(&numbers(other))
    }
}

impl PartialOrd for MachineKey {
    fn partial_cmp(&self, other: &MachineKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl CacheKey for MachineKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        self.0
    }
}

/// Shows the hardware address, or the IP address of a machine whose hardware address is unknown.
impl fmt::Display for MachineIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hardware, self.address) {
            (Some(hardware), _) => hardware.fmt(f),
            (None, Some(address)) => address.fmt(f),
            (None, None) => f.write_str("a machine"),
        }
    }
}

/// Shows the octets as `52:54:00:12:34:56`, after the word `DUID` if they are the end of a DUID.
impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.htype == HardwareAddress::DUID {
            f.write_str("DUID ")?;
        }
        // In one piece: the log and the history show it often.
        let mut text = [b':'; 48];
        let octets = self.octets();
        for (place, octet) in text.chunks_exact_mut(3).zip(octets) {
            let digits = [octet >> 4, octet & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
            place[..2].copy_from_slice(&digits);
        }
        let text = text.get(..(3 * octets.len()).saturating_sub(1)).unwrap_or_default();
        f.write_str(str::from_utf8(text).unwrap_or_default())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HardwareAddress({}, {self})", self.htype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_key_shows_what_it_is_made_of() {
        let mac = HardwareAddress::from_mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        let duid = HardwareAddress { htype: HardwareAddress::DUID, hlen: 2, ..mac };
        let uuid = MachineId::from_uuid(*b"\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00");
        for (key, text) in [
            (MachineKey::from_hardware(&mac), "52:54:00:12:34:56"),
            (MachineKey::from_hardware(&duid), "DUID 52:54"),
            (MachineKey::from_address("192.0.2.7".parse().unwrap()), "192.0.2.7"),
            (MachineKey::from_address("2001:db8::7".parse().unwrap()), "2001:db8::7"),
            (MachineKey::from_uuid(uuid), "11223344-5566-7788-99aa-bbccddeeff00"),
        ] {
            assert_eq!(key.to_string(), text);
        }
    }
}
