//! What happened, and why something did not.

use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::Malformed;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What happened, for the log and the counters.
#[derive(Debug)]
pub enum Event<'a> {
    /// A transfer is over.
    Ended { client: SocketAddr, name: &'a [u8], octets: u64, elapsed: Duration, outcome: Outcome },
    /// A request was answered with an ERROR.
    Refused { client: SocketAddr, name: &'a [u8], reason: Refused },
    /// A datagram was not answered.
    Dropped { client: SocketAddr, reason: Dropped },
    /// Something failed on our side.
    Trouble { client: SocketAddr, name: &'a [u8], error: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name leads to nothing that may be sent.
    Fetch(Refusal),
    /// A mode other than octet.
    Mode,
    /// The client wanted to write.
    Write,
}

/// Why a datagram was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Malformed(Malformed),
    /// It came by a link that we do not serve.
    Unserved,
    /// Its source is no address that a client can have, or one of ours.
    Source,
    /// Its source port belongs to a service that would answer our answer.
    SourcePort,
    /// No request, and no part of a transfer.
    Stray,
    /// The network was late with a request that has been answered.
    Late,
    /// The client asks faster than it answers.
    TooFast,
    /// The client has 16 transfers.
    TooMany,
    /// There are as many transfers as there may be.
    Full,
    /// The server is about to stop.
    Stopping,
}
