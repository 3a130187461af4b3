//! The first-stage loaders that machines have fetched. The fetches reveal boot loops, and which clients are a loader
//! that the machine has just fetched.

use crate::bounded_cache::BoundedCache;
use crate::identity::MachineKey;
use core::fmt;

/// The third fetch within this time is a boot loop (protocol.md 1.5).
const WINDOW: u64 = 2 * 60 * 1000;
/// How long after the fetch of an iPXE its first request may arrive: usually seconds, on slow machines a minute.
const LOADER_LIFETIME: u64 = 2 * 60 * 1000;
/// How long the server ignores a machine in a boot loop, with `LoopGuard::Stop`.
const PAUSE: u64 = 5 * 60 * 1000;

/// The loaders that each machine has fetched.
#[derive(Debug)]
pub struct BootLoops(BoundedCache<MachineKey, LoaderHistory>);

/// The fetches of one loader by one machine.
#[derive(Clone, Copy, Debug, Default)]
struct LoaderHistory {
    /// A hash of the loader's name.
    name: u64,
    /// The times of the last three fetches, newest first.
    times: [Option<u64>; 3],
    /// When the machine's iPXE last sent a request.
    ipxe: Option<u64>,
    /// When the boot loop was detected.
    detected: Option<u64>,
}

/// The requests between the fetches of a boot loop, which suggest its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopCause {
    /// An iPXE sent a request.
    Ipxe,
    /// No iPXE sent a request.
    NoIpxe,
}

impl BootLoops {
    /// A value with room for about `capacity` machines. `seed` is a number that no other host can guess.
    pub fn new(capacity: usize, seed: u64) -> Self {
        BootLoops(BoundedCache::new(capacity, seed))
    }

    /// Notes a complete fetch. Returns the cause of the boot loop at the third fetch within two minutes, otherwise
    /// `None`. Reports another boot loop of the machine only after two minutes without a fetch, or for another loader.
    pub fn note_loader(&mut self, machine: MachineKey, name: &str, now: u64) -> Option<LoopCause> {
        let name = hash(name.as_bytes());
        self.0.update(machine, now, LoaderHistory::default(), |history| history.loaded(name, now))
    }

    /// Notes a request of an iPXE on a machine that has fetched a loader.
    pub fn note_ipxe(&mut self, key: MachineKey, now: u64) {
        if self.0.get(key).is_some() {
            self.0.update(key, now, LoaderHistory::default(), |history| history.ipxe = Some(now));
        }
    }

    /// The time when the machine fetched its last loader, if that was within the last two minutes.
    pub fn loaded_at(&self, key: MachineKey, now: u64) -> Option<u64> {
        let last = self.0.get(key).and_then(|history| history.times[0]);
        last.filter(|at| now.saturating_sub(*at) < LOADER_LIFETIME)
    }

    /// Whether the machine was in a boot loop within the last five minutes.
    pub fn is_looping(&self, key: MachineKey, now: u64) -> bool {
        let detected = self.0.get(key).and_then(|history| history.detected);
        detected.is_some_and(|at| now.saturating_sub(at) < PAUSE)
    }
}

impl LoaderHistory {
    fn loaded(&mut self, name: u64, now: u64) -> Option<LoopCause> {
        let quiet = self.times[0].is_none_or(|last| now.saturating_sub(last) >= WINDOW);
        if quiet || self.name != name {
            *self = LoaderHistory { name, ipxe: self.ipxe, ..LoaderHistory::default() };
        }
        self.times = [Some(now), self.times[0], self.times[1]];
        let first = self.times[2].filter(|first| now.saturating_sub(*first) < WINDOW && self.detected.is_none())?;
        self.detected = Some(now);
        Some(if self.ipxe.is_some_and(|at| at >= first) { LoopCause::Ipxe } else { LoopCause::NoIpxe })
    }
}

/// The FNV-1a hash. If the names of two loaders of one machine collide, they only count as one loader.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// Prints the likely cause, and where to look.
impl fmt::Display for LoopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipxe => {
                "an iPXE sent a request after each fetch. Either what its script boots fails, restarts the machine or \
                 is this loader again (see the console), or the machine is being switched off and on"
            }
            Self::NoIpxe => {
                "no iPXE sent a request between the fetches. The loader is another program, does not run on this \
                 machine or does not see its network card (see the console)"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const SECOND: u64 = 1000;

    fn machine() -> MachineKey {
        MachineKey::from_address(Ipv4Addr::new(192, 0, 2, 50).into())
    }

    fn fetch(boot_loops: &mut BootLoops, name: &str, second: u64) -> Option<LoopCause> {
        boot_loops.note_loader(machine(), name, second * SECOND)
    }

    #[test]
    fn the_third_fetch_within_two_minutes_is_a_boot_loop_and_is_reported_once() {
        let mut boot_loops = BootLoops::new(8, 0);
        assert_eq!((fetch(&mut boot_loops, "a.efi", 0), fetch(&mut boot_loops, "a.efi", 30)), (None, None));
        assert_eq!(fetch(&mut boot_loops, "a.efi", 60), Some(LoopCause::NoIpxe));
        assert!(boot_loops.is_looping(machine(), 61 * SECOND));
        assert!(
            (90..600).step_by(30).all(|second| fetch(&mut boot_loops, "a.efi", second).is_none()),
            "the same episode"
        );
        assert!(!boot_loops.is_looping(machine(), 400 * SECOND), "it may try again");
        assert_eq!((fetch(&mut boot_loops, "a.efi", 800), fetch(&mut boot_loops, "a.efi", 810)), (None, None));
        assert_eq!(fetch(&mut boot_loops, "a.efi", 820), Some(LoopCause::NoIpxe), "another episode");
    }

    #[test]
    fn rare_starts_and_changing_loaders_are_no_boot_loop() {
        let mut boot_loops = BootLoops::new(8, 0);
        assert!((0..900).step_by(70).all(|second| fetch(&mut boot_loops, "a.efi", second).is_none()));
        let mut boot_loops = BootLoops::new(8, 0);
        assert!(
            ["a", "b", "a", "b", "a"]
                .iter()
                .zip(0..)
                .all(|(name, second)| fetch(&mut boot_loops, name, second).is_none())
        );
    }

    #[test]
    fn a_request_of_an_ipxe_between_the_fetches_changes_the_cause() {
        let mut boot_loops = BootLoops::new(8, 0);
        fetch(&mut boot_loops, "a.efi", 0);
        boot_loops.note_ipxe(machine(), 10 * SECOND);
        fetch(&mut boot_loops, "a.efi", 30);
        assert_eq!(fetch(&mut boot_loops, "a.efi", 60), Some(LoopCause::Ipxe));
    }

    #[test]
    fn a_client_counts_as_the_fetched_loader_for_two_minutes() {
        let mut boot_loops = BootLoops::new(8, 0);
        fetch(&mut boot_loops, "a.efi", 0);
        assert_eq!(boot_loops.loaded_at(machine(), 119 * SECOND), Some(0));
        assert_eq!(boot_loops.loaded_at(machine(), 120 * SECOND), None);
    }
}
