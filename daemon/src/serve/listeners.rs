//! Opens the ports before the server offers anything. If a port cannot be opened, the server logs a warning that names
//! the port's owner, and offers only what the open ports can serve. The server opens a busy port later, when the port
//! becomes free (`pending`).

pub mod fd_limit;
mod kind;
mod listener;
mod packet_socket;
mod pending;
mod record_start;
mod start_error;

use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::port_owner::PortOwner;
use crate::net::socket::Socket;
use crate::settings::{Enabled, Settings};
use crate::site::OpenPorts;
pub use listener::{BOOT_SERVER6, DHCP_BROADCAST, DHCP6_MULTICAST, Listener};
use pending::PendingListener;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::port::{ListenerKind, PacketSocketFailure, PortEvent};
use proxydhcpd_core::link::Link;
pub use start_error::StartError;
use std::io;
use std::time::Instant;

/// The listeners of this server, and the busy ports that the server opens when they become free.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Listeners whose ports are open, but which no thread serves yet.
    pub opened: Vec<Listener>,
    /// Whether broadcasts arrive on a UDP socket bound to port 67, so that a DHCP server on this host can share the
    /// port. If false, the server opens no sockets on the port for relayed requests either: they would keep the DHCP
    /// server from restarting.
    pub shares_dhcp_port: bool,
    /// The same for port 547. It also applies to the sockets that join a multicast group on each link.
    pub shares_dhcp6_port: bool,
    /// The ports that are open so far.
    pub open: OpenPorts,
    pending: Vec<PendingListener>,
    /// Ports that this process lacks the permission to open. The server does not retry them.
    denied: Vec<BindError>,
    events: Events,
}

impl Listeners {
    /// Opens every port that the settings require, and records a warning for each port that cannot be opened. `links`
    /// are the links of this host. Fails if no DHCP port can be opened, or if this process lacks the permission for a
    /// port.
    pub fn open(settings: &Settings, links: &[Link], now: Instant, events: &Events) -> Result<Listeners, StartError> {
        let mut listeners = Listeners { events: events.clone(), ..Listeners::default() };
        if settings.serves_ipv4() {
            if !settings.proxy_only {
                listeners.try_to_open(ListenerKind::DhcpBroadcast, settings, now);
            }
            listeners.try_to_open(ListenerKind::BootServer, settings, now);
        }
        // If both IPv4 ports are busy, another boot server runs on this host. Serving IPv6 alone would only hide that.
        let ipv4_failed = settings.serves_ipv4() && listeners.opened.is_empty();
        if settings.serves_ipv6() && !ipv4_failed {
            if !settings.proxy_only {
                listeners.try_to_open(ListenerKind::Dhcp6Multicast, settings, now);
            }
            listeners.try_to_open(ListenerKind::BootServer6, settings, now);
        }
        if listeners.opened.is_empty() && listeners.denied.is_empty() {
            return Err(StartError::NoDhcp);
        }
        if settings.tftp.enabled.is_on(links) {
            listeners.try_to_open(ListenerKind::Tftp, settings, now);
            if settings.serves_ipv6() {
                listeners.try_to_open(ListenerKind::Tftp6, settings, now);
            }
        }
        // With a legacy file, this server serves files by HTTP only if its TFTP port is open.
        let serves_files = listeners.open.tftp || !matches!(settings.http.enabled, Enabled::IfLocal(_));
        if settings.http.enabled.is_on(links) && serves_files {
            listeners.try_to_open(ListenerKind::Http, settings, now);
        }
        if settings.syslog_port.is_some() {
            listeners.try_to_open(ListenerKind::Syslog, settings, now);
        }
        if listeners.denied.is_empty() { Ok(listeners) } else { Err(StartError::PermissionDenied(listeners.denied)) }
    }

    /// Opens the ports that were busy and are free now. Call this every few seconds. The ports in `settings` must be
    /// the same as at the start (`restart` checks this).
    pub fn retry(&mut self, settings: &Settings, now: Instant) {
        for mut pending in std::mem::take(&mut self.pending) {
            match pending.retry(settings, now, &self.events) {
                None => self.pending.push(pending),
                Some(Ok(listener)) => self.add(listener),
                Some(Err(bind_error)) => {
                    self.events.record_host(What::Port(PortEvent::Failed {
                        listener: pending.kind,
                        failure: bind_error.failure(format_args!("{bind_error}")),
                        packet_socket: None,
                        is_final: true,
                    }));
                }
            }
        }
    }

    fn try_to_open(&mut self, listener: ListenerKind, settings: &Settings, now: Instant) {
        let bind_error = match kind::open(listener, settings) {
            Ok(listener) => return self.add(listener),
            Err(bind_error) => bind_error,
        };
        let record = |event: PortEvent<'_>| self.events.record_host(What::Port(event));
        if bind_error.address.is_ipv6() && has_no_ipv6(&bind_error.error) {
            return record(PortEvent::NoIpv6(format_args!("{}", bind_error.error)));
        }
        let is_retried = kind::is_retried(listener, settings);
        if bind_error.error.kind() == io::ErrorKind::PermissionDenied && is_retried {
            return self.denied.push(bind_error);
        }
        let in_use = bind_error.error.kind() == io::ErrorKind::AddrInUse;
        let packet_socket = if in_use { packet_socket::open(listener, bind_error.address) } else { None };
        if in_use && is_retried {
            let has_packet_socket = matches!(packet_socket, Some(Ok(_)));
            self.pending.push(PendingListener { kind: listener, last_busy: now, has_packet_socket });
        }
        let failed = |packet_socket| {
            record(PortEvent::Failed {
                listener,
                failure: bind_error.failure(format_args!("{bind_error}")),
                packet_socket,
                is_final: false,
            });
        };
        match packet_socket {
            Some(Ok(opened)) => {
                let owner = bind_error.owner.as_ref().map(PortOwner::for_event);
                record(PortEvent::PacketSocketOpened { listener, port: bind_error.address.port(), owner });
                self.add(opened);
            }
            Some(Err(error)) => failed(Some(PacketSocketFailure {
                is_denied: packet_socket::is_denied(&error),
                error: format_args!("{error}"),
            })),
            None => failed(None),
        }
    }

    fn add(&mut self, listener: Listener) {
        let is_udp = matches!(listener, Listener::Dhcp(_, Socket::Udp(_)));
        match listener.kind() {
            ListenerKind::DhcpBroadcast => self.shares_dhcp_port = is_udp,
            ListenerKind::Dhcp6Multicast => self.shares_dhcp6_port = is_udp,
            ListenerKind::BootServer => self.open.boot_server = true,
            ListenerKind::BootServer6 => self.open.boot_server6 = true,
            ListenerKind::Tftp => self.open.tftp = true,
            ListenerKind::Tftp6 => self.open.tftp6 = true,
            ListenerKind::Http => self.open.http = Some(listener.port()),
            ListenerKind::Syslog => self.open.syslog = Some(listener.port()),
        }
        self.opened.push(listener);
    }
}

/// Whether this error shows that the kernel was built or started without IPv6.
fn has_no_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}
