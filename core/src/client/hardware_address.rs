//! Hardware addresses, and the ends of DUIDs, which take their place over IPv6.

use core::fmt;

/// A hardware address: htype, hlen and chaddr; or the end of a DUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HardwareAddress {
    /// Hardware address type (1: Ethernet), or [`HardwareAddress::DUID`] for the end of a DUID.
    pub htype: u8,
    /// Number of valid octets, at most 16.
    pub hlen: u8,
    /// The address, padded with zeros.
    pub octets: [u8; 16],
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

/// Shows the octets as `52:54:00:12:34:56`, after the word `DUID` if they are the end of a DUID.
impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.htype == HardwareAddress::DUID {
            f.write_str("DUID ")?;
        }
        for (index, octet) in self.octets().iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HardwareAddress({}, {self})", self.htype)
    }
}
