//! The HTTP server. It serves the files that `open` finds by GET and HEAD, in the form that firmware, iPXE, shim and
//! GRUB need.

mod body;
mod conditional;
mod connection;
mod connection_table;
mod content_type;
mod page;
mod range;
mod response;

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

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Maximum number of connections. At the limit, a new connection replaces the connection that has been idle
    /// longest, or a slow connection that has stalled or whose address has more connections than that of the new one.
    /// If there is no such connection, the server closes the new one. A connection needs one descriptor, and a transfer
    /// needs another.
    pub max_connections: usize,
    /// How long a client may take to send the head of its next request. This limits both slow senders and idle
    /// connections.
    pub header_timeout: Duration,
    /// How long a client may leave sent data unacknowledged, or keep its receive window closed.
    pub stall_timeout: Duration,
}

/// An event, for the log, the counters, and boot-once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEvent {
    /// A request ended.
    Finished(FinishedRequest),
    /// The server closed a connection early, or did not serve it at all.
    Dropped {
        /// The client's address and port.
        client: SocketAddr,
        /// The reason.
        reason: DropReason,
    },
    /// A file could not be sent to its end, so the connection is closed.
    Failed {
        /// The client's address and port.
        client: SocketAddr,
        /// The requested path, percent-decoded.
        name: Vec<u8>,
        /// The error.
        error: String,
    },
}

/// A request whose response was sent, or whose client disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedRequest {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The local address of the connection.
    pub server: IpAddr,
    /// The method.
    pub method: hyper::Method,
    /// The requested path, percent-decoded: arbitrary octets.
    pub name: Vec<u8>,
    /// The status code of the response.
    pub status: u16,
    /// Octets of the body that were sent. If the client disconnected, up to one chunk of them may not have arrived.
    pub octets: u64,
    /// Time since the request arrived.
    pub duration: Duration,
    /// Whether the kernel has accepted every octet of the whole file for this client.
    pub whole: bool,
    /// Whether the client is a web browser, not a booting machine.
    pub is_browser: bool,
}

/// Why the server closed a connection early, or did not serve it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// There was no room for the connection, and no other connection could be evicted.
    Full(Overload),
    /// The connection had been idle longest when another connection needed room.
    EvictedIdle,
    /// The connection was the slowest when another connection needed room.
    EvictedSlowest(Overload),
    /// No request arrived within [`HttpSettings::header_timeout`].
    HeaderTimeout,
    /// The client's request is not HTTP, or its head is too long.
    Malformed,
}

/// The number of connections when the limit was reached, and the address of the connection that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// The number of connections.
    pub connections: usize,
    /// The address of the connection that was closed.
    pub address: IpAddr,
    /// The number of connections from this address.
    pub from_address: usize,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overload { connections, address, from_address } = self;
        write!(
            f,
            "all {connections} HTTP connections are in use: closed one from {address}, which has {from_address}. If \
             these are your machines, raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)"
        )
    }
}

/// The state that all connections share.
struct HttpContext {
    settings: HttpSettings,
    port: u16,
    open: Box<OpenFn>,
    on_event: Box<dyn Fn(HttpEvent) + Send + Sync>,
    connections: ConnectionTable,
    /// The number of bodies being sent: the more there are, the smaller their buffers.
    active_bodies: AtomicUsize,
    stopping: watch::Sender<bool>,
}

type OpenFn = dyn Fn(&FileRequest<'_>) -> Result<Opened, Refusal> + Send + Sync;

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            max_connections: 16_384,
            header_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// Listens on all IPv4 addresses, and with `with_ipv6` also on all IPv6 addresses. Skips an address family that this
/// host lacks, and fails if no family is left. Port 0 means any free port, the same for both families.
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
    // The machines of a rack may all connect at once. The kernel limits this queue to net.core.somaxconn.
    socket.listen(4096)?;
    Ok(socket.into())
}

fn is_family_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// Serves until `stop`, then lets transfers finish for two seconds.
///
/// `open` opens the requested file; it may block, as it runs on a separate thread. `on_event` is called for every
/// event, on the runtime's thread, and must not block.
pub async fn serve(
    listeners: Vec<std::net::TcpListener>,
    settings: HttpSettings,
    open: impl Fn(&FileRequest<'_>) -> Result<Opened, Refusal> + Send + Sync + 'static,
    on_event: impl Fn(HttpEvent) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
    let max_connections = settings.max_connections;
    let context = Arc::new(HttpContext {
        settings,
        port: listeners.first().map_or(Ok(0), |listener| listener.local_addr().map(|address| address.port()))?,
        open: Box::new(open),
        on_event: Box::new(on_event),
        connections: ConnectionTable::new(max_connections),
        active_bodies: AtomicUsize::new(0),
        stopping: watch::Sender::new(false),
    });
    let mut connections = JoinSet::new();
    let mut last_warning = None;
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            // A connection that panicked has ended like any other. The panic hook has logged the panic.
            Some(_) = connections.join_next() => {}
            accepted = accept(&listeners) => match accepted {
                Ok((stream, client)) => {
                    let connection = Connection::new(&context, client);
                    match context.connections.admit(&connection, Instant::now()) {
                        Ok(slot) => drop(connections.spawn(connection::run(stream, connection, slot))),
                        Err(dropped) => context.drop_client(client, dropped),
                    }
                }
                Err(error) if is_connection_error(&error) => {
                    tracing::debug!("cannot accept an HTTP connection: {error}")
                }
                Err(error) => {
                    if last_warning.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(60)) {
                        tracing::warn!("cannot accept HTTP connections: {error}{}", advice(&error));
                        last_warning = Some(Instant::now());
                    }
                    // Descriptors become free as connections end.
                    context.connections.evict(Instant::now());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    drop(listeners);
    context.stopping.send_replace(true);
    // Dropping the set closes the connections that remain.
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

/// Advice to append to an error. Empty if the operator can do nothing about the error.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)",
        Some(libc::ENFILE) => "; raise the limit of open files of the whole system (sysctl fs.file-max)",
        _ => "",
    }
}

/// Whether an error of accept(2) concerns only the new connection, and is not a lack of resources on this host.
fn is_connection_error(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

impl HttpContext {
    fn drop_client(&self, client: SocketAddr, reason: DropReason) {
        (self.on_event)(HttpEvent::Dropped { client, reason });
    }
}
