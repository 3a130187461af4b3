//! The cause for which the kernel did not send a packet, as far as the kernel's error proves it.

use std::io;

/// The cause of a failed send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// The send buffers are full of packets that have not left yet.
    BufferFull,
    /// The routing table has no route to the destination, or has an `unreachable` route.
    NoRoute,
    /// A packet filter of this host drops the packet.
    Firewall,
    /// Any other error.
    Other,
}

impl SendErrorKind {
    /// The cause that an error of `sendmsg` proves.
    pub fn from_error(error: &io::Error) -> SendErrorKind {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS) => SendErrorKind::BufferFull,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => SendErrorKind::NoRoute,
            Some(libc::EPERM) => SendErrorKind::Firewall,
            _ => SendErrorKind::Other,
        }
    }

    /// The label of the counter for this cause.
    pub fn label(self) -> &'static str {
        match self {
            SendErrorKind::BufferFull => "send:buffer-full",
            SendErrorKind::NoRoute => "send:no-route",
            SendErrorKind::Firewall => "send:firewall",
            SendErrorKind::Other => "send:other",
        }
    }
}
