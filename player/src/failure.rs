//! Why a played boot did not end as its row says.

use std::fmt;
use std::net::SocketAddr;

/// A reason, as a value; its text names what was expected, from which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No DHCP server offered an address.
    NoAddress,
    /// A DHCP server offered an address, but no server offered a boot file.
    NoBootOffer,
    /// The DHCP server did not acknowledge the address that it had offered.
    NoAck,
    /// The boot server did not reply on port 4011.
    NoBootServer(SocketAddr),
    /// The reply names no file to boot.
    NoFile,
    /// The firmware's menu has no such item.
    NoMenuItem(usize),
    /// The TFTP server did not reply, or stopped.
    TftpSilent(String),
    /// The TFTP server refused a file that the boot needs: the file, the error code, the text.
    TftpError(String, u16, String),
    /// The HTTP server replied with this status to a request for a URL that the boot needs.
    HttpStatus(String, u16),
    /// The HTTP connection failed: the URL and the reason.
    Http(String, String),
    /// The player cannot fetch this URL.
    Url(String),
    /// An iPXE script ended with an error: its URL and the line.
    Script(String, String),
    /// The boot ended otherwise than its row says: the expected end and the real one.
    Ended(&'static str, &'static str),
    /// The boot took longer than the limit of the run.
    TimeLimit,
    /// The host of the player refused what the boot needs.
    Host(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no DHCP server offered an address"),
            Self::NoBootOffer => f.write_str("no server offered a boot file"),
            Self::NoAck => f.write_str("the DHCP server did not acknowledge the address that it had offered"),
            Self::NoBootServer(server) => write!(f, "the boot server {server} did not reply"),
            Self::NoFile => f.write_str("the reply names no boot file"),
            Self::NoMenuItem(number) => write!(f, "the menu has no item {number}"),
            Self::TftpSilent(name) => write!(f, "the TFTP server did not send {name} to its end"),
            Self::TftpError(name, code, text) => write!(f, "TFTP error {code} for {name}: {text}"),
            Self::HttpStatus(url, status) => write!(f, "HTTP status {status} for {url}"),
            Self::Http(url, reason) => write!(f, "cannot fetch {url}: {reason}"),
            Self::Url(url) => write!(f, "the player cannot fetch {url}"),
            Self::Script(url, line) => write!(f, "the script {url} failed at: {line}"),
            Self::Ended(expected, real) => write!(f, "the boot ended with {real} instead of {expected}"),
            Self::TimeLimit => f.write_str("the boot did not end within the time limit"),
            Self::Host(reason) => write!(f, "the host of the player: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}
