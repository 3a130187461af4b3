//! What happened, and why a datagram was not answered.

use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::MalformedTftp;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What happened, for the log and the counters.
#[derive(Debug)]
pub enum Event<'a> {
    /// A transfer is over.
    Ended { client: SocketAddr, server: IpAddr, name: &'a [u8], octets: u64, elapsed: Duration, outcome: Outcome },
    /// A datagram was answered with an ERROR.
    Refused { client: SocketAddr, name: &'a [u8], reason: Refused },
    /// A datagram was not answered.
    Silent { client: SocketAddr, reason: Silence },
    /// Something failed on our side.
    Trouble { client: SocketAddr, name: &'a [u8], error: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name leads to nothing that may be sent.
    Fetch(Refusal),
    /// A mode other than octet.
    Mode,
    /// The client wanted to write.
    Write,
    /// The packet came from a port that is not the client's.
    UnknownTransfer,
    /// A request that does not end as one: an option without a value, a string without its NUL, octets behind the
    /// padding.
    Malformed(MalformedTftp),
}

/// Silence always has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Malformed(MalformedTftp),
    /// It came by a link that we do not serve.
    Unserved,
    /// It was sent to a group, which is nobody's TFTP server.
    Group,
    /// Its source is no address that a client can have, or one of ours.
    Source,
    /// Its source port belongs to a service that would answer our answer.
    SourcePort,
    /// No request, and no part of a transfer.
    Stray,
    /// An ERROR for a transfer that is somebody else's: the answer could be another, and so on.
    ForeignError,
    /// More packets for a transfer that is somebody else's than are answered.
    ForeignTooFast,
    /// The network was late with a request that has been answered.
    Late,
    /// The client asks for more files than are sent in a second.
    TooManyFiles,
    /// The client asks for more names than are looked up in a second.
    TooManyNames,
    /// The client has as many transfers as it may.
    TooManyTransfers,
    /// There are as many transfers as the configuration allows.
    Full,
    /// There are as many transfers as descriptors allow.
    NoDescriptors,
    /// No socket could be had.
    NoSocket,
    /// The send buffer of a socket that many share is full.
    NoRoom,
    /// The server is about to stop.
    Stopping,
}

impl Refused {
    /// The word for counters.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fetch(Refusal::NotFound) => "tftp:refused:not-found",
            Self::Fetch(Refusal::Denied) => "tftp:refused:denied",
            Self::Fetch(Refusal::BadName) => "tftp:refused:bad-name",
            Self::Fetch(Refusal::Failed) => "tftp:refused:failed",
            Self::Fetch(Refusal::TemplateError) => "tftp:refused:template",
            Self::Mode => "tftp:refused:mode",
            Self::Write => "tftp:refused:write",
            Self::UnknownTransfer => "tftp:refused:unknown-transfer",
            Self::Malformed(_) => "tftp:refused:malformed",
        }
    }
}

impl Silence {
    /// The word for counters.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed(_) => "tftp:malformed",
            Self::Unserved => "tftp:unserved-link",
            Self::Group => "tftp:group",
            Self::Source => "tftp:source",
            Self::SourcePort => "tftp:source-port",
            Self::Stray => "tftp:stray",
            Self::ForeignError => "tftp:foreign-error",
            Self::ForeignTooFast => "tftp:foreign-too-fast",
            Self::Late => "tftp:late",
            Self::TooManyFiles => "tftp:too-many-files",
            Self::TooManyNames => "tftp:too-many-names",
            Self::TooManyTransfers => "tftp:too-many-transfers",
            Self::Full => "tftp:full",
            Self::NoDescriptors => "tftp:no-descriptors",
            Self::NoSocket => "tftp:no-socket",
            Self::NoRoom => "tftp:no-room",
            Self::Stopping => "tftp:stopping",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "the request is malformed: {reason}"),
            Self::Fetch(Refusal::NotFound) => "there is no such file",
            Self::Fetch(Refusal::Denied) => "the name leads to nothing that may be sent",
            Self::Fetch(Refusal::BadName) => "this is no file name",
            Self::Fetch(Refusal::Failed) => "the file cannot be opened",
            Self::Fetch(Refusal::TemplateError) => "the template cannot be rendered for this machine",
            Self::Mode => "files are sent in octet mode only",
            Self::Write => "nothing can be written here",
            Self::UnknownTransfer => "the transfer is somebody else's",
        })
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "malformed: {reason}"),
            Self::Unserved => "it came by an interface that we do not serve",
            Self::Group => "it was sent to a group",
            Self::Source => "its source is no client's address",
            Self::SourcePort => "an answer to its port could do harm",
            Self::Stray => "it is no request and no part of a transfer",
            Self::ForeignError => "an ERROR from a port that is not the client's",
            Self::ForeignTooFast => "too many packets from ports that are not the client's",
            Self::Late => "its request is being answered already",
            Self::TooManyFiles => "the client has asked for too many files lately",
            Self::TooManyNames => "the client has asked for too many names lately",
            Self::TooManyTransfers => "the client has as many transfers as it may",
            Self::Full => "there are as many transfers as `max-transfers` allows",
            Self::NoDescriptors => "there are as many transfers as the limit of open files allows",
            Self::NoSocket => "there is no socket for a transfer",
            Self::NoRoom => "the send buffer is full",
            Self::Stopping => "the server is about to stop",
        })
    }
}
