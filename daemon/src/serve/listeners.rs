//! Opens the ports before the server offers anything. If a port cannot be opened, the server logs a warning that names
//! the port's owner, and offers only what the open ports can serve. The server opens a busy port later, when the port
//! becomes free (`pending`).

pub mod fd_limit;
mod kind;
mod listener;
mod pending;
mod start_error;

use super::tftp;
use super::tftp::Family;
use crate::config::{ConfigError, Loaded};
use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::link::{self, LinkFilter};
use crate::net::packet;
use crate::net::socket::Socket;
use crate::net::udp6;
use crate::settings::{Enabled, Settings, TftpConfig};
use crate::site::OpenPorts;
use kind::ListenerKind;
use listener::BOOT_SERVER;
pub use listener::{BOOT_SERVER6, DHCP_BROADCAST, DHCP6_MULTICAST, Listener};
use pending::PendingListener;
use proxydhcpd_core::event::Severity;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::transfer::max_window;
pub use start_error::StartError;
use std::fmt;
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
                    let consequence = pending.kind.consequence();
                    let warning = format_args!("{bind_error}; {consequence}; no further retries");
                    self.events.notice(Severity::Warning, warning);
                }
            }
        }
    }

    /// Records the open ports and the boot directory.
    pub fn record_start(&self, loaded: &Loaded) {
        let mut open: Vec<String> = self.opened.iter().map(Listener::to_string).collect();
        // TFTP has a listener for each address family, and both have the same text.
        open.dedup();
        let info = |text: fmt::Arguments<'_>| self.events.notice(Severity::Info, text);
        info(format_args!("{}", open.join(", ")));
        if self.open.tftp || self.open.tftp6 {
            record_slow_clients(&self.events, &loaded.settings);
        }
        match &loaded.legacy {
            None => info(format_args!("boot directory {}", loaded.settings.boot_dir.display())),
            Some(legacy) => {
                let files = self.open.tftp || self.open.http.is_some();
                let off = if files { "" } else { "; this server's TFTP and HTTP are off" };
                let tftpd = legacy.boot.tftpd;
                info(format_args!(
                    "legacy configuration: TFTP server {tftpd}{off}; UEFI HTTP boot clients get no reply"
                ));
            }
        }
    }

    fn try_to_open(&mut self, kind: ListenerKind, settings: &Settings, now: Instant) {
        let bind_error = match kind.open(settings) {
            Ok(listener) => return self.add(listener),
            Err(bind_error) => bind_error,
        };
        if kind.port(settings).1.is_ipv6() && has_no_ipv6(&bind_error.error) {
            let error = format_args!("this host has no IPv6: {}", bind_error.error);
            return self.events.notice(Severity::Debug, error);
        }
        if bind_error.error.kind() == io::ErrorKind::PermissionDenied && kind.is_retried(settings) {
            return self.denied.push(bind_error);
        }
        let in_use = bind_error.error.kind() == io::ErrorKind::AddrInUse;
        let packet_socket = if in_use { packet_socket(kind, &bind_error, &self.events) } else { Err(String::new()) };
        if in_use && kind.is_retried(settings) {
            self.pending.push(PendingListener { kind, last_busy: now, has_packet_socket: packet_socket.is_ok() });
        }
        match packet_socket {
            Ok(listener) => self.add(listener),
            Err(advice) => {
                let warning = format_args!("{bind_error}{advice}; {}", kind.consequence());
                self.events.notice(Severity::Warning, warning);
            }
        }
    }

    fn add(&mut self, listener: Listener) {
        match &listener {
            Listener::Dhcp(address, _) if *address == BOOT_SERVER => self.open.boot_server = true,
            Listener::Dhcp(address, _) if *address == BOOT_SERVER6 => self.open.boot_server6 = true,
            Listener::Dhcp(address, socket) if *address == DHCP6_MULTICAST => {
                self.shares_dhcp6_port = matches!(socket, Socket::Udp(_))
            }
            Listener::Dhcp(_, socket) => self.shares_dhcp_port = matches!(socket, Socket::Udp(_)),
            Listener::Tftp(sockets, _) => match sockets.family() {
                Family::V4 => self.open.tftp = true,
                Family::V6 => self.open.tftp6 = true,
            },
            Listener::Http(port, _) => self.open.http = Some(*port),
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
pub fn all_links(failed: impl FnOnce(fmt::Arguments<'_>)) -> Vec<Link> {
    link::list(&LinkFilter::default()).unwrap_or_else(|error| {
        failed(format_args!("cannot list the network interfaces: {error}"));
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

/// Opens a packet socket for a port that a DHCP server has bound exclusively. (If the DHCP server shares its port, this
/// server can bind an ordinary socket.) If the packet socket cannot be opened either, the error is advice to append to
/// the warning. The error is empty for a listener that cannot use a packet socket.
fn packet_socket(kind: ListenerKind, bind_error: &BindError, events: &Events) -> Result<Listener, String> {
    let port = bind_error.address.port();
    let (opened, packets) = match kind {
        ListenerKind::DhcpBroadcast => (packet::open_broadcast(port), "DHCP broadcasts"),
        ListenerKind::Dhcp6Multicast => (packet::open_multicast(port, udp6::GROUPS), "DHCPv6 multicasts"),
        ListenerKind::BootServer
        | ListenerKind::BootServer6
        | ListenerKind::Tftp
        | ListenerKind::Tftp6
        | ListenerKind::Http => return Err(String::new()),
    };
    match opened {
        Ok(socket) => {
            let owner = bind_error.owner.as_ref().map_or("another process".to_owned(), ToString::to_string);
            let notice = format_args!(
                "{owner} does not share UDP port {port}: this server receives {packets} through a packet socket, and \
                 no relayed requests"
            );
            events.notice(Severity::Info, notice);
            Ok(Listener::Dhcp(bind_error.address, Socket::Packet(socket)))
        }
        // Denied for lack of CAP_NET_RAW, or by `RestrictAddressFamilies=` in the unit.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EAFNOSUPPORT)) => Err(format!(
            "; or give this server CAP_NET_RAW to receive {packets} through a packet socket (see its unit): {error}"
        )),
        Err(error) => {
            Err(format!("; cannot open a packet socket, which would receive {packets} nevertheless: {error}"))
        }
    }
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
