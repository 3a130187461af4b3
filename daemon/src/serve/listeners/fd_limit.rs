//! The files that this process may have open, and those of them that clients may take: each HTTP connection is one or
//! two, and each transfer.

use super::StartError;
use crate::config::MaxTransfers;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{fs, io};

/// What no client can take beside the sockets that are open: to read files with, to list directories, to hear further
/// interfaces, and to accept who is turned away.
const SPARE: usize = 64;

/// What clients have all the same of a low limit, if as many are left.
const LEAST: usize = 16;

/// Fewer for clients are told of at the start.
const FEW: usize = 192;

/// Our own sockets where the kernel does not tell how many they are.
const USUAL: usize = 80;

/// What the start takes before [`check`] counts: ports, the files that are read, threads. Our own sockets alone are
/// more.
const START: usize = 48;

/// To be called before anything is opened, so that nothing else fails for want of files and names another cause.
pub fn raise() -> Result<(), StartError> {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
    let limit = limit();
    if limit < open() + START { Err(StartError::TooFewOpenFiles { limit }) } else { Ok(()) }
}

/// To be called when all other sockets are open. Warns if clients have few.
pub fn check() -> Result<(), StartError> {
    let (limit, open) = (limit(), open());
    if limit < open + 2 * LEAST {
        return Err(StartError::TooFewOpenFiles { limit });
    }
    let clients = for_clients(limit, open);
    if clients < FEW {
        tracing::warn!(
            "the limit of {limit} open files leaves too few for clients: {clients}, half for TFTP and half for HTTP, \
             where each \
             machine takes one or two. Raise it to 1024 or more (LimitNOFILE= in the unit, or ulimit -n)"
        );
    }
    Ok(())
}

/// Those that TFTP may take now, and HTTP as many again.
pub fn per_service() -> usize {
    for_clients(limit(), open()) / 2
}

/// What to say of an error that kept the server from starting.
pub fn explain_emfile(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
        Some(libc::EMFILE) => StartError::TooFewOpenFiles { limit: limit() }.into(),
        _ => error,
    }
}

fn for_clients(limit: usize, open: usize) -> usize {
    limit.saturating_sub(open + SPARE).max(LEAST)
}

fn limit() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(limit, _)| limit);
    usize::try_from(limit).unwrap_or(usize::MAX).min(MaxTransfers::MAX.get())
}

fn open() -> usize {
    match fs::read_dir("/proc/self/fd") {
        Ok(open) => open.count(),
        Err(error) if error.raw_os_error() == Some(Errno::EMFILE as i32) => limit(),
        Err(_) => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_sockets_and_64_files_are_no_clients_and_16_are() {
        for (limit, open, clients) in [(64, 40, 16), (256, 67, 125), (1024, 67, 893), (1024, 700, 260), (300, 400, 16)]
        {
            assert_eq!(for_clients(limit, open), clients);
        }
    }

    #[test]
    fn what_is_open_is_counted() {
        let before = open();
        let more: Vec<fs::File> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open() >= before + 20, "other tests open and close files meanwhile");
        drop(more);
    }
}
