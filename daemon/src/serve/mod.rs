//! Starts the doors, keeps them, and stops them. Each receives, asks the core, and sends; none decides.

pub mod dhcp4;
pub mod doors;
pub mod http;
mod networks;
mod notes;
mod reload;
pub mod tftp;

use crate::config::Loaded;
use crate::config::flags::Flags;
use crate::net::link::{self, Filter};
use crate::net::udp::{Change, Polite};
use crate::state::State;
use crate::systemd;
use doors::Doors;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::link::of_datagram;
use proxydhcpd_core::request::Request;
use reload::Reread;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How often we look whether a DHCP server has started beside us, and whether there is something to sum up.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Longest wait for transfers at the end: their own two seconds, and some for what hangs.
const STOPPING: Duration = Duration::from_millis(2500);

/// A server whose doors are open.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    doors: Doors,
    loaded: Loaded,
    flags: Flags,
    filter: Filter,
}

impl Server {
    pub fn new(state: State, doors: Doors, loaded: Loaded, flags: Flags, filter: Filter) -> Self {
        Server { state: Arc::new(state), doors, loaded, flags, filter }
    }

    /// Until SIGTERM or SIGINT; transfers may then finish for two seconds. `ready` is called when everything runs.
    pub fn run(mut self, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        // Blocking threads open files for HTTP; a burst needs no more of them than the disk can serve.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(32).build()?;
        let ended = runtime.block_on(async move {
            let (stop_pages, stopped) = watch::channel(false);
            let (stop_transfers, transfers_stop) = UnixStream::pair()?;
            self.start_dhcp()?;
            let transfers = self.start_tftp(transfers_stop)?;
            let pages = self.start_http(stopped);
            self.keep(ready).await?;

            systemd::stopping();
            self.state.stop();
            drop(stop_transfers);
            stop_pages.send_replace(true);
            // Each has two seconds of its own, and both begin now. What hangs on dead storage is left behind.
            let files = async { tokio::join!(transfers, pages) };
            let _ = tokio::time::timeout(STOPPING, files).await;
            self.state.used().settle(Duration::from_secs(1));
            let silences = self.state.report().silences();
            let silences = if silences.is_empty() { silences } else { format!("; not answered: {silences}") };
            tracing::info!("stopped{silences}");
            Ok(())
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        ended
    }

    fn start_dhcp(&mut self) -> anyhow::Result<()> {
        for (socket, port) in self.doors.dhcp.drain(..) {
            let state = Arc::clone(&self.state);
            start_door(format!("dhcp-{}", port.number()), move || {
                dhcp4::run(&socket, port, &state, || state.is_stopping());
            })?;
        }
        Ok(())
    }

    /// The transfers end when `stop` is closed; what is returned ends with them.
    fn start_tftp(&mut self, stop: UnixStream) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        let (end, ended) = oneshot::channel::<()>();
        if let Some((sockets, settings)) = self.doors.tftp.take() {
            let state = Arc::clone(&self.state);
            start_door("tftp".to_owned(), move || {
                let link = |index, to| {
                    let links = state.links.load();
                    let IpAddr::V4(to) = to else { return None };
                    of_datagram(&links, index, to).map(|(link, _)| links[link].clone())
                };
                let open = |request: &Request<'_>| state.open(request);
                let note = |event: tftp::Event<'_>| notes::transfer(&state, &event);
                if let Err(error) = tftp::run(sockets, &settings, link, open, note, stop) {
                    panic!("TFTP ended: {error}");
                }
                drop(end);
            })?;
        }
        Ok(async { drop(ended.await) })
    }

    fn start_http(&mut self, mut stopped: watch::Receiver<bool>) -> impl Future<Output = ()> + use<> {
        let listeners = self.doors.http.take().unwrap_or_default();
        let (state, noting) = (Arc::clone(&self.state), Arc::clone(&self.state));
        let open = move |request: &Request<'_>| match networks::is_served(&state.links.load(), request.server) {
            true => state.open(request),
            false => Err(Refusal::Denied),
        };
        let note = move |event| notes::page(&noting, &event);
        // As many as leave TFTP its half of the descriptors: a connection is one, and the file that it sends another.
        let settings = http::Settings::default();
        let settings = http::Settings { connections: settings.connections.min(doors::descriptors() / 2), ..settings };
        let pages = tokio::spawn(async move {
            let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
            if let Err(error) = http::serve(listeners, settings, open, note, stop).await {
                tracing::error!("HTTP ended: {error}");
                std::process::exit(1);
            }
        });
        async { drop(pages.await) }
    }

    /// Follows the interfaces, reloads, looks around; ends with the signal that ends the server.
    async fn keep(&mut self, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut relayed = self.doors.shares_dhcp.then(|| Polite::new(Port::Dhcp.number()));
        let mut look = tokio::time::interval(HOUSEKEEPING);
        let mut alive = tokio::time::interval(systemd::watchdog().unwrap_or(Duration::from_secs(3600)));
        self.look_around(relayed.as_mut());
        match &self.state.links.load()[..] {
            [] => tracing::info!("{}", networks::status(&[])),
            links => networks::say_changes(&[], links),
        }
        ready()?;
        systemd::ready(&networks::status(&self.state.links.load()));
        let mut reading: Option<JoinHandle<Result<Reread, Vec<String>>>> = None;
        loop {
            let state = Arc::clone(&self.state);
            let follow = link::watch(self.filter.clone(), |links| networks::follow(&state, links));
            let mut follow = std::pin::pin!(follow);
            let read = loop {
                tokio::select! {
                    never = &mut follow => match never {},
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    // A large boot folder takes its time, and machines are served meanwhile.
                    _ = hangup.recv(), if reading.is_none() => reading = Some(self.read_again()),
                    Some(read) = async { Some(reading.as_mut()?.await) }, if reading.is_some() => break read,
                    _ = alive.tick() => systemd::alive(),
                    _ = look.tick() => {
                        self.look_around(relayed.as_mut());
                        self.state.look_at_used_up();
                        self.state.look_for_rivals();
                        self.state.report().sum_up(Instant::now());
                    }
                }
            };
            reading = None;
            self.take_over(read.unwrap_or_else(|error| Err(vec![error.to_string()])));
        }
    }

    /// Relayed requests are unicast: our sockets for them follow our addresses, and yield to a DHCP server beside us.
    fn look_around(&self, relayed: Option<&mut Polite>) {
        let Some(relayed) = relayed else { return };
        let links = self.state.links.load();
        let addresses: Vec<Ipv4Addr> =
            links.iter().flat_map(|link| &link.ipv4).map(|network| network.address).collect();
        for change in relayed.look(&addresses, Instant::now()) {
            match change {
                Change::Opened(unicast) => {
                    let state = Arc::clone(&self.state);
                    let receive = move || {
                        dhcp4::run(&unicast.socket, Port::Dhcp, &state, || {
                            unicast.is_withdrawn() || state.is_stopping()
                        });
                    };
                    if let Err(error) = start_door("dhcp-relayed".to_owned(), receive) {
                        tracing::error!("no thread for relayed requests: {error}");
                    }
                }
                Change::Yielded(address, holder) => tracing::info!(
                    "{holder} has port 67: requests that a relay sends to {address} are its business, not ours"
                ),
                Change::Failed(busy) => tracing::warn!("relayed requests are not heard: {busy}"),
            }
        }
    }

    /// Begins a reload: everything is read before anything changes.
    fn read_again(&self) -> JoinHandle<Result<Reread, Vec<String>>> {
        systemd::reloading();
        let (flags, settings, open) = (self.flags.clone(), self.loaded.settings.clone(), self.doors.open);
        tokio::task::spawn_blocking(move || Reread::new(&flags, &settings, open))
    }

    /// As a whole, or not at all.
    fn take_over(&mut self, read: Result<Reread, Vec<String>>) {
        match read {
            Ok(Reread { loaded, filter, site }) => {
                loaded.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
                site.say();
                self.state.take_over(site);
                (self.loaded, self.filter) = (loaded, filter);
                tracing::info!("reloaded");
            }
            Err(errors) => {
                errors.iter().for_each(|error| tracing::error!("{error}"));
                tracing::error!("not reloaded: what was served before is served on");
            }
        }
        systemd::ready(&networks::status(&self.state.links.load()));
    }
}

/// A thread that serves. If it panics the process ends, for what it served is still offered, and the service manager
/// starts it anew.
fn start_door(name: String, serve: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(serve)).is_err() {
            std::process::exit(1);
        }
    };
    thread::Builder::new().name(name).spawn(guarded).map(drop)
}
