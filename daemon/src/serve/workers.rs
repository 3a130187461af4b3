//! What serves behind the doors: threads and tasks, each from the opening of its door until the server stops.

use super::listeners::{Listener, fd_limit};
use super::heartbeat::{ThreadMonitor, Heartbeat};
use super::{dhcp, http, served_links, access_log, tftp};
use crate::net::reply_sender::{ReplySender, ReplySenders};
use crate::net::socket_set::SocketSet;
use crate::state::State;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::link::for_datagram;
use proxydhcpd_core::request::FileRequest;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Longest wait for transfers at the end: their own two seconds, and some for what hangs.
const STOPPING: Duration = Duration::from_millis(2500);

#[derive(Debug)]
pub struct Workers {
    state: Arc<State>,
    /// What its thread hears.
    pub dhcp: Arc<SocketSet>,
    /// What it answers by.
    outlets: Arc<ReplySenders>,
    hearts: Vec<ThreadMonitor>,
    transfers: Option<Transfers>,
    pages: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    /// Files that TFTP may have open, and HTTP as many again; `None`: neither was started.
    descriptors: Option<usize>,
}

/// The thread of TFTP.
#[derive(Debug)]
struct Transfers {
    listeners: Arc<tftp::TftpListeners>,
    /// The transfers end when it is closed, and the other end of the channel ends with them.
    stop: UnixStream,
    ended: oneshot::Receiver<()>,
}

impl Workers {
    /// The thread for DHCP runs, and hears nothing yet.
    pub fn new(state: Arc<State>) -> io::Result<Self> {
        let (dhcp, outlets) = (Arc::new(SocketSet::new()?), Arc::new(ReplySenders::default()));
        let pulse = Arc::new(Heartbeat::new("DHCP", dhcp.epoll(), SocketSet::WAKE)?);
        let hearts = vec![ThreadMonitor::new(&pulse)];
        let (heard, answered_by, answers) = (Arc::clone(&dhcp), Arc::clone(&outlets), Arc::clone(&state));
        start_thread("dhcp", move || {
            let Err(error) = dhcp::run(&heard, &answered_by, &pulse, &answers);
            panic!("DHCP ended: {error}");
        })?;
        Ok(Workers { state, dhcp, outlets, hearts, transfers: None, pages: None, descriptors: None })
    }

    /// Whether all threads have answered since they were last asked, `every` so long ago. HTTP is served by the thread
    /// that asks.
    pub fn is_alive(&mut self, every: Duration) -> bool {
        let now = Instant::now();
        // Each is asked, also behind one that stands still.
        let still = self.hearts.iter_mut().filter_map(|heart| (!heart.is_alive(every, now)).then_some(())).count();
        still == 0
    }

    /// In the place of what has served there. A door for HTTP wants a runtime.
    pub fn start(&mut self, door: Listener) -> io::Result<()> {
        match door {
            Listener::Dhcp(address, socket) => {
                self.outlets.insert(address, ReplySender::new(&socket)?);
                self.dhcp.insert(address, socket)?;
            }
            Listener::Tftp(sockets, settings) => {
                let transfers = match self.transfers.take() {
                    Some(transfers) => transfers,
                    None => {
                        let settings = tftp::TftpSettings { descriptors: self.descriptors(), ..settings };
                        say_transfers(&settings);
                        let (transfers, heart) = Transfers::start(Arc::clone(&self.state), settings)?;
                        self.hearts.push(heart);
                        transfers
                    }
                };
                self.transfers.insert(transfers).listeners.add(sockets)?;
            }
            Listener::Http(_, listeners) => self.start_http(listeners),
        }
        Ok(())
    }

    /// Nothing more is offered from now on. Transfers have two seconds, and those of both kinds begin now; what hangs
    /// on dead storage is left behind.
    pub async fn stop(self) {
        self.dhcp.clear();
        let transfers = async {
            if let Some(Transfers { stop, ended, .. }) = self.transfers {
                drop(stop);
                drop(ended.await);
            }
        };
        let pages = async {
            if let Some((stop, pages)) = self.pages {
                stop.send_replace(true);
                drop(pages.await);
            }
        };
        let _ = tokio::time::timeout(STOPPING, async { tokio::join!(transfers, pages) }).await;
    }

    fn descriptors(&mut self) -> usize {
        *self.descriptors.get_or_insert_with(fd_limit::per_service)
    }

    fn start_http(&mut self, listeners: Vec<TcpListener>) {
        let (stop, mut stopped) = watch::channel(false);
        let (state, noting) = (Arc::clone(&self.state), Arc::clone(&self.state));
        let open = move |request: &FileRequest<'_>| match served_links::is_served(&state.links.load(), request.server) {
            true => state.open(request),
            false => Err(Refusal::Denied),
        };
        let note = move |event| access_log::log_http(&noting, &event);
        // A connection is one descriptor, and the file that it sends another.
        let settings = http::HttpSettings::default();
        let settings = http::HttpSettings { max_connections: settings.max_connections.min(self.descriptors() / 2), ..settings };
        let pages = tokio::spawn(async move {
            let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
            if let Err(error) = http::serve(listeners, settings, open, note, stop).await {
                tracing::error!("HTTP ended: {error}");
                std::process::exit(1);
            }
        });
        self.pages = Some((stop, pages));
    }
}

/// How many transfers there can be at a time, where the limit of open files has the last word.
fn say_transfers(settings: &tftp::TftpSettings) {
    let tftp::TftpSettings { max_transfers, descriptors, .. } = *settings;
    match max_transfers {
        Some(most) if most > descriptors / 2 => tracing::warn!(
            "`max-transfers` is {most}, but TFTP may have {descriptors} files open, not quite half of what this \
             process \
             may, and a transfer needs one or two: raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)"
        ),
        Some(_) => {}
        None => tracing::debug!(
            "TFTP may have {descriptors} files open: that many transfers at most, half if no two share a file"
        ),
    }
}

impl Transfers {
    fn start(state: Arc<State>, settings: tftp::TftpSettings) -> io::Result<(Transfers, ThreadMonitor)> {
        let listeners = Arc::new(tftp::TftpListeners::new()?);
        let heart = ThreadMonitor::new(&listeners.heartbeat);
        let (stop, stopped) = UnixStream::pair()?;
        let (end, ended) = oneshot::channel::<()>();
        let heard = Arc::clone(&listeners);
        start_thread("tftp", move || {
            let link = |index, to| {
                let links = state.links.load();
                for_datagram(&links, index, to).map(|(link, _)| links[link].clone())
            };
            let open = |request: &FileRequest<'_>| state.open(request);
            let vouched = |address| state.observations().is_vouched(address, state.now());
            let note = |event: tftp::TftpEvent<'_>| access_log::log_tftp(&state, &event);
            if let Err(error) = tftp::run(heard, &settings, link, open, vouched, note, stopped) {
                panic!("TFTP ended: {error}");
            }
            drop(end);
        })?;
        Ok((Transfers { listeners, stop, ended }, heart))
    }
}

/// A thread that serves. If it panics the process ends, for what it served is still offered, and the service manager
/// starts it anew.
fn start_thread(name: &str, serve: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(serve)).is_err() {
            std::process::exit(1);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(guarded).map(drop)
}
