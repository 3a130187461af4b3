//! What was heard before and bears on an answer now. It comes into `answer()` as a value; time is an
//! argument, in milliseconds of any clock that does not go back.

use crate::client::{Client, Hardware};
use crate::recent::{Bucket, Key, Recent};
use core::net::Ipv4Addr;

/// A relayed UEFI client asks 4011 a few seconds after its OFFER; people who stop at a setup screen take minutes.
const RELAYED_OFFER_COUNTS: u64 = 10 * 60 * 1000;
/// Protocol note section 9: 8 at once, then 2 a second. A boot needs four packets.
const CLIENT_BURST: u32 = 8;
const CLIENT_RATE: u32 = 2;
/// Machines and sources whose rate is known; a lost one may ask a little more. Half a megabyte a table.
const CAPACITY: usize = 8192;
/// Two keys for each machine that may come to 4011 from behind a relay, tens of thousands of them: 2.5 megabytes.
const RELAYED_CAPACITY: usize = 65536;

#[derive(Debug)]
pub struct Memory {
    /// Machines to which an OFFER went through a relay, and when.
    relayed: Recent<MachineKey, u64>,
    clients: Recent<MachineKey, Bucket>,
    sources: Recent<Ipv4Addr, Bucket>,
    links: Recent<u32, Bucket>,
}

/// A machine by its hardware address or by option 97.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MachineKey([u8; 17]);

impl Key for MachineKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        self.0
    }
}

impl Memory {
    /// `seed`: anything that nobody outside can guess.
    pub fn new(seed: u64) -> Self {
        Memory {
            relayed: Recent::new(RELAYED_CAPACITY, seed),
            clients: Recent::new(CAPACITY, seed.rotate_left(16)),
            sources: Recent::new(CAPACITY, seed.rotate_left(32)),
            links: Recent::new(64, seed.rotate_left(48)),
        }
    }

    /// Whether an OFFER went to this machine through a relay in the last minutes.
    pub fn offered_through_relay(&self, client: &Client, now: u64) -> bool {
        keys(client).filter_map(|key| self.relayed.get(key)).any(|at| now.saturating_sub(at) < RELAYED_OFFER_COUNTS)
    }

    pub fn note_relayed_offer(&mut self, client: &Client, now: u64) {
        for key in keys(client) {
            self.relayed.update(key, now, now, |at| *at = now);
        }
    }

    pub fn allows_client(&mut self, hardware: &Hardware, now: u64) -> bool {
        take(&mut self.clients, hardware_key(hardware), CLIENT_BURST, CLIENT_RATE, now)
    }

    pub fn allows_source(&mut self, source: Ipv4Addr, now: u64) -> bool {
        take(&mut self.sources, source, CLIENT_BURST, CLIENT_RATE, now)
    }

    /// A second's worth may come at once.
    pub fn allows_link(&mut self, index: u32, per_second: u32, now: u64) -> bool {
        take(&mut self.links, index, per_second, per_second, now)
    }
}

fn take<K: Key>(table: &mut Recent<K, Bucket>, key: K, burst: u32, rate: u32, now: u64) -> bool {
    table.update(key, now, Bucket::full(burst, now), |bucket| bucket.take(burst, rate, now))
}

/// Both names of a machine: EDK2 may put its UUID into chaddr when it comes to 4011 (Mode.SendGUID).
fn keys(client: &Client) -> impl Iterator<Item = MachineKey> {
    let by_id = client.machine.filter(|machine| machine.is_key()).map(|machine| {
        let mut key = machine.0;
        key[0] = 0xff;
        MachineKey(key)
    });
    [Some(hardware_key(&client.hardware)), by_id].into_iter().flatten()
}

/// The first octet keeps hardware addresses (hlen 1-16) and machine identifiers (0xff) apart.
fn hardware_key(hardware: &Hardware) -> MachineKey {
    let mut key = [0; 17];
    key[0] = hardware.hlen;
    key[1..=hardware.octets().len()].copy_from_slice(hardware.octets());
    MachineKey(key)
}
