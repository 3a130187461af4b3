//! The control socket, on which commands ask the running server.

use core::fmt;

/// Something that happened to the control socket.
#[derive(Clone, Copy, Debug)]
pub enum ControlSocketEvent<'a> {
    /// The server has opened the socket. The value is its path.
    Opened(fmt::Arguments<'a>),
    /// The server cannot open the socket, and serves machines without it.
    Failed {
        /// The path, and why it failed.
        error: fmt::Arguments<'a>,
        /// The remedy.
        remedy: &'a str,
    },
    /// The server refused a user (by number) that may not use the socket.
    Refused {
        /// The number of the user.
        user: u32,
    },
    /// The server refused a connection because this number of connections is in use.
    Full(usize),
    /// A connection cannot be accepted. The value is the kernel's error.
    AcceptFailed(fmt::Arguments<'a>),
}
