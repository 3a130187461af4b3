//! The HTTP door: GET and HEAD of whatever `open` finds, as firmware, iPXE, shim and GRUB need it.

mod response;
mod body;
mod conditional;
mod connection;
mod content_type;
mod connection_table;
mod page;
mod range;

use crate::files::Opened;
use connection::Connection;
use connection_table::ConnectionTable;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::request::FileRequest;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long transfers may go on after `stop`.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Connections at a time. When all are taken, a further one takes the place of the one that has been idle longest,
    /// or that moves least and stands still or belongs to an address with more than its share; else it is closed. Each
    /// is a descriptor, and each transfer another.
    pub max_connections: usize,
    /// How long a connection may take to send the whole head of its next request: slow senders and idle connections.
    pub header_timeout: Duration,
    /// How long a client may leave what we have sent unacknowledged, or its window shut.
    pub stall_timeout: Duration,
}

/// What happened to a request or a connection, for counters and for whoever waits for a machine to fetch its kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEvent {
    Finished(FinishedRequest),
    Dropped {
        client: SocketAddr,
        why: DropReason,
    },
    /// A file could not be sent to its end, so the connection is closed.
    Failed {
        client: SocketAddr,
        name: Vec<u8>,
        why: String,
    },
}

/// A request that was answered, or whose client went away meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedRequest {
    pub client: SocketAddr,
    /// Our address that it asked.
    pub server: IpAddr,
    pub method: hyper::Method,
    /// The path after percent-decoding, as it was asked for: any octets at all.
    pub name: Vec<u8>,
    pub status: u16,
    /// Octets of the body that were sent; where the client went away, up to one chunk of it may have been on its way.
    pub octets: u64,
    pub duration: Duration,
    /// The kernel has taken every octet of the whole file for this client.
    pub whole: bool,
    /// A browser asked, so it was no machine that boots.
    pub by_browser: bool,
}

/// Why a connection ended that did nothing wrong to us but was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// There was no room, and no other connection had to make room.
    Full(Overload),
    /// It was idle longest when another needed its place.
    EvictedIdle,
    /// It moved least when another needed its place.
    EvictedSlowest(Overload),
    /// No request in [`Settings::patience`].
    HeaderTimeout,
    /// What it sent is not HTTP, or longer than a head may be.
    Malformed,
}

/// How full it was when a connection had to go, and how many the address has that it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    pub connections: usize,
    pub address: IpAddr,
    pub from_address: usize,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overload { connections, address, from_address: has } = self;
        write!(
            f,
            "all {connections} HTTP connections are in use: one of {address} was closed, which has {has}. If these \
             are your \
             machines, raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)"
        )
    }
}

/// What all connections share.
struct HttpContext {
    settings: HttpSettings,
    port: u16,
    open: Box<Open>,
    on_event: Box<dyn Fn(HttpEvent) + Send + Sync>,
    connections: ConnectionTable,
    /// Bodies being sent: the more, the smaller their buffers.
    active_bodies: AtomicUsize,
    stopping: watch::Sender<bool>,
}

type Open = dyn Fn(&FileRequest<'_>) -> Result<Opened, Refusal> + Send + Sync;

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings { max_connections: 16_384, header_timeout: Duration::from_secs(60), stall_timeout: Duration::from_secs(60) }
    }
}

/// Listens on every address of both families, or of IPv4 alone. A family that this host lacks is left out; 0 is any
/// free port, the same one for both.
pub fn bind(port: u16, with_ipv6: bool) -> io::Result<Vec<std::net::TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = port;
    let ipv6 = with_ipv6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    for address in iter::once(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).chain(ipv6) {
        match listen(SocketAddr::new(address, port)) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if is_family_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(listeners) }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // A rack that is switched on connects all at once; the kernel cuts this at net.core.somaxconn.
    socket.listen(4096)?;
    Ok(socket.into())
}

fn is_family_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// Serves until `stop`, then lets transfers finish for two seconds.
///
/// `open` may block: it is called on a thread of its own. `note` is called on the runtime's thread and must not.
pub async fn serve(
    listeners: Vec<std::net::TcpListener>,
    settings: HttpSettings,
    open: impl Fn(&FileRequest<'_>) -> Result<Opened, Refusal> + Send + Sync + 'static,
    note: impl Fn(HttpEvent) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
    let places = settings.max_connections;
    let house = Arc::new(HttpContext {
        settings,
        port: listeners.first().map_or(Ok(0), |listener| listener.local_addr().map(|address| address.port()))?,
        open: Box::new(open),
        on_event: Box::new(note),
        connections: ConnectionTable::new(places),
        active_bodies: AtomicUsize::new(0),
        stopping: watch::Sender::new(false),
    });
    let mut connections = JoinSet::new();
    let mut complaint = None;
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            // A connection that panicked has ended like any other; the panic hook has told of it.
            Some(_) = connections.join_next() => {}
            accepted = accept(&listeners) => match accepted {
                Ok((stream, client)) => {
                    let line = Connection::new(&house, client);
                    match house.connections.admit(&line, Instant::now()) {
                        Ok(place) => drop(connections.spawn(connection::run(stream, line, place))),
                        Err(dropped) => house.drop_client(client, dropped),
                    }
                }
                Err(error) if is_clients_fault(&error) => tracing::debug!(%error, "a connection was not accepted"),
                Err(error) => {
                    if complaint.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(60)) {
                        tracing::warn!("no HTTP connection can be accepted: {error}{}", cure(&error));
                        complaint = Some(Instant::now());
                    }
                    // The descriptors that are missing come back as connections end.
                    house.connections.evict(Instant::now());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    drop(listeners);
    house.stopping.send_replace(true);
    // Those that are not done by then are closed as the set is dropped.
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

/// The limit of this process is the operator's to raise; memory, and the files of the whole system, are another matter.
fn cure(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)",
        Some(libc::ENFILE) => "; the whole system has no file left to open (fs.file-max)",
        _ => "",
    }
}

/// Errors that accept(2) passes on from the new connection; all others are ours.
fn is_clients_fault(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

impl HttpContext {
    fn drop_client(&self, client: SocketAddr, why: DropReason) {
        (self.on_event)(HttpEvent::Dropped { client, why });
    }
}
