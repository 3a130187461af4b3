//! Requests of operators to wake a machine. The event has the machine.

/// The result of a request to wake a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeEvent<'a> {
    /// Magic packets left.
    Sent {
        /// The MAC addresses that they contain.
        macs: &'a str,
        /// The places to which they went.
        to: &'a str,
    },
    /// No magic packet left.
    NotSent {
        /// The reason.
        problem: &'a str,
        /// The remedy.
        cure: &'a str,
    },
}
