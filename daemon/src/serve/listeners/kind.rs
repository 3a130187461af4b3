//! Which doors there are, and how each is opened.

use super::{BOOT_SERVER, BOOT_SERVER6, DHCP_BROADCAST, Listener, DHCP6_MULTICAST, tftp_settings};
use crate::config::{Enabled, Settings};
use crate::net::bind_error::BindError;
use crate::net::port_owner::Transport;
use crate::net::socket::Socket;
use crate::net::{udp, udp6};
use crate::serve::{http, tftp};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The doors by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    DhcpBroadcast,
    BootServer,
    Dhcp6Multicast,
    BootServer6,
    Tftp,
    Tftp6,
    Http,
}

impl ListenerKind {
    pub fn open(self, settings: &Settings) -> Result<Listener, BindError> {
        let (transport, wanted) = self.port(settings);
        let busy = |error| BindError::new(transport, wanted, error);
        match self {
            ListenerKind::DhcpBroadcast => udp::bind_broadcast(wanted.port()).map(|socket| Listener::Dhcp(DHCP_BROADCAST, Socket::Udp(socket))),
            ListenerKind::Dhcp6Multicast => udp6::bind_site_group(wanted.port()).map(|socket| Listener::Dhcp(DHCP6_MULTICAST, Socket::Udp(socket))),
            ListenerKind::BootServer | ListenerKind::BootServer6 => {
                udp::bind_exclusive(wanted).map(|socket| Listener::Dhcp(wanted, Socket::Udp(socket)))
            }
            ListenerKind::Tftp | ListenerKind::Tftp6 => {
                let transfers = tftp_settings(settings);
                tftp::bind(wanted.ip(), &transfers).map(|sockets| Listener::Tftp(sockets, transfers)).map_err(busy)
            }
            ListenerKind::Http => {
                let listeners = http::bind(wanted.port(), settings.serves_ipv6());
                listeners.map(|listeners| Listener::Http(wanted.port(), listeners)).map_err(busy)
            }
        }
    }

    pub fn port(self, settings: &Settings) -> (Transport, SocketAddr) {
        let any = Ipv4Addr::UNSPECIFIED;
        match self {
            ListenerKind::DhcpBroadcast => (Transport::Udp, DHCP_BROADCAST),
            ListenerKind::BootServer => (Transport::Udp, BOOT_SERVER),
            ListenerKind::Dhcp6Multicast => (Transport::Udp, DHCP6_MULTICAST),
            ListenerKind::BootServer6 => (Transport::Udp, BOOT_SERVER6),
            ListenerKind::Tftp => (Transport::Udp, (any, tftp_settings(settings).port).into()),
            ListenerKind::Tftp6 => (Transport::Udp, (Ipv6Addr::UNSPECIFIED, tftp_settings(settings).port).into()),
            ListenerKind::Http => (Transport::Tcp, (any, settings.http.port).into()),
        }
    }

    /// What follows if it cannot be opened.
    pub fn consequence(self) -> &'static str {
        match self {
            ListenerKind::DhcpBroadcast => "broadcasts are not heard",
            ListenerKind::BootServer => "UEFI machines are sent straight to their file",
            ListenerKind::Dhcp6Multicast => "machines do not boot over IPv6",
            ListenerKind::BootServer6 => "machines do not boot by PXE over IPv6",
            ListenerKind::Tftp => "no loader is offered by us",
            ListenerKind::Tftp6 => "no loader is offered by us over IPv6",
            ListenerKind::Http => "scripts go over TFTP",
        }
    }

    /// An old file's TFTP is ours only if nobody else serves there when we start; one who does will be back.
    pub fn is_retried(self, settings: &Settings) -> bool {
        !(matches!(self, ListenerKind::Tftp | ListenerKind::Tftp6) && matches!(settings.tftp.enabled, Enabled::IfLocal(_)))
    }
}
