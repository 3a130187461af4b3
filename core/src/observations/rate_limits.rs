//! Rate limits of requests (protocol.md 9).
//!
//! A machine has a rate for each path of its packets. A host elsewhere that knows its hardware address can send
//! requests in its name, but only uses up the rate of that host's path.

use super::{MachineKey, hardware_key};
use crate::arrival::{Arrival, Port};
use crate::bounded_cache::{BoundedCache, CacheKey, TokenBucket};
use crate::client::Client;
use crate::plan::Plan;
use crate::route::RefuseReason;
use core::net::{IpAddr, Ipv4Addr};

/// Requests of a machine: 8 at once, then 2 a second. A boot takes four packets.
const BURST: u32 = 8;
const RATE: u32 = 2;
/// Machines and sources with a known rate; a machine that drops out may send a little more. A megabyte for the
/// machines.
const CAPACITY: usize = 8192;
/// Requests on port 4011 of all machines in unserved networks together, where the server cannot know which of them it
/// made an offer to ([`Plan::ignores_relays`]): 1000 at once, then 500 a second.
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
    /// The source address: 0.0.0.0 for a machine on the link, which no router forwards; the relay's, or the machine's.
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
    /// No requests so far. `seed`: a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        RateLimits {
            clients: BoundedCache::new(CAPACITY, seed.rotate_left(16)),
            sources: BoundedCache::new(CAPACITY, seed.rotate_left(32)),
            links: BoundedCache::new(256, seed.rotate_left(48)),
            unserved: TokenBucket::full(UNSERVED_BURST, 0),
        }
    }

    /// Counts a request: per machine and path always, per source on port 4011, per interface if the plan has a limit.
    /// A relay's address represents thousands of machines, so it has no limit.
    pub fn check(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        if !self.allows_client(arrival, client) {
            return Err(RefuseReason::TooManyFromClient);
        }
        if client.port == Port::BootServer {
            self.check_source(plan, arrival, client)?;
        }
        match plan.rate_limit {
            Some(limit) if !self.allows_link(arrival, client, limit) => Err(RefuseReason::TooManyOnLink),
            _ => Ok(()),
        }
    }

    fn allows_client(&mut self, arrival: &Arrival<'_>, client: &Client) -> bool {
        let path = ClientPath {
            machine: hardware_key(&client.hardware),
            link: arrival.link().index,
            source: arrival.from.ip(),
            relay: client.relay.map(|relay| relay.address),
        };
        take(&mut self.clients, path, BURST, RATE, arrival.now)
    }

    fn check_source(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        let source = arrival.from.ip();
        let key = SourceKey { link: arrival.link().index, address: source };
        if !take(&mut self.sources, key, BURST, RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromSource);
        }
        let any_network = if client.is_v6() { plan.dhcp6.ignores_relays } else { plan.ignores_relays };
        let is_unserved = any_network && !arrival.reaches(source);
        if is_unserved && !self.unserved.take(UNSERVED_BURST, UNSERVED_RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromUnserved);
        }
        Ok(())
    }

    /// Packets from the link, packets through relays and packets to port 4011 have separate rates: a flood from beyond
    /// the link takes nothing from the machines on it. The burst is one second's worth.
    fn allows_link(&mut self, arrival: &Arrival<'_>, client: &Client, limit: u32) -> bool {
        let kind = match (client.port, client.relay) {
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
        octets[..17].copy_from_slice(&self.machine.0);
        octets[17..21].copy_from_slice(&self.link.to_le_bytes());
        octets[21..37].copy_from_slice(self.source.octets().as_ref());
        octets[37..].copy_from_slice(relay.octets().as_ref());
        octets
    }
}
