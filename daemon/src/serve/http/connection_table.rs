//! The table of connections. At the limit, the table decides which connection to evict: a client must not keep other
//! clients out with idle connections, or with requests whose responses it never reads.
//!
//! A stream that waits for its sender is quiet by design, so it does not count as stalled. It counts for its address
//! like any other connection. If no other connection can be evicted, the stream that has been quiet longest is: its
//! client can connect again, and a machine that boots cannot wait.

use super::activity::{Activity, Rest};
use super::event::DropReason;
use proxydhcpd_core::event::Overload;
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
    connections: HashMap<u64, Arc<Activity>>,
    /// Connections with nothing to send: for each reason, in the order in which their rest began.
    resting: BTreeMap<(Rest, u64), Arc<Activity>>,
    by_address: HashMap<IpAddr, usize>,
    /// Candidates for eviction with their last progress, the next one at the end.
    slowest: Vec<(Instant, Weak<Activity>)>,
    last_number: u64,
}

impl ConnectionTable {
    /// An empty table for at most `max_connections` connections.
    pub fn new(max_connections: usize) -> ConnectionTable {
        ConnectionTable { max_connections, table: Mutex::default() }
    }

    /// Adds a connection. If the table is full, evicts another connection, or fails if none can be evicted.
    pub fn admit(self: &Arc<Self>, connection: &Arc<Activity>, now: Instant) -> Result<ConnectionSlot, NoRoom> {
        let mut table = self.table();
        if table.connections.len() >= self.max_connections {
            let (connections, address) = (table.connections.len(), connection.address());
            let from_address = table.count_from(address);
            let is_below_share = from_address < self.share();
            let made_room = table.evict_resting(Rest::Idle, Some(now))
                || match is_below_share {
                    true => table.evict_slowest(from_address, now) || table.evict_quiet(),
                    false => table.evict_resting(Rest::Idle, None),
                };
            if !made_room {
                let overload = Overload { connections, address, from_address };
                return Err(if is_below_share { NoRoom::UntilOneEnds } else { NoRoom::ForAddress }(overload));
            }
        }
        // The time for which it waited for room is not its own.
        connection.progress();
        let number = table.insert(connection);
        Ok(ConnectionSlot { table: self.clone(), connection: connection.clone(), number })
    }

    /// Evicts an idle connection, or else a slow one, or else a quiet stream, if there is one. Called when this process
    /// has no descriptors left.
    pub fn evict(&self, now: Instant) {
        let mut table = self.table();
        let _ = table.evict_resting(Rest::Idle, None)
            || table.evict_slowest(0, now)
            || table.evict_resting(Rest::Quiet, None);
    }

    /// Records that the connection has nothing to send, for this reason.
    pub fn rest(&self, connection: &Arc<Activity>, reason: Rest) {
        let mut table = self.table();
        let place = (reason, table.next());
        connection.set_resting(place);
        table.resting.insert(place, connection.clone());
    }

    /// Records that the connection has something to receive or to send.
    pub fn end_rest(&self, connection: &Activity) {
        if let Some(place) = connection.end_rest() {
            self.table().resting.remove(&place);
        }
    }

    fn share(&self) -> usize {
        (self.max_connections / SHARE_DIVISOR).max(1)
    }

    fn table(&self) -> MutexGuard<'_, TableState> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection found no room.
#[derive(Debug)]
pub enum NoRoom {
    /// All connections are busy.
    UntilOneEnds(Overload),
    /// Its address has its share already.
    ForAddress(Overload),
}

/// The slot of a connection; dropping it removes the connection from the table.
pub struct ConnectionSlot {
    table: Arc<ConnectionTable>,
    connection: Arc<Activity>,
    number: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.table().remove(self.number, self.connection.address());
    }
}

impl TableState {
    fn next(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn insert(&mut self, connection: &Arc<Activity>) -> u64 {
        let number = self.next();
        self.connections.insert(number, connection.clone());
        *self.by_address.entry(connection.address()).or_default() += 1;
        number
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

    /// Evicts the connection that has rested longest for this reason, and returns whether there was one. With `now`,
    /// evicts it only if it has rested for `IDLE_TIME`: a client sends its request within milliseconds of connecting.
    fn evict_resting(&mut self, reason: Rest, now: Option<Instant>) -> bool {
        let is_old = |connection: &Activity| {
            now.is_none_or(|now| now.saturating_duration_since(connection.last_progress()) >= IDLE_TIME)
        };
        let longest = self.resting.range((reason, 0)..=(reason, u64::MAX)).next();
        let Some((&place, _)) = longest.filter(|(_, connection)| is_old(connection)) else { return false };
        if let Some(connection) = self.resting.remove(&place) {
            connection.evict(DropReason::EvictedIdle);
        }
        true
    }

    /// Evicts the stream that has been quiet longest, unless a connection is idle, which a new client can wait for.
    fn evict_quiet(&mut self) -> bool {
        let has_idle = self.resting.range((Rest::Idle, 0)..=(Rest::Idle, u64::MAX)).next().is_some();
        !has_idle && self.evict_resting(Rest::Quiet, None)
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

    fn slowest(&mut self, from_address: usize, now: Instant) -> Option<Arc<Activity>> {
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
        let mut found: Vec<(Instant, Weak<Activity>)> =
            connections.map(|connection| (connection.last_progress(), Arc::downgrade(connection))).collect();
        found.sort_by_key(|(last_progress, _)| *last_progress);
        found.truncate(MAX_CANDIDATES);
        found.reverse();
        self.slowest = found;
    }

    fn may_evict(&self, connection: &Activity, from_address: usize, now: Instant) -> bool {
        let is_stalled =
            now.saturating_duration_since(connection.last_progress()) >= STALL_TIME && !connection.rests(Rest::Quiet);
        !connection.is_evicted() && (is_stalled || self.count_from(connection.address()) > from_address + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full table: a quiet stream, and a transfer of another address.
    fn full() -> (Arc<ConnectionTable>, [ConnectionSlot; 2]) {
        let table = Arc::new(ConnectionTable::new(2));
        let admit = |last| table.admit(&Activity::new([192, 0, 2, last].into()), Instant::now()).ok().unwrap();
        let slots = [1, 2].map(admit);
        table.rest(&slots[0].connection, Rest::Quiet);
        (table, slots)
    }

    /// Admits a connection of another address after this time. Returns which of the two connections was evicted for it.
    fn evicted(table: &Arc<ConnectionTable>, slots: &[ConnectionSlot; 2], after: Duration) -> [bool; 2] {
        let _ = table.admit(&Activity::new([192, 0, 2, 9].into()), Instant::now() + after);
        [0, 1].map(|index| slots[index].connection.is_evicted())
    }

    #[test]
    fn a_quiet_stream_outlasts_a_stalled_transfer_and_is_evicted_last() {
        let (table, slots) = full();
        assert_eq!(evicted(&table, &slots, STALL_TIME), [false, true], "the transfer, though the stream is older");
        let (table, slots) = full();
        assert_eq!(evicted(&table, &slots, Duration::ZERO), [true, false], "a transfer that makes progress stays");
    }

    #[test]
    fn a_stream_that_its_client_does_not_read_is_stalled() {
        let (table, slots) = full();
        table.end_rest(&slots[0].connection);
        slots[1].connection.progress();
        assert_eq!(evicted(&table, &slots, STALL_TIME), [true, false]);
    }

    #[test]
    fn a_quiet_stream_counts_for_its_address() {
        let table = Arc::new(ConnectionTable::new(32));
        let stream = table.admit(&Activity::new([192, 0, 2, 1].into()), Instant::now()).ok().unwrap();
        let transfers = [1; 31].map(|last| table.admit(&Activity::new([192, 0, 2, last].into()), Instant::now()).ok());
        table.rest(&stream.connection, Rest::Quiet);
        assert!(table.admit(&Activity::new([192, 0, 2, 1].into()), Instant::now()).is_err(), "no room for its address");
        assert!(table.admit(&Activity::new([192, 0, 2, 2].into()), Instant::now()).is_ok());
        assert!(stream.connection.is_evicted() && transfers.iter().flatten().all(|slot| !slot.connection.is_evicted()));
    }

    #[test]
    fn an_idle_connection_is_evicted_before_a_quiet_stream() {
        let (table, slots) = full();
        table.rest(&slots[1].connection, Rest::Idle);
        assert_eq!(evicted(&table, &slots, Duration::ZERO), [false, false], "its request may be on the way");
        assert_eq!(evicted(&table, &slots, IDLE_TIME), [false, true]);
    }

    #[test]
    fn a_connection_that_waited_for_room_keeps_it_until_its_request_arrives() {
        let table = Arc::new(ConnectionTable::new(1));
        let newcomer = Activity::new([192, 0, 2, 1].into());
        std::thread::sleep(IDLE_TIME);
        let slot = table.admit(&newcomer, Instant::now()).ok().unwrap();
        table.rest(&slot.connection, Rest::Idle);
        let next = table.admit(&Activity::new([192, 0, 2, 2].into()), Instant::now());
        assert!(matches!(next, Err(NoRoom::UntilOneEnds(_))) && !newcomer.is_evicted());
    }
}
