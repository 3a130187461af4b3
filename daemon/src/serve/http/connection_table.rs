//! All connections, and which one gives way when there is no room for another: one client must not take the places of
//! all others, whether it asks for nothing or never reads what it asked for.

use super::connection::Connection;
use super::{Overload, DropReason};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The part of all places that an address may still grow to when they are all taken. Where there is room it may have
/// more: a whole school may be behind one address.
const SHARE: usize = 16;
/// A connection that has moved nothing for so long gives way to any other.
const STALLED: Duration = Duration::from_secs(5);
/// A connection without a request for so long gives way before any that loads something.
const IDLE: Duration = Duration::from_secs(1);
/// Connections that one search finds: it looks at all of them, which not every newcomer may cause.
const FOUND_AT_ONCE: usize = 64;

pub struct ConnectionTable {
    places: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// By the number of each.
    lines: HashMap<u64, Arc<Connection>>,
    /// Those without a request, by the order in which they became so.
    idle: BTreeMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
    /// Who gives way next, at the end, with when it had moved last.
    slowest: Vec<(Instant, Weak<Connection>)>,
    numbers: u64,
}

impl ConnectionTable {
    pub fn new(places: usize) -> ConnectionTable {
        ConnectionTable { places, inside: Mutex::default() }
    }

    /// Gives a connection its place, if need be that of another.
    pub fn admit(&self, line: &Arc<Connection>, now: Instant) -> Result<ConnectionSlot, DropReason> {
        let mut inside = self.inside();
        if inside.lines.len() >= self.places {
            let (connections, address) = (inside.lines.len(), line.address());
            let has = inside.has(address);
            let has_room = inside.displace_idle(Some(now))
                || (has < self.share() && inside.displace_slowest(has, now))
                || inside.displace_idle(None);
            if !has_room {
                return Err(DropReason::Full(Overload { connections, address, from_address: has }));
            }
        }
        Ok(inside.enter(line))
    }

    /// Ends a connection that does nothing, if there is one: the descriptors of this process have run out.
    pub fn evict(&self, now: Instant) {
        let mut inside = self.inside();
        let _ = inside.displace_idle(None) || inside.displace_slowest(0, now);
    }

    /// It waits for its next request. Says by which number it is found.
    pub fn set_idle(&self, line: &Arc<Connection>) -> u64 {
        let mut inside = self.inside();
        let number = inside.next();
        inside.idle.insert(number, line.clone());
        number
    }

    pub fn set_busy(&self, number: u64) {
        self.inside().idle.remove(&number);
    }

    fn share(&self) -> usize {
        (self.places / SHARE).max(1)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection holds as long as it lives.
pub struct ConnectionSlot {
    line: Arc<Connection>,
    number: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.line.context.connections.inside().leave(self.number, self.line.address());
    }
}

impl Inside {
    fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn enter(&mut self, line: &Arc<Connection>) -> ConnectionSlot {
        let number = self.next();
        self.lines.insert(number, line.clone());
        *self.by_address.entry(line.address()).or_default() += 1;
        ConnectionSlot { line: line.clone(), number }
    }

    fn leave(&mut self, number: u64, address: IpAddr) {
        self.lines.remove(&number);
        if let Entry::Occupied(mut has) = self.by_address.entry(address) {
            *has.get_mut() -= 1;
            if *has.get() == 0 {
                has.remove();
            }
        }
    }

    fn has(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    /// Ends the connection that has been idle longest, if there is one. With `now`, only one that has been idle long
    /// enough: a client sends its request within milliseconds of connecting.
    fn displace_idle(&mut self, now: Option<Instant>) -> bool {
        let is_old = |line: &Connection| now.is_none_or(|now| now.saturating_duration_since(line.last_progress()) >= IDLE);
        let Some(oldest) = self.idle.first_entry().filter(|oldest| is_old(oldest.get())) else { return false };
        oldest.remove().evict(DropReason::EvictedIdle);
        true
    }

    /// The same of the one that moved least, for an address that has so many: among those that stand still, and those
    /// of addresses that have more, also when one goes from them to it.
    fn displace_slowest(&mut self, has: usize, now: Instant) -> bool {
        let Some(line) = self.slowest(has, now) else { return false };
        let (connections, address) = (self.lines.len(), line.address());
        line.evict(DropReason::EvictedSlowest(Overload { connections, address, from_address: self.has(address) }));
        true
    }

    fn slowest(&mut self, has: usize, now: Instant) -> Option<Arc<Connection>> {
        if self.slowest.is_empty() {
            self.look_for_the_slowest(has, now);
        }
        while let Some((moved, line)) = self.slowest.pop() {
            if let Some(line) = line.upgrade()
                && line.last_progress() == moved
                && self.gives_way(&line, has, now)
            {
                return Some(line);
            }
        }
        None
    }

    fn look_for_the_slowest(&mut self, has: usize, now: Instant) {
        let lines = self.lines.values().filter(|line| self.gives_way(line, has, now));
        let mut found: Vec<(Instant, Weak<Connection>)> = lines.map(|line| (line.last_progress(), Arc::downgrade(line))).collect();
        found.sort_by_key(|(moved, _)| *moved);
        found.truncate(FOUND_AT_ONCE);
        found.reverse();
        self.slowest = found;
    }

    fn gives_way(&self, line: &Connection, has: usize, now: Instant) -> bool {
        let stands_still = now.saturating_duration_since(line.last_progress()) >= STALLED;
        !line.is_evicted() && (stands_still || self.has(line.address()) > has + 1)
    }
}
