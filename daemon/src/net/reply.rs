//! A reply to send.

use std::net::{IpAddr, SocketAddr};

/// A reply, and how to send it.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The DHCP message.
    pub octets: &'a [u8],
    /// Destination.
    pub to: SocketAddr,
    /// Source, an address of this host.
    pub from: IpAddr,
    /// Index of the outgoing interface, if the destination does not determine it.
    pub link: Option<u32>,
    /// The number by which `refused` in [`ReplySender::flush`] identifies the reply.
    pub tag: usize,
}
