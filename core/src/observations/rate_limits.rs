//! How often who may ask (protocol.md 9).
//!
//! A machine has a rate for each way that its packets take. Whoever knows its hardware address can ask in its name from
//! elsewhere, and uses up the rate of that way only.

use super::{MachineKey, hardware_key};
use crate::arrival::{Arrival, Port};
use crate::client::Client;
use crate::plan::Plan;
use crate::bounded_cache::{TokenBucket, CacheKey, BoundedCache};
use crate::route::RefuseReason;
use core::net::{IpAddr, Ipv4Addr};

/// 8 at once, then 2 a second. A boot needs four packets.
const BURST: u32 = 8;
const RATE: u32 = 2;
/// Machines and sources whose rate is known; a lost one may ask a little more. A megabyte for the machines.
const CAPACITY: usize = 8192;
/// All machines together whose network we do not serve and to which no offer of ours went.
const STRANGERS_BURST: u32 = 1000;
const STRANGERS_RATE: u32 = 500;

#[derive(Debug)]
pub struct RateLimits {
    clients: BoundedCache<ClientWay, TokenBucket>,
    sources: BoundedCache<Source, TokenBucket>,
    links: BoundedCache<u32, TokenBucket>,
    strangers: TokenBucket,
}

/// A machine, and the way that its packet took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientWay {
    machine: MachineKey,
    link: u32,
    /// 0.0.0.0 for a machine on the link, which no router forwards; the relay's address, or the machine's own.
    source: IpAddr,
    /// Whom the answer goes to, if not the machine.
    relay: Option<IpAddr>,
}

/// An address on 4011, and the link that its packet came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    link: u32,
    address: IpAddr,
}

impl RateLimits {
    pub fn new(seed: u64) -> Self {
        RateLimits {
            clients: BoundedCache::new(CAPACITY, seed.rotate_left(16)),
            sources: BoundedCache::new(CAPACITY, seed.rotate_left(32)),
            links: BoundedCache::new(256, seed.rotate_left(48)),
            strangers: TokenBucket::full(STRANGERS_BURST, 0),
        }
    }

    /// Per machine and way always, per source on 4011, per interface where the plan says so. A relay's address stands
    /// for thousands of machines and has no limit of its own.
    pub fn check(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        if !self.allows_client(arrival, client) {
            return Err(RefuseReason::TooManyFromClient);
        }
        if client.port == Port::BootServer {
            self.check_source(plan, arrival, client)?;
        }
        match plan.rate_limit {
            Some(most) if !self.allows_link(arrival, client, most) => Err(RefuseReason::TooManyOnLink),
            _ => Ok(()),
        }
    }

    fn allows_client(&mut self, arrival: &Arrival<'_>, client: &Client) -> bool {
        let way = ClientWay {
            machine: hardware_key(&client.hardware),
            link: arrival.link().index,
            source: arrival.from.ip(),
            relay: client.relay.map(|relay| relay.address),
        };
        take(&mut self.clients, way, BURST, RATE, arrival.now)
    }

    fn check_source(&mut self, plan: &Plan, arrival: &Arrival<'_>, client: &Client) -> Result<(), RefuseReason> {
        let source = arrival.from.ip();
        let way = Source { link: arrival.link().index, address: source };
        if !take(&mut self.sources, way, BURST, RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromSource);
        }
        let any_network = if client.is_v6() { plan.dhcp6.ignores_relays } else { plan.ignores_relays };
        let is_stranger = any_network && !arrival.reaches(source);
        if is_stranger && !self.strangers.take(STRANGERS_BURST, STRANGERS_RATE, arrival.now) {
            return Err(RefuseReason::TooManyFromUnserved);
        }
        Ok(())
    }

    /// What comes from the link itself, through relays, and to port 4011 counts each by itself: a flood from beyond the
    /// link takes nothing from the machines on it. A second's worth may come at once.
    fn allows_link(&mut self, arrival: &Arrival<'_>, client: &Client, most: u32) -> bool {
        let kind = match (client.port, client.relay) {
            (Port::BootServer, _) => 2,
            (Port::Dhcp, Some(_)) => 1,
            (Port::Dhcp, None) => 0,
        };
        take(&mut self.links, arrival.link().index << 2 | kind, most, most, arrival.now)
    }
}

fn take<K: CacheKey>(table: &mut BoundedCache<K, TokenBucket>, key: K, burst: u32, rate: u32, now: u64) -> bool {
    table.update(key, now, TokenBucket::full(burst, now), |bucket| bucket.take(burst, rate, now))
}

impl CacheKey for Source {
    fn octets(&self) -> impl AsRef<[u8]> {
        let mut octets = [0; 20];
        octets[..4].copy_from_slice(&self.link.to_le_bytes());
        octets[4..].copy_from_slice(self.address.octets().as_ref());
        octets
    }
}

impl CacheKey for ClientWay {
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
