//! The HTTP server. [`FileHandler`] serves the files that `open` finds by GET and HEAD, in the form that firmware,
//! iPXE, shim and GRUB need. The other modules serve the connections of any [`Handler`].

mod activity;
mod body;
mod chunk;
pub mod conditional;
mod connection;
mod connection_table;
mod content_type;
mod context;
mod event;
mod file_handler;
mod file_sender;
mod handler;
mod menu_door;
mod page;
pub mod range;
mod report_door;
mod requests;
mod response;
mod socket;

use connection::Connection;
use connection_table::{ConnectionTable, NoRoom};
use context::HttpContext;
pub use context::HttpSettings;
pub use event::{DropReason, FinishedRequest, HttpEvent};
pub use file_handler::FileHandler;
pub use handler::{BodyError, Handler, HttpRequest, HttpResponse, Payload};
pub use menu_door::{MenuDoor, MenuRefusal};
pub use report_door::ReportDoor;
use socket2::{Domain, Protocol, Socket, Type};
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

/// How long transfers may go on after `stop`. Streams end at once.
const GRACE: Duration = Duration::from_secs(2);
/// How long a new connection waits for room if all connections are busy, and how often it looks for room. The kernel
/// keeps the connections after it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

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

/// Serves until `stop`, then lets transfers finish for two seconds, and ends streams at once.
///
/// `on_event` is called for every event, on the runtime's thread, and must not block.
pub async fn serve(
    listeners: Vec<std::net::TcpListener>,
    settings: HttpSettings,
    handler: impl Handler,
    on_event: impl Fn(HttpEvent) + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
    let max_connections = settings.max_connections;
    let context = Arc::new(HttpContext {
        settings,
        handler: Box::new(handler),
        on_event: Box::new(on_event),
        connections: Arc::new(ConnectionTable::new(max_connections)),
        active_bodies: AtomicUsize::new(0),
        stopping: watch::Sender::new(false),
    });
    let mut connections = JoinSet::new();
    let mut newcomer: Option<Newcomer> = None;
    let mut last_warning = None;
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            // A connection that panicked has ended like any other. The panic hook has logged the panic.
            Some(_) = connections.join_next() => {}
            () = tokio::time::sleep(LOOK), if newcomer.is_some() => {}
            accepted = accept(&listeners), if newcomer.is_none() => match accepted {
                Ok((stream, client)) => newcomer = Some(Newcomer::new(stream, Connection::new(&context, client))),
                Err(error) if is_connection_error(&error) => {
                    (context.on_event)(HttpEvent::NotAccepted(error.to_string()));
                }
                Err(error) => {
                    if last_warning.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(60)) {
                        (context.on_event)(HttpEvent::CannotAccept(format!("{error}{}", advice(&error))));
                        last_warning = Some(Instant::now());
                    }
                    // Descriptors become free as connections end.
                    context.connections.evict(Instant::now());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        newcomer = newcomer.and_then(|newcomer| newcomer.enter(&mut connections));
    }
    drop(listeners);
    context.stopping.send_replace(true);
    // Dropping the set closes the connections that remain.
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// A connection that is accepted, and has no place in the table yet.
struct Newcomer {
    stream: TcpStream,
    connection: Arc<Connection>,
    since: Instant,
}

impl Newcomer {
    fn new(stream: TcpStream, connection: Arc<Connection>) -> Newcomer {
        Newcomer { stream, connection, since: Instant::now() }
    }

    /// Serves the connection if there is room for it. Returns it if it should wait for room, and otherwise closes it.
    fn enter(self, connections: &mut JoinSet<()>) -> Option<Newcomer> {
        let (context, now) = (&self.connection.context, Instant::now());
        match context.connections.admit(&self.connection.activity, now) {
            Ok(slot) => drop(connections.spawn(requests::run(self.stream, self.connection, slot))),
            Err(NoRoom::UntilOneEnds(_)) if now < self.since + PATIENCE => return Some(self),
            Err(NoRoom::UntilOneEnds(overload) | NoRoom::ForAddress(overload)) => {
                self.connection.report_drop(DropReason::Full(overload));
            }
        }
        None
    }
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
