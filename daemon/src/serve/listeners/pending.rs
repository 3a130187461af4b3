//! A port that somebody had when we started, and that becomes free. It may be free for a moment only, because its owner
//! is being restarted: we leave it long enough for that, or the owner would find us in his place.

use super::{Listener, ListenerKind};
use crate::config::Settings;
use crate::net::bind_error::BindError;
use crate::net::port_owner::{BoundSocket, bound_sockets, addresses_overlap};
use crate::net::socket::Socket;
use crate::net::udp;
use std::io;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct PendingListener {
    pub kind: ListenerKind,
    /// When somebody was last there.
    pub last_busy: Instant,
    /// A packet socket hears what this port would.
    pub has_packet_socket: bool,
}

impl PendingListener {
    /// Says when it can be had at last. An error is one that will stay.
    pub fn retry(&mut self, settings: &Settings, now: Instant) -> Option<Result<Listener, BindError>> {
        let (transport, wanted) = self.kind.port(settings);
        // The other family may be ours.
        let claims = |other: &BoundSocket| addresses_overlap(wanted.ip(), other.address) && !other.is_own_process();
        // Not to know who is there is no leave to take the port.
        let is_free = bound_sockets(transport, wanted.port()).is_ok_and(|others| !others.iter().any(claims));
        if !is_free {
            self.last_busy = now;
        }
        let opened = if matches!(self.kind, ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast) && !is_free {
            // He may share it now: his configuration was mended as we had advised, or he is another.
            Ok(Listener::Dhcp(wanted, Socket::Udp(udp::bind_shared(wanted)?)))
        } else if !self.may_be_taken(now) {
            return None;
        } else {
            self.kind.open(settings)
        };
        match &opened {
            Ok(_) => {
                tracing::info!("{} port {} can be had at last: {}", transport, wanted.port(), self.kind.with(is_free))
            }
            Err(busy) if busy.error.kind() == io::ErrorKind::AddrInUse => {
                self.last_busy = now;
                return None;
            }
            Err(_) => {}
        }
        Some(opened)
    }

    /// A DHCP server that does not share its port could not start while we have it, and it comes first: as long as we
    /// hear what is sent to all without the port, we leave it alone.
    fn may_be_taken(&self, now: Instant) -> bool {
        let free_for = match self.kind {
            ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast if self.has_packet_socket => return false,
            ListenerKind::DhcpBroadcast | ListenerKind::Dhcp6Multicast => udp::HOLD_OFF,
            ListenerKind::BootServer | ListenerKind::BootServer6 | ListenerKind::Tftp | ListenerKind::Tftp6 | ListenerKind::Http => RESTART,
        };
        now.duration_since(self.last_busy) >= free_for
    }
}

/// How long a service is given to be started again.
const RESTART: Duration = Duration::from_secs(10);

impl ListenerKind {
    /// What follows when it could be opened; `alone` if nobody else is there.
    fn with(self, alone: bool) -> &'static str {
        match self {
            ListenerKind::DhcpBroadcast if alone => {
                "broadcasts are heard; a DHCP server that does not share the port has to be started before this one"
            }
            ListenerKind::DhcpBroadcast => "broadcasts are heard beside the DHCP server that shares it now",
            ListenerKind::BootServer => "UEFI machines are sent to it",
            ListenerKind::Dhcp6Multicast if alone => {
                "machines boot over IPv6; a DHCPv6 server that does not share the port has to be started before this one"
            }
            ListenerKind::Dhcp6Multicast => "machines boot over IPv6, and are heard beside the DHCPv6 server that shares it now",
            ListenerKind::BootServer6 => "machines boot by PXE over IPv6",
            ListenerKind::Tftp => "loaders are offered",
            ListenerKind::Tftp6 => "loaders are offered over IPv6",
            ListenerKind::Http => "scripts go over HTTP",
        }
    }
}
