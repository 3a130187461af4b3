//! Explains why the kernel did not send a reply, as far as the error proves it, and names the remedy.

use crate::net::send_error::SendErrorKind;
use proxydhcpd_core::client::Client;
use proxydhcpd_core::event::Unsent;
use proxydhcpd_core::wire::DhcpMessageType;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// The destination of a reply that was not sent, and the error.
#[derive(Debug)]
pub struct SendFailure {
    to: SocketAddr,
    error: io::Error,
}

/// The kind of destination. The log warns of each kind separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recipient {
    Link,
    Relay,
    Machine,
}

impl SendFailure {
    /// The failure of this event.
    pub fn new(unsent: &Unsent<'_>) -> SendFailure {
        SendFailure { to: unsent.to, error: io::Error::from_raw_os_error(unsent.errno) }
    }

    /// The label of the kind of destination. The log warns once a minute of each kind, because the cause of a failure
    /// depends on the kind, not on the address.
    pub fn recipient_label(&self, client: &Client) -> &'static str {
        match self.recipient(client) {
            Recipient::Link => "link",
            Recipient::Relay => "relay",
            Recipient::Machine => "machine",
        }
    }

    fn recipient(&self, client: &Client) -> Recipient {
        match self.to {
            _ if client.machine.relay.is_some() => Recipient::Relay,
            SocketAddr::V4(to) if to.ip().is_broadcast() => Recipient::Link,
            _ => Recipient::Machine,
        }
    }

    /// The warning, without the machine's address, which precedes it:
    /// `OFFER not sent: no route to relay 10.99.0.1. ...`.
    pub fn message(&self, message_type: DhcpMessageType, client: &Client) -> String {
        let address = self.to.ip();
        let to = match self.recipient(client) {
            Recipient::Link => "all hosts on its link".to_owned(),
            Recipient::Relay => format!("relay {address}"),
            Recipient::Machine => address.to_string(),
        };
        let from = if client.is_v6() { client.port.number6() } else { client.port.number() };
        let cause = SendFailureText {
            cause: SendErrorKind::from_error(&self.error),
            error: &self.error,
            to,
            address: self.to,
            from,
        };
        format!("{message_type} not sent: {cause}")
    }
}

struct SendFailureText<'a> {
    cause: SendErrorKind,
    error: &'a io::Error,
    to: String,
    address: SocketAddr,
    from: u16,
}

impl fmt::Display for SendFailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SendFailureText { cause, error, to, address, from } = self;
        match cause {
            SendErrorKind::NoRoute => write!(
                f,
                "no route to {to}. Add one on this host (`ip route get {}` shows what is missing), or let the request \
                 come from an address that this host can reach",
                address.ip()
            ),
            SendErrorKind::Firewall => write!(
                f,
                "this host's own firewall drops packets from port {from} (to {to}). Allow UDP from source port {from} \
                 (`nft list ruleset`, or `IPAddressDeny=` of the unit)"
            ),
            SendErrorKind::BufferFull => write!(
                f,
                "the send buffers of port {from} are full of unsent replies (to {to}). A reply to a host that does not \
                 answer ARP, such as a removed relay, stays there for three seconds (`ip neigh` shows such hosts as \
                 INCOMPLETE or FAILED)"
            ),
            SendErrorKind::Other => write!(f, "the kernel does not send from port {from} to {to}: {error}"),
        }
    }
}
