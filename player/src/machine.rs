//! The identity of a played machine, as its firmware, its iPXE and its operating system state it.

use crate::kinds::{Firmware, Kind};
use crate::random::Random;
use std::net::Ipv6Addr;

/// A machine. The same seed and number give the same machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kind of its boots.
    pub kind: &'static Kind,
    /// The address of its network card.
    pub mac: [u8; 6],
    /// Its UUID, in printed order.
    pub uuid: [u8; 16],
    /// The source of its transaction IDs.
    pub random: Random,
}

impl Machine {
    /// Returns the machine with this number, which is unique within its kind. The fourth octet of the MAC address is
    /// the last of the seed, so that two runs against one server play different machines.
    pub fn new(kind: &'static Kind, seed: u64, number: u16) -> Machine {
        let [a, b, c] = kind.oui;
        let [d, .., e, f] = [seed.to_le_bytes()[0], 0, number.to_be_bytes()[0], number.to_be_bytes()[1]];
        let mac = [a, b, c, d, e, f];
        let mut random = Random::new(seed ^ u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        let mut uuid = random.octets();
        // A random UUID (RFC 9562 5.4).
        uuid[6] = uuid[6] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Machine { kind, mac, uuid, random }
    }

    /// The value of option 97. A Raspberry Pi 3 sends a filler; a Pi 4 its model, revision, MAC address and serial
    /// number.
    pub fn machine_id(&self) -> [u8; 17] {
        let mut id = [0; 17];
        let octets = match self.kind.firmware {
            Firmware::RaspberryPi3 => [0x44; 16],
            Firmware::RaspberryPi4 => {
                let [.., x, y, z] = self.mac;
                let [s, t, u, v] = self.pi_serial_number().to_be_bytes();
                [b'R', b'P', b'i', b'4', 0, 0xc0, 0x31, 0x11, 0x32, x, y, z, s, t, u, v]
            }
            _ => self.stored_uuid(),
        };
        id[1..].copy_from_slice(&octets);
        id
    }

    /// The UUID as SMBIOS stores it: the first three fields in little-endian order.
    pub fn stored_uuid(&self) -> [u8; 16] {
        proxydhcpd_core::wire::uuid::swap_fields(self.uuid)
    }

    /// The serial number of a Raspberry Pi, by which it names its directory.
    pub fn pi_serial_number(&self) -> u32 {
        let [.., a, b, c, d] = self.mac;
        u32::from_be_bytes([a, b, c, d]) ^ 0x1000_0000
    }

    /// The link-local address with the interface identifier EUI-64 (RFC 4291 appendix A).
    pub fn link_local(&self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.mac;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }

    /// A new transaction ID.
    pub fn transaction_id(&mut self) -> u32 {
        (self.random.bits() >> 32) as u32
    }

    /// The MAC address in hexadecimal with this separator.
    pub fn mac_text(&self, separator: &str) -> String {
        self.mac.map(|octet| format!("{octet:02x}")).join(separator)
    }

    /// The UUID in printed form.
    pub fn uuid_text(&self) -> String {
        let hex: String = self.uuid.iter().map(|octet| format!("{octet:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{KINDS, by_name};

    #[test]
    fn the_same_seed_gives_the_same_machine_and_each_number_another() {
        let kind = &KINDS[0];
        let [first, again, second] = [0, 0, 1].map(|number| Machine::new(kind, 5, number));
        assert_eq!((first.mac, first.uuid), (again.mac, again.uuid));
        assert_eq!((first.mac, second.mac), ([2, 0x50, 1, 5, 0, 0], [2, 0x50, 1, 5, 0, 1]));
        assert_ne!(first.uuid, second.uuid);
        assert_eq!(first.link_local(), "fe80::50:1ff:fe05:0".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn a_raspberry_pi_4_states_its_model_in_option_97() {
        let machine = Machine::new(by_name("raspberry-pi-4").unwrap(), 1, 2);
        assert_eq!(machine.machine_id()[..5], *b"\0RPi4");
    }
}
