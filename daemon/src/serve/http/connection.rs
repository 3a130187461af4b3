//! One connection: hyper speaks HTTP on it, and every request is accounted for until the kernel has its answer.

use super::response;
use super::body::Body;
use super::connection_table::ConnectionSlot;
use super::page;
use super::{DropReason, HttpEvent, FinishedRequest, HttpContext};
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

/// Longest head of a request. A script's URL with a machine's identity has some 200 octets.
const LONGEST_HEAD: usize = 16 * 1024;

/// A connection as its request, its body and its socket see it.
pub struct Connection {
    pub context: Arc<HttpContext>,
    client: SocketAddr,
    displaced: Notify,
    state: Mutex<State>,
}

struct State {
    exchange: Option<Exchange>,
    /// Its number among the idle ones.
    idle: Option<u64>,
    /// When it asked for something last, or took some of it.
    moved: Instant,
    /// It gives way to another, for this reason.
    gives_way: Option<DropReason>,
}

/// A request whose answer is on its way.
struct Exchange {
    server: IpAddr,
    method: Method,
    name: Vec<u8>,
    began: Instant,
    status: u16,
    /// Octets of the body, and how many of them have not been handed to hyper yet.
    octets: u64,
    left: u64,
    /// The body is the whole file.
    whole: bool,
    by_browser: bool,
}

/// Serves a connection to its end; its place is free then.
pub async fn run(stream: TcpStream, line: Arc<Connection>, _place: ConnectionSlot) {
    let Ok(server) = prepare(&stream, &line.context) else { return };
    let service = service_fn(|request| respond(line.clone(), server, request));
    let mut builder = http1::Builder::new();
    builder
        // GRUB's EFI client and shim look for `Content-Length` in just this case, and read an empty file without.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(line.context.settings.header_timeout)
        // Bounds a head, and what waits to be written: one chunk of a body at a time.
        .max_buf_size(LONGEST_HEAD);
    let wire = Wire { stream: TokioIo::new(stream), line: line.clone() };
    let mut connection = pin!(builder.serve_connection(wire, service));
    let mut stopping = line.context.stopping.subscribe();
    line.idle();
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = line.displaced.notified() => {
            let why = { line.state().gives_way }.unwrap_or(DropReason::EvictedIdle);
            return line.context.drop_client(line.client, why);
        }
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match ended {
        Err(error) if error.is_parse() => line.context.drop_client(line.client, DropReason::Malformed),
        Err(error) if error.is_timeout() => line.context.drop_client(line.client, DropReason::HeaderTimeout),
        // Clients hang up as they like, and what they had asked for is accounted for below.
        _ => {}
    }
}

fn prepare(stream: &TcpStream, house: &HttpContext) -> io::Result<IpAddr> {
    stream.set_nodelay(true)?;
    // The kernel watches a client that neither takes nor acknowledges anything, by what really arrives: our own clock
    // around write() would take one that empties a large socket buffer slowly for dead.
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(house.settings.stall_timeout))?;
    Ok(stream.local_addr()?.ip())
}

async fn respond(line: Arc<Connection>, server: IpAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    line.busy();
    let (head, _) = request.into_parts();
    let method = head.method.clone();
    let name = response::percent_decode(head.uri.path());
    let keep_alive = response::requests_keep_alive(&head.headers);
    let by_browser = page::is_browser(&head.headers);

    let mut response = match response::answer_without_file(&head, name.as_deref().unwrap_or_default()) {
        Some(answer) => answer.map(|payload| Body::new(payload, &line)),
        None => opened(&line, server, head, name.clone()).await,
    };
    // hyper adds its own `close` while we stop.
    if keep_alive && !*line.context.stopping.borrow() {
        response::set_keep_alive(response.headers_mut());
    }
    let (octets, whole) = (response.body().remaining(), response.body().is_whole_file());
    let (name, status) = (name.unwrap_or_default(), response.status().as_u16());
    line.begin(Exchange { server, method, name, began, status, octets, left: octets, whole, by_browser });
    Ok(response)
}

/// Opens what was asked for, on a thread that may block.
async fn opened(line: &Arc<Connection>, server: IpAddr, head: Parts, name: Option<Vec<u8>>) -> Response<Body> {
    let work = line.clone();
    let blocking = tokio::task::spawn_blocking(move || {
        let opened = name.as_deref().ok_or(fetch::Refusal::BadName).and_then(|name| {
            let door = request::Protocol::Http(work.context.port);
            (work.context.open)(&request::FileRequest { protocol: door, name, server, client: work.client, interface: "" })
        });
        let answer = response::build(&head, name.as_deref().unwrap_or_default(), opened, SystemTime::now());
        answer.map(|payload| Body::new(payload, &work))
    });
    // A panic in `open` is told by the panic hook, and costs this request only.
    match blocking.await {
        Ok(response) => response,
        Err(_) => response::internal_error().map(|payload| Body::new(payload, line)),
    }
}

impl Connection {
    pub fn new(house: &Arc<HttpContext>, client: SocketAddr) -> Arc<Connection> {
        let state = State { exchange: None, idle: None, moved: Instant::now(), gives_way: None };
        Arc::new(Connection { context: house.clone(), client, displaced: Notify::new(), state: Mutex::new(state) })
    }

    pub fn address(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    pub fn last_progress(&self) -> Instant {
        self.state().moved
    }

    pub fn is_evicted(&self) -> bool {
        self.state().gives_way.is_some()
    }

    /// Ends the connection in favour of another.
    pub fn evict(&self, why: DropReason) {
        self.state().gives_way = Some(why);
        self.displaced.notify_one();
    }

    /// The kernel has taken some for this client.
    fn took(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.state().moved = Instant::now();
        }
    }

    /// So many octets of the body have been handed to hyper.
    pub fn record_sent(&self, count: u64) {
        if let Some(exchange) = &mut self.state().exchange {
            exchange.left -= count;
        }
    }

    /// The body cannot be read to its end as it was.
    pub fn report_failure(&self, error: &io::Error) {
        let name = self.state().exchange.as_ref().map(|exchange| exchange.name.clone()).unwrap_or_default();
        (self.context.on_event)(HttpEvent::Failed { client: self.client, name, why: error.to_string() });
    }

    fn begin(&self, exchange: Exchange) {
        // hyper reads on only when an answer is flushed, but for the one whose request's body ended late.
        if let Some(before) = { self.state().exchange.replace(exchange) } {
            self.finish(before, false);
        }
    }

    /// hyper has nothing left to write. It flushes only then, so an exchange whose body has been handed over is done.
    fn flushed(self: &Arc<Connection>) {
        let mut state = self.state();
        let Some(exchange) = state.exchange.take_if(|exchange| exchange.left == 0) else { return };
        drop(state);
        self.idle();
        let whole = exchange.whole;
        self.finish(exchange, whole);
    }

    /// The socket is gone.
    fn lost(&self) {
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
            octets: exchange.octets - exchange.left,
            duration: exchange.began.elapsed(),
            whole,
            by_browser: exchange.by_browser,
        }));
    }

    fn idle(self: &Arc<Connection>) {
        let number = self.context.connections.set_idle(self);
        self.state().idle = Some(number);
    }

    fn busy(&self) {
        let idle = {
            let mut state = self.state();
            state.moved = Instant::now();
            state.idle.take()
        };
        if let Some(number) = idle {
            self.context.connections.set_busy(number);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket, which tells its line when all is written and when it is gone.
struct Wire {
    stream: TokioIo<TcpStream>,
    line: Arc<Connection>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.line.lost();
    }
}

impl hyper::rt::Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.line.took(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.line.took(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.line.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
