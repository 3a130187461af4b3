//! Limits for one client address.
//!
//! There are two rate limits. Every request counts towards the first. A request counts towards the second as well,
//! unless the requested file is missing. Tokens are never given back.

use proxydhcpd_core::bounded_cache::{BoundedCache, TokenBucket};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A rate limit: `burst` tokens at once, and then `per_second` tokens a second.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    burst: u32,
    per_second: u32,
}

/// The rate limit for files. The burst must cover a whole boot, otherwise the limit delays the boot: EDK2 requests its
/// loader twice, iPXE requests three or four files, shim and a signed GRUB request half a dozen, and the loader of
/// Windows requests some forty small files in a second. GRUB requests most if it loads its modules by TFTP: 41 modules
/// with a graphical menu (the closure of 2.06's `moddep.lst`), 4 lists, font, theme, configuration, kernel and initrd.
/// Such a burst is of little use to a forger of the address, because before the first ACK the server sends at most
/// three packets of 544 octets for each file.
const FILES: RateLimit = RateLimit { burst: 64, per_second: 3 };

/// The rate limit for requests, whether the file exists or not. Loaders try file after file until one exists: the
/// Raspberry Pi first tries every file in a directory named after its serial number. GRUB and PXELINUX try a dozen
/// configurations, a language, and lists of modules, as fast as the ERRORs arrive. A missing file costs the server one
/// system call and an ERROR that is at most 32 octets longer than the request. So the limit need only keep one client
/// from occupying the whole server.
const REQUESTS: RateLimit = RateLimit { burst: 256, per_second: 32 };

/// The rate limit for ERRORs that one transfer sends to ports other than its client's. A packet from such a port is a
/// rare accident, and its source may be forged.
pub const WRONG_PORT_ERRORS: RateLimit = RateLimit { burst: 16, per_second: 3 };

/// The rate limit for octets of DATA, headers of UDP and IPv4 included, to an unverified client from a port that is
/// easy to guess. A forger of the client's address can acknowledge blocks without seeing them. Within this limit, a
/// real machine downloads a loader in one to two seconds, and thirty machines behind one address do so in a minute.
pub const UNVERIFIED_OCTETS: RateLimit = RateLimit { burst: 64 << 10, per_second: 512 << 10 };

/// Maximum number of simultaneous transfers of one address without any ACK. Thirty machines behind one address may
/// start at once.
pub const MAX_UNACKNOWLEDGED: usize = 32;

/// The bounds for the maximum number of simultaneous transfers of one address, which is an eighth of the total. The
/// upper bound allows two transfers for each of thirty machines behind one address.
const MAX_TRANSFERS: RangeInclusive<usize> = 16..=64;

/// Maximum number of addresses whose usage the server remembers, in about a megabyte. A forgotten address is unverified
/// again.
const MAX_ADDRESSES: usize = 16_384;

/// The limits of all client addresses.
#[derive(Debug)]
pub struct ClientLimits {
    usage: BoundedCache<IpAddr, AddressUsage>,
    /// The number of transfers of each address that has any.
    transfers: HashMap<IpAddr, usize>,
    /// Maximum number of transfers of one address.
    max_transfers: usize,
}

#[derive(Clone, Copy, Debug)]
struct AddressUsage {
    requests: TokenBucket,
    files: TokenBucket,
    octets: TokenBucket,
    /// Whether a client at this address has acknowledged a packet, and therefore exists.
    has_acknowledged: bool,
}

impl ClientLimits {
    /// `transfers` is the maximum number of transfers of all addresses together.
    pub fn new(transfers: usize) -> ClientLimits {
        let max_transfers = (transfers / 8).clamp(*MAX_TRANSFERS.start(), *MAX_TRANSFERS.end());
        ClientLimits {
            usage: BoundedCache::new(MAX_ADDRESSES, RandomState::new().hash_one(0)),
            transfers: HashMap::new(),
            max_transfers,
        }
    }

    /// Takes a token for a request. Returns false if the address exceeds its limit.
    pub fn take_request(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |usage| REQUESTS.take(&mut usage.requests, now))
    }

    /// Takes a token for a file that is sent or refused. Returns false if the address exceeds its limit.
    pub fn take_file(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |usage| FILES.take(&mut usage.files, now))
    }

    /// Takes tokens for octets that are sent to an unverified client. Returns false if the address exceeds its limit.
    pub fn take_octets(&mut self, address: IpAddr, octets: usize, now: Duration) -> bool {
        self.take(address, now, |usage| {
            usage.octets.take_many(octets as u32, UNVERIFIED_OCTETS.burst, UNVERIFIED_OCTETS.per_second, millis(now))
        })
    }

    /// Records that a client at this address has acknowledged a packet.
    pub fn set_acknowledged(&mut self, address: IpAddr, now: Duration) {
        self.take(address, now, |usage| usage.has_acknowledged = true);
    }

    /// Whether a client at this address has acknowledged a packet.
    pub fn has_acknowledged(&self, address: IpAddr) -> bool {
        self.usage.get(address).is_some_and(|usage| usage.has_acknowledged)
    }

    /// Whether the address may have another transfer.
    pub fn can_start_transfer(&self, address: IpAddr) -> bool {
        self.transfers.get(&address).is_none_or(|&transfers| transfers < self.max_transfers)
    }

    /// Counts a transfer that has started.
    pub fn transfer_started(&mut self, address: IpAddr) {
        *self.transfers.entry(address).or_insert(0) += 1;
    }

    /// Counts a transfer that has ended.
    pub fn transfer_ended(&mut self, address: IpAddr) {
        if let Some(transfers) = self.transfers.get_mut(&address) {
            *transfers -= 1;
            if *transfers == 0 {
                self.transfers.remove(&address);
            }
        }
    }

    fn take<T>(&mut self, address: IpAddr, now: Duration, take: impl FnOnce(&mut AddressUsage) -> T) -> T {
        let unknown = AddressUsage {
            requests: REQUESTS.full_bucket(now),
            files: FILES.full_bucket(now),
            octets: UNVERIFIED_OCTETS.full_bucket(now),
            has_acknowledged: false,
        };
        self.usage.update(address, millis(now), unknown, take)
    }
}

impl RateLimit {
    /// A full token bucket.
    pub fn full_bucket(self, now: Duration) -> TokenBucket {
        TokenBucket::full(self.burst, millis(now))
    }

    /// Takes a token. Returns false if there is none.
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

    /// Tries once in each of these milliseconds, and counts the successes.
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
        // After a rest the next boot has the whole burst, and no more than that.
        let later = Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| clients.take_file(CLIENT, later)).count(), 64);
    }

    #[test]
    fn requests_have_a_separate_rate_limit() {
        let mut clients = ClientLimits::new(1000);
        let now = Duration::ZERO;
        while clients.take_file(CLIENT, now) {}
        assert_eq!((0..1000).filter(|_| clients.take_request(CLIENT, now)).count(), 256);
        assert_eq!(count(1..10_001, |now| clients.take_request(CLIENT, now)), 320);
    }

    #[test]
    fn clients_have_separate_limits() {
        let mut clients = ClientLimits::new(1000);
        let now = Duration::ZERO;
        while clients.take_file(CLIENT, now) {}
        assert!(clients.take_file(IpAddr::from([192, 0, 2, 108]), now));
    }

    #[test]
    fn an_address_has_an_eighth_of_all_transfers_but_at_least_16_and_at_most_64() {
        for (transfers, max_transfers) in [(100_000, 64), (512, 64), (256, 32), (64, 16), (1, 16)] {
            let mut clients = ClientLimits::new(transfers);
            for _ in 0..max_transfers {
                assert!(clients.can_start_transfer(CLIENT));
                clients.transfer_started(CLIENT);
            }
            assert!(!clients.can_start_transfer(CLIENT));
            clients.transfer_ended(CLIENT);
            assert!(clients.can_start_transfer(CLIENT));
        }
    }

    #[test]
    fn an_unverified_client_gets_half_a_mebibyte_a_second() {
        let mut clients = ClientLimits::new(1000);
        let sent =
            |clients: &mut ClientLimits, millis| count(millis, |now| clients.take_octets(CLIENT, 1500, now)) * 1500;
        assert!(sent(&mut clients, 0..1) <= 1500);
        let ten_seconds =
            (0..100_000).filter(|&tenth| clients.take_octets(CLIENT, 1500, Duration::from_micros(tenth * 100)));
        let octets = ten_seconds.count() * 1500;
        assert!((10 * 524_288 - 1500..=10 * 524_288 + 65_536 + 1500).contains(&octets), "{octets}");
        assert!(
            clients.take_octets(IpAddr::from([192, 0, 2, 108]), 1500, Duration::ZERO),
            "addresses have separate limits"
        );
    }

    #[test]
    fn an_ack_makes_an_address_known() {
        let mut clients = ClientLimits::new(1000);
        clients.take_request(CLIENT, Duration::ZERO);
        assert!(!clients.has_acknowledged(CLIENT));
        clients.set_acknowledged(CLIENT, Duration::ZERO);
        assert!(clients.has_acknowledged(CLIENT));
    }

    #[test]
    fn many_new_addresses_do_not_displace_one_with_transfers() {
        let mut clients = ClientLimits::new(1000);
        (0..64).for_each(|_| clients.transfer_started(CLIENT));
        for address in 0..2 * MAX_ADDRESSES as u32 {
            assert!(clients.take_request(IpAddr::V4(address.into()), Duration::ZERO));
        }
        assert!(!clients.can_start_transfer(CLIENT));
        (0..64).for_each(|_| clients.transfer_ended(CLIENT));
        assert!(clients.transfers.is_empty(), "entries end with the transfers");
    }
}
