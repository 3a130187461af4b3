//! Which doors there are, and how each is opened.

use super::{BOOT_SERVER, BOOT_SERVER6, BROADCASTS, Door, GROUPS, tftp_settings};
use crate::config::{Enabled, Settings};
use crate::net::busy::BindError;
use crate::net::holder::Transport;
use crate::net::socket::Socket;
use crate::net::{udp, udp6};
use crate::serve::{http, tftp};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The doors by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Broadcasts,
    BootServer,
    Groups,
    BootServer6,
    Tftp,
    Tftp6,
    Http,
}

impl Kind {
    pub fn open(self, settings: &Settings) -> Result<Door, BindError> {
        let (transport, wanted) = self.port(settings);
        let busy = |error| BindError::new(transport, wanted, error);
        match self {
            Kind::Broadcasts => udp::bind_broadcast(wanted.port()).map(|socket| Door::Dhcp(BROADCASTS, Socket::Udp(socket))),
            Kind::Groups => udp6::bind_site_group(wanted.port()).map(|socket| Door::Dhcp(GROUPS, Socket::Udp(socket))),
            Kind::BootServer | Kind::BootServer6 => {
                udp::bind_exclusive(wanted).map(|socket| Door::Dhcp(wanted, Socket::Udp(socket)))
            }
            Kind::Tftp | Kind::Tftp6 => {
                let transfers = tftp_settings(settings);
                tftp::bind(wanted.ip(), &transfers).map(|sockets| Door::Tftp(sockets, transfers)).map_err(busy)
            }
            Kind::Http => {
                let listeners = http::bind(wanted.port(), settings.serves_ipv6());
                listeners.map(|listeners| Door::Http(wanted.port(), listeners)).map_err(busy)
            }
        }
    }

    pub fn port(self, settings: &Settings) -> (Transport, SocketAddr) {
        let any = Ipv4Addr::UNSPECIFIED;
        match self {
            Kind::Broadcasts => (Transport::Udp, BROADCASTS),
            Kind::BootServer => (Transport::Udp, BOOT_SERVER),
            Kind::Groups => (Transport::Udp, GROUPS),
            Kind::BootServer6 => (Transport::Udp, BOOT_SERVER6),
            Kind::Tftp => (Transport::Udp, (any, tftp_settings(settings).port).into()),
            Kind::Tftp6 => (Transport::Udp, (Ipv6Addr::UNSPECIFIED, tftp_settings(settings).port).into()),
            Kind::Http => (Transport::Tcp, (any, settings.http.port).into()),
        }
    }

    /// What follows if it cannot be opened.
    pub fn without(self) -> &'static str {
        match self {
            Kind::Broadcasts => "broadcasts are not heard",
            Kind::BootServer => "UEFI machines are sent straight to their file",
            Kind::Groups => "machines do not boot over IPv6",
            Kind::BootServer6 => "machines do not boot by PXE over IPv6",
            Kind::Tftp => "no loader is offered by us",
            Kind::Tftp6 => "no loader is offered by us over IPv6",
            Kind::Http => "scripts go over TFTP",
        }
    }

    /// An old file's TFTP is ours only if nobody else serves there when we start; one who does will be back.
    pub fn is_awaited(self, settings: &Settings) -> bool {
        !(matches!(self, Kind::Tftp | Kind::Tftp6) && matches!(settings.tftp.enabled, Enabled::IfLocal(_)))
    }
}
