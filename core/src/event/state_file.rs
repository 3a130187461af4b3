//! The files in which the server keeps its state across restarts: what happens to them.

use alloc::string::String;
use core::fmt;

/// Something that happened to a file of the server's state.
#[derive(Clone, Copy, Debug)]
pub enum StateFile<'a> {
    /// A file or directory has its present name now, not that of an earlier version.
    Renamed {
        /// The old path.
        from: fmt::Arguments<'a>,
        /// The new path.
        to: fmt::Arguments<'a>,
    },
    /// The directory of completions cannot be read.
    CompletionsUnreadable {
        /// The directory, and the error.
        failure: FileFailure<'a>,
        /// Whether it was readable before, so that the server knows the completions.
        are_known: bool,
    },
    /// The directory of completions is readable again. The value is its path.
    CompletionsReadable(fmt::Arguments<'a>),
    /// The directory of completions cannot be written to. The server tried this before any machine completed.
    CompletionsUnwritable {
        /// The directory, and the error.
        failure: FileFailure<'a>,
        /// Whether it can be read.
        are_readable: bool,
    },
    /// The directory of completions is missing, although machines completed their boot-onces.
    CompletionsMissing {
        /// The path of the directory.
        path: fmt::Arguments<'a>,
        /// The names of these machines.
        machines: &'a [String],
    },
    /// Completions vanished while the server ran. The server writes them again.
    CompletionsLost {
        /// The path of the directory.
        path: fmt::Arguments<'a>,
        /// The change of the directory.
        reason: &'a str,
        /// The names of the machines.
        machines: &'a [String],
    },
    /// The completion of a machine cannot be written. Further ones may follow, and are not recorded.
    CompletionUnwritten {
        /// The name of the machine.
        machine: &'a str,
        /// The reason.
        reason: fmt::Arguments<'a>,
    },
    /// All completions that could not be written are on the disk now.
    CompletionsWritten {
        /// The path of the directory.
        path: fmt::Arguments<'a>,
        /// The number of completions.
        count: usize,
    },
    /// The completion of one machine cannot be read.
    CompletionUnreadable(FileFailure<'a>),
    /// The completion of one machine cannot be removed.
    CompletionNotRemoved(FileFailure<'a>),
    /// The number of completions of each machine cannot be read.
    CountsUnreadable(FileFailure<'a>),
    /// The number of completions of each machine cannot be written anew.
    CountsUnwritable(FileFailure<'a>),
    /// The number of completions of one machine cannot be added to the file.
    CountNotAppended(FileFailure<'a>),
    /// The key of the tokens cannot be read or written.
    KeyUnavailable(FileFailure<'a>),
    /// The kernel provides no random numbers for the key of the tokens. The value is the error.
    NoRandomNumbers(fmt::Arguments<'a>),
    /// The shared UUIDs cannot be read. The value is the error, with its location.
    SharedUuidsUnreadable(&'a str),
    /// The shared UUIDs cannot be written.
    SharedUuidsUnwritable(FileFailure<'a>),
    /// The server's DUID cannot be written. The value is the error, with its location.
    DuidUnwritable(fmt::Arguments<'a>),
    /// The file of an entry that the server keeps, or of a boot order, cannot be read. It does not apply.
    EditUnreadable(FileFailure<'a>),
    /// The history of boots cannot be opened, read or written. The server tries again every minute.
    HistoryUnavailable(FileFailure<'a>),
    /// The file of the history is damaged. The server begins a new one.
    HistoryDamaged {
        /// The file, and the error.
        failure: FileFailure<'a>,
        /// The path to which the damaged file was moved.
        kept: fmt::Arguments<'a>,
    },
    /// The history is written again, after it was unavailable. The value is its path.
    HistoryAvailable(fmt::Arguments<'a>),
}

/// A file or directory that cannot be read or written.
#[derive(Clone, Copy, Debug)]
pub struct FileFailure<'a> {
    /// Its path.
    pub path: fmt::Arguments<'a>,
    /// The error.
    pub error: fmt::Arguments<'a>,
}
