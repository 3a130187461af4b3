//! Opens the ports before anything is promised. One that cannot be had is said, with who has it; what is offered
//! follows, and the server goes on with what it has. One that becomes free later is taken then ([`waiting`]).

mod kind;
mod start_error;
pub mod fd_limit;
mod pending;

use super::tftp;
use super::tftp::Family;
use crate::config::{ConfigError, Enabled, Loaded, Settings, MaxTransfers};
use crate::net::bind_error::BindError;
use crate::net::link::{self, LinkFilter};
use crate::net::packet;
use crate::net::socket::Socket;
use crate::net::udp6;
use crate::site::OpenPorts;
use kind::ListenerKind;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::transfer::max_window;
pub use start_error::StartError;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};
use std::time::Instant;
use pending::PendingListener;

#[derive(Debug, Default)]
pub struct Listeners {
    /// Opened and not served yet: each is taken by the thread that serves it.
    pub opened: Vec<Listener>,
    /// We hear broadcasts by a socket on port 67, so nobody there minds that. Where somebody does, nor may relayed
    /// requests have one: he could not start again.
    pub shares_dhcp_port: bool,
    /// The same of port 547, and of the sockets that hear a group link by link.
    pub shares_dhcp6_port: bool,
    /// What was opened so far.
    pub open: OpenPorts,
    waiting: Vec<PendingListener>,
    /// Ports that the kernel refuses for lack of permission, which no waiting changes.
    forbidden: Vec<BindError>,
}

#[derive(Debug)]
pub enum Listener {
    /// With the address that it hears.
    Dhcp(SocketAddr, Socket),
    Tftp(tftp::TftpListener, tftp::TftpSettings),
    /// With their port.
    Http(u16, Vec<TcpListener>),
}

impl Listeners {
    /// Warnings go to the log. `links` are those that the machine has.
    pub fn open(settings: &Settings, links: &[Link], now: Instant) -> Result<Listeners, StartError> {
        let mut doors = Listeners::default();
        if settings.serves_ipv4() {
            if !settings.proxy_only {
                doors.try_to_open(ListenerKind::DhcpBroadcast, settings, now);
            }
            doors.try_to_open(ListenerKind::BootServer, settings, now);
        }
        // Who has both of IPv4 is another boot server, and to go on over IPv6 alone would only hide that.
        let has_none_of_ipv4 = settings.serves_ipv4() && doors.opened.is_empty();
        if settings.serves_ipv6() && !has_none_of_ipv4 {
            if !settings.proxy_only {
                doors.try_to_open(ListenerKind::Dhcp6Multicast, settings, now);
            }
            doors.try_to_open(ListenerKind::BootServer6, settings, now);
        }
        if doors.opened.is_empty() && doors.forbidden.is_empty() {
            return Err(StartError::NoDhcp);
        }
        if settings.tftp.enabled.is_on(links) {
            doors.try_to_open(ListenerKind::Tftp, settings, now);
            if settings.serves_ipv6() {
                doors.try_to_open(ListenerKind::Tftp6, settings, now);
            }
        }
        // With an old file it is our TFTP that makes files ours to serve.
        let files_are_ours = doors.open.tftp || !matches!(settings.http.enabled, Enabled::IfLocal(_));
        if settings.http.enabled.is_on(links) && files_are_ours {
            doors.try_to_open(ListenerKind::Http, settings, now);
        }
        if doors.forbidden.is_empty() { Ok(doors) } else { Err(StartError::PermissionDenied(doors.forbidden)) }
    }

    /// To be called every few seconds: takes what was busy and can be had now. `settings` are those of the start, as
    /// far as ports go ([`needs_restart`]).
    pub fn retry(&mut self, settings: &Settings, now: Instant) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            match waiting.retry(settings, now) {
                None => self.waiting.push(waiting),
                Some(Ok(door)) => self.admit(door),
                Some(Err(busy)) => tracing::warn!("{busy}; {}; it is not tried again", waiting.kind.consequence()),
            }
        }
    }

    /// What is open, for whoever reads the log of a start.
    pub fn log_start(&self, loaded: &Loaded) {
        let mut open: Vec<String> = self.opened.iter().map(Listener::to_string).collect();
        // TFTP is a door for each family.
        open.dedup();
        tracing::info!("{}", open.join(", "));
        if self.open.tftp || self.open.tftp6 {
            say_who_is_slow(&loaded.settings);
        }
        match &loaded.legacy {
            None => tracing::info!("boot directory {}", loaded.settings.boot_dir.display()),
            Some(legacy) => {
                let files = self.open.tftp || self.open.http.is_some();
                let off = if files { "" } else { "; our own TFTP and HTTP are off" };
                let tftpd = legacy.boot.tftpd;
                tracing::info!("as the old file says: TFTP at {tftpd}{off}; UEFI HTTP boot clients are not answered");
            }
        }
    }

    fn try_to_open(&mut self, kind: ListenerKind, settings: &Settings, now: Instant) {
        let busy = match kind.open(settings) {
            Ok(door) => return self.admit(door),
            Err(busy) => busy,
        };
        if kind.port(settings).1.is_ipv6() && has_no_ipv6(&busy.error) {
            return tracing::debug!("this machine has no IPv6: {}", busy.error);
        }
        if busy.error.kind() == io::ErrorKind::PermissionDenied && kind.is_retried(settings) {
            return self.forbidden.push(busy);
        }
        let in_use = busy.error.kind() == io::ErrorKind::AddrInUse;
        let stand_in = if in_use { stand_in(kind, &busy) } else { Err(String::new()) };
        if in_use && kind.is_retried(settings) {
            self.waiting.push(PendingListener { kind, last_busy: now, has_packet_socket: stand_in.is_ok() });
        }
        match stand_in {
            Ok(door) => self.admit(door),
            Err(advice) => tracing::warn!("{busy}{advice}; {}", kind.consequence()),
        }
    }

    fn admit(&mut self, door: Listener) {
        match &door {
            Listener::Dhcp(address, _) if *address == BOOT_SERVER => self.open.boot_server = true,
            Listener::Dhcp(address, _) if *address == BOOT_SERVER6 => self.open.boot_server6 = true,
            Listener::Dhcp(address, socket) if *address == DHCP6_MULTICAST => self.shares_dhcp6_port = matches!(socket, Socket::Udp(_)),
            Listener::Dhcp(_, socket) => self.shares_dhcp_port = matches!(socket, Socket::Udp(_)),
            Listener::Tftp(sockets, _) => match sockets.family() {
                Family::V4 => self.open.tftp = true,
                Family::V6 => self.open.tftp6 = true,
            },
            Listener::Http(port, _) => self.open.http = Some(*port),
        }
        self.opened.push(door);
    }
}

/// Which interfaces are served: asked of the configuration and of this machine. An old file's addresses must fit.
pub fn interface_filter(loaded: &Loaded, links: &[Link]) -> Result<LinkFilter, ConfigError> {
    let served = loaded.select_interfaces(links)?;
    let (ipv4, ipv6) = (loaded.settings.ipv4_interfaces.clone(), loaded.settings.ipv6_interfaces.clone());
    Ok(LinkFilter { interfaces: served.interfaces, addresses: served.addresses, ipv4, ipv6 })
}

/// Every interface of this machine on which machines could boot.
pub fn all_links() -> Vec<Link> {
    link::list(&LinkFilter::default()).unwrap_or_else(|error| {
        tracing::warn!("the network interfaces cannot be listed: {error}");
        Vec::new()
    })
}

/// What differs between two settings that only opening the ports anew could change. `links` are those that the machine
/// has.
pub fn needs_restart(old: &Settings, new: &Settings, links: &[Link]) -> Option<&'static str> {
    let http = |settings: &Settings| (settings.http.enabled.is_on(links), settings.http.port);
    let tftp = |settings: &Settings| (settings.tftp.enabled.is_on(links), tftp_settings(settings));
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
        return Some("TFTP (in an old file: of `tftpd`)");
    }
    (http(old) != http(new)).then_some("HTTP")
}

/// What is sent to all over IPv4.
pub const DHCP_BROADCAST: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 67));
const BOOT_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4011));
/// DHCPv6: what relays write to that know no server. The group of the clients is heard link by link, where this one is.
pub const DHCP6_MULTICAST: SocketAddr = SocketAddr::V6(SocketAddrV6::new(udp6::ALL_SERVERS, 547, 0, 0));
/// The same for DHCPv6, on every link that joins the group.
pub const BOOT_SERVER6: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 4011, 0, 0));

/// The kernel was built or started without it.
fn has_no_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Beside a DHCP server that shares its port we have a socket there, too; beside one that does not, a packet socket. If
/// not even that, what else could be done.
fn stand_in(kind: ListenerKind, busy: &BindError) -> Result<Listener, String> {
    let port = busy.address.port();
    let (opened, what) = match kind {
        ListenerKind::DhcpBroadcast => (packet::open_broadcast(port), "broadcasts"),
        ListenerKind::Dhcp6Multicast => (packet::open_multicast(port, udp6::GROUPS), "the groups of DHCPv6"),
        ListenerKind::BootServer | ListenerKind::BootServer6 | ListenerKind::Tftp | ListenerKind::Tftp6 | ListenerKind::Http => return Err(String::new()),
    };
    match opened {
        Ok(socket) => {
            let holder = busy.owner.as_ref().map_or("another process".to_owned(), ToString::to_string);
            tracing::info!(
                "{holder} has UDP port {port} for itself: {what} are heard beside it by a packet socket; what relays \
                 send to an \
                 address of ours is its business, not ours"
            );
            Ok(Listener::Dhcp(busy.address, Socket::Packet(socket)))
        }
        // Denied by the missing capability, or by the unit's list of address families.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EAFNOSUPPORT)) => Err(format!(
            "; or give this server CAP_NET_RAW, and it hears {what} all the same (its unit says how): {error}"
        )),
        Err(error) => {
            Err(format!("; a packet socket, which would hear {what} all the same, cannot be opened: {error}"))
        }
    }
}

/// Where everybody knows the port of a transfer, machines of which no DHCP is heard are served slowly.
fn say_who_is_slow(settings: &Settings) {
    let tftp = &settings.tftp;
    let hears_all = !settings.proxy_only && !settings.relays.is_empty();
    if max_window(tftp::port_guesses(tftp.ports.as_ref(), tftp.single_port)) > 1 || hears_all {
        return;
    }
    let (key, who, cure) = match (tftp.single_port, settings.proxy_only) {
        (true, false) => ("`single-port`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (false, false) => ("so few `ports`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (true, true) => ("`single-port` and `proxy-only`", "all machines", ""),
        (false, true) => ("so few `ports` and `proxy-only`", "all machines", ""),
    };
    tracing::info!(
        "with {key}, {who} load by TFTP block by block, at most 512 KiB a second for each address, because anybody \
         could \
         forge their requests; {cure}give `ports` of [tftp] 1024 ports or more (docs/security.md)"
    );
}

fn tftp_settings(settings: &Settings) -> tftp::TftpSettings {
    tftp::TftpSettings {
        port: 69,
        ports: settings.tftp.ports.clone(),
        single_port: settings.tftp.single_port,
        max_transfers: settings.tftp.max_transfers.map(MaxTransfers::get),
        // What is left when all is open.
        descriptors: 0,
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Dhcp(SocketAddr::V4(address), _) => write!(f, "DHCP on port {}", address.port()),
            Listener::Dhcp(SocketAddr::V6(address), _) => write!(f, "DHCPv6 on port {}", address.port()),
            Listener::Tftp(_, settings) => write!(f, "TFTP on port {}", settings.port),
            Listener::Http(port, _) => write!(f, "HTTP on port {port}"),
        }
    }
}
