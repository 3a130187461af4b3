//! The process of the server: its threads, its descriptors, its reloads.

use core::fmt;
use core::time::Duration;

/// Something that happened to a thread that serves.
#[derive(Clone, Copy, Debug)]
pub enum WorkerEvent<'a> {
    /// The thread has not responded since the last probe.
    Stuck {
        /// The name of the thread.
        thread: &'a str,
        /// The time since that probe.
        since: Duration,
    },
    /// The thread responds again.
    Responds {
        /// The name of the thread.
        thread: &'a str,
        /// How long it did not respond.
        after: Duration,
    },
    /// The thread cannot be probed.
    ProbeFailed {
        /// The name of the thread.
        thread: &'a str,
        /// The kernel's error.
        error: fmt::Arguments<'a>,
    },
}

/// The descriptors that the limit of open files leaves for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// The server's own files leave few descriptors.
    FewForClients {
        /// The limit of open files.
        limit: usize,
        /// The number of descriptors for clients.
        clients: usize,
    },
    /// TFTP may open too few files for the configured number of transfers.
    FewForTransfers {
        /// The number of transfers.
        max_transfers: u64,
        /// The number of files that TFTP may open.
        descriptors: usize,
    },
    /// The number of files that TFTP may open, where the configuration does not limit the transfers.
    ForTransfers(usize),
}

/// Why a reload does not end, or does not start.
#[derive(Clone, Copy, Debug)]
pub enum ReloadObstacle<'a> {
    /// This number of earlier reloads still wait for a file.
    EarlierReloads(usize),
    /// The kernel starts no thread. The value is its error.
    NoThread(fmt::Arguments<'a>),
    /// The reload takes longer than this.
    Slow(Duration),
}
