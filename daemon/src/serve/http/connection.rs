//! One connection: hyper speaks HTTP on it, and every request is accounted for until the kernel has its answer.

use super::answer;
use super::body::Body;
use super::crowd::Place;
use super::page;
use super::{Dropped, Event, Finished, House};
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
pub struct Line {
    pub house: Arc<House>,
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
    gives_way: Option<Dropped>,
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
pub async fn run(stream: TcpStream, line: Arc<Line>, _place: Place) {
    let Ok(server) = prepare(&stream, &line.house) else { return };
    let service = service_fn(|request| respond(line.clone(), server, request));
    let mut builder = http1::Builder::new();
    builder
        // GRUB's EFI client and shim look for `Content-Length` in just this case, and read an empty file without.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(line.house.settings.patience)
        // Bounds a head, and what waits to be written: one chunk of a body at a time.
        .max_buf_size(LONGEST_HEAD);
    let wire = Wire { stream: TokioIo::new(stream), line: line.clone() };
    let mut connection = pin!(builder.serve_connection(wire, service));
    let mut stopping = line.house.stopping.subscribe();
    line.idle();
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = line.displaced.notified() => {
            let why = { line.state().gives_way }.unwrap_or(Dropped::Displaced);
            return line.house.drop_client(line.client, why);
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
        Err(error) if error.is_parse() => line.house.drop_client(line.client, Dropped::Malformed),
        Err(error) if error.is_timeout() => line.house.drop_client(line.client, Dropped::Idle),
        // Clients hang up as they like, and what they had asked for is accounted for below.
        _ => {}
    }
}

fn prepare(stream: &TcpStream, house: &House) -> io::Result<IpAddr> {
    stream.set_nodelay(true)?;
    // The kernel watches a client that neither takes nor acknowledges anything, by what really arrives: our own clock
    // around write() would take one that empties a large socket buffer slowly for dead.
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(house.settings.stall))?;
    Ok(stream.local_addr()?.ip())
}

async fn respond(line: Arc<Line>, server: IpAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    line.busy();
    let (head, _) = request.into_parts();
    let method = head.method.clone();
    let name = answer::decoded(head.uri.path());
    let keep_alive = answer::wants_keep_alive(&head.headers);
    let by_browser = page::is_browser(&head.headers);

    let mut response = match answer::at_once(&head, name.as_deref().unwrap_or_default()) {
        Some(answer) => answer.map(|payload| Body::start(payload, &line)),
        None => opened(&line, server, head, name.clone()).await,
    };
    // hyper adds its own `close` while we stop.
    if keep_alive && !*line.house.stopping.borrow() {
        answer::keep_alive(response.headers_mut());
    }
    let (octets, whole) = (response.body().left(), response.body().is_whole());
    let (name, status) = (name.unwrap_or_default(), response.status().as_u16());
    line.begin(Exchange { server, method, name, began, status, octets, left: octets, whole, by_browser });
    Ok(response)
}

/// Opens what was asked for, on a thread that may block.
async fn opened(line: &Arc<Line>, server: IpAddr, head: Parts, name: Option<Vec<u8>>) -> Response<Body> {
    let work = line.clone();
    let blocking = tokio::task::spawn_blocking(move || {
        let opened = name.as_deref().ok_or(fetch::Refusal::BadName).and_then(|name| {
            let door = request::Protocol::Http(work.house.port);
            (work.house.open)(&request::FileRequest { protocol: door, name, server, client: work.client, interface: "" })
        });
        let answer = answer::answer(&head, name.as_deref().unwrap_or_default(), opened, SystemTime::now());
        answer.map(|payload| Body::start(payload, &work))
    });
    // A panic in `open` is told by the panic hook, and costs this request only.
    match blocking.await {
        Ok(response) => response,
        Err(_) => answer::failed().map(|payload| Body::start(payload, line)),
    }
}

impl Line {
    pub fn new(house: &Arc<House>, client: SocketAddr) -> Arc<Line> {
        let state = State { exchange: None, idle: None, moved: Instant::now(), gives_way: None };
        Arc::new(Line { house: house.clone(), client, displaced: Notify::new(), state: Mutex::new(state) })
    }

    pub fn address(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    pub fn moved(&self) -> Instant {
        self.state().moved
    }

    pub fn is_displaced(&self) -> bool {
        self.state().gives_way.is_some()
    }

    /// Ends the connection in favour of another.
    pub fn displace(&self, why: Dropped) {
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
    pub fn sent(&self, count: u64) {
        if let Some(exchange) = &mut self.state().exchange {
            exchange.left -= count;
        }
    }

    /// The body cannot be read to its end as it was.
    pub fn broken(&self, error: &io::Error) {
        let name = self.state().exchange.as_ref().map(|exchange| exchange.name.clone()).unwrap_or_default();
        (self.house.note)(Event::Broken { client: self.client, name, why: error.to_string() });
    }

    fn begin(&self, exchange: Exchange) {
        // hyper reads on only when an answer is flushed, but for the one whose request's body ended late.
        if let Some(before) = { self.state().exchange.replace(exchange) } {
            self.finish(before, false);
        }
    }

    /// hyper has nothing left to write. It flushes only then, so an exchange whose body has been handed over is done.
    fn flushed(self: &Arc<Line>) {
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
        (self.house.note)(Event::Finished(Finished {
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

    fn idle(self: &Arc<Line>) {
        let number = self.house.crowd.idles(self);
        self.state().idle = Some(number);
    }

    fn busy(&self) {
        let idle = {
            let mut state = self.state();
            state.moved = Instant::now();
            state.idle.take()
        };
        if let Some(number) = idle {
            self.house.crowd.is_busy(number);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket, which tells its line when all is written and when it is gone.
struct Wire {
    stream: TokioIo<TcpStream>,
    line: Arc<Line>,
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
