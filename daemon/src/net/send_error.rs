//! Why the kernel did not send, as far as its error proves it.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// The send buffers are full of what has not left yet.
    BufferFull,
    /// No route leads there, or one that says so.
    NoRoute,
    /// A filter of this host drops it.
    Firewall,
    Other,
}

impl SendErrorKind {
    pub fn from_error(error: &io::Error) -> SendErrorKind {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS) => SendErrorKind::BufferFull,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => SendErrorKind::NoRoute,
            Some(libc::EPERM) => SendErrorKind::Firewall,
            _ => SendErrorKind::Other,
        }
    }

    /// The word for counters.
    pub fn label(self) -> &'static str {
        match self {
            SendErrorKind::BufferFull => "send:no-room",
            SendErrorKind::NoRoute => "send:no-route",
            SendErrorKind::Firewall => "send:firewall",
            SendErrorKind::Other => "send:refused",
        }
    }
}
