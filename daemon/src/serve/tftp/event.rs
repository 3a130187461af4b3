//! Events of the TFTP server, and the reasons for an ERROR or for silence.

use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::transfer::{Outcome, Progress};
use proxydhcpd_core::wire::tftp::MalformedTftp;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// An event, for the log and the counters.
#[derive(Debug)]
pub enum TftpEvent<'a> {
    /// A transfer ended.
    Ended {
        client: SocketAddr,
        name: &'a [u8],
        ticket: &'a FileTicket,
        octets: u64,
        elapsed: Duration,
        outcome: Outcome,
        progress: Progress,
    },
    /// The server replied with an ERROR.
    Refused { client: SocketAddr, name: &'a [u8], ticket: &'a FileTicket, reason: TftpRefusal },
    /// The server did not reply to a packet.
    Ignored { client: SocketAddr, reason: TftpSilence },
    /// The server failed to open a socket, to read a file, or to send a packet.
    Failed { client: SocketAddr, name: &'a [u8], ticket: &'a FileTicket, error: io::Error },
}

/// The reason for which the server replies with an ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpRefusal {
    /// The requested file cannot be sent.
    Fetch(Refusal),
    /// The mode is not octet.
    Mode,
    /// The request is a write request.
    Write,
    /// The packet came from a port other than the client's.
    UnknownTransfer,
    /// The end of the request is malformed: an option without a value, a string without its NUL, octets after the
    /// padding.
    Malformed(MalformedTftp),
}

/// The reason for which the server does not reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpSilence {
    /// The packet is not TFTP.
    Malformed(MalformedTftp),
    /// The packet arrived on an interface that the server does not serve.
    UnservedInterface,
    /// The packet was sent to an IPv6 multicast group.
    Multicast,
    /// The source address is a local address, or one that no client can have.
    BadSource,
    /// The source port belongs to a service that would reply to the reply.
    BadSourcePort,
    /// The packet is neither a request nor part of a transfer.
    UnexpectedPacket,
    /// The packet is an ERROR from a port other than the client's. A reply could start a loop of ERRORs.
    WrongPortError,
    /// Too many packets arrive from ports other than the client's.
    WrongPortFlood,
    /// The network delivered the request twice.
    Duplicate,
    /// The client exceeds the rate limit for files.
    FileRate,
    /// The client exceeds the rate limit for requests.
    RequestRate,
    /// The client has the maximum number of transfers.
    ClientTransfers,
    /// The server has the configured maximum number of transfers.
    MaxTransfers,
    /// The limit of open files allows no further transfer.
    OpenFileLimit,
    /// No socket could be opened for the transfer.
    NoSocket,
    /// The send buffer of a shared socket is full.
    SendBufferFull,
    /// The server is stopping.
    Stopping,
}

impl TftpRefusal {
    /// The label in the statistics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fetch(Refusal::NotFound) => "tftp:refused:not-found",
            Self::Fetch(Refusal::Denied) => "tftp:refused:denied",
            Self::Fetch(Refusal::BadName) => "tftp:refused:bad-name",
            Self::Fetch(Refusal::Failed(_)) => "tftp:refused:failed",
            Self::Fetch(Refusal::TemplateError) => "tftp:refused:template",
            Self::Mode => "tftp:refused:mode",
            Self::Write => "tftp:refused:write",
            Self::UnknownTransfer => "tftp:refused:unknown-transfer",
            Self::Malformed(_) => "tftp:refused:malformed",
        }
    }
}

impl TftpSilence {
    /// The label in the statistics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed(_) => "tftp:malformed",
            Self::UnservedInterface => "tftp:unserved-interface",
            Self::Multicast => "tftp:multicast",
            Self::BadSource => "tftp:bad-source-address",
            Self::BadSourcePort => "tftp:bad-source-port",
            Self::UnexpectedPacket => "tftp:unexpected-packet",
            Self::WrongPortError => "tftp:wrong-port-error",
            Self::WrongPortFlood => "tftp:wrong-port-flood",
            Self::Duplicate => "tftp:duplicate-request",
            Self::FileRate => "tftp:file-rate-limit",
            Self::RequestRate => "tftp:request-rate-limit",
            Self::ClientTransfers => "tftp:client-transfer-limit",
            Self::MaxTransfers => "tftp:max-transfers",
            Self::OpenFileLimit => "tftp:open-file-limit",
            Self::NoSocket => "tftp:no-socket",
            Self::SendBufferFull => "tftp:buffer-full",
            Self::Stopping => "tftp:stopping",
        }
    }
}

impl fmt::Display for TftpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "malformed request: {reason}"),
            Self::Fetch(Refusal::NotFound) => "no such file",
            Self::Fetch(Refusal::Denied) => "access denied",
            Self::Fetch(Refusal::BadName) => "invalid file name",
            Self::Fetch(Refusal::Failed(_)) => "cannot open the file",
            Self::Fetch(Refusal::TemplateError) => "cannot render the template for this machine",
            Self::Mode => "the server supports only octet mode",
            Self::Write => "the server accepts no uploads",
            Self::UnknownTransfer => "the packet came from a port other than the client's",
        })
    }
}

impl fmt::Display for TftpSilence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(reason) => return write!(f, "malformed packet: {reason}"),
            Self::UnservedInterface => "it arrived on an interface that is not served",
            Self::Multicast => "it was sent to a multicast group",
            Self::BadSource => "no client can have its source address",
            Self::BadSourcePort => "a reply to its source port could cause a loop",
            Self::UnexpectedPacket => "it is neither a request nor part of a transfer",
            Self::WrongPortError => "an ERROR from a port other than the client's",
            Self::WrongPortFlood => "too many packets from ports other than the client's",
            Self::Duplicate => "duplicate of a request that the server is serving",
            Self::FileRate => "the client requests too many files a second",
            Self::RequestRate => "the client sends too many requests a second",
            Self::ClientTransfers => "the client has too many transfers",
            Self::MaxTransfers => "the maximum number of transfers (`max-transfers`) is reached",
            Self::OpenFileLimit => "the limit of open files allows no more transfers",
            Self::NoSocket => "no socket for the transfer",
            Self::SendBufferFull => "the send buffer is full",
            Self::Stopping => "the server is stopping",
        })
    }
}
