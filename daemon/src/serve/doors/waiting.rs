//! A port that somebody had when we started, and that becomes free. It may be free for a moment only, because its owner
//! is being restarted: we leave it long enough for that, or the owner would find us in his place.

use super::{Door, Kind};
use crate::config::Settings;
use crate::net::busy::BindError;
use crate::net::holder::{BoundSocket, bound_sockets, addresses_overlap};
use crate::net::socket::Socket;
use crate::net::udp;
use std::io;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Waiting {
    pub kind: Kind,
    /// When somebody was last there.
    pub seen: Instant,
    /// A packet socket hears what this port would.
    pub has_stand_in: bool,
}

impl Waiting {
    /// Says when it can be had at last. An error is one that will stay.
    pub fn look(&mut self, settings: &Settings, now: Instant) -> Option<Result<Door, BindError>> {
        let (transport, wanted) = self.kind.port(settings);
        // The other family may be ours.
        let claims = |other: &BoundSocket| addresses_overlap(wanted.ip(), other.address) && !other.is_own_process();
        // Not to know who is there is no leave to take the port.
        let is_free = bound_sockets(transport, wanted.port()).is_ok_and(|others| !others.iter().any(claims));
        if !is_free {
            self.seen = now;
        }
        let opened = if matches!(self.kind, Kind::Broadcasts | Kind::Groups) && !is_free {
            // He may share it now: his configuration was mended as we had advised, or he is another.
            Ok(Door::Dhcp(wanted, Socket::Udp(udp::bind_shared(wanted)?)))
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
                self.seen = now;
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
            Kind::Broadcasts | Kind::Groups if self.has_stand_in => return false,
            Kind::Broadcasts | Kind::Groups => udp::HOLD_OFF,
            Kind::BootServer | Kind::BootServer6 | Kind::Tftp | Kind::Tftp6 | Kind::Http => RESTART,
        };
        now.duration_since(self.seen) >= free_for
    }
}

/// How long a service is given to be started again.
const RESTART: Duration = Duration::from_secs(10);

impl Kind {
    /// What follows when it could be opened; `alone` if nobody else is there.
    fn with(self, alone: bool) -> &'static str {
        match self {
            Kind::Broadcasts if alone => {
                "broadcasts are heard; a DHCP server that does not share the port has to be started before this one"
            }
            Kind::Broadcasts => "broadcasts are heard beside the DHCP server that shares it now",
            Kind::BootServer => "UEFI machines are sent to it",
            Kind::Groups if alone => {
                "machines boot over IPv6; a DHCPv6 server that does not share the port has to be started before this one"
            }
            Kind::Groups => "machines boot over IPv6, and are heard beside the DHCPv6 server that shares it now",
            Kind::BootServer6 => "machines boot by PXE over IPv6",
            Kind::Tftp => "loaders are offered",
            Kind::Tftp6 => "loaders are offered over IPv6",
            Kind::Http => "scripts go over HTTP",
        }
    }
}
