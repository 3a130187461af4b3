//! Where browsers reach the page.

use std::fmt;
use std::net::SocketAddr;

/// An address of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageAddress {
    /// The address and the port.
    pub address: SocketAddr,
    /// Whether browsers use TLS there.
    pub is_secure: bool,
}

/// The listeners of the page, as its thread publishes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageListeners {
    /// The number of the change that they follow (`AccessControl::change_opening`).
    pub change: u64,
    /// The addresses.
    pub addresses: Vec<PageAddress>,
    /// The addresses at which the server cannot listen, each with the error.
    pub failures: Vec<(SocketAddr, String)>,
    /// The SHA-256 fingerprint of the certificate, if the server uses TLS anywhere.
    pub fingerprint: Option<String>,
}

impl PageListeners {
    /// The address for a browser: one that other hosts reach, or else one of this host.
    pub fn best(&self) -> Option<PageAddress> {
        let is_remote = |page: &&PageAddress| !page.address.ip().is_loopback();
        self.addresses.iter().find(is_remote).or(self.addresses.first()).copied()
    }
}

/// The URL.
impl fmt::Display for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}/", self.address)
    }
}
