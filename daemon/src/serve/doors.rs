//! Opens the ports before anything is promised. One that cannot be had is said, with who has it; what is offered
//! follows, and the server goes on with what it has.

use super::{http, tftp};
use crate::config::{ConfigError, Enabled, Loaded, Settings, Transfers};
use crate::net::busy::Busy;
use crate::net::holder::Transport;
use crate::net::link::{self, Filter};
use crate::net::socket::Socket;
use crate::net::{packet, udp};
use crate::site::Open;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::link::Link;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The open sockets; each is taken by the thread that serves it.
#[derive(Debug)]
pub struct Doors {
    pub dhcp: Vec<(Socket, Port)>,
    /// We hear broadcasts by a socket on port 67, so nobody there minds that. Where somebody does, nor may relayed requests
    /// have one: he could not start again.
    pub shares_dhcp: bool,
    pub tftp: Option<(tftp::Sockets, tftp::Settings)>,
    pub http: Option<Vec<TcpListener>>,
    /// What stays known of them.
    pub open: Open,
}

/// Not one DHCP socket can be had: there is nothing to serve.
#[derive(Debug)]
pub struct NoDhcp;

impl Doors {
    /// Warnings go to the log. `links` are those that the machine has.
    pub fn open(settings: &Settings, links: &[Link]) -> Result<Doors, NoDhcp> {
        raise_file_limit();
        let mut dhcp = Vec::new();
        if !settings.proxy_only {
            dhcp.extend(broadcasts().map(|socket| (socket, Port::Dhcp)));
        }
        let shares_dhcp = matches!(dhcp[..], [(Socket::Udp(_), _)]);
        let port = Port::BootServer;
        let boot_server = had(udp::exclusive(port.number()), "UEFI machines are sent straight to their file");
        let mut open = Open { boot_server: boot_server.is_some(), ..Open::default() };
        dhcp.extend(boot_server.map(|socket| (Socket::Udp(socket), port)));
        if dhcp.is_empty() {
            return Err(NoDhcp);
        }

        let transfers = tftp_settings(settings);
        let tftp = settings.tftp.enabled.on(links).then(|| tftp::bind(&transfers));
        let tftp = tftp.and_then(|bound| {
            had(bound.map_err(|error| busy(Transport::Udp, transfers.port, error)), "no loader is offered by us")
        });
        let tftp = tftp.map(|sockets| (sockets, transfers));
        open.tftp = tftp.is_some();

        let port = settings.http.port;
        // With an old file it is our TFTP that makes files ours to serve.
        let wanted =
            settings.http.enabled.on(links) && (open.tftp || !matches!(settings.http.enabled, Enabled::IfOurs(_)));
        let http = wanted.then(|| http::bind(port));
        let http = http
            .and_then(|bound| had(bound.map_err(|error| busy(Transport::Tcp, port, error)), "scripts go over TFTP"));
        open.http = http.as_ref().map(|_| port);
        Ok(Doors { dhcp, shares_dhcp, tftp, http, open })
    }

    /// What is open, for whoever reads the log of a start.
    pub fn say(&self, loaded: &Loaded) {
        let mut open: Vec<String> = self.dhcp.iter().map(|(_, port)| format!("DHCP on {port}")).collect();
        open.extend(self.tftp.as_ref().map(|(_, settings)| format!("TFTP on port {}", settings.port)));
        open.extend(self.open.http.map(|port| format!("HTTP on port {port}")));
        tracing::info!("{}", open.join(", "));
        if let Some((_, settings)) = &self.tftp {
            say_transfers(settings);
        }
        match &loaded.legacy {
            None => tracing::info!("boot folder {}", loaded.settings.boot_dir.display()),
            Some(legacy) => {
                let files = self.open.tftp || self.open.http.is_some();
                let off = if files { "" } else { "; our own TFTP and HTTP are off" };
                let tftpd = legacy.routing.tftpd;
                tracing::info!("as the old file says: TFTP at {tftpd}{off}; UEFI HTTP boot clients are not answered");
            }
        }
    }
}

/// Which interfaces are served: asked of the configuration and of this machine. An old file's addresses must fit.
pub fn filter(loaded: &Loaded, links: &[Link]) -> Result<Filter, ConfigError> {
    let served = loaded.settle(links)?;
    Ok(Filter { interfaces: served.interfaces, addresses: served.addresses })
}

/// Every interface of this machine on which machines could boot.
pub fn all_links() -> Vec<Link> {
    link::list(&Filter::default()).unwrap_or_else(|error| {
        tracing::warn!("the network interfaces cannot be listed: {error}");
        Vec::new()
    })
}

/// What differs between two settings that only opening the ports anew could change. `links` are those that the machine
/// has.
pub fn needs_restart(old: &Settings, new: &Settings, links: &[Link]) -> Option<&'static str> {
    let http = |settings: &Settings| (settings.http.enabled.on(links), settings.http.port);
    let tftp = |settings: &Settings| (settings.tftp.enabled.on(links), tftp_settings(settings));
    if old.proxy_only != new.proxy_only {
        return Some("`proxy-only`");
    }
    if old.state_dir != new.state_dir {
        return Some("`state-dir`");
    }
    if tftp(old) != tftp(new) {
        return Some("TFTP (in an old file: of `tftpd`)");
    }
    (http(old) != http(new)).then_some("HTTP")
}

/// Beside a DHCP server that shares port 67 we have a socket there, too; beside one that does not, a packet socket.
fn broadcasts() -> Option<Socket> {
    const NOT_HEARD: &str = "broadcasts are not heard";
    let port = Port::Dhcp.number();
    let busy = match udp::broadcast(port) {
        Ok(socket) => return Some(Socket::Udp(socket)),
        Err(busy) => busy,
    };
    if busy.error.kind() != io::ErrorKind::AddrInUse {
        return had(Err(busy), NOT_HEARD);
    }
    match packet::broadcast(port) {
        Ok(socket) => {
            let holder = busy.holder.map_or("somebody".to_owned(), |holder| holder.to_string());
            tracing::info!(
                "{holder} has UDP port {port} for itself: broadcasts are heard beside it by a packet socket; requests \
                 that a relay sends are its business, not ours"
            );
            Some(Socket::Packet(socket))
        }
        Err(error) => {
            let way_out = "or give this server CAP_NET_RAW, and it hears broadcasts all the same (its unit says how)";
            had(Err(busy), &format!("{way_out}; {NOT_HEARD}: {error}"))
        }
    }
}

fn had<T>(opened: Result<T, Busy>, consequence: &str) -> Option<T> {
    opened.inspect_err(|busy| tracing::warn!("{busy}; {consequence}")).ok()
}

fn busy(transport: Transport, port: u16, error: io::Error) -> Busy {
    Busy::new(transport, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), error)
}

/// Each HTTP connection is a descriptor, and each transfer one or two more.
fn raise_file_limit() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

/// Of those that the process may have, the half that is for TFTP. The other is for HTTP, and the little that the rest needs.
pub fn descriptors() -> usize {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(limit, _)| limit);
    usize::try_from(most).unwrap_or(usize::MAX).min(Transfers::MOST.get()) / 2
}

/// How many transfers there can be at a time, where the limit of open files has the last word.
fn say_transfers(settings: &tftp::Settings) {
    let tftp::Settings { max_transfers, descriptors, .. } = *settings;
    match max_transfers {
        Some(most) if most > descriptors / 2 => tracing::warn!(
            "`max-transfers` is {most}, but TFTP may have {descriptors} files open, half of what this process may, and \
             a transfer needs one or two: raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)"
        ),
        Some(_) => {}
        None => tracing::debug!(
            "TFTP may have {descriptors} files open: that many transfers at most, half if no two share a file"
        ),
    }
}

fn tftp_settings(settings: &Settings) -> tftp::Settings {
    tftp::Settings {
        address: Ipv4Addr::UNSPECIFIED,
        port: 69,
        ports: settings.tftp.ports.clone(),
        single_port: settings.tftp.single_port,
        max_transfers: settings.tftp.max_transfers.map(Transfers::get),
        descriptors: descriptors(),
    }
}

impl fmt::Display for NoDhcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither port 67 nor port 4011 can be had: there is nothing to serve")
    }
}

impl std::error::Error for NoDhcp {}
