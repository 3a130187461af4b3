//! Starts the listeners, runs the main loop, and stops the server. A listener receives requests, calls the core, and
//! sends the replies. The core decides.

mod answer_events;
mod delayed;
pub mod dhcp;
mod file_events;
mod heartbeat;
pub mod http;
mod inspect_file;
mod link_sockets;
pub mod listeners;
pub mod reload;
mod restart;
mod served_links;
mod shared_uuid_writer;
pub mod signals;
mod syslog;
pub mod tftp;
mod unserved;
mod watch;
pub mod workers;

use crate::access::AccessControl;
use crate::api::control::ControlSocket;
use crate::api::{Api, StartedWith};
use crate::config::Loaded;
use crate::config::flags::Flags;
use crate::history::History;
use crate::net::link::{self, LinkFilter};
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::systemd;
use crate::web::WebServer;
use crate::webhooks::Webhooks;
use inspect_file::SiteInspector;
use link_sockets::LinkSockets;
use listeners::{Listener, Listeners, fd_limit};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::web::WebEvent;
use proxydhcpd_reading::diagnostic::Diagnostic;
use reload::{ReloadResult, ReloadedSite, Reloads};
use shared_uuid_writer::SharedUuidWriter;
use signals::Signals;
use std::io;
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
    link_sockets: LinkSockets,
    /// A hash of the warnings about the site. After a reload, the server logs the warnings only if the hash has
    /// changed.
    warnings_hash: u64,
    changes: ChangeDetector,
    sandbox: Arc<Sandbox>,
    shared_uuids: SharedUuidWriter,
    /// `None` before the server is ready, and if the configuration has no control socket.
    control: Option<ControlSocket>,
    /// `None` before the server is ready, and if there is no page.
    web: Option<WebServer>,
    webhooks: Webhooks,
}

impl Server {
    /// A server for this configuration and the listeners that were opened for it. `began` is a time before the files
    /// were read.
    pub fn new(
        mut state: State,
        listeners: Listeners,
        loaded: Loaded,
        flags: Flags,
        filter: LinkFilter,
        began: SystemTime,
        sandbox: Sandbox,
    ) -> Self {
        let warnings_hash = state.site().report_hash(&loaded);
        let mut changes = ChangeDetector::default();
        let fingerprint = WatchedFiles::from_config(&loaded).fingerprint().ok();
        changes.set_loaded(fingerprint.filter(|files| files.is_older_than(began)).map(|files| files.all));
        let shared_uuids = SharedUuidWriter::new(&state, &loaded.settings.state_dir);
        state.history = History::new(&loaded.settings.state_dir, &loaded.settings.history);
        Server {
            state: Arc::new(state),
            listeners,
            loaded,
            flags,
            filter,
            link_sockets: LinkSockets::new(Instant::now()),
            warnings_hash,
            changes,
            sandbox: Arc::new(sandbox),
            shared_uuids,
            control: None,
            web: None,
            webhooks: Webhooks::default(),
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
        self.state.history.stop(Duration::from_secs(1));
        self.state.events.stopped();
        if let Some(control) = self.control {
            control.stop().await;
        }
        if let Some(web) = self.web {
            web.stop().await;
        }
        Ok(())
    }

    /// Starts the workers. TFTP and HTTP start last, because they share the descriptors that all other sockets leave.
    fn start_workers(&mut self) -> anyhow::Result<Workers> {
        let State { stories, events, history, .. } = &*self.state;
        stories.start(events, SiteInspector(Arc::clone(&self.state)), history.clone())?;
        let mut workers = Workers::new(Arc::clone(&self.state))?;
        let is_dhcp = |listener: &Listener| matches!(listener, Listener::Dhcp(..));
        let (dhcp, files): (Vec<Listener>, Vec<Listener>) = self.listeners.opened.drain(..).partition(is_dhcp);
        dhcp.into_iter().try_for_each(|listener| workers.start(listener))?;
        self.update_sockets(&mut workers)?;
        fd_limit::check(&self.state.events)?;
        files.into_iter().try_for_each(|listener| workers.start(listener))?;
        Ok(workers)
    }

    /// Reads who may use the page. An error is recorded, and the server does without it.
    fn load_access(&self) -> Option<AccessControl> {
        let settings = &self.loaded.settings;
        if !settings.web.enabled {
            return None;
        }
        let load = AccessControl::load(&settings.web, &settings.state_dir);
        let record = |error| self.state.events.record_host(What::Web(WebEvent::Failed(format_args!("{error}"))));
        load.map_err(record).ok()
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
            [] => self.state.events.record_host(What::NoInterface),
            links => served_links::record_changes(&self.state.events, &[], links),
        }
        ready()?;
        systemd::ready(&self.state.events, &served_links::status(&self.state.links.load()));
        // Machines boot already, and do not wait for this.
        let (access, settings) = (self.load_access(), &self.loaded.settings);
        let started = StartedWith { flags: self.flags.clone(), proxy_only: self.loaded.settings.proxy_only };
        let api = Api::new(&self.state, access.clone(), started);
        self.control = settings.control_socket.as_deref().map(|path| ControlSocket::start(api.clone(), path));
        self.web = access.and_then(|access| WebServer::start(api, access));
        self.state.history.start(&self.state.events, &self.state.stories);
        self.webhooks.set(&self.state, &self.loaded.settings.webhooks);
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
                    _ = watchdog_timer.tick() => {
                        let are_alive = workers.is_alive(every);
                        self.state.liveness.note(are_alive, every, self.state.now());
                        if are_alive {
                            systemd::notify_watchdog(&self.state.events);
                        }
                    }
                    () = changed.notified() => self.update_sockets(workers)?,
                    _ = housekeeping.tick() => {
                        self.update_sockets(workers)?;
                        let state = Arc::clone(&self.state);
                        if checking.is_none() {
                            checking = Some(tokio::task::spawn_blocking(move || {
                                state.refresh_boot_once();
                                state.follow_orders(state.events.clock_now());
                            }));
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

    /// Opens the ports that have become free, updates the sockets that depend on the interfaces, and publishes what the
    /// server can offer then.
    fn update_sockets(&mut self, workers: &mut Workers) -> io::Result<()> {
        let now = Instant::now();
        self.listeners.retry(&self.loaded.settings, now);
        if !self.listeners.opened.is_empty() {
            self.listeners.opened.drain(..).try_for_each(|listener| workers.start(listener))?;
            self.publish_open_ports();
        }
        let State { links, events, .. } = &*self.state;
        self.link_sockets.update(&self.listeners, &workers.dhcp, &links.load(), now, events)?;
        let relayed = self.link_sockets.receive_relayed();
        if relayed != [self.listeners.open.relays, self.listeners.open.relays6] {
            [self.listeners.open.relays, self.listeners.open.relays6] = relayed;
            self.publish_open_ports();
        }
        Ok(())
    }

    /// Updates the offer after a port has opened or closed. The policy and the inventory are shared, not copied.
    fn publish_open_ports(&self) {
        self.state.change_site(|site| site.set_open_ports(self.listeners.open));
    }

    /// Notifies systemd of a reload, and returns the work of the reload, which reads everything before the server
    /// changes anything.
    fn reload_task(&self) -> impl FnOnce() -> ReloadResult + Send + 'static {
        systemd::reloading(&self.state.events);
        let (flags, settings, open) = (self.flags.clone(), self.loaded.settings.clone(), self.listeners.open);
        let watched = WatchedFiles::from_config(&self.loaded);
        let (sandbox, state) = (Arc::clone(&self.sandbox), Arc::clone(&self.state));
        move || ReloadResult::load(&flags, &settings, open, &watched, &sandbox, &state)
    }

    /// Applies a reload as a whole. If the reload failed, records its errors and changes nothing.
    fn apply_reload(&mut self, result: Result<ReloadedSite, Vec<String>>) {
        match result {
            Ok(ReloadedSite { loaded, filter, mut site, edits }) => {
                // A port may have opened during the reload.
                site.set_open_ports(self.listeners.open);
                // Repeated reloads do not repeat the same warnings.
                let warnings_hash = site.report_hash(&loaded);
                if std::mem::replace(&mut self.warnings_hash, warnings_hash) != warnings_hash {
                    self.state.events.warnings(loaded.diagnostics.iter().map(Diagnostic::one_line));
                    site.record(&self.state.events);
                }
                self.state.replace_site(site);
                self.state.apply_edits_since(edits);
                (self.loaded, self.filter) = (loaded, filter);
                self.webhooks.set(&self.state, &self.loaded.settings.webhooks);
                self.state.events.record_host(What::Reloaded);
            }
            Err(errors) => self.state.events.record_host(What::ReloadFailed(&errors)),
        }
        systemd::ready(&self.state.events, &served_links::status(&self.state.links.load()));
    }
}
