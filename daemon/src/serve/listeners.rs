//! Opens the ports before the server offers anything. If a port cannot be opened, the server logs a warning that names
//! the port's owner, and offers only what the open ports can serve. The server opens a busy port later, when the port
//! becomes free (`pending`).

pub mod fd_limit;
mod kind;
mod listener;
mod packet_socket;
mod pending;
mod start_error;

use super::tftp;
use crate::config::{ConfigError, Loaded};
use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::link::{self, LinkFilter};
use crate::net::port_owner::PortOwner;
use crate::net::socket::Socket;
use crate::settings::{Enabled, Settings, TftpConfig};
use crate::site::OpenPorts;
pub use listener::{BOOT_SERVER6, DHCP_BROADCAST, DHCP6_MULTICAST, Listener};
use pending::PendingListener;
use proxydhcpd_core::event::port::{ListenerKind, PacketSocketFailure, PortEvent};
use proxydhcpd_core::event::{Severity, Startup, What};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::transfer::max_window;
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
        if listeners.denied.is_empty() { Ok(listeners) } else { Err(StartError::PermissionDenied(listeners.denied)) }
    }

    /// Opens the ports that were busy and are free now. Call this every few seconds. The ports in `settings` must be
    /// the same as at the start ([`needs_restart`] checks this).
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

    /// Records the open ports and the boot directory.
    pub fn record_start(&self, loaded: &Loaded) {
        let open: Vec<_> = self.opened.iter().map(|listener| (listener.kind(), listener.port())).collect();
        self.events.record_host(What::Port(PortEvent::Listening(&open)));
        if self.open.tftp || self.open.tftp6 {
            record_slow_clients(&self.events, &loaded.settings);
        }
        let configuration = loaded.file.as_ref().map(|file| file.display().to_string());
        self.events.record_host(What::Starting(Startup {
            version: env!("CARGO_PKG_VERSION"),
            configuration: configuration.as_deref(),
            boot_dir: &loaded.settings.boot_dir.display().to_string(),
            legacy_tftp: loaded.legacy.as_ref().map(|legacy| legacy.boot.tftpd.into()),
            sends_files: self.open.tftp || self.open.http.is_some(),
        }));
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
        }
        self.opened.push(listener);
    }
}

/// The interfaces to serve, from the configuration and this host's `links`. Fails if an address of a legacy file is not
/// an address of this host.
pub fn interface_filter(loaded: &Loaded, links: &[Link]) -> Result<LinkFilter, ConfigError> {
    let served = loaded.select_interfaces(links)?;
    let (ipv4, ipv6) = (loaded.settings.ipv4_interfaces.clone(), loaded.settings.ipv6_interfaces.clone());
    Ok(LinkFilter { interfaces: served.interfaces, addresses: served.addresses, ipv4, ipv6 })
}

/// Every interface of this host on which machines could boot. If the interfaces cannot be listed, calls `failed` with
/// the error, and returns an empty list.
pub fn all_links(failed: impl FnOnce(io::Error)) -> Vec<Link> {
    link::list(&LinkFilter::default()).unwrap_or_else(|error| {
        failed(error);
        Vec::new()
    })
}

/// Returns the first setting that has changed and takes effect only after a restart, or `None` if there is no such
/// setting. `links` are the links of this host.
pub fn needs_restart(old: &Settings, new: &Settings, links: &[Link]) -> Option<&'static str> {
    let http = |settings: &Settings| (settings.http.enabled.is_on(links), settings.http.port);
    let tftp = |settings: &Settings| {
        (settings.tftp.enabled.is_on(links), TftpConfig { enabled: Enabled::Yes, ..settings.tftp.clone() })
    };
    if old.proxy_only != new.proxy_only {
        return Some("`proxy-only`");
    }
    if old.state_dir != new.state_dir {
        return Some("`state-dir`");
    }
    if old.serves_ipv4() != new.serves_ipv4() {
        return Some("`ipv4-interfaces` from none or to none");
    }
    if old.serves_ipv6() != new.serves_ipv6() {
        return Some("`ipv6-interfaces` from none or to none");
    }
    if tftp(old) != tftp(new) {
        return Some("TFTP (in a legacy file: `tftpd`)");
    }
    (http(old) != http(new)).then_some("HTTP")
}

/// Whether this error shows that the kernel was built or started without IPv6.
fn has_no_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Records which machines load files slowly by TFTP. If the port of a transfer is easy to guess, these are the machines
/// whose DHCP traffic this server does not see.
fn record_slow_clients(events: &Events, settings: &Settings) {
    let tftp = &settings.tftp;
    let sees_all_dhcp = !settings.proxy_only && !settings.relays.is_empty();
    if max_window(tftp::port_guesses(tftp.ports.as_ref(), tftp.single_port)) > 1 || sees_all_dhcp {
        return;
    }
    let (key, who, remedy) = match (tftp.single_port, settings.proxy_only) {
        (true, false) => ("`single-port`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (false, false) => ("so few `ports`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (true, true) => ("`single-port` and `proxy-only`", "all machines", ""),
        (false, true) => ("so few `ports` and `proxy-only`", "all machines", ""),
    };
    let notice = format_args!(
        "with {key}, {who} load by TFTP block by block, at most 512 KiB a second for each address, because their \
         requests are easy to forge; {remedy}set `ports` of [tftp] to a range of 1024 ports or more (docs/security.md)"
    );
    events.notice(Severity::Info, notice);
}
