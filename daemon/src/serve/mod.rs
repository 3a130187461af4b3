//! Starts the doors, keeps them, and stops them. Each receives, asks the core, and sends; none decides.

pub mod dhcp4;
pub mod doors;
pub mod http;
pub mod tftp;

use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::{self, ConfigError, Loaded, Settings};
use crate::net::link::{self, Filter};
use crate::net::udp::{Change, Polite};
use crate::site::{Open, Site};
use crate::state::State;
use crate::systemd;
use doors::Doors;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request::Request;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often we look whether a DHCP server has started beside us, and whether there is something to sum up.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

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
        raise_file_limit();
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
            // Both have two seconds, which begin at the same time.
            drop(stop_transfers);
            stop_pages.send_replace(true);
            if let Some(pages) = pages {
                let _ = pages.await;
            }
            let _ = transfers.map(thread::JoinHandle::join);
            let silences = self.state.report().silences();
            tracing::info!(
                "stopped{}",
                if silences.is_empty() { silences } else { format!("; not answered: {silences}") }
            );
            Ok(())
        });
        // A read that hangs on dead network storage must not keep us.
        runtime.shutdown_timeout(Duration::from_millis(100));
        ended
    }

    fn start_dhcp(&mut self) -> anyhow::Result<()> {
        for (socket, port) in self.doors.dhcp.drain(..) {
            let state = Arc::clone(&self.state);
            let receive = move || dhcp4::run(&socket, port, &state, || false);
            thread::Builder::new().name(format!("dhcp-{}", port.number())).spawn(receive)?;
        }
        Ok(())
    }

    /// The transfers end when `stop` is closed.
    fn start_tftp(&mut self, stop: UnixStream) -> anyhow::Result<Option<thread::JoinHandle<()>>> {
        let Some((sockets, settings)) = self.doors.tftp.take() else { return Ok(None) };
        let state = Arc::clone(&self.state);
        let run = move || {
            let link = |index| state.links.load().iter().find(|link| link.index == index).cloned();
            let open = |request: &Request<'_>| state.site.load().open(request);
            if let Err(error) = tftp::run(sockets, &settings, link, open, |event| doors::note_transfer(&event), stop) {
                tracing::error!("TFTP ended: {error}");
            }
        };
        Ok(Some(thread::Builder::new().name("tftp".into()).spawn(run)?))
    }

    fn start_http(&mut self, mut stopped: watch::Receiver<bool>) -> Option<tokio::task::JoinHandle<()>> {
        let listeners = self.doors.http.take()?;
        let state = Arc::clone(&self.state);
        let open = move |request: &Request<'_>| state.site.load().open(request);
        let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
        Some(tokio::spawn(async move {
            if let Err(error) = http::serve(listeners, http::Settings::default(), open, doors::note_page, stop).await {
                tracing::error!("HTTP ended: {error}");
            }
        }))
    }

    /// Follows the interfaces, reloads, looks around; ends with the signal that ends the server.
    async fn keep(&mut self, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut relayed = (!self.loaded.settings.proxy_only).then(|| Polite::new(Port::Dhcp.number()));
        let mut look = tokio::time::interval(HOUSEKEEPING);
        let mut alive = tokio::time::interval(systemd::watchdog().unwrap_or(Duration::from_secs(3600)));
        self.look_around(relayed.as_mut());
        match &self.state.links.load()[..] {
            [] => tracing::info!("{}", self.status()),
            links => say_changes(&[], links),
        }
        ready()?;
        systemd::ready(&self.status());
        loop {
            let state = Arc::clone(&self.state);
            let follow = link::watch(self.filter.clone(), |links| follow_links(&state, links));
            let mut follow = std::pin::pin!(follow);
            loop {
                tokio::select! {
                    never = &mut follow => match never {},
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    _ = hangup.recv() => break,
                    _ = alive.tick() => systemd::alive(),
                    _ = look.tick() => {
                        self.look_around(relayed.as_mut());
                        self.state.report().sum_up(Instant::now());
                    }
                }
            }
            self.reload().await;
        }
    }

    /// Relayed requests are unicast: our sockets for them follow our addresses, and yield to a DHCP server beside us.
    fn look_around(&self, relayed: Option<&mut Polite>) {
        let Some(relayed) = relayed else { return };
        let links = self.state.links.load();
        let addresses: Vec<Ipv4Addr> =
            links.iter().flat_map(|link| &link.ipv4).map(|network| network.address).collect();
        for change in relayed.look(&addresses) {
            match change {
                Change::Opened(unicast) => {
                    let state = Arc::clone(&self.state);
                    let receive = move || dhcp4::run(&unicast.socket, Port::Dhcp, &state, || unicast.is_withdrawn());
                    if let Err(error) = thread::Builder::new().name("dhcp-relayed".into()).spawn(receive) {
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

    /// As a whole, or not at all.
    async fn reload(&mut self) {
        systemd::reloading();
        let (flags, settings, open) = (self.flags.clone(), self.loaded.settings.clone(), self.doors.open);
        // A large boot folder takes its time, and machines are served meanwhile.
        let read = tokio::task::spawn_blocking(move || read_again(&flags, &settings, open)).await;
        match read.unwrap_or_else(|error| Err(vec![error.to_string()])) {
            Ok((loaded, filter, site)) => {
                loaded.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
                site.say();
                self.state.site.store(Arc::new(site));
                (self.loaded, self.filter) = (loaded, filter);
                tracing::info!("reloaded");
            }
            Err(errors) => {
                errors.iter().for_each(|error| tracing::error!("{error}"));
                tracing::error!("not reloaded: what was served before is served on");
            }
        }
        systemd::ready(&self.status());
    }

    fn status(&self) -> String {
        let links = self.state.links.load();
        let named: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        match named[..] {
            [] => "waiting for an interface with an IPv4 address".to_owned(),
            _ => format!("serving {}", named.join(", ")),
        }
    }
}

/// What a reload takes over, or all that is wrong with it.
fn read_again(flags: &Flags, before: &Settings, open: Open) -> Result<(Loaded, Filter, Site), Vec<String>> {
    let say = |error: ConfigError| error.0.iter().map(Diagnostic::one_line).collect::<Vec<_>>();
    let loaded = config::load(flags).map_err(say)?;
    let filter = doors::filter(&loaded).map_err(say)?;
    if let Some(changed) = doors::needs_restart(before, &loaded.settings) {
        return Err(vec![format!("a change of {changed} needs a restart")]);
    }
    let site = Site::build(&loaded, open).map_err(|error| vec![error.to_string()])?;
    Ok((loaded, filter, site))
}

/// Each HTTP connection is a descriptor, and each transfer one or two more.
fn raise_file_limit() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

fn follow_links(state: &State, links: Vec<Link>) {
    let before = state.links.swap(Arc::new(links));
    say_changes(&before, &state.links.load());
}

fn say_changes(before: &[Link], now: &[Link]) {
    for gone in before.iter().filter(|old| now.iter().all(|new| new.index != old.index)) {
        tracing::info!("{} is no longer served", gone.name);
    }
    for link in now.iter().filter(|new| !before.contains(new)) {
        if let Some(address) = link.address() {
            tracing::info!("serving {} as {address}", link.name);
        }
    }
}
