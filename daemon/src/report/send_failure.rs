//! An answer that the kernel did not send: its cause as far as the error proves it, and the cure.

use crate::net::send_error::SendErrorKind;
use proxydhcpd_core::client::Client;
use proxydhcpd_core::wire::DhcpMessageType;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Where it was to go, and what the kernel said.
#[derive(Debug)]
pub struct SendFailure {
    pub to: SocketAddr,
    pub error: io::Error,
}

/// To whom: each is warned of by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Link,
    Relay,
    Machine,
}

impl SendFailure {
    /// The word for counters.
    pub fn label(&self) -> &'static str {
        SendErrorKind::from_error(&self.error).label()
    }

    /// What is warned of once a minute: the cause does not change with the address, but with the way.
    pub fn recipient_label(&self, client: &Client) -> &'static str {
        match self.whom(client) {
            Whom::Link => "link",
            Whom::Relay => "relay",
            Whom::Machine => "machine",
        }
    }

    fn whom(&self, client: &Client) -> Whom {
        match self.to {
            _ if client.relay.is_some() => Whom::Relay,
            SocketAddr::V4(to) if to.ip().is_broadcast() => Whom::Link,
            _ => Whom::Machine,
        }
    }

    /// `OFFER not sent: no route to relay 10.99.0.1; ...`, behind what the machine is called.
    pub fn message(&self, kind: DhcpMessageType, client: &Client) -> String {
        let address = self.to.ip();
        let to = match self.whom(client) {
            Whom::Link => "all on its link".to_owned(),
            Whom::Relay => format!("relay {address}"),
            Whom::Machine => address.to_string(),
        };
        let from = if client.is_v6() { client.port.number6() } else { client.port.number() };
        let cause = Because { cause: SendErrorKind::from_error(&self.error), error: &self.error, to, address: self.to, from };
        format!("{kind} not sent: {cause}")
    }
}

struct Because<'a> {
    cause: SendErrorKind,
    error: &'a io::Error,
    to: String,
    address: SocketAddr,
    from: u16,
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Because { cause, error, to, address, from } = self;
        match cause {
            SendErrorKind::NoRoute => write!(
                f,
                "no route to {to}. Add one on this host (`ip route get {}` shows what it lacks), or have the request \
                 sent by \
                 an address that this host can reach",
                address.ip()
            ),
            SendErrorKind::Firewall => write!(
                f,
                "this host's own firewall drops what leaves port {from} (to {to}). Allow UDP from source port {from} \
                 there \
                 (`nft list ruleset`, or `IPAddressDeny=` of the unit)"
            ),
            SendErrorKind::BufferFull => write!(
                f,
                "the send buffers of port {from} are full of replies that have not left (to {to}). Hosts that do not \
                 answer \
                 ARP, such as relays that are gone, keep them there for three seconds each (`ip neigh` shows them as \
                 INCOMPLETE or FAILED)"
            ),
            SendErrorKind::Other => write!(f, "the kernel refuses to send from port {from} to {to}: {error}"),
        }
    }
}
