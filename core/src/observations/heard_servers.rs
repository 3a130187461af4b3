//! The other DHCP servers and boot servers that the server has overheard on each link, and what their offers contain.

use super::overheard_offers::OverheardOffer;
use crate::bounded_cache::{BoundedCache, CacheKey};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The number of servers that the server remembers, because a host may forge any number of them: 24 kilobytes.
const MAX_SERVERS: usize = 256;
/// How long before the last offer of a server another offer still counts. Servers send different offers to different
/// machines; after a change of a server, the table should show the change soon.
const COUNTS_FOR: u64 = 10 * 60 * 1000;

/// The servers that were overheard.
#[derive(Debug)]
pub struct HeardServers(BoundedCache<ServerKey, Heard>);

/// A DHCP server or boot server, as its recent offers on one link show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardServer {
    /// The address with which the server identifies itself (option 54).
    pub address: Ipv4Addr,
    /// The kernel's index of the interface on which its offers arrive.
    pub link: u32,
    /// When its last offer arrived, in milliseconds since the start.
    pub last: u64,
    /// Whether it assigns addresses (yiaddr).
    pub assigns_addresses: bool,
    /// Whether it announces itself as a boot server: option 60 is PXEClient.
    pub is_pxe: bool,
    /// Whether it names a boot file, in `file` or in option 67.
    pub names_boot_file: bool,
}

/// A server on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ServerKey {
    address: Ipv4Addr,
    link: u32,
}

/// When the last offer of a server arrived, and the last one with each property.
#[derive(Clone, Copy, Debug)]
struct Heard {
    key: ServerKey,
    last: u64,
    with_address: Option<u64>,
    with_pxe: Option<u64>,
    with_file: Option<u64>,
}

impl HeardServers {
    /// A table without servers. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        HeardServers(BoundedCache::new(MAX_SERVERS, seed))
    }

    /// Notes the offer of a server on a link.
    pub(super) fn note(&mut self, offer: &OverheardOffer, link: u32) {
        let key = ServerKey { address: offer.server, link };
        let fresh = Heard { key, last: offer.at, with_address: None, with_pxe: None, with_file: None };
        self.0.update(key, offer.at, fresh, |heard| {
            heard.last = offer.at;
            heard.with_address = Some(offer.at).filter(|_| offer.has_address).or(heard.with_address);
            heard.with_pxe = Some(offer.at).filter(|_| offer.is_pxe).or(heard.with_pxe);
            heard.with_file = Some(offer.at).filter(|_| offer.has_file).or(heard.with_file);
        });
    }

    /// The servers, by link and address.
    pub fn list(&self) -> Vec<HeardServer> {
        let mut servers: Vec<HeardServer> = self.0.values().map(Heard::summary).collect();
        servers.sort_by_key(|server| (server.link, server.address));
        servers
    }
}

impl Heard {
    fn summary(&self) -> HeardServer {
        let counts = |at: Option<u64>| at.is_some_and(|at| self.last.saturating_sub(at) < COUNTS_FOR);
        HeardServer {
            address: self.key.address,
            link: self.key.link,
            last: self.last,
            assigns_addresses: counts(self.with_address),
            is_pxe: counts(self.with_pxe),
            names_boot_file: counts(self.with_file),
        }
    }
}

impl CacheKey for ServerKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        let mut octets = [0; 8];
        octets[..4].copy_from_slice(&self.address.octets());
        octets[4..].copy_from_slice(&self.link.to_be_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(server: [u8; 4], at: u64) -> OverheardOffer {
        OverheardOffer { server: server.into(), at, has_address: false, is_pxe: false, has_file: false }
    }

    #[test]
    fn the_recent_offers_of_a_server_on_a_link_are_summed_up() {
        let mut servers = HeardServers::new(1);
        servers.note(&OverheardOffer { has_address: true, is_pxe: true, ..offer([192, 0, 2, 1], 1000) }, 2);
        servers.note(&OverheardOffer { has_file: true, ..offer([192, 0, 2, 1], 2000) }, 2);
        servers.note(&offer([192, 0, 2, 1], 2500), 1);
        let heard = |link, last| HeardServer {
            address: [192, 0, 2, 1].into(),
            link,
            last,
            assigns_addresses: false,
            is_pxe: false,
            names_boot_file: false,
        };
        let both = HeardServer { assigns_addresses: true, is_pxe: true, names_boot_file: true, ..heard(2, 2000) };
        assert_eq!(servers.list(), [heard(1, 2500), both]);
        // An administrator has removed option 60 from the server.
        let later = 1000 + COUNTS_FOR;
        servers.note(&OverheardOffer { has_address: true, ..offer([192, 0, 2, 1], later) }, 2);
        let changed = HeardServer { assigns_addresses: true, names_boot_file: true, ..heard(2, later) };
        assert_eq!(servers.list(), [heard(1, 2500), changed]);
    }

    #[test]
    fn forged_servers_do_not_fill_the_memory() {
        let mut servers = HeardServers::new(1);
        for number in 0..100_000_u32 {
            servers.note(&offer(number.to_be_bytes(), number.into()), 1);
        }
        assert!(servers.list().len() <= MAX_SERVERS);
    }
}
