//! The keys of machines in the caches of observations.

use crate::bounded_cache::CacheKey;
use crate::client::HardwareAddress;

/// The key of a machine: its hardware address or DUID, or in the cache of UUID claims also a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineKey(pub(super) [u8; 17]);

impl CacheKey for MachineKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        self.0
    }
}

/// The key of a hardware address. The first octet of a key distinguishes hardware addresses (hlen 1-16), DUIDs (0x80
/// and more) and UUIDs (0xff).
pub(super) fn hardware_key(hardware: &HardwareAddress) -> MachineKey {
    let mut key = [0; 17];
    key[0] = if hardware.htype == HardwareAddress::DUID { 0x80 | hardware.hlen } else { hardware.hlen };
    key[1..=hardware.octets().len()].copy_from_slice(hardware.octets());
    MachineKey(key)
}
