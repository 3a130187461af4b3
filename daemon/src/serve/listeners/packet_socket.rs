//! Packet sockets: they receive the broadcasts or multicasts for a port that a DHCP server has bound exclusively. (If
//! the DHCP server shares its port, this server can bind an ordinary socket.)

use super::listener::Listener;
use crate::net::socket::Socket;
use crate::net::{packet, udp6};
use proxydhcpd_core::event::port::ListenerKind;
use std::io;
use std::net::SocketAddr;

/// Opens a packet socket for the port of this listener. `None` if the listener cannot use a packet socket.
pub fn open(listener: ListenerKind, address: SocketAddr) -> Option<io::Result<Listener>> {
    let opened = match listener {
        ListenerKind::DhcpBroadcast => packet::open_broadcast(address.port()),
        ListenerKind::Dhcp6Multicast => packet::open_multicast(address.port(), udp6::GROUPS),
        ListenerKind::BootServer
        | ListenerKind::BootServer6
        | ListenerKind::Tftp
        | ListenerKind::Tftp6
        | ListenerKind::Http
        | ListenerKind::Syslog => return None,
    };
    Some(opened.map(|socket| Listener::Dhcp(address, Socket::Packet(socket))))
}

/// Whether this process lacks CAP_NET_RAW, or `RestrictAddressFamilies=` in the unit denies the socket.
pub fn is_denied(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EAFNOSUPPORT))
}
