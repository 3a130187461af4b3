//! Opens each kind of listener.

use super::listener::{BOOT_SERVER, BOOT_SERVER6, DHCP_BROADCAST, DHCP6_MULTICAST, Listener, SYSLOG_PORT, TFTP_PORT};
use crate::net::bind_error::BindError;
use crate::net::port_owner::Transport;
use crate::net::socket::Socket;
use crate::net::{udp, udp6};
use crate::serve::{http, syslog, tftp};
use crate::settings::{Enabled, Settings};
use proxydhcpd_core::event::port::ListenerKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Opens the port. If the port is busy, the error names its owner.
pub fn open(kind: ListenerKind, settings: &Settings) -> Result<Listener, BindError> {
    let (transport, address) = port(kind, settings);
    let to_bind_error = |error| BindError::new(transport, address, error);
    match kind {
        ListenerKind::DhcpBroadcast => {
            udp::bind_broadcast(address.port()).map(|socket| Listener::Dhcp(DHCP_BROADCAST, Socket::Udp(socket)))
        }
        ListenerKind::Dhcp6Multicast => {
            udp6::bind_site_group(address.port()).map(|socket| Listener::Dhcp(DHCP6_MULTICAST, Socket::Udp(socket)))
        }
        ListenerKind::BootServer | ListenerKind::BootServer6 => {
            udp::bind_exclusive(address).map(|socket| Listener::Dhcp(address, Socket::Udp(socket)))
        }
        ListenerKind::Tftp | ListenerKind::Tftp6 => tftp::bind(address.ip(), address.port(), &settings.tftp)
            .map(|sockets| Listener::Tftp(sockets, settings.tftp.clone()))
            .map_err(to_bind_error),
        ListenerKind::Http => {
            let listeners = http::bind(address.port(), settings.serves_ipv6());
            listeners.map(|listeners| Listener::Http(address.port(), listeners)).map_err(to_bind_error)
        }
        ListenerKind::Syslog => {
            let sockets = syslog::bind(address.port(), settings.serves_ipv6());
            sockets.map(|sockets| Listener::Syslog(address.port(), sockets)).map_err(to_bind_error)
        }
    }
}

/// The transport protocol, and the address to bind with its port.
pub fn port(kind: ListenerKind, settings: &Settings) -> (Transport, SocketAddr) {
    let any = Ipv4Addr::UNSPECIFIED;
    match kind {
        ListenerKind::DhcpBroadcast => (Transport::Udp, DHCP_BROADCAST),
        ListenerKind::BootServer => (Transport::Udp, BOOT_SERVER),
        ListenerKind::Dhcp6Multicast => (Transport::Udp, DHCP6_MULTICAST),
        ListenerKind::BootServer6 => (Transport::Udp, BOOT_SERVER6),
        ListenerKind::Tftp => (Transport::Udp, (any, TFTP_PORT).into()),
        ListenerKind::Tftp6 => (Transport::Udp, (Ipv6Addr::UNSPECIFIED, TFTP_PORT).into()),
        ListenerKind::Http => (Transport::Tcp, (any, settings.http.port).into()),
        ListenerKind::Syslog => (Transport::Udp, (any, settings.syslog_port.unwrap_or(SYSLOG_PORT)).into()),
    }
}

/// Whether the server retries the port later. The server does not retry the TFTP port with a legacy file: if
/// another TFTP server has the port at the start, the file means that server, which binds the port again after it
/// restarts.
pub fn is_retried(kind: ListenerKind, settings: &Settings) -> bool {
    !(matches!(kind, ListenerKind::Tftp | ListenerKind::Tftp6) && matches!(settings.tftp.enabled, Enabled::IfLocal(_)))
}
