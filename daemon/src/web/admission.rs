//! How many connections the page has. A host from which no user has logged in may have few, so that it cannot take the
//! page from others.

use nix::sys::resource::{Resource, getrlimit};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The maximum number of connections. Each open page has one for events, and some more for a moment.
pub const MAX_CONNECTIONS: usize = 1200;
/// The part of the files that the process may open. If few may be open, machines need most of them.
const PART_OF_OPEN_FILES: usize = 16;
/// The maximum number of connections on which no user has logged in yet.
const MAX_NEW: usize = 400;
/// The maximum number of those of one source.
const MAX_NEW_OF_SOURCE: usize = 64;

/// The connections.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Mutex<Connections>>);

#[derive(Debug)]
struct Connections {
    limit: usize,
    all: usize,
    /// Those on which no user has logged in yet, by source.
    new: BTreeMap<IpAddr, usize>,
}

/// The place of a connection, until this value is dropped.
#[derive(Debug)]
pub struct Place {
    slot: Slot,
}

/// The place of a connection, for the handlers of its requests.
#[derive(Clone, Debug)]
pub struct Slot {
    admission: Admission,
    source: IpAddr,
    is_new: Arc<Mutex<bool>>,
}

impl Admission {
    /// No connections yet, and as many places as the limit of open files of this process allows.
    pub fn from_open_file_limit() -> Admission {
        let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(limit, _)| limit);
        Admission::new(usize::try_from(open_files).unwrap_or(usize::MAX))
    }

    /// No connections yet. `open_files`: the number of files that the process may open.
    fn new(open_files: usize) -> Admission {
        let limit = MAX_CONNECTIONS.min(open_files / PART_OF_OPEN_FILES);
        Admission(Arc::new(Mutex::new(Connections { limit, all: 0, new: BTreeMap::new() })))
    }

    /// A place for a new connection of this source, if there is one. Behind a shared source are many users: that of a
    /// proxy, or of this host.
    pub fn admit(&self, source: IpAddr, is_shared: bool) -> Option<Place> {
        let mut connections = self.lock();
        let of_source = connections.new.get(&source).copied().unwrap_or_default();
        let limit = if is_shared { MAX_NEW } else { MAX_NEW_OF_SOURCE };
        let all_new: usize = connections.new.values().sum();
        if connections.all >= connections.limit || all_new >= MAX_NEW || of_source >= limit {
            return None;
        }
        connections.all += 1;
        connections.new.insert(source, of_source + 1);
        Some(Place { slot: Slot { admission: self.clone(), source, is_new: Arc::new(Mutex::new(true)) } })
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The place, for the handlers of requests.
    pub fn slot(&self) -> Slot {
        self.slot.clone()
    }
}

impl Slot {
    /// Keeps the connection in a place that is not for new ones: a user logged in on it.
    pub fn keep(&self) {
        let is_new = std::mem::take(&mut *self.is_new.lock().unwrap_or_else(PoisonError::into_inner));
        if !is_new {
            return;
        }
        let new = &mut self.admission.lock().new;
        if let Some(count) = new.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                new.remove(&self.source);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slot.keep();
        self.slot.admission.lock().all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_not_log_in_leaves_places_to_others() {
        let admission = Admission::new(1 << 20);
        let source = |last: u8| IpAddr::from([192, 0, 2, last]);
        let idle: Vec<Place> = (0..2000).filter_map(|_| admission.admit(source(1), false)).collect();
        assert_eq!(idle.len(), MAX_NEW_OF_SOURCE);
        let mut pages = Vec::new();
        for _ in 0..MAX_CONNECTIONS - MAX_NEW_OF_SOURCE {
            let place = admission.admit(source(2), false).unwrap();
            place.slot().keep();
            place.slot().keep();
            pages.push(place);
        }
        assert!(admission.admit(source(3), false).is_none());
        assert_eq!(admission.open(), MAX_CONNECTIONS);
        drop(pages.pop());
        let place = admission.admit(source(3), false).unwrap();
        assert!(admission.admit(source(1), true).is_none());
        drop((idle, pages, place));
        assert!(admission.lock().all == 0 && admission.lock().new.is_empty());
    }

    #[test]
    fn a_process_that_may_open_few_files_has_few_connections() {
        let admission = Admission::new(1024);
        let places: Vec<Place> = (0..100).filter_map(|_| admission.admit(IpAddr::from([192, 0, 2, 1]), true)).collect();
        assert_eq!(places.len(), 64);
    }

    #[test]
    fn all_sources_that_do_not_log_in_leave_places_to_those_that_do() {
        let admission = Admission::new(1 << 20);
        let places: Vec<Place> = (0..2000_u32)
            .filter_map(|number| admission.admit(IpAddr::from((number % 100).to_be_bytes()), false))
            .collect();
        assert_eq!(places.len(), MAX_NEW);
        places[0].slot().keep();
        assert!(admission.admit(IpAddr::from([192, 0, 2, 1]), false).is_some());
    }
}
