//! The limit of open files, and the number of descriptors that clients may use. An HTTP connection and a TFTP transfer
//! use one or two each.

use super::StartError;
use crate::events::Events;
use crate::settings::MAX_TRANSFERS;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::process::Descriptors;
use std::{fs, io};

/// Descriptors that are reserved for the server, in addition to those that are already open. The server needs them to
/// read files, list directories, open sockets on new interfaces, and accept connections that it then closes.
const SPARE: usize = 64;

/// Minimum number of descriptors for clients, even if the limit is low.
const MIN_FOR_CLIENTS: usize = 16;

/// If clients may use fewer descriptors than this, the server logs a warning at the start.
const FEW_FOR_CLIENTS: usize = 192;

/// The number of files that the server is assumed to have open, if /proc does not show the number.
const TYPICAL_OPEN: usize = 80;

/// A lower bound of the descriptors that the server opens before it calls [`check`]: for ports, files being read, and
/// threads. The server's sockets alone need more.
const START_NEEDS: usize = 48;

/// Raises the soft limit of open files to the hard limit. Call this before opening anything, so that the error names
/// the limit if it is too low. Fails if the limit is too low to start the server.
pub fn raise() -> Result<(), StartError> {
    // If the limit cannot be raised, it may still be high enough.
    getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard)).ok();
    let limit = limit();
    if limit < open_count() + START_NEEDS { Err(StartError::TooFewOpenFiles { limit }) } else { Ok(()) }
}

/// Checks how many descriptors are left for clients. Call this when the server has opened all its sockets. Records
/// if few descriptors are left, and fails if almost none are.
pub fn check(events: &Events) -> Result<(), StartError> {
    let (limit, open) = (limit(), open_count());
    if limit < open + 2 * MIN_FOR_CLIENTS {
        return Err(StartError::TooFewOpenFiles { limit });
    }
    let clients = for_clients(limit, open);
    if clients < FEW_FOR_CLIENTS {
        events.record_host(What::Descriptors(Descriptors::FewForClients { limit, clients }));
    }
    Ok(())
}

/// The number of descriptors that TFTP may use. HTTP may use the same number.
pub fn per_service() -> usize {
    for_clients(limit(), open_count()) / 2
}

/// If the limit of open files caused this error, returns an error that names the limit. Returns any other error
/// unchanged.
pub fn explain_emfile(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
        Some(libc::EMFILE) => StartError::TooFewOpenFiles { limit: limit() }.into(),
        _ => error,
    }
}

fn for_clients(limit: usize, open: usize) -> usize {
    limit.saturating_sub(open + SPARE).max(MIN_FOR_CLIENTS)
}

fn limit() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(limit, _)| limit);
    usize::try_from(limit).unwrap_or(usize::MAX).min(*MAX_TRANSFERS.end() as usize)
}

fn open_count() -> usize {
    match fs::read_dir("/proc/self/fd") {
        Ok(open) => open.count(),
        Err(error) if error.raw_os_error() == Some(Errno::EMFILE as i32) => limit(),
        Err(_) => TYPICAL_OPEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_open_sockets_and_64_spare_files_leave_and_at_least_16() {
        for (limit, open, clients) in [(64, 40, 16), (256, 67, 125), (1024, 67, 893), (1024, 700, 260), (300, 400, 16)]
        {
            assert_eq!(for_clients(limit, open), clients);
        }
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_count();
        let more: Vec<fs::File> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_count() >= before + 20, "other tests open and close files meanwhile");
        drop(more);
    }
}
