//! The workers: the threads and tasks that serve the listeners. Once started, each runs until the server stops.

use super::heartbeat::{Heartbeat, ThreadMonitor};
use super::listeners::{Listener, fd_limit};
use super::{dhcp, file_events, http, served_links, syslog, tftp};
use crate::access::{LoginRefusal, MenuLogin};
use crate::events::Events;
use crate::net::reply_sender::{ReplySender, ReplySenders};
use crate::net::socket_set::SocketSet;
use crate::settings::TftpConfig;
use crate::state::State;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use proxydhcpd_core::event::menu_login::MenuLoginEvent;
use proxydhcpd_core::event::process::Descriptors;
use proxydhcpd_core::event::report::ReportRefusal;
use proxydhcpd_core::event::socket::SocketOperation;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::fetch::{Refusal, protected_item};
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::link::for_datagram;
use proxydhcpd_core::request::FileRequest;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// HTTP keeps one part in this number of its descriptors for the files that it sends.
const FILES_SHARE: usize = 8;

/// Maximum time to wait for the transfers when the server stops: two seconds in which they may finish, and half a
/// second more before the server abandons those that hang.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);

/// The threads and tasks that serve the listeners.
#[derive(Debug)]
pub struct Workers {
    state: Arc<State>,
    /// The sockets from which the DHCP thread receives.
    pub dhcp: Arc<SocketSet>,
    /// The sockets through which the DHCP thread replies.
    senders: Arc<ReplySenders>,
    monitors: Vec<ThreadMonitor>,
    /// The log-in at the menus of machines.
    menu_login: Arc<MenuLogin>,
    tftp_thread: Option<TftpThread>,
    http_task: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    /// The number of descriptors that TFTP may use. HTTP may use the same number. `None` until TFTP or HTTP starts.
    descriptors: Option<usize>,
}

/// The TFTP thread.
#[derive(Debug)]
struct TftpThread {
    listeners: Arc<tftp::TftpListeners>,
    /// Closing this socket stops the thread. The thread lets transfers finish, then drops the sender of `ended`.
    stop: UnixStream,
    ended: oneshot::Receiver<()>,
}

impl Workers {
    /// Starts the DHCP thread, which has no sockets to serve yet.
    pub fn new(state: Arc<State>) -> io::Result<Self> {
        let (dhcp, senders) = (Arc::new(SocketSet::new()?), Arc::new(ReplySenders::default()));
        let heartbeat = Arc::new(Heartbeat::new("DHCP", dhcp.epoll(), SocketSet::WAKE)?);
        let monitors = vec![ThreadMonitor::new(&heartbeat)];
        let (sockets, thread_senders, thread_state) = (Arc::clone(&dhcp), Arc::clone(&senders), Arc::clone(&state));
        start_thread("dhcp", move || {
            let Err(error) = dhcp::run(&sockets, &thread_senders, &heartbeat, &thread_state);
            panic!("the DHCP thread failed: {error}");
        })?;
        let menu_login = Arc::new(MenuLogin::new()?);
        let (tftp_thread, http_task, descriptors) = (None, None, None);
        Ok(Workers { state, dhcp, senders, monitors, menu_login, tftp_thread, http_task, descriptors })
    }

    /// Returns whether all threads have responded to the last probe, which was `every` ago, and sends the next one.
    /// HTTP needs no probe, because the calling thread serves it.
    pub fn is_alive(&mut self, every: Duration) -> bool {
        let (now, events) = (Instant::now(), &self.state.events);
        // `count` does not stop at a thread that hangs, so every thread is probed.
        let stuck = self
            .monitors
            .iter_mut()
            .filter_map(|monitor| (!monitor.is_alive(every, now, events)).then_some(()))
            .count();
        stuck == 0
    }

    /// Starts serving a listener. A DHCP listener replaces an earlier one with the same address. HTTP needs a tokio
    /// runtime.
    pub fn start(&mut self, listener: Listener) -> io::Result<()> {
        match listener {
            Listener::Dhcp(address, socket) => {
                let sender = ReplySender::new(&socket)?;
                if let Some(error) = sender.shortage() {
                    self.state.events.socket_failed(SocketOperation::OpenSenders, error);
                }
                self.senders.insert(address, sender);
                self.dhcp.insert(address, socket)?;
            }
            Listener::Tftp(sockets, settings) => {
                let tftp_thread = match self.tftp_thread.take() {
                    Some(tftp_thread) => tftp_thread,
                    None => {
                        let descriptors = self.descriptors();
                        check_max_transfers(&settings, descriptors, &self.state.events);
                        let (tftp_thread, monitor) = TftpThread::start(Arc::clone(&self.state), settings, descriptors)?;
                        self.monitors.push(monitor);
                        tftp_thread
                    }
                };
                self.tftp_thread.insert(tftp_thread).listeners.add(sockets)?;
            }
            Listener::Http(_, listeners) => self.start_http(listeners),
            Listener::Syslog(_, sockets) => {
                // The tasks end with the runtime: a line that is lost at the end of the server matters to no boot.
                sockets.into_iter().for_each(|socket| drop(tokio::spawn(syslog::run(socket, Arc::clone(&self.state)))));
            }
        }
        Ok(())
    }

    /// Closes the DHCP sockets, and lets TFTP and HTTP transfers finish for two seconds. A transfer that hangs on dead
    /// storage is abandoned.
    pub async fn stop(self) {
        self.dhcp.clear();
        let tftp_thread = async {
            if let Some(TftpThread { stop, ended, .. }) = self.tftp_thread {
                drop(stop);
                drop(ended.await);
            }
        };
        let http_task = async {
            if let Some((stop, http_task)) = self.http_task {
                stop.send_replace(true);
                drop(http_task.await);
            }
        };
        let _ = tokio::time::timeout(STOP_TIMEOUT, async { tokio::join!(tftp_thread, http_task) }).await;
    }

    fn descriptors(&mut self) -> usize {
        *self.descriptors.get_or_insert_with(fd_limit::per_service)
    }

    fn start_http(&mut self, listeners: Vec<TcpListener>) {
        let (stop, mut stopped) = watch::channel(false);
        let (state, event_state, events) =
            (Arc::clone(&self.state), Arc::clone(&self.state), self.state.events.clone());
        let open = move |request: &FileRequest<'_>| match served_links::is_served(&state.links.load(), request.server) {
            true => state.open(request),
            false => Err(Refusal::Denied).into(),
        };
        let reports = StateReports(Arc::clone(&self.state));
        let menu = StateMenu(Arc::clone(&self.state), Arc::clone(&self.menu_login));
        let on_event = move |event| file_events::record_http(&event_state, &event);
        // A connection needs one descriptor. Connections that send the same file share its descriptor, so that some
        // are enough for all files.
        let (settings, descriptors) = (http::HttpSettings::default(), self.descriptors());
        let max_connections = settings.max_connections.min(descriptors - descriptors / FILES_SHARE);
        let settings = http::HttpSettings { max_connections, ..settings };
        let http_task = tokio::spawn(async move {
            let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
            if let Err(error) =
                http::serve(listeners, settings, http::FileHandler::new(open, reports, menu), on_event, stop).await
            {
                events.socket_failed(SocketOperation::ServeConnections, &error);
                std::process::exit(1);
            }
        });
        self.http_task = Some((stop, http_task));
    }
}

/// The door for reports that records them in the state.
struct StateReports(Arc<State>);

impl http::ReportDoor for StateReports {
    fn verify(&self, request: &FileRequest<'_>) -> Result<(), ReportRefusal> {
        match served_links::is_served(&self.0.links.load(), request.server) {
            true => self.0.verify_report(request),
            false => Err(ReportRefusal::Token),
        }
    }

    fn accept(&self, request: &FileRequest<'_>, body: &[u8]) -> (Result<(), ReportRefusal>, Arc<FileTicket>) {
        self.0.accept_report(request, body)
    }

    fn refuse(&self, client: SocketAddr, refusal: ReportRefusal) {
        self.0.refuse_report(client, refusal);
    }
}

/// The door for protected items of the menu, whose users the site has.
struct StateMenu(Arc<State>, Arc<MenuLogin>);

impl http::MenuDoor for StateMenu {
    fn admit(&self, request: &FileRequest<'_>, head: &Parts) -> Result<(), http::MenuRefusal> {
        let StateMenu(state, login) = self;
        let site = state.site();
        let Some(item) = protected_item(&site.plan, request.name) else { return Ok(()) };
        let (item, target) = (item.as_str(), head.uri.path_and_query().map_or("", |target| target.as_str()));
        let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let request_line = (head.method.as_str(), target);
        let verified = login.verify(&site.files.menu_passwords, request.client.ip(), request_line, authorization);
        let record = |event| {
            state.events.record_now(Service::Http, EventMachine::at(request.client), What::MenuLogin(event));
        };
        match verified {
            Ok(user) => {
                record(MenuLoginEvent::LoggedIn { user: &user, item });
                Ok(())
            }
            Err(LoginRefusal::Challenged(challenge)) => Err(http::MenuRefusal::LogIn(challenge)),
            Err(LoginRefusal::Wrong(challenge)) => {
                record(MenuLoginEvent::Wrong { item });
                Err(http::MenuRefusal::LogIn(challenge))
            }
            Err(LoginRefusal::TooOften(time)) => {
                record(MenuLoginEvent::TooOften { item });
                Err(http::MenuRefusal::Wait(time))
            }
        }
    }
}

/// Records if the limit of open files allows fewer transfers than `max-transfers`. Without `max-transfers`, records how
/// many files TFTP may open.
fn check_max_transfers(settings: &TftpConfig, descriptors: usize, events: &Events) {
    let found = match settings.max_transfers {
        Some(limit) if limit as usize <= descriptors / 2 => return,
        Some(limit) => Descriptors::FewForTransfers { max_transfers: limit.into(), descriptors },
        None => Descriptors::ForTransfers(descriptors),
    };
    events.record_host(What::Descriptors(found));
}

impl TftpThread {
    fn start(state: Arc<State>, settings: TftpConfig, descriptors: usize) -> io::Result<(TftpThread, ThreadMonitor)> {
        let listeners = Arc::new(tftp::TftpListeners::new(descriptors)?);
        let monitor = ThreadMonitor::new(&listeners.heartbeat);
        let (stop, stopped) = UnixStream::pair()?;
        let (end, ended) = oneshot::channel::<()>();
        let sockets = Arc::clone(&listeners);
        start_thread("tftp", move || {
            let link = |index, to| {
                let links = state.links.load();
                for_datagram(&links, index, to).map(|(link, _)| links[link].clone())
            };
            let open = |request: &FileRequest<'_>| state.open(request);
            let is_vouched = |address| state.observations().is_vouched(address, state.now());
            let on_event = |event: tftp::TftpEvent<'_>| file_events::record_tftp(&state, &event);
            if let Err(error) = tftp::run(sockets, &settings, link, open, is_vouched, on_event, stopped) {
                panic!("the TFTP thread failed: {error}");
            }
            drop(end);
        })?;
        Ok((TftpThread { listeners, stop, ended }, monitor))
    }
}

/// Starts a thread that serves. If the thread panics, the process exits, so that the server does not offer a service
/// that no thread provides. The service manager then restarts the process.
fn start_thread(name: &str, serve: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(serve)).is_err() {
            std::process::exit(1);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(guarded).map(drop)
}
