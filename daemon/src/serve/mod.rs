//! Starts the listeners, runs the main loop, and stops the server. A listener receives requests, calls the core, and
//! sends the replies. The core decides.

mod answer_events;
mod delayed;
pub mod dhcp;
mod file_events;
mod heartbeat;
pub mod http;
pub mod interfaces;
pub mod listeners;
pub mod reload;
mod restart;
mod served_links;
mod shared_uuid_writer;
pub mod signals;
pub mod tftp;
mod unserved;
mod watch;
pub mod workers;

use crate::config::Loaded;
use crate::config::flags::Flags;
use crate::events::Events;
use crate::net::bind_error::BindError;
use crate::net::link::{self, LinkFilter};
use crate::net::overhear;
use crate::net::socket::Socket;
use crate::net::socket_set::SocketSet;
use crate::net::udp::{UnicastChange, YieldingSocket};
use crate::net::udp6::{self, ALL_SERVERS_AND_RELAYS, MulticastGroups};
use crate::site::Site;
use crate::state::State;
use crate::systemd;
use listeners::{Listener, Listeners, fd_limit};
use nix::time::{ClockId, clock_gettime};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::port::PortEvent;
use proxydhcpd_core::event::socket::SocketOperation;
use proxydhcpd_core::link::Link;
use proxydhcpd_reading::diagnostic::Diagnostic;
use reload::{ReloadResult, ReloadedSite, Reloads};
use shared_uuid_writer::SharedUuidWriter;
use signals::Signals;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use watch::{ChangeDetector, Fingerprint, WatchedFiles};
use workers::Workers;

/// Interval of the periodic work: notice a DHCP server that has started on this host, retry busy ports, log summaries.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// A server whose ports are open.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    listeners: Listeners,
    loaded: Loaded,
    flags: Flags,
    filter: LinkFilter,
    /// Unicast sockets on port 67, for relayed requests.
    relay_sockets: YieldingSocket,
    /// Unicast sockets on port 547, for relayed requests over IPv6.
    relay_sockets6: YieldingSocket,
    groups: MulticastGroups,
    /// Whether the server has tried to open the socket for other servers' offers.
    tried_offer_socket: bool,
    /// A hash of the warnings about the site. After a reload, the server logs the warnings only if the hash has
    /// changed.
    warnings_hash: u64,
    changes: ChangeDetector,
    shared_uuids: SharedUuidWriter,
}

impl Server {
    /// A server for this configuration and the listeners that were opened for it. `began` is a time before the files
    /// were read.
    pub fn new(
        state: State,
        listeners: Listeners,
        loaded: Loaded,
        flags: Flags,
        filter: LinkFilter,
        began: SystemTime,
    ) -> Self {
        let relay_sockets = YieldingSocket::new(Port::Dhcp.number(), uptime(), Instant::now());
        let relay_sockets6 = YieldingSocket::new(Port::Dhcp.number6(), uptime(), Instant::now());
        let groups = MulticastGroups::new(Port::Dhcp.number6());
        let warnings_hash = state.site.load().report_hash(&loaded);
        let mut changes = ChangeDetector::default();
        let fingerprint = WatchedFiles::from_config(&loaded).fingerprint().ok();
        changes.set_loaded(fingerprint.filter(|files| files.is_older_than(began)).map(|files| files.all));
        let shared_uuids = SharedUuidWriter::new(&state, &loaded.settings.state_dir);
        Server {
            state: Arc::new(state),
            listeners,
            loaded,
            flags,
            filter,
            relay_sockets,
            relay_sockets6,
            groups,
            tried_offer_socket: false,
            warnings_hash,
            changes,
            shared_uuids,
        }
    }

    /// Serves until SIGTERM or SIGINT, then lets transfers finish for two seconds. Calls `ready` once everything runs.
    pub async fn run(mut self, signals: Signals, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut workers = self.start_workers().map_err(fd_limit::explain_emfile)?;
        self.main_loop(signals, ready, &mut workers).await?;

        systemd::stopping(&self.state.events);
        workers.stop().await;
        self.state.boot_once.flush(Duration::from_secs(1));
        self.shared_uuids.flush(&self.state, Duration::from_secs(1)).await;
        self.state.events.stopped();
        Ok(())
    }

    /// Starts the workers. TFTP and HTTP start last, because they share the descriptors that all other sockets leave.
    fn start_workers(&mut self) -> anyhow::Result<Workers> {
        let mut workers = Workers::new(Arc::clone(&self.state))?;
        let is_dhcp = |listener: &Listener| matches!(listener, Listener::Dhcp(..));
        let (dhcp, files): (Vec<Listener>, Vec<Listener>) = self.listeners.opened.drain(..).partition(is_dhcp);
        dhcp.into_iter().try_for_each(|listener| workers.start(listener))?;
        self.update_sockets(&mut workers)?;
        fd_limit::check(&self.state.events)?;
        files.into_iter().try_for_each(|listener| workers.start(listener))?;
        Ok(workers)
    }

    /// The main loop: follows the interfaces, reloads the site, and does the periodic work. Returns on SIGTERM or
    /// SIGINT.
    async fn main_loop(
        &mut self,
        mut signals: Signals,
        ready: impl FnOnce() -> anyhow::Result<()>,
        workers: &mut Workers,
    ) -> anyhow::Result<()> {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let every = systemd::watchdog_interval().unwrap_or(HOUSEKEEPING);
        let mut watchdog_timer = tokio::time::interval(every);
        // After this host was suspended, the server probes each thread once, and the thread has a full interval to
        // respond.
        watchdog_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.update_sockets(workers)?;
        match &self.state.links.load()[..] {
            [] => self.state.events.record_host(What::NoInterface(&served_links::status(&[]))),
            links => served_links::record_changes(&self.state.events, &[], links),
        }
        ready()?;
        systemd::ready(&self.state.events, &served_links::status(&self.state.links.load()));
        let mut reloads = Reloads::default();
        let mut files = tokio::time::interval(watch::POLL_INTERVAL);
        let changed = Notify::new();
        let (mut fingerprinting, mut checking) = (None::<JoinHandle<io::Result<Fingerprint>>>, None::<JoinHandle<()>>);
        loop {
            let state = Arc::clone(&self.state);
            // The server opens the sockets of a new link at once: a machine whose power-on brings up the link must not
            // wait.
            let publish = |links| {
                served_links::follow(&state, links);
                changed.notify_one();
            };
            let record_failure = |error: io::Error| {
                state.events.record_host(What::InterfaceWatchFailed(format_args!("{error}")));
            };
            let link_watch = link::watch(self.filter.clone(), publish, record_failure);
            let mut link_watch = std::pin::pin!(link_watch);
            let reload = loop {
                tokio::select! {
                    never = &mut link_watch => match never {},
                    () = signals.stop.recv() => return Ok(()),
                    // Reading a large boot directory takes time, so a thread reads it while the server goes on serving.
                    _ = signals.hangup.recv() => reloads.request(),
                    () = reloads.may_start() => reloads.start(self.reload_task(), &state.events),
                    _ = files.tick(), if fingerprinting.is_none() && !reloads.is_reading() => {
                        let watched = WatchedFiles::from_config(&self.loaded);
                        fingerprinting = Some(tokio::task::spawn_blocking(move || watched.fingerprint()));
                    }
                    Some(fingerprint) = async { Some(fingerprinting.as_mut()?.await) }, if fingerprinting.is_some() => {
                        fingerprinting = None;
                        if let Ok(Ok(files)) = fingerprint && !reloads.is_reading() && self.changes.is_due(files.all) {
                            reloads.request();
                        }
                    }
                    reload = reloads.finished() => break reload,
                    Some(_) = async { Some(checking.as_mut()?.await) }, if checking.is_some() => checking = None,
                    _ = watchdog_timer.tick() => if workers.is_alive(every) { systemd::notify_watchdog(&self.state.events) },
                    () = changed.notified() => self.update_sockets(workers)?,
                    _ = housekeeping.tick() => {
                        self.update_sockets(workers)?;
                        let state = Arc::clone(&self.state);
                        if checking.is_none() {
                            checking = Some(tokio::task::spawn_blocking(move || state.refresh_boot_once()));
                        }
                        self.shared_uuids.write_changes(&self.state);
                        self.state.record_boot_attempts();
                        self.state.events.record_host(What::Tick);
                        reloads.warn_if_slow(&self.state.events);
                    }
                }
            };
            self.changes.set_loaded(reload.fingerprint);
            self.apply_reload(reload.result);
        }
    }

    /// Opens the ports that have become free, and updates what the server offers. Then opens and closes the sockets for
    /// other servers' offers, multicast groups and relayed requests.
    fn update_sockets(&mut self, workers: &mut Workers) -> io::Result<()> {
        let now = Instant::now();
        self.listeners.retry(&self.loaded.settings, now);
        if !self.listeners.opened.is_empty() {
            self.listeners.opened.drain(..).try_for_each(|listener| workers.start(listener))?;
            self.publish_open_ports();
        }
        self.open_offer_socket(&workers.dhcp)?;
        let links = self.state.links.load();
        for (address, groups) in
            [(listeners::BOOT_SERVER6, &[ALL_SERVERS_AND_RELAYS][..]), (listeners::DHCP6_MULTICAST, &udp6::GROUPS)]
        {
            if let Some(socket) = workers.dhcp.get(address) {
                groups.iter().for_each(|group| udp6::join(&socket.membership_socket(), *group, &links));
            }
        }
        // The server opens more sockets on port 67 or 547 only if a DHCP server on this host can share the port.
        if self.listeners.shares_dhcp_port {
            let addresses = links.iter().flat_map(|link| &link.ipv4).map(|network| network.address.into());
            let (port, addresses) = (Port::Dhcp.number(), addresses.collect());
            update_relay_sockets(&mut self.relay_sockets, &workers.dhcp, port, addresses, now, &self.state.events);
        }
        if self.listeners.shares_dhcp6_port {
            self.update_group_sockets(&workers.dhcp, &links);
            let is_routable = |address: &Ipv6Addr| !address.is_unicast_link_local();
            let addresses = links.iter().flat_map(|link| &link.ipv6).map(|network| network.address).filter(is_routable);
            let addresses = addresses.map(IpAddr::V6).collect();
            let port = Port::Dhcp.number6();
            update_relay_sockets(&mut self.relay_sockets6, &workers.dhcp, port, addresses, now, &self.state.events);
        }
        let has_relay_sockets = [self.relay_sockets.has_open_socket(), self.relay_sockets6.has_open_socket()];
        if has_relay_sockets != [self.listeners.open.relays, self.listeners.open.relays6] {
            [self.listeners.open.relays, self.listeners.open.relays6] = has_relay_sockets;
            self.publish_open_ports();
        }
        Ok(())
    }

    /// Opens the socket that overhears the offers of other servers. The server tries this only once, because a later
    /// attempt could take port 68 from a DHCP client of this host that does not share the port and is restarting at
    /// that moment.
    fn open_offer_socket(&mut self, sockets: &SocketSet) -> io::Result<()> {
        if self.tried_offer_socket || sockets.get(listeners::DHCP_BROADCAST).is_none() {
            return Ok(());
        }
        self.tried_offer_socket = true;
        match overhear::open() {
            Ok(socket) => sockets.insert(overhear::ADDRESS, socket),
            Err(error) => {
                self.state.events.socket_failed(SocketOperation::OverhearOffers, &error);
                Ok(())
            }
        }
    }

    /// Updates the offer after a port has opened or closed. The policy and the inventory are shared, not copied.
    fn publish_open_ports(&self) {
        let mut site = Site::clone(&self.state.site.load());
        site.set_open_ports(self.listeners.open);
        self.state.site.store(Arc::new(site));
    }

    /// Opens and closes the sockets for DHCPv6 clients, which send to a multicast group. Each link needs a socket for
    /// the group.
    fn update_group_sockets(&mut self, sockets: &SocketSet, links: &[Link]) {
        let mut failed = Vec::new();
        for change in self.groups.update(links) {
            match change {
                udp6::GroupChange::Opened(address, socket) => {
                    if let Err(error) = sockets.insert(address.into(), Socket::Udp(socket)) {
                        self.state.events.socket_failed(SocketOperation::WaitForGroup(address.into()), &error);
                    }
                }
                udp6::GroupChange::Lost(address) => sockets.remove(address.into()),
                udp6::GroupChange::Failed(bind_error) => failed.push(bind_error),
            }
        }
        // One event lists all links, because a host may have hundreds of VLANs.
        if let Some(first) = failed.first() {
            let names: Vec<&str> = failed.iter().map(|bind_error| link_name(links, bind_error)).collect();
            self.state.events.record_host(What::Port(PortEvent::GroupFailed {
                failure: first.failure(format_args!("{first}")),
                links: &names,
            }));
        }
    }

    /// Notifies systemd of a reload, and returns the work of the reload, which reads everything before the server
    /// changes anything.
    fn reload_task(&self) -> impl FnOnce() -> ReloadResult + Send + 'static {
        systemd::reloading(&self.state.events);
        let (flags, settings, open) = (self.flags.clone(), self.loaded.settings.clone(), self.listeners.open);
        let (watched, state) = (WatchedFiles::from_config(&self.loaded), Arc::clone(&self.state));
        move || ReloadResult::load(&flags, &settings, open, &watched, &state)
    }

    /// Applies a reload as a whole. If the reload failed, records its errors and changes nothing.
    fn apply_reload(&mut self, result: Result<ReloadedSite, Vec<String>>) {
        match result {
            Ok(ReloadedSite { loaded, filter, mut site }) => {
                // A port may have opened during the reload.
                site.set_open_ports(self.listeners.open);
                // Repeated reloads do not repeat the same warnings.
                let warnings_hash = site.report_hash(&loaded);
                if std::mem::replace(&mut self.warnings_hash, warnings_hash) != warnings_hash {
                    self.state.events.warnings(loaded.diagnostics.iter().map(Diagnostic::one_line));
                    site.record(&self.state.events);
                }
                self.state.replace_site(site);
                (self.loaded, self.filter) = (loaded, filter);
                self.state.events.record_host(What::Reloaded);
            }
            Err(errors) => self.state.events.record_host(What::ReloadFailed(&errors)),
        }
        systemd::ready(&self.state.events, &served_links::status(&self.state.links.load()));
    }
}

/// Opens and closes the sockets for relayed requests, which relays send by unicast. Each local address has a socket,
/// which the server closes if a DHCP server of this host binds the port.
fn update_relay_sockets(
    relay_sockets: &mut YieldingSocket,
    sockets: &SocketSet,
    port: u16,
    addresses: Vec<IpAddr>,
    now: Instant,
    events: &Events,
) {
    let socket_at = |address| SocketAddr::new(address, port);
    for change in relay_sockets.update(&addresses, now) {
        match change {
            UnicastChange::Opened(address, socket) => {
                if let Err(error) = sockets.insert(socket_at(address), Socket::Udp(socket)) {
                    events.socket_failed(SocketOperation::WaitForRelayed(address), &error);
                }
            }
            UnicastChange::Lost(address) => sockets.remove(socket_at(address)),
            UnicastChange::Yielded(address, owner) => {
                sockets.remove(socket_at(address));
                let (address, owner) = (socket_at(address), owner.for_event());
                events.record_host(What::Port(PortEvent::RelayedYielded { address, owner }));
            }
            UnicastChange::Failed(bind_error) => {
                events.record_host(What::Port(PortEvent::RelayedFailed(
                    bind_error.failure(format_args!("{bind_error}")),
                )));
            }
        }
    }
}

/// The name of the link on which joining a group failed.
fn link_name<'a>(links: &'a [Link], bind_error: &BindError) -> &'a str {
    let index = if let SocketAddr::V6(address) = bind_error.address { address.scope_id() } else { 0 };
    links.iter().find(|link| link.index == index).map_or("any link", |link| &link.name)
}

/// Time since this host booted, or the maximum duration if the clock cannot be read (which does not happen on Linux).
fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}
