//! What a requested name means: a script of ours, a loader, a file of the boot folder, or a refusal.

use alloc::string::String;
use core::net::{IpAddr, SocketAddr};

/// The door a request came through; the URLs in a rendered script lead back through the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Tftp,
    /// HTTP on this port.
    Http(u16),
}

/// A request for a file, whichever the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub door: Door,
    /// The name as it was sent (HTTP: path after percent-decoding, without the query).
    pub name: &'a [u8],
    /// Our address that the client talks to.
    pub server: IpAddr,
    pub client: SocketAddr,
}

/// What to send for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text made for this request.
    Text(String),
    /// A file of the machine, by its absolute path: a loader that the plan offers under this name.
    Loader(String),
    /// A file of the boot folder, by its clean relative path.
    Folder(String),
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// The name leads out of the boot folder, has control characters, or the file may not be read.
    Denied,
    /// A name that cannot be one (empty, longer than a request may be).
    BadName,
    /// Something failed here; the log says what.
    Failed,
}
