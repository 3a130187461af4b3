//! The web listener, on which browsers see the page.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Something that happened to the web listener.
#[derive(Clone, Copy, Debug)]
pub enum WebEvent<'a> {
    /// The page is at this address. The value is its URL.
    Listening(fmt::Arguments<'a>),
    /// The server closed the page at this address. The value is its URL.
    Closed(fmt::Arguments<'a>),
    /// A link admits a browser without a password, once. Only the log shows it: its readers may use the page.
    SetupLink {
        /// The URL of the page.
        url: fmt::Arguments<'a>,
        /// The secret in the link.
        secret: &'a str,
    },
    /// A command made such a link, and shows it.
    LinkMade,
    /// The server cannot start the web listener. The value is the error.
    Failed(fmt::Arguments<'a>),
    /// The server cannot listen at an address.
    ListenFailed {
        /// The address.
        address: SocketAddr,
        /// The kernel's error.
        error: fmt::Arguments<'a>,
    },
    /// The server uses this certificate.
    Certificate {
        /// Its SHA-256 fingerprint.
        fingerprint: &'a str,
        /// Whether the server made it.
        is_own: bool,
    },
    /// The certificate of the configuration cannot be used.
    CertificateFailed {
        /// The file, and the reason.
        error: fmt::Arguments<'a>,
        /// The certificate that the server uses instead.
        instead: &'static str,
    },
    /// A browser logged in.
    LoggedIn {
        /// Its address.
        source: IpAddr,
        /// How: `password` or `link`.
        by: &'static str,
    },
    /// A browser presented a wrong password.
    WrongPassword {
        /// Its address.
        source: IpAddr,
    },
    /// The password was set.
    PasswordSet {
        /// The address of the browser that set it; `None` for a command.
        source: Option<IpAddr>,
    },
    /// A token was added.
    TokenAdded {
        /// Its name.
        name: &'a str,
        /// The scope.
        scope: &'static str,
    },
    /// A token was removed. The value is its name.
    TokenRemoved(&'a str),
    /// The server refused a connection because this number of connections is in use.
    Full(usize),
    /// A connection cannot be accepted. The value is the kernel's error.
    AcceptFailed(fmt::Arguments<'a>),
}
