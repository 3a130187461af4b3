//! What one client address may ask for.
//!
//! Two rates, one behind the other. Any request counts as a name; one whose name leads to something, or is refused for
//! another reason than that it leads nowhere, counts as a file, too. Nothing that is said later gives it back.

use proxydhcpd_core::bounded_cache::{TokenBucket, BoundedCache};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    burst: u32,
    per_second: u32,
}

/// Files. A whole boot has to fit into the burst, or it is held up: EDK2 asks twice for its loader, iPXE once for each
/// of three or four files, shim and a signed GRUB half a dozen times, Windows' loader for some forty small files in a
/// second. Most of all wants a GRUB that loads its modules by TFTP: 41 of them with a graphical menu (the closure of
/// 2.06's `moddep.lst`), 4 lists, font, theme, configuration, kernel and initrd. That many answers are no gift to
/// whoever asks in another's name: each is at most three packets of 544 octets before somebody acknowledges one.
const FILES: RateLimit = RateLimit { burst: 64, per_second: 3 };

/// Names, whether there or not. Loaders try name after name until one exists: the Raspberry Pi every file below its
/// serial number first, GRUB and PXELINUX a dozen configurations, a language, lists of modules, as fast as they hear
/// that there is none. A miss costs us one system call more than it takes to send its answer, which is shorter than a
/// request and 32 octets, so the rate need only keep one client from taking the whole server.
const NAMES: RateLimit = RateLimit { burst: 256, per_second: 32 };

/// Packets from foreign ports that one transfer answers. Such a packet is a rare accident, and its source may be
/// forged.
pub const WRONG_PORT_ERRORS: RateLimit = RateLimit { burst: 16, per_second: 3 };

/// Octets of DATA a second, headers of UDP and IPv4 included, to an address of which nothing is known from a port that
/// everybody knows. Who forges the address can acknowledge block by block without having seen one; a machine that
/// really is there loads a loader in one to two seconds, and thirty behind one address in a minute.
pub const STRANGERS: RateLimit = RateLimit { burst: 64 << 10, per_second: 512 << 10 };

/// Transfers at the same time that the client has acknowledged nothing of: thirty machines behind one address may ask
/// in the same moment.
pub const MAX_UNACKNOWLEDGED: usize = 32;

/// Transfers at the same time: thirty machines behind one address and twice that. Where there is room for few in all,
/// an eighth of them.
const TRANSFERS: RangeInclusive<usize> = 16..=64;

/// Addresses whose rates are remembered: about a megabyte. Whoever has been pushed out is a stranger again.
const ADDRESSES: usize = 16_384;

#[derive(Debug)]
pub struct ClientLimits {
    asked: BoundedCache<IpAddr, Asked>,
    /// Those that have one: as many as there are transfers, at most.
    transfers: HashMap<IpAddr, usize>,
    /// That one address may have at a time.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    names: TokenBucket,
    files: TokenBucket,
    octets: TokenBucket,
    /// It has acknowledged something, so somebody is there.
    has_acknowledged: bool,
}

impl ClientLimits {
    /// `transfers`: as many as there can be in all.
    pub fn new(transfers: usize) -> ClientLimits {
        let most = (transfers / 8).clamp(*TRANSFERS.start(), *TRANSFERS.end());
        ClientLimits { asked: BoundedCache::new(ADDRESSES, RandomState::new().hash_one(0)), transfers: HashMap::new(), most }
    }

    /// Whether a name may be looked up. Counts it.
    pub fn take_request(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |asked| NAMES.take(&mut asked.names, now))
    }

    /// Whether a file may be sent, or refused. Counts it.
    pub fn take_file(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |asked| FILES.take(&mut asked.files, now))
    }

    /// Whether so many octets may go to a stranger now. Counts them.
    pub fn take_octets(&mut self, address: IpAddr, octets: usize, now: Duration) -> bool {
        self.take(address, now, |asked| {
            asked.octets.take_many(octets as u32, STRANGERS.burst, STRANGERS.per_second, millis(now))
        })
    }

    pub fn set_acknowledged(&mut self, address: IpAddr, now: Duration) {
        self.take(address, now, |asked| asked.has_acknowledged = true);
    }

    pub fn has_acknowledged(&self, address: IpAddr) -> bool {
        self.asked.get(address).is_some_and(|asked| asked.has_acknowledged)
    }

    pub fn can_start_transfer(&self, address: IpAddr) -> bool {
        self.transfers.get(&address).is_none_or(|&transfers| transfers < self.most)
    }

    pub fn transfer_started(&mut self, address: IpAddr) {
        *self.transfers.entry(address).or_insert(0) += 1;
    }

    pub fn transfer_ended(&mut self, address: IpAddr) {
        if let Some(transfers) = self.transfers.get_mut(&address) {
            *transfers -= 1;
            if *transfers == 0 {
                self.transfers.remove(&address);
            }
        }
    }

    fn take<T>(&mut self, address: IpAddr, now: Duration, take: impl FnOnce(&mut Asked) -> T) -> T {
        let stranger = Asked {
            names: NAMES.full_bucket(now),
            files: FILES.full_bucket(now),
            octets: STRANGERS.full_bucket(now),
            has_acknowledged: false,
        };
        self.asked.update(address, millis(now), stranger, take)
    }
}

impl RateLimit {
    pub fn full_bucket(self, now: Duration) -> TokenBucket {
        TokenBucket::full(self.burst, millis(now))
    }

    pub fn take(self, bucket: &mut TokenBucket, now: Duration) -> bool {
        bucket.take(self.burst, self.per_second, millis(now))
    }
}

fn millis(now: Duration) -> u64 {
    now.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 107));

    /// How often in these milliseconds, asked once in each.
    fn count(millis: std::ops::Range<u64>, mut may: impl FnMut(Duration) -> bool) -> usize {
        millis.filter(|&at| may(Duration::from_millis(at))).count()
    }

    #[test]
    fn a_client_gets_64_files_at_once_and_then_three_a_second() {
        let mut clients = ClientLimits::new(1000);
        let now = Duration::ZERO;
        assert_eq!((0..1000).filter(|_| clients.take_file(CLIENT, now)).count(), 64);
        assert_eq!(count(1..10_001, |now| clients.take_file(CLIENT, now)), 30);
        assert_eq!(count(10_001..70_001, |now| clients.take_file(CLIENT, now)), 180);
        // A minute of rest, and the next boot finds the burst again; no more than that is saved up.
        let later = Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| clients.take_file(CLIENT, later)).count(), 64);
    }

    #[test]
    fn names_have_a_rate_of_their_own() {
        let mut clients = ClientLimits::new(1000);
        let now = Duration::ZERO;
        while clients.take_file(CLIENT, now) {}
        assert_eq!((0..1000).filter(|_| clients.take_request(CLIENT, now)).count(), 256);
        assert_eq!(count(1..10_001, |now| clients.take_request(CLIENT, now)), 320);
    }

    #[test]
    fn one_client_does_not_pay_for_another() {
        let mut clients = ClientLimits::new(1000);
        let now = Duration::ZERO;
        while clients.take_file(CLIENT, now) {}
        assert!(clients.take_file(IpAddr::from([192, 0, 2, 108]), now));
    }

    #[test]
    fn an_address_has_64_transfers_and_an_eighth_where_there_are_few_but_16() {
        for (transfers, most) in [(100_000, 64), (512, 64), (256, 32), (64, 16), (1, 16)] {
            let mut clients = ClientLimits::new(transfers);
            for _ in 0..most {
                assert!(clients.can_start_transfer(CLIENT));
                clients.transfer_started(CLIENT);
            }
            assert!(!clients.can_start_transfer(CLIENT));
            clients.transfer_ended(CLIENT);
            assert!(clients.can_start_transfer(CLIENT));
        }
    }

    #[test]
    fn a_stranger_is_sent_half_a_mebibyte_a_second() {
        let mut clients = ClientLimits::new(1000);
        let sent = |clients: &mut ClientLimits, millis| count(millis, |now| clients.take_octets(CLIENT, 1500, now)) * 1500;
        assert!(sent(&mut clients, 0..1) <= 1500);
        let ten_seconds =
            (0..100_000).filter(|&tenth| clients.take_octets(CLIENT, 1500, Duration::from_micros(tenth * 100)));
        let octets = ten_seconds.count() * 1500;
        assert!((10 * 524_288 - 1500..=10 * 524_288 + 65_536 + 1500).contains(&octets), "{octets}");
        assert!(clients.take_octets(IpAddr::from([192, 0, 2, 108]), 1500, Duration::ZERO), "each has its own");
    }

    #[test]
    fn who_has_acknowledged_something_is_known() {
        let mut clients = ClientLimits::new(1000);
        clients.take_request(CLIENT, Duration::ZERO);
        assert!(!clients.has_acknowledged(CLIENT));
        clients.set_acknowledged(CLIENT, Duration::ZERO);
        assert!(clients.has_acknowledged(CLIENT));
    }

    #[test]
    fn strangers_push_nobody_out_who_has_a_transfer() {
        let mut clients = ClientLimits::new(1000);
        (0..64).for_each(|_| clients.transfer_started(CLIENT));
        for address in 0..2 * ADDRESSES as u32 {
            assert!(clients.take_request(IpAddr::V4(address.into()), Duration::ZERO));
        }
        assert!(!clients.can_start_transfer(CLIENT));
        (0..64).for_each(|_| clients.transfer_ended(CLIENT));
        assert!(clients.transfers.is_empty(), "what is held ends with the transfers");
    }
}
