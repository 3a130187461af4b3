//! Rate limits of requests (protocol.md 9).
//!
//! A machine has a separate rate for each path of its packets. A host elsewhere that knows the machine's hardware
//! address can send requests in the machine's name, but uses up only the rate of the path from that host.

use crate::arrival::{Arrival, Port};
use crate::bounded_cache::{BoundedCache, CacheKey, TokenBucket};
use crate::client::Client;
use crate::identity::MachineKey;
use crate::plan::Plan;
use crate::route::RefuseReason;
use core::net::{IpAddr, Ipv4Addr};

/// The rate of a machine: 8 requests at once, then 2 a second. A boot needs four packets.
const BURST: u32 = 8;
const RATE: u32 = 2;
/// The number of machines, and of sources, whose rates the server remembers. A machine that drops out of the cache may
/// send a few more requests. The cache of machines occupies a megabyte.
const CAPACITY: usize = 8192;
/// The rate on port 4011 of all machines in unserved networks together: 1000 requests at once, then 500 a second. It
/// applies if the server cannot know to which of these machines it made an offer ([`Plan::ignores_relays`]).
const UNSERVED_BURST: u32 = 1000;
const UNSERVED_RATE: u32 = 500;

/// The rates of all machines, sources and links.
#[derive(Debug)]
pub struct RateLimits {
    clients: BoundedCache<ClientPath, TokenBucket>,
    sources: BoundedCache<SourceKey, TokenBucket>,
    links: BoundedCache<u32, TokenBucket>,
    unserved: TokenBucket,
}

/// A machine, and the path of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientPath {
    machine: MachineKey,
    link: u32,
    /// The source address of the packet: 0.0.0.0, which no router forwards, if the machine is on the link and has no
    /// address yet; otherwise the address of the relay or of the machine.
    source: IpAddr,
    /// The relay that receives the reply, if there is one.
    relay: Option<IpAddr>,
}

/// A source address on port 4011, and the link of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SourceKey {
    link: u32,
    address: IpAddr,
}

impl RateLimits {
    /// The rates before any request. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        RateLimits {
            clients: BoundedCache::new(CAPACITY, seed.rotate_left(16)),
            sources: BoundedCache::new(CAPACITY, seed.rotate_left(32)),
            links: BoundedCache::new(256, seed.rotate_left(48)),
            unserved: TokenBucket::full(UNSERVED_BURST, 0),
        }
    }

    /// Counts a request; an error if the request exceeds a rate. A request always counts for its machine and path, on
    /// port 4011 also for its source, and for its interface if the plan has a limit. A relay's address has no limit,
    /// because it represents thousands of machines.
    pub fn check(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        if !self.allows_client(arrival, client) {
            return Err(RefuseReason::TooManyFromClient);
        }
        if client.port == Port::BootServer {
            self.check_source(plan, arrival, client)?;
        }
        match plan.policy.rate_limit {
            Some(limit) if !self.allows_link(arrival, client, limit) => Err(RefuseReason::TooManyOnLink),
            _ => Ok(()),
        }
    }

    fn allows_client(&mut self, arrival: &Arrival<'_>, client: &Client) -> bool {
        let path = ClientPath {
            machine: client.machine.key,
            link: arrival.link().index,
            source: arrival.from.ip(),
            relay: client.machine.relay.map(|relay| relay.address),
        };
        take(&mut self.clients, path, BURST, RATE, arrival.now)
    }

    fn check_source(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        let source = arrival.from.ip();
        let key = SourceKey { link: arrival.link().index, address: source };
        if !take(&mut self.sources, key, BURST, RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromSource);
        }
        let any_network = if client.is_v6() { plan.offer.dhcp6.ignores_relays } else { plan.offer.ignores_relays };
        let is_unserved = any_network && !arrival.reaches(source);
        if is_unserved && !self.unserved.take(UNSERVED_BURST, UNSERVED_RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromUnserved);
        }
        Ok(())
    }

    /// Packets from the link, packets through relays and packets to port 4011 have separate rates, so a flood from
    /// beyond the link does not use up the rate of the machines on the link. The burst is the number of requests that
    /// the rate allows in one second.
    fn allows_link(&mut self, arrival: &Arrival<'_>, client: &Client, limit: u32) -> bool {
        let kind = match (client.port, client.machine.relay) {
            (Port::BootServer, _) => 2,
            (Port::Dhcp, Some(_)) => 1,
            (Port::Dhcp, None) => 0,
        };
        take(&mut self.links, arrival.link().index << 2 | kind, limit, limit, arrival.now)
    }
}

fn take<K: CacheKey>(cache: &mut BoundedCache<K, TokenBucket>, key: K, burst: u32, rate: u32, now: u64) -> bool {
    cache.update(key, now, TokenBucket::full(burst, now), |bucket| bucket.take(burst, rate, now))
}

impl CacheKey for SourceKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        let mut octets = [0; 20];
        octets[..4].copy_from_slice(&self.link.to_le_bytes());
        octets[4..].copy_from_slice(self.address.octets().as_ref());
        octets
    }
}

impl CacheKey for ClientPath {
    fn octets(&self) -> impl AsRef<[u8]> {
        let relay = self.relay.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let mut octets = [0; 53];
        octets[..17].copy_from_slice(self.machine.octets().as_ref());
        octets[17..21].copy_from_slice(&self.link.to_le_bytes());
        octets[21..37].copy_from_slice(self.source.octets().as_ref());
        octets[37..].copy_from_slice(relay.octets().as_ref());
        octets
    }
}
