//! A connection. hyper implements HTTP, and the server tracks every request until the kernel has accepted its response.

use super::body::Body;
use super::connection_table::ConnectionSlot;
use super::page;
use super::response;
use super::{DropReason, FinishedRequest, HttpContext, HttpEvent};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use proxydhcpd_core::{fetch, request};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Maximum length of a request's head, in octets. The URL of a script, which contains a machine's identity, has some
/// 200 octets.
const MAX_HEAD: usize = 16 * 1024;

/// The state of a connection that its requests, bodies and socket share.
pub struct Connection {
    /// The state of the server.
    pub context: Arc<HttpContext>,
    client: SocketAddr,
    eviction: Notify,
    state: Mutex<ConnectionState>,
}

struct ConnectionState {
    exchange: Option<Exchange>,
    /// The number of the connection in the table of idle connections, if the connection is idle.
    idle: Option<u64>,
    /// The time of the last request, or of the last octets that the kernel accepted.
    last_progress: Instant,
    /// The reason for which the connection is being evicted, if it is.
    evicted: Option<DropReason>,
}

/// A request whose response is being sent.
struct Exchange {
    server: IpAddr,
    method: Method,
    name: Vec<u8>,
    began: Instant,
    status: u16,
    /// Length of the body in octets, and how many of them hyper does not have yet.
    octets: u64,
    remaining: u64,
    /// Whether the body is the whole file.
    whole: bool,
    is_browser: bool,
}

/// Serves a connection until it ends, and then drops its slot, which removes it from the table.
pub async fn run(stream: TcpStream, connection: Arc<Connection>, _slot: ConnectionSlot) {
    let Ok(server) = prepare(&stream, &connection.context) else { return };
    let service = service_fn(|request| respond(connection.clone(), server, request));
    let mut builder = http1::Builder::new();
    builder
        // GRUB's EFI client and shim compare `Content-Length` case-sensitively. Without that field, they read an empty
        // file.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(connection.context.settings.header_timeout)
        // This limits a request's head. It also limits the data that waits to be written, to one chunk of a body at a
        // time.
        .max_buf_size(MAX_HEAD);
    let stream = Stream { stream: TokioIo::new(stream), connection: connection.clone() };
    let mut http_connection = pin!(builder.serve_connection(stream, service));
    let mut stopping = connection.context.stopping.subscribe();
    connection.idle();
    let ended = tokio::select! {
        ended = http_connection.as_mut() => Some(ended),
        () = connection.eviction.notified() => {
            let reason = { connection.state().evicted }.unwrap_or(DropReason::EvictedIdle);
            return connection.context.drop_client(connection.client, reason);
        }
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            http_connection.as_mut().graceful_shutdown();
            http_connection.await
        }
    };
    match ended {
        Err(error) if error.is_parse() => connection.context.drop_client(connection.client, DropReason::Malformed),
        Err(error) if error.is_timeout() => {
            connection.context.drop_client(connection.client, DropReason::HeaderTimeout)
        }
        // Clients may disconnect at any time; `disconnected` reports their request.
        _ => {}
    }
}

fn prepare(stream: &TcpStream, context: &HttpContext) -> io::Result<IpAddr> {
    stream.set_nodelay(true)?;
    // Lets the kernel, which sees the acknowledgements, detect a client that acknowledges nothing. A timeout around
    // write() would also drop a client that receives the data of a large socket buffer slowly.
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(context.settings.stall_timeout))?;
    Ok(stream.local_addr()?.ip())
}

async fn respond(
    connection: Arc<Connection>,
    server: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    connection.busy();
    let (head, _) = request.into_parts();
    let method = head.method.clone();
    let name = response::percent_decode(head.uri.path());
    let keep_alive = response::requests_keep_alive(&head.headers);
    let is_browser = page::is_browser(&head.headers);

    let mut response = match response::response_without_file(&head, name.as_deref().unwrap_or_default()) {
        Some(response) => response.map(|payload| Body::new(payload, &connection)),
        None => open_response(&connection, server, head, name.clone()).await,
    };
    // While the server stops, hyper adds `Connection: close`.
    if keep_alive && !*connection.context.stopping.borrow() {
        response::set_keep_alive(response.headers_mut());
    }
    let (octets, whole) = (response.body().remaining(), response.body().is_whole_file());
    let (name, status) = (name.unwrap_or_default(), response.status().as_u16());
    connection.begin(Exchange { server, method, name, began, status, octets, remaining: octets, whole, is_browser });
    Ok(response)
}

/// Opens the requested file on a thread that may block, and returns the response.
async fn open_response(
    connection: &Arc<Connection>,
    server: IpAddr,
    head: Parts,
    name: Option<Vec<u8>>,
) -> Response<Body> {
    let work = connection.clone();
    let blocking = tokio::task::spawn_blocking(move || {
        let opened = name.as_deref().ok_or(fetch::Refusal::BadName).and_then(|name| {
            let protocol = request::Protocol::Http(work.context.port);
            (work.context.open)(&request::FileRequest { protocol, name, server, client: work.client, interface: "" })
        });
        let response = response::build(&head, name.as_deref().unwrap_or_default(), opened, SystemTime::now());
        response.map(|payload| Body::new(payload, &work))
    });
    // The panic hook logs a panic in `open`; only this request fails.
    match blocking.await {
        Ok(response) => response,
        Err(_) => response::internal_error().map(|payload| Body::new(payload, connection)),
    }
}

impl Connection {
    /// A new connection of this client.
    pub fn new(context: &Arc<HttpContext>, client: SocketAddr) -> Arc<Connection> {
        let state = ConnectionState { exchange: None, idle: None, last_progress: Instant::now(), evicted: None };
        Arc::new(Connection { context: context.clone(), client, eviction: Notify::new(), state: Mutex::new(state) })
    }

    /// The client's address. An IPv4 address that is mapped into IPv6 is returned as IPv4.
    pub fn address(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    /// The time of the last request, or of the last octets that the kernel accepted.
    pub fn last_progress(&self) -> Instant {
        self.state().last_progress
    }

    /// Whether the connection is being evicted.
    pub fn is_evicted(&self) -> bool {
        self.state().evicted.is_some()
    }

    /// Closes the connection to make room for another.
    pub fn evict(&self, reason: DropReason) {
        self.state().evicted = Some(reason);
        self.eviction.notify_one();
    }

    /// Records progress. Called after each write to the socket.
    fn written(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.state().last_progress = Instant::now();
        }
    }

    /// Counts octets of the body that hyper has taken for sending.
    pub fn record_sent(&self, count: u64) {
        if let Some(exchange) = &mut self.state().exchange {
            exchange.remaining -= count;
        }
    }

    /// Reports that the file could not be read to its end.
    pub fn report_failure(&self, error: &io::Error) {
        let name = self.state().exchange.as_ref().map(|exchange| exchange.name.clone()).unwrap_or_default();
        (self.context.on_event)(HttpEvent::Failed { client: self.client, name, error: error.to_string() });
    }

    fn begin(&self, exchange: Exchange) {
        // hyper reads the next request only after it has flushed a response, except if a request's body ended late. In
        // that case the previous exchange ends here.
        if let Some(before) = { self.state().exchange.replace(exchange) } {
            self.finish(before, false);
        }
    }

    /// Called when hyper has nothing left to write. If hyper has received the whole body of the response, the exchange
    /// ends.
    fn flushed(self: &Arc<Connection>) {
        let mut state = self.state();
        let Some(exchange) = state.exchange.take_if(|exchange| exchange.remaining == 0) else { return };
        drop(state);
        self.idle();
        let whole = exchange.whole;
        self.finish(exchange, whole);
    }

    /// Ends the exchange, if there is one. Called when the socket is dropped.
    fn disconnected(&self) {
        self.busy();
        if let Some(exchange) = { self.state().exchange.take() } {
            self.finish(exchange, false);
        }
    }

    fn finish(&self, exchange: Exchange, whole: bool) {
        (self.context.on_event)(HttpEvent::Finished(FinishedRequest {
            client: self.client,
            server: exchange.server,
            method: exchange.method,
            name: exchange.name,
            status: exchange.status,
            octets: exchange.octets - exchange.remaining,
            duration: exchange.began.elapsed(),
            whole,
            is_browser: exchange.is_browser,
        }));
    }

    fn idle(self: &Arc<Connection>) {
        let number = self.context.connections.set_idle(self);
        self.state().idle = Some(number);
    }

    fn busy(&self) {
        let idle = {
            let mut state = self.state();
            state.last_progress = Instant::now();
            state.idle.take()
        };
        if let Some(number) = idle {
            self.context.connections.set_busy(number);
        }
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket of a connection. It notifies the connection of writes and flushes, and when it is dropped.
struct Stream {
    stream: TokioIo<TcpStream>,
    connection: Arc<Connection>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.disconnected();
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.connection.written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.connection.written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
