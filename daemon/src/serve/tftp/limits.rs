//! What one client address may ask for.
//!
//! Two rates, one behind the other. Any request counts as a name; one whose name leads to something, or is refused for
//! another reason than that it leads nowhere, counts as a file, too. Nothing that is said later gives it back.

use proxydhcpd_core::recent::{Bucket, Recent};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    burst: u32,
    per_second: u32,
}

/// Files. A whole boot has to fit into the burst, or it is held up: EDK2 asks twice for its loader, iPXE once for each of
/// three or four files, shim and a signed GRUB half a dozen times, Windows' loader for some forty small files in a
/// second. Most of all wants a GRUB that loads its modules by TFTP: 41 of them with a graphical menu (the closure of
/// 2.06's `moddep.lst`), 4 lists, font, theme, configuration, kernel and initrd. That many answers are no gift to whoever
/// asks in another's name: 16 transfers that nobody acknowledges are all that one address has at a time.
const FILES: Rate = Rate { burst: 64, per_second: 3 };

/// Names, whether there or not. Loaders try name after name until one exists: the Raspberry Pi every file below its
/// serial number first, GRUB and PXELINUX a dozen configurations, a language, lists of modules, as fast as they hear that
/// there is none. A miss costs us one system call more than it takes to send its answer, which is shorter than a request
/// and 32 octets, so the rate need only keep one client from taking the whole server.
const NAMES: Rate = Rate { burst: 256, per_second: 32 };

/// Packets from foreign ports that one transfer answers. Such a packet is a rare accident, and its source may be forged.
pub const FOREIGN: Rate = Rate { burst: 16, per_second: 3 };

/// Transfers at the same time.
const TRANSFERS: u16 = 16;

/// Addresses whose rates are remembered: about a megabyte. Whoever has been pushed out is a stranger again.
const ADDRESSES: usize = 16_384;

#[derive(Debug)]
pub struct Clients {
    asked: Recent<IpAddr, Asked>,
    /// Those that have one: as many as there are transfers, at most.
    transfers: HashMap<IpAddr, u16>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    names: Bucket,
    files: Bucket,
}

impl Clients {
    pub fn new() -> Clients {
        Clients { asked: Recent::new(ADDRESSES, RandomState::new().hash_one(0)), transfers: HashMap::new() }
    }

    /// Whether a name may be looked up. Counts it.
    pub fn may_ask(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |asked| NAMES.take(&mut asked.names, now))
    }

    /// Whether a file may be sent, or refused. Counts it.
    pub fn may_have(&mut self, address: IpAddr, now: Duration) -> bool {
        self.take(address, now, |asked| FILES.take(&mut asked.files, now))
    }

    pub fn may_begin(&self, address: IpAddr) -> bool {
        self.transfers.get(&address).is_none_or(|&transfers| transfers < TRANSFERS)
    }

    pub fn began(&mut self, address: IpAddr) {
        *self.transfers.entry(address).or_insert(0) += 1;
    }

    pub fn ended(&mut self, address: IpAddr) {
        if let Some(transfers) = self.transfers.get_mut(&address) {
            *transfers -= 1;
            if *transfers == 0 {
                self.transfers.remove(&address);
            }
        }
    }

    fn take(&mut self, address: IpAddr, now: Duration, take: impl FnOnce(&mut Asked) -> bool) -> bool {
        let stranger = Asked { names: NAMES.full(now), files: FILES.full(now) };
        self.asked.update(address, millis(now), stranger, take)
    }
}

impl Rate {
    pub fn full(self, now: Duration) -> Bucket {
        Bucket::full(self.burst, millis(now))
    }

    pub fn take(self, bucket: &mut Bucket, now: Duration) -> bool {
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
        let mut clients = Clients::new();
        let now = Duration::ZERO;
        assert_eq!((0..1000).filter(|_| clients.may_have(CLIENT, now)).count(), 64);
        assert_eq!(count(1..10_001, |now| clients.may_have(CLIENT, now)), 30);
        assert_eq!(count(10_001..70_001, |now| clients.may_have(CLIENT, now)), 180);
        // A minute of rest, and the next boot finds the burst again; no more than that is saved up.
        let later = Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| clients.may_have(CLIENT, later)).count(), 64);
    }

    #[test]
    fn names_have_a_rate_of_their_own() {
        let mut clients = Clients::new();
        let now = Duration::ZERO;
        while clients.may_have(CLIENT, now) {}
        assert_eq!((0..1000).filter(|_| clients.may_ask(CLIENT, now)).count(), 256);
        assert_eq!(count(1..10_001, |now| clients.may_ask(CLIENT, now)), 320);
    }

    #[test]
    fn one_client_does_not_pay_for_another() {
        let mut clients = Clients::new();
        let now = Duration::ZERO;
        while clients.may_have(CLIENT, now) {}
        assert!(clients.may_have(IpAddr::from([192, 0, 2, 108]), now));
    }

    #[test]
    fn sixteen_transfers_and_no_more() {
        let mut clients = Clients::new();
        for _ in 0..16 {
            assert!(clients.may_begin(CLIENT));
            clients.began(CLIENT);
        }
        assert!(!clients.may_begin(CLIENT));
        clients.ended(CLIENT);
        assert!(clients.may_begin(CLIENT));
    }

    #[test]
    fn strangers_push_nobody_out_who_has_a_transfer() {
        let mut clients = Clients::new();
        (0..16).for_each(|_| clients.began(CLIENT));
        for address in 0..2 * ADDRESSES as u32 {
            assert!(clients.may_ask(IpAddr::V4(address.into()), Duration::ZERO));
        }
        assert!(!clients.may_begin(CLIENT));
        (0..16).for_each(|_| clients.ended(CLIENT));
        assert!(clients.transfers.is_empty(), "what is held ends with the transfers");
    }
}
