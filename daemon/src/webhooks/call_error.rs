//! Why a call failed, and what to do about it.

use hyper::StatusCode;
use std::fmt::Display;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The reason.
    pub reason: String,
    /// The remedy.
    pub cure: String,
}

impl CallError {
    /// There is no connection to this host and port.
    pub fn connect(to: &str, error: &impl Display) -> CallError {
        let cure = "start the receiver, and let the firewall pass the connection".to_owned();
        CallError { reason: format!("cannot connect to {to}: {error}"), cure }
    }

    /// The certificates of the authorities to trust cannot be used.
    pub fn trust(reason: String) -> CallError {
        CallError { reason, cure: "set `ca-file` to a file with certificates in PEM".to_owned() }
    }

    /// There is no TLS with this host and port.
    pub fn tls(to: &str, error: &impl Display) -> CallError {
        let cure = "renew the certificate of the receiver, or set `ca-file` to the certificate of its authority";
        CallError { reason: format!("no TLS with {to}: {error}"), cure: cure.to_owned() }
    }

    /// The exchange of HTTP messages failed.
    pub fn http(to: &str, error: &impl Display) -> CallError {
        let cure = format!("let the receiver at {to} respond with HTTP/1.1 and the status 204");
        CallError { reason: format!("{to} did not respond: {error}"), cure }
    }

    /// The receiver took too long.
    pub fn timeout(to: &str, seconds: u64) -> CallError {
        let cure = "let the receiver respond first, and then do its work".to_owned();
        CallError { reason: format!("{to} did not respond within {seconds} s"), cure }
    }

    /// The receiver responded with this status.
    pub fn status(to: &str, status: StatusCode) -> CallError {
        let cure = match status.as_u16() {
            300..=399 => "set `url` to the address to which it redirects: the server follows no redirect",
            401 | 403 => "give the receiver the secret in `secret-file`",
            404 | 410 => "set `url` to the address of the receiver",
            _ => "the log of the receiver has the reason",
        };
        CallError { reason: format!("{to} responded with the status {status}"), cure: cure.to_owned() }
    }
}
