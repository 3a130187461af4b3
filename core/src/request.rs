//! A request for a file, and the door that it came through.

use core::net::{IpAddr, SocketAddr};

/// The door a request came through; the URLs in a rendered script lead back through the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tftp,
    /// HTTP on this port.
    Http(u16),
}

/// A request for a file, whichever the protocol.
#[derive(Clone, Copy, Debug)]
pub struct FileRequest<'a> {
    pub protocol: Protocol,
    /// The name as it was sent (HTTP: path after percent-decoding, without the query).
    pub name: &'a [u8],
    /// Our address that the client talks to.
    pub server: IpAddr,
    pub client: SocketAddr,
    /// The interface that it came by; empty where that is not known.
    pub interface: &'a str,
}
