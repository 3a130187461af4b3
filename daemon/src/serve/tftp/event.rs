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
pub enum TftpEvent<'a> {
    /// A transfer is over.
    Ended { client: SocketAddr, server: IpAddr, name: &'a [u8], octets: u64, elapsed: Duration, outcome: Outcome },
    /// A datagram was answered with an ERROR.
    Refused { client: SocketAddr, name: &'a [u8], reason: TftpRefusal },
    /// A datagram was not answered.
    Ignored { client: SocketAddr, reason: TftpSilence },
    /// Something failed on our side.
    Failed { client: SocketAddr, name: &'a [u8], error: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpRefusal {
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
pub enum TftpSilence {
    Malformed(MalformedTftp),
    /// It came by a link that we do not serve.
    UnservedInterface,
    /// It was sent to a group, which is nobody's TFTP server.
    Multicast,
    /// Its source is no address that a client can have, or one of ours.
    BadSource,
    /// Its source port belongs to a service that would answer our answer.
    BadSourcePort,
    /// No request, and no part of a transfer.
    UnexpectedPacket,
    /// An ERROR for a transfer that is somebody else's: the answer could be another, and so on.
    WrongPortError,
    /// More packets for a transfer that is somebody else's than are answered.
    WrongPortFlood,
    /// The network was late with a request that has been answered.
    Duplicate,
    /// The client asks for more files than are sent in a second.
    FileRate,
    /// The client asks for more names than are looked up in a second.
    RequestRate,
    /// The client has as many transfers as it may.
    ClientTransfers,
    /// There are as many transfers as the configuration allows.
    MaxTransfers,
    /// There are as many transfers as descriptors allow.
    OpenFileLimit,
    /// No socket could be had.
    NoSocket,
    /// The send buffer of a socket that many share is full.
    SendBufferFull,
    /// The server is about to stop.
    Stopping,
}

impl TftpRefusal {
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

impl TftpSilence {
    /// The word for counters.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed(_) => "tftp:malformed",
            Self::UnservedInterface => "tftp:unserved-link",
            Self::Multicast => "tftp:group",
            Self::BadSource => "tftp:source",
            Self::BadSourcePort => "tftp:source-port",
            Self::UnexpectedPacket => "tftp:stray",
            Self::WrongPortError => "tftp:foreign-error",
            Self::WrongPortFlood => "tftp:foreign-too-fast",
            Self::Duplicate => "tftp:late",
            Self::FileRate => "tftp:too-many-files",
            Self::RequestRate => "tftp:too-many-names",
            Self::ClientTransfers => "tftp:too-many-transfers",
            Self::MaxTransfers => "tftp:full",
            Self::OpenFileLimit => "tftp:no-descriptors",
            Self::NoSocket => "tftp:no-socket",
            Self::SendBufferFull => "tftp:no-room",
            Self::Stopping => "tftp:stopping",
        }
    }
}

impl fmt::Display for TftpRefusal {
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

impl fmt::Display for TftpSilence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "malformed: {reason}"),
            Self::UnservedInterface => "it came by an interface that we do not serve",
            Self::Multicast => "it was sent to a group",
            Self::BadSource => "its source is no client's address",
            Self::BadSourcePort => "an answer to its port could do harm",
            Self::UnexpectedPacket => "it is no request and no part of a transfer",
            Self::WrongPortError => "an ERROR from a port that is not the client's",
            Self::WrongPortFlood => "too many packets from ports that are not the client's",
            Self::Duplicate => "its request is being answered already",
            Self::FileRate => "the client has asked for too many files lately",
            Self::RequestRate => "the client has asked for too many names lately",
            Self::ClientTransfers => "the client has as many transfers as it may",
            Self::MaxTransfers => "there are as many transfers as `max-transfers` allows",
            Self::OpenFileLimit => "there are as many transfers as the limit of open files allows",
            Self::NoSocket => "there is no socket for a transfer",
            Self::SendBufferFull => "the send buffer is full",
            Self::Stopping => "the server is about to stop",
        })
    }
}
