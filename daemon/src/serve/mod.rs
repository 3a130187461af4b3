//! Starts the doors, keeps them, and stops them. Each receives, asks the core, and sends; none decides.

pub mod dhcp;
pub mod listeners;
pub mod http;
mod shared_uuid_writer;
mod delayed;
mod served_links;
mod access_log;
mod heartbeat;
pub mod reload;
pub mod workers;
pub mod signals;
pub mod tftp;
mod unserved;
mod watch;

use crate::config::Loaded;
use crate::config::flags::Flags;
use crate::net::bind_error::BindError;
use crate::net::link::{self, LinkFilter};
use crate::net::overhear;
use crate::net::socket_set::SocketSet;
use crate::net::socket::Socket;
use crate::net::udp::{UnicastChange, YieldingSocket};
use crate::net::udp6::{self, MulticastGroups, ALL_SERVERS_AND_RELAYS};
use crate::site::Site;
use crate::state::State;
use crate::systemd;
use listeners::{Listener, Listeners, fd_limit};
use shared_uuid_writer::SharedUuidWriter;
use nix::time::{ClockId, clock_gettime};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::link::Link;
use reload::{ReloadResult, Reloads, ReloadedSite};
use workers::Workers;
use signals::Signals;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use watch::{ChangeDetector, Fingerprint, WatchedFiles};

/// How often we look whether a DHCP server has started beside us, whether a port has become free, and whether there is
/// something to sum up.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// A server whose doors are open.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    doors: Listeners,
    loaded: Loaded,
    flags: Flags,
    filter: LinkFilter,
    relayed: YieldingSocket,
    /// The same for DHCPv6.
    relayed6: YieldingSocket,
    groups: MulticastGroups,
    /// The socket for the offers of other servers was opened, or could not be.
    tried_offers: bool,
    /// A hash of what was said of the site.
    said: u64,
    changes: ChangeDetector,
    identities: SharedUuidWriter,
}

impl Server {
    /// `began`: when its files began to be read.
    pub fn new(state: State, doors: Listeners, loaded: Loaded, flags: Flags, filter: LinkFilter, began: SystemTime) -> Self {
        let relayed = YieldingSocket::new(Port::Dhcp.number(), uptime(), Instant::now());
        let relayed6 = YieldingSocket::new(Port::Dhcp.number6(), uptime(), Instant::now());
        let groups = MulticastGroups::new(Port::Dhcp.number6());
        let said = state.site.load().report_hash(&loaded);
        let mut changes = ChangeDetector::default();
        let stamp = WatchedFiles::from_config(&loaded).fingerprint().ok();
        changes.set_loaded(stamp.filter(|stamp| stamp.is_older_than(began)).map(|stamp| stamp.all));
        let identities = SharedUuidWriter::new(&state, &loaded.settings.state_dir);
        Server {
            state: Arc::new(state),
            doors,
            loaded,
            flags,
            filter,
            relayed,
            relayed6,
            groups,
            tried_offers: false,
            said,
            changes,
            identities,
        }
    }

    /// Until SIGTERM or SIGINT; transfers may then finish for two seconds. `ready` is called when everything runs.
    pub async fn run(mut self, signals: Signals, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut running = self.begin().map_err(fd_limit::explain_emfile)?;
        self.keep(signals, ready, &mut running).await?;

        systemd::stopping();
        running.stop().await;
        self.state.boot_once.flush(Duration::from_secs(1));
        self.identities.flush(&self.state, Duration::from_secs(1)).await;
        self.state.report().log_final_summary(Instant::now());
        let silences = self.state.report().silences();
        let silences = if silences.is_empty() { silences } else { format!("; not answered: {silences}") };
        tracing::info!("stopped{silences}");
        Ok(())
    }

    /// What takes files follows when all other sockets are open, for it is left what they leave.
    fn begin(&mut self) -> anyhow::Result<Workers> {
        let mut running = Workers::new(Arc::clone(&self.state))?;
        let is_dhcp = |door: &Listener| matches!(door, Listener::Dhcp(..));
        let (dhcp, files): (Vec<Listener>, Vec<Listener>) = self.doors.opened.drain(..).partition(is_dhcp);
        dhcp.into_iter().try_for_each(|door| running.start(door))?;
        self.look_around(&mut running)?;
        fd_limit::check()?;
        files.into_iter().try_for_each(|door| running.start(door))?;
        Ok(running)
    }

    /// Follows the interfaces, reloads, looks around; ends with the signal that ends the server.
    async fn keep(
        &mut self,
        mut signals: Signals,
        ready: impl FnOnce() -> anyhow::Result<()>,
        running: &mut Workers,
    ) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(HOUSEKEEPING);
        let every = systemd::watchdog_interval().unwrap_or(HOUSEKEEPING);
        let mut alive = tokio::time::interval(every);
        // After a pause of the whole machine the threads are asked once, and have their time to answer.
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.look_around(running)?;
        match &self.state.links.load()[..] {
            [] => tracing::info!("{}", served_links::status(&[])),
            links => served_links::log_changes(&[], links),
        }
        ready()?;
        systemd::ready(&served_links::status(&self.state.links.load()));
        let mut reloads = Reloads::default();
        let mut files = tokio::time::interval(watch::POLL_INTERVAL);
        let changed = Notify::new();
        let (mut stamping, mut looking) = (None::<JoinHandle<io::Result<Fingerprint>>>, None::<JoinHandle<()>>);
        loop {
            let state = Arc::clone(&self.state);
            // A machine that starts with its cable does not wait for us: a new link is heard at once.
            let publish = |links| {
                served_links::follow(&state, links);
                changed.notify_one();
            };
            let trouble = |error: io::Error| {
                let warning = format_args!(
                    "cannot watch the network interfaces: {error}; those that were known are served on, and it is \
                     tried \
                     again each second"
                );
                state.report().warn_once_a_minute("links:unwatched", warning, Instant::now());
            };
            let follow = link::watch(self.filter.clone(), publish, trouble);
            let mut follow = std::pin::pin!(follow);
            let read = loop {
                tokio::select! {
                    never = &mut follow => match never {},
                    () = signals.stop.recv() => return Ok(()),
                    // A large boot directory takes its time, and machines are served meanwhile.
                    _ = signals.hangup.recv() => reloads.request(),
                    () = reloads.may_start() => reloads.start(self.read_again()),
                    _ = files.tick(), if stamping.is_none() && !reloads.is_reading() => {
                        let watched = WatchedFiles::from_config(&self.loaded);
                        stamping = Some(tokio::task::spawn_blocking(move || watched.fingerprint()));
                    }
                    Some(stamp) = async { Some(stamping.as_mut()?.await) }, if stamping.is_some() => {
                        stamping = None;
                        if let Ok(Ok(stamp)) = stamp && !reloads.is_reading() && self.changes.is_due(stamp.all) {
                            reloads.request();
                        }
                    }
                    read = reloads.finished() => break read,
                    Some(_) = async { Some(looking.as_mut()?.await) }, if looking.is_some() => looking = None,
                    _ = alive.tick() => if running.is_alive(every) { systemd::notify_watchdog() },
                    () = changed.notified() => self.look_around(running)?,
                    _ = look.tick() => {
                        self.look_around(running)?;
                        let state = Arc::clone(&self.state);
                        if looking.is_none() {
                            looking = Some(tokio::task::spawn_blocking(move || state.refresh_boot_once()));
                        }
                        self.identities.write_changes(&self.state);
                        self.state.report_boot_attempts();
                        self.state.report().log_summary(Instant::now());
                        reloads.warn_if_slow();
                    }
                }
            };
            self.changes.set_loaded(read.fingerprint);
            self.take_over(read.result);
        }
    }

    /// Takes ports that have become free, and what is offered follows; then relayed requests.
    fn look_around(&mut self, running: &mut Workers) -> io::Result<()> {
        let now = Instant::now();
        self.doors.retry(&self.loaded.settings, now);
        if !self.doors.opened.is_empty() {
            self.doors.opened.drain(..).try_for_each(|door| running.start(door))?;
            self.follow_doors();
        }
        self.hear_offers(&running.dhcp)?;
        let links = self.state.links.load();
        for (door, groups) in [(listeners::BOOT_SERVER6, &[ALL_SERVERS_AND_RELAYS][..]), (listeners::DHCP6_MULTICAST, &udp6::GROUPS)] {
            if let Some(socket) = running.dhcp.get(door) {
                groups.iter().for_each(|group| udp6::join(&socket.membership_socket(), *group, &links));
            }
        }
        // The DHCP server's ports, where it shares them.
        if self.doors.shares_dhcp_port {
            let addresses = links.iter().flat_map(|link| &link.ipv4).map(|network| network.address.into());
            look_for_relays(&mut self.relayed, &running.dhcp, Port::Dhcp.number(), addresses.collect(), now);
        }
        if self.doors.shares_dhcp6_port {
            self.look_for_groups(&running.dhcp, &links);
            let beyond = |address: &Ipv6Addr| !address.is_unicast_link_local();
            let addresses = links.iter().flat_map(|link| &link.ipv6).map(|network| network.address).filter(beyond);
            let addresses = addresses.map(IpAddr::V6).collect();
            look_for_relays(&mut self.relayed6, &running.dhcp, Port::Dhcp.number6(), addresses, now);
        }
        let relays = [self.relayed.has_open_socket(), self.relayed6.has_open_socket()];
        if relays != [self.doors.open.relays, self.doors.open.relays6] {
            [self.doors.open.relays, self.doors.open.relays6] = relays;
            self.follow_doors();
        }
        Ok(())
    }

    /// What other servers offer to the machines that we hear. Tried once: a DHCP client of this host that does not
    /// share its port, and is being started again, would find us in its place.
    fn hear_offers(&mut self, heard: &SocketSet) -> io::Result<()> {
        if self.tried_offers || heard.get(listeners::DHCP_BROADCAST).is_none() {
            return Ok(());
        }
        self.tried_offers = true;
        match overhear::open() {
            Ok(socket) => heard.insert(overhear::ADDRESS, socket),
            Err(error) => {
                tracing::debug!("offers of other servers are not heard on UDP port 68: {error}");
                Ok(())
            }
        }
    }

    /// What is offered follows what is open. A million machines are copied here; but seldom, and in well under a
    /// second.
    fn follow_doors(&self) {
        let mut site = Site::clone(&self.state.site.load());
        site.set_open_ports(self.doors.open);
        self.state.site.store(Arc::new(site));
    }

    /// DHCPv6 clients write to a group, which is heard link by link.
    fn look_for_groups(&mut self, heard: &SocketSet, links: &[Link]) {
        let mut failed = Vec::new();
        for change in self.groups.update(links) {
            match change {
                udp6::GroupChange::Opened(address, socket) => {
                    if let Err(error) = heard.insert(address.into(), Socket::Udp(socket)) {
                        tracing::error!("what is sent to {address} is not heard: {error}");
                    }
                }
                udp6::GroupChange::Lost(address) => heard.remove(address.into()),
                udp6::GroupChange::Failed(busy) => failed.push(busy),
            }
        }
        // A host with hundreds of VLANs is told once.
        if let Some(first) = failed.first() {
            let names: Vec<&str> = failed.iter().map(|busy| name_of(links, busy)).collect();
            tracing::warn!("{first}; machines do not boot over IPv6 on {}", names.join(", "));
        }
    }

    /// A reload: everything is read before anything changes.
    fn read_again(&self) -> impl FnOnce() -> ReloadResult + Send + 'static {
        systemd::reloading();
        let (flags, settings, open) = (self.flags.clone(), self.loaded.settings.clone(), self.doors.open);
        let (watched, state) = (WatchedFiles::from_config(&self.loaded), Arc::clone(&self.state));
        move || ReloadResult::load(&flags, &settings, open, &watched, &state)
    }

    /// As a whole, or not at all.
    fn take_over(&mut self, read: Result<ReloadedSite, Vec<String>>) {
        match read {
            Ok(ReloadedSite { loaded, filter, mut site }) => {
                // A port may have become free while it was read.
                site.set_open_ports(self.doors.open);
                // Whoever reloads again and again is not told the same again and again.
                let said = site.report_hash(&loaded);
                if std::mem::replace(&mut self.said, said) != said {
                    loaded.diagnostics.iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
                    site.log();
                }
                self.state.replace_site(site);
                (self.loaded, self.filter) = (loaded, filter);
                tracing::info!("reloaded");
            }
            Err(errors) => {
                errors.iter().for_each(|error| tracing::error!("{error}"));
                tracing::error!("not reloaded: what was served before is served on");
            }
        }
        systemd::ready(&served_links::status(&self.state.links.load()));
    }
}

/// Relayed requests are unicast: our sockets for them follow our addresses, and yield to a DHCP server beside us.
fn look_for_relays(relayed: &mut YieldingSocket, heard: &SocketSet, port: u16, addresses: Vec<IpAddr>, now: Instant) {
    let socket_at = |address| SocketAddr::new(address, port);
    for change in relayed.update(&addresses, now) {
        match change {
            UnicastChange::Opened(address, socket) => {
                if let Err(error) = heard.insert(socket_at(address), Socket::Udp(socket)) {
                    tracing::error!("requests that a relay sends to {address} are not heard: {error}");
                }
            }
            UnicastChange::Lost(address) => heard.remove(socket_at(address)),
            UnicastChange::Yielded(address, holder) => {
                heard.remove(socket_at(address));
                tracing::info!(
                    "{holder} has port {port}: requests that a relay sends to {address} are its business, not ours"
                );
            }
            UnicastChange::Failed(busy) => tracing::warn!("relayed requests are not heard: {busy}"),
        }
    }
}

/// The link that a group was to be heard on.
fn name_of<'a>(links: &'a [Link], busy: &BindError) -> &'a str {
    let index = if let SocketAddr::V6(address) = busy.address { address.scope_id() } else { 0 };
    links.iter().find(|link| link.index == index).map_or("any link", |link| &link.name)
}

/// Of the machine. A clock that cannot be read (there is none such on Linux) leaves us where we were without it.
fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}
