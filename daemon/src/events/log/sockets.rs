//! The lines about failed calls of the kernel for sockets. Any host can cause some of them, for example with an ICMP
//! message, so these have a line only at debug level.

use proxydhcpd_core::event::socket::{SocketFailure, SocketOperation};

/// A failed call.
pub fn failed(SocketFailure { operation, error }: &SocketFailure<'_>) {
    match operation {
        SocketOperation::Receive(address) => tracing::debug!("cannot receive at {address}: {error}"),
        SocketOperation::Send(to) => tracing::debug!("cannot send to {to}: {error}"),
        SocketOperation::OpenSenders => tracing::debug!("cannot open more sockets, one sends all replies: {error}"),
        SocketOperation::OverhearOffers => {
            tracing::debug!("cannot listen on UDP port 68 for the offers of other servers: {error}");
        }
        SocketOperation::WaitForGroup(address) => tracing::error!("cannot receive packets sent to {address}: {error}"),
        SocketOperation::WaitForRelayed(address) => {
            tracing::error!("cannot receive requests that relays send to {address}: {error}");
        }
        SocketOperation::ReceiveSyslog => tracing::debug!("cannot receive lines of syslog: {error}"),
        SocketOperation::AcceptConnection => tracing::debug!("cannot accept an HTTP connection: {error}"),
        SocketOperation::AcceptConnections => tracing::warn!("cannot accept HTTP connections: {error}"),
        SocketOperation::ServeConnections => tracing::error!("the HTTP server failed: {error}"),
    }
}
