//! A failed call of the kernel for a socket.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// A failed call of the kernel for a socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketFailure<'a> {
    /// The operation that failed.
    pub operation: SocketOperation,
    /// The kernel's error.
    pub error: fmt::Arguments<'a>,
}

/// An operation of the server with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOperation {
    /// Receive from the socket at this address.
    Receive(SocketAddr),
    /// Send to this address.
    Send(SocketAddr),
    /// Open more sockets that send, so that a full send buffer does not delay other replies.
    OpenSenders,
    /// Listen on UDP port 68 for the offers of other servers.
    OverhearOffers,
    /// Wait for packets to this multicast group.
    WaitForGroup(SocketAddr),
    /// Wait for requests that relays send to this address.
    WaitForRelayed(IpAddr),
    /// Receive lines of syslog.
    ReceiveSyslog,
    /// Accept one connection, which had ended already.
    AcceptConnection,
    /// Accept any connection.
    AcceptConnections,
    /// Serve connections. The server stops.
    ServeConnections,
}
