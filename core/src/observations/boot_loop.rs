//! First-stage loaders that were fetched: who goes round in a circle, and who is the loader by now.

use super::{AddressOwner, MachineKey, hardware_key};
use crate::bounded_cache::BoundedCache;
use core::fmt;
use core::net::IpAddr;

/// The third time within this is a circle (protocol.md 1.5).
const WINDOW: u64 = 2 * 60 * 1000;
/// From a loader that was fetched to the iPXE that it is: seconds, on slow machines a minute.
const STEP_COUNTS: u64 = 2 * 60 * 1000;
/// How long a machine that goes round is not answered, where the plan says so.
const PAUSE: u64 = 5 * 60 * 1000;

#[derive(Debug)]
pub struct BootLoops(BoundedCache<MachineKey, Load>);

/// What is known of one machine.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// A hash of the loader's name.
    name: u64,
    /// When it was fetched, newest first.
    times: [Option<u64>; 3],
    /// When its iPXE asked.
    ipxe: Option<u64>,
    /// When it was found going round.
    found: Option<u64>,
}

/// What was seen of a machine that goes round; the likely reason follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopCause {
    /// An iPXE asked in between.
    Ipxe,
    /// None did.
    NoIpxe,
}

impl BootLoops {
    pub fn new(capacity: usize, seed: u64) -> Self {
        BootLoops(BoundedCache::new(capacity, seed))
    }

    /// Says what was seen when it is the third time within two minutes, once until two minutes have gone by without it.
    pub fn note_loader(&mut self, holder: Option<AddressOwner>, address: IpAddr, name: &str, now: u64) -> Option<LoopCause> {
        let key = holder.map_or_else(|| address_key(address), |holder| hardware_key(&holder.hardware));
        let name = hash(name.as_bytes());
        self.0.update(key, now, Load::default(), |load| load.loaded(name, now))
    }

    pub fn note_ipxe(&mut self, key: MachineKey, now: u64) {
        if self.0.get(key).is_some() {
            self.0.update(key, now, Load::default(), |load| load.ipxe = Some(now));
        }
    }

    /// When the last loader was fetched, if that was a moment ago.
    pub fn loaded_at(&self, key: MachineKey, now: u64) -> Option<u64> {
        let last = self.0.get(key).and_then(|load| load.times[0]);
        last.filter(|at| now.saturating_sub(*at) < STEP_COUNTS)
    }

    pub fn is_looping(&self, key: MachineKey, now: u64) -> bool {
        let found = self.0.get(key).and_then(|load| load.found);
        found.is_some_and(|at| now.saturating_sub(at) < PAUSE)
    }
}

impl Load {
    fn loaded(&mut self, name: u64, now: u64) -> Option<LoopCause> {
        let quiet = self.times[0].is_none_or(|last| now.saturating_sub(last) >= WINDOW);
        if quiet || self.name != name {
            *self = Load { name, ipxe: self.ipxe, ..Load::default() };
        }
        self.times = [Some(now), self.times[0], self.times[1]];
        let first = self.times[2].filter(|first| now.saturating_sub(*first) < WINDOW && self.found.is_none())?;
        self.found = Some(now);
        Some(if self.ipxe.is_some_and(|at| at >= first) { LoopCause::Ipxe } else { LoopCause::NoIpxe })
    }
}

/// The first octet keeps addresses apart from what machines are known by.
fn address_key(address: IpAddr) -> MachineKey {
    let mut key = [0; 17];
    key[0] = 0xfe;
    match address.to_canonical() {
        IpAddr::V4(address) => key[1..5].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => key[1..].copy_from_slice(&address.octets()),
    }
    MachineKey(key)
}

/// FNV-1a: two names of one machine that collide would only be taken for one.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// The likely reason, and what to look at.
impl fmt::Display for LoopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipxe => {
                "an iPXE asked us each time in between. What its script boots fails, restarts the machine or is this \
                 loader \
                 again, which the console shows; or somebody switches the machine off and on"
            }
            Self::NoIpxe => {
                "no iPXE asked us in between. The loader is another program, does not run on this machine or does not \
                 see its \
                 network card, which the console shows"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
    const SECOND: u64 = 1000;

    fn load(loads: &mut BootLoops, name: &str, second: u64) -> Option<LoopCause> {
        loads.note_loader(None, ADDRESS, name, second * SECOND)
    }

    #[test]
    fn the_third_time_within_two_minutes_is_a_circle_and_is_told_once() {
        let mut loads = BootLoops::new(8, 0);
        assert_eq!((load(&mut loads, "a.efi", 0), load(&mut loads, "a.efi", 30)), (None, None));
        assert_eq!(load(&mut loads, "a.efi", 60), Some(LoopCause::NoIpxe));
        assert!(loads.is_looping(address_key(ADDRESS), 61 * SECOND));
        assert!((90..600).step_by(30).all(|second| load(&mut loads, "a.efi", second).is_none()), "the same episode");
        assert!(!loads.is_looping(address_key(ADDRESS), 400 * SECOND), "it may try again");
        assert_eq!((load(&mut loads, "a.efi", 800), load(&mut loads, "a.efi", 810)), (None, None));
        assert_eq!(load(&mut loads, "a.efi", 820), Some(LoopCause::NoIpxe), "another episode");
    }

    #[test]
    fn a_machine_that_starts_now_and_then_or_takes_another_loader_goes_round_in_no_circle() {
        let mut loads = BootLoops::new(8, 0);
        assert!((0..900).step_by(70).all(|second| load(&mut loads, "a.efi", second).is_none()));
        let mut loads = BootLoops::new(8, 0);
        assert!(
            ["a", "b", "a", "b", "a"].iter().zip(0..).all(|(name, second)| load(&mut loads, name, second).is_none())
        );
    }

    #[test]
    fn an_ipxe_that_asked_in_between_points_elsewhere() {
        let mut loads = BootLoops::new(8, 0);
        load(&mut loads, "a.efi", 0);
        loads.note_ipxe(address_key(ADDRESS), 10 * SECOND);
        load(&mut loads, "a.efi", 30);
        assert_eq!(load(&mut loads, "a.efi", 60), Some(LoopCause::Ipxe));
    }

    #[test]
    fn what_was_loaded_is_what_asks_for_two_minutes() {
        let mut loads = BootLoops::new(8, 0);
        load(&mut loads, "a.efi", 0);
        assert_eq!(loads.loaded_at(address_key(ADDRESS), 119 * SECOND), Some(0));
        assert_eq!(loads.loaded_at(address_key(ADDRESS), 120 * SECOND), None);
    }
}
