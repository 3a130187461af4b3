//! A request for a file, and its protocol.

use crate::url::host;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, SocketAddr};

/// The protocol of a request. The URLs in the rendered script use the same protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TFTP.
    Tftp,
    /// HTTP on this TCP port.
    Http(u16),
}

impl Protocol {
    /// The URL of the server for this protocol, with a slash at the end.
    pub fn base_url(self, server: IpAddr) -> String {
        let host = host(server);
        match self {
            Protocol::Tftp => format!("tftp://{host}/"),
            Protocol::Http(port) => format!("http://{host}:{port}/"),
        }
    }
}

/// A request for a file, by TFTP or HTTP.
#[derive(Clone, Copy, Debug)]
pub struct FileRequest<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The requested name, as the client sent it. For HTTP, it is the path after percent-decoding, without the query.
    pub name: &'a [u8],
    /// The server's address that the client sent the request to.
    pub server: IpAddr,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The interface on which the request arrived; empty if unknown.
    pub interface: &'a str,
}

impl<'a> FileRequest<'a> {
    /// The interface, if it is known.
    pub fn link(&self) -> Option<&'a str> {
        Some(self.interface).filter(|name| !name.is_empty())
    }
}
