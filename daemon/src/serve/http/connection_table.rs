//! The table of connections. At the limit, the table decides which connection to evict: a client must not keep other
//! clients out with idle connections, or with requests whose responses it never reads.

use super::connection::Connection;
use super::{DropReason, Overload};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The share of an address is the limit divided by this number. At the limit, a new connection may evict a slow one
/// only if its address has fewer connections than this share. Below the limit, an address may have more connections,
/// because a whole school may be behind it.
const SHARE_DIVISOR: usize = 16;
/// A connection without progress for this time has stalled, and may be evicted however few connections its address has.
const STALL_TIME: Duration = Duration::from_secs(5);
/// A connection without a request for this time is evicted before any connection that transfers a file.
const IDLE_TIME: Duration = Duration::from_secs(1);
/// Maximum number of candidates for eviction that one search collects. A search visits all connections, so it must not
/// be repeated for every new connection.
const MAX_CANDIDATES: usize = 64;

/// All connections.
pub struct ConnectionTable {
    max_connections: usize,
    table: Mutex<TableState>,
}

#[derive(Default)]
struct TableState {
    /// All connections by number.
    connections: HashMap<u64, Arc<Connection>>,
    /// Connections without a request, in the order in which they became idle.
    idle: BTreeMap<u64, Arc<Connection>>,
    by_address: HashMap<IpAddr, usize>,
    /// Candidates for eviction with their last progress, the next one at the end.
    slowest: Vec<(Instant, Weak<Connection>)>,
    last_number: u64,
}

impl ConnectionTable {
    /// An empty table for at most `max_connections` connections.
    pub fn new(max_connections: usize) -> ConnectionTable {
        ConnectionTable { max_connections, table: Mutex::default() }
    }

    /// Adds a connection. If the table is full, evicts another connection, or fails if none can be evicted.
    pub fn admit(&self, connection: &Arc<Connection>, now: Instant) -> Result<ConnectionSlot, DropReason> {
        let mut table = self.table();
        if table.connections.len() >= self.max_connections {
            let (connections, address) = (table.connections.len(), connection.address());
            let from_address = table.count_from(address);
            let made_room = table.evict_idle(Some(now))
                || (from_address < self.share() && table.evict_slowest(from_address, now))
                || table.evict_idle(None);
            if !made_room {
                return Err(DropReason::Full(Overload { connections, address, from_address }));
            }
        }
        Ok(table.insert(connection))
    }

    /// Evicts an idle connection, or else a slow one, if there is one. Called when this process has no descriptors
    /// left.
    pub fn evict(&self, now: Instant) {
        let mut table = self.table();
        let _ = table.evict_idle(None) || table.evict_slowest(0, now);
    }

    /// Marks a connection as idle. Returns its number for [`ConnectionTable::set_busy`].
    pub fn set_idle(&self, connection: &Arc<Connection>) -> u64 {
        let mut table = self.table();
        let number = table.next();
        table.idle.insert(number, connection.clone());
        number
    }

    /// Marks the idle connection with this number as busy.
    pub fn set_busy(&self, number: u64) {
        self.table().idle.remove(&number);
    }

    fn share(&self) -> usize {
        (self.max_connections / SHARE_DIVISOR).max(1)
    }

    fn table(&self) -> MutexGuard<'_, TableState> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a connection; dropping it removes the connection from the table.
pub struct ConnectionSlot {
    connection: Arc<Connection>,
    number: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connection.context.connections.table().remove(self.number, self.connection.address());
    }
}

impl TableState {
    fn next(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn insert(&mut self, connection: &Arc<Connection>) -> ConnectionSlot {
        let number = self.next();
        self.connections.insert(number, connection.clone());
        *self.by_address.entry(connection.address()).or_default() += 1;
        ConnectionSlot { connection: connection.clone(), number }
    }

    fn remove(&mut self, number: u64, address: IpAddr) {
        self.connections.remove(&number);
        if let Entry::Occupied(mut count) = self.by_address.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn count_from(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    /// Evicts the connection that has been idle longest, and returns whether there was one. With `now`, evicts it only
    /// if it has been idle for `IDLE_TIME`: a client sends its request within milliseconds of connecting.
    fn evict_idle(&mut self, now: Option<Instant>) -> bool {
        let is_old = |connection: &Connection| {
            now.is_none_or(|now| now.saturating_duration_since(connection.last_progress()) >= IDLE_TIME)
        };
        let Some(oldest) = self.idle.first_entry().filter(|oldest| is_old(oldest.get())) else { return false };
        oldest.remove().evict(DropReason::EvictedIdle);
        true
    }

    /// Evicts the connection whose last progress is the oldest, to make room for an address with `from_address`
    /// connections. Returns whether there was a candidate. Candidates are stalled connections, and connections of an
    /// address that afterwards still has at least as many connections as the address that gets the room.
    fn evict_slowest(&mut self, from_address: usize, now: Instant) -> bool {
        let Some(connection) = self.slowest(from_address, now) else { return false };
        let (connections, address) = (self.connections.len(), connection.address());
        connection.evict(DropReason::EvictedSlowest(Overload {
            connections,
            address,
            from_address: self.count_from(address),
        }));
        true
    }

    fn slowest(&mut self, from_address: usize, now: Instant) -> Option<Arc<Connection>> {
        if self.slowest.is_empty() {
            self.find_slowest(from_address, now);
        }
        while let Some((last_progress, connection)) = self.slowest.pop() {
            if let Some(connection) = connection.upgrade()
                && connection.last_progress() == last_progress
                && self.may_evict(&connection, from_address, now)
            {
                return Some(connection);
            }
        }
        None
    }

    fn find_slowest(&mut self, from_address: usize, now: Instant) {
        let connections = self.connections.values().filter(|connection| self.may_evict(connection, from_address, now));
        let mut found: Vec<(Instant, Weak<Connection>)> =
            connections.map(|connection| (connection.last_progress(), Arc::downgrade(connection))).collect();
        found.sort_by_key(|(last_progress, _)| *last_progress);
        found.truncate(MAX_CANDIDATES);
        found.reverse();
        self.slowest = found;
    }

    fn may_evict(&self, connection: &Connection, from_address: usize, now: Instant) -> bool {
        let is_stalled = now.saturating_duration_since(connection.last_progress()) >= STALL_TIME;
        !connection.is_evicted() && (is_stalled || self.count_from(connection.address()) > from_address + 1)
    }
}
