//! Opens a port that was busy at the start and becomes free later. The port may be free only while its owner restarts,
//! so the server first leaves the port free long enough for the owner to bind it again.

use super::kind;
use super::listener::Listener;
use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::port_owner::{BoundSocket, addresses_overlap, bound_sockets};
use crate::net::socket::Socket;
use crate::net::udp;
use crate::settings::Settings;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::port::{ListenerKind, PortEvent};
use std::io;
use std::time::{Duration, Instant};

/// A listener whose port is busy.
#[derive(Debug)]
pub struct PendingListener {
    /// The listener to open.
    pub kind: ListenerKind,
    /// The last time at which the server found the port busy.
    pub last_busy: Instant,
    /// Whether a packet socket receives the packets sent to this port.
    pub has_packet_socket: bool,
}

impl PendingListener {
    /// Opens the port if it is free and its owner has had time to restart, or if the owner now shares it, and records
    /// that. Returns `None` if the server is to retry the port later. An error is permanent.
    pub fn retry(&mut self, settings: &Settings, now: Instant, events: &Events) -> Option<Result<Listener, BindError>> {
        let (transport, address) = kind::port(self.kind, settings);
        // This server itself may have the port in the other address family, which does not make the port busy.
        let is_owner = |other: &BoundSocket| addresses_overlap(address.ip(), other.address) && !other.is_own_process();
        // If the owners cannot be listed, the port counts as busy.
        let is_free = bound_sockets(transport, address.port()).is_ok_and(|others| !others.iter().any(is_owner));
        if !is_free {
            self.last_busy = now;
        }
        let opened = if matches!(self.kind, ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast) && !is_free {
            // The owner may share the port now: its configuration was changed as the warning advised, or another
            // program has replaced it.
            Ok(Listener::Dhcp(address, Socket::Udp(udp::bind_shared(address)?)))
        } else if !self.was_free_long_enough(now) {
            return None;
        } else {
            kind::open(self.kind, settings)
        };
        match &opened {
            Ok(_) => {
                let (listener, port) = (self.kind, address.port());
                events.record_host(What::Port(PortEvent::Opened { listener, port, is_alone: is_free }));
            }
            Err(bind_error) if bind_error.error.kind() == io::ErrorKind::AddrInUse => {
                self.last_busy = now;
                return None;
            }
            Err(_) => {}
        }
        Some(opened)
    }

    /// Whether the port has been free long enough. A DHCP server that does not share its port cannot start while this
    /// server has the port, and the DHCP server has precedence. So while a packet socket receives the broadcasts, this
    /// is false and the port stays free.
    fn was_free_long_enough(&self, now: Instant) -> bool {
        let free_for = match self.kind {
            ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast if self.has_packet_socket => return false,
            ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast => udp::HOLD_OFF,
            ListenerKind::BootServer
            | ListenerKind::BootServer6
            | ListenerKind::Tftp
            | ListenerKind::Tftp6
            | ListenerKind::Http
            | ListenerKind::Syslog => RESTART_TIME,
        };
        now.duration_since(self.last_busy) >= free_for
    }
}

/// How long a port must be free before this server opens it, so that another service can restart.
const RESTART_TIME: Duration = Duration::from_secs(10);
