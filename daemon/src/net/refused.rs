//! Why the kernel did not send, as far as its error proves it.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The send buffers are full of what has not left yet.
    NoRoom,
    /// No route leads there, or one that says so.
    NoRoute,
    /// A filter of this host drops it.
    Firewall,
    Other,
}

impl Cause {
    pub fn of(error: &io::Error) -> Cause {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS) => Cause::NoRoom,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Cause::NoRoute,
            Some(libc::EPERM) => Cause::Firewall,
            _ => Cause::Other,
        }
    }

    /// The word for counters.
    pub fn label(self) -> &'static str {
        match self {
            Cause::NoRoom => "send:no-room",
            Cause::NoRoute => "send:no-route",
            Cause::Firewall => "send:firewall",
            Cause::Other => "send:refused",
        }
    }
}
