//! Changes that operators make while the server runs.

/// A change by an operator. The event has the name of the machine's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditEvent<'a> {
    /// The server keeps an entry for the machine.
    EntryKept,
    /// The server no longer keeps an entry for the machine.
    EntryRemoved,
    /// The machine is to boot a profile.
    BootOrdered {
        /// The name of the profile.
        profile: &'a str,
        /// Whether only until its boot-once is completed.
        once: bool,
    },
    /// The boot order was cancelled.
    OrderCancelled,
    /// The machine completed its boot order some time ago, and boots what its entry says again.
    OrderEnded,
}
