//! Events of the HTTP server.

use proxydhcpd_core::event::Overload;
use proxydhcpd_core::file_ticket::FileTicket;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// An event, for the log, the counters, and boot-once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEvent {
    /// A request ended.
    Finished(FinishedRequest),
    /// The server closed a connection early, or did not serve it at all.
    Dropped {
        /// The client's address and port.
        client: SocketAddr,
        /// The reason.
        reason: DropReason,
    },
    /// A connection could not be accepted, because it had ended already.
    NotAccepted(String),
    /// No connection can be accepted, for a reason of this host.
    CannotAccept(String),
    /// A file could not be sent to its end, so the connection is closed.
    Failed {
        /// The client's address and port.
        client: SocketAddr,
        /// The requested path, percent-decoded.
        name: Vec<u8>,
        /// The decisions about the request.
        ticket: Arc<FileTicket>,
        /// The error.
        error: String,
    },
}

/// A request whose response was sent, or whose client disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedRequest {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The method.
    pub method: hyper::Method,
    /// The requested path, percent-decoded: arbitrary octets.
    pub name: Vec<u8>,
    /// The decisions about the request.
    pub ticket: Arc<FileTicket>,
    /// The status code of the response.
    pub status: u16,
    /// Octets of the body that were sent. If the client disconnected, up to one chunk of them may not have arrived.
    pub octets: u64,
    /// Time since the request arrived.
    pub duration: Duration,
    /// Whether the kernel has accepted every octet of the whole file for this client. A stream is no file.
    pub whole: bool,
    /// Whether the client is a web browser, not a booting machine.
    pub is_browser: bool,
}

/// Why the server closed a connection early, or did not serve it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// There was no room for the connection, and no other connection could be evicted.
    Full(Overload),
    /// The connection had been idle longest when another connection needed room, or was a stream without anything to
    /// send.
    EvictedIdle,
    /// The connection was the slowest when another connection needed room.
    EvictedSlowest(Overload),
    /// No request arrived within [`super::HttpSettings::header_timeout`].
    HeaderTimeout,
    /// The client's request is not HTTP, or its head is too long.
    Malformed,
}

impl DropReason {
    /// The state of the connections, if all of them were in use.
    pub fn overload(self) -> Option<Overload> {
        match self {
            DropReason::Full(overload) | DropReason::EvictedSlowest(overload) => Some(overload),
            DropReason::EvictedIdle | DropReason::HeaderTimeout | DropReason::Malformed => None,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Full(_) => "no room for another connection",
            DropReason::EvictedIdle => "it was idle, and another connection needed its place",
            DropReason::EvictedSlowest(_) => "it was the slowest, and another connection needed its place",
            DropReason::HeaderTimeout => "no request arrived in time",
            DropReason::Malformed => "the request is not HTTP, or its head is too long",
        })
    }
}
