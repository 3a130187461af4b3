//! Receives the requests of a connection, and sends the responses of the handler. hyper implements HTTP.

use super::body::Body;
use super::connection::{Connection, Exchange, Remaining};
use super::connection_table::ConnectionSlot;
use super::context::HttpContext;
use super::event::DropReason;
use super::handler::{BodyError, BodyLimit, HttpRequest, HttpResponse, Payload};
use super::page;
use super::response;
use super::socket::ConnectionSocket;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioTimer;
use socket2::TcpKeepalive;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Maximum length of a request's head, in octets. The URL of a script, which contains a machine's identity, has some
/// 200 octets.
const MAX_HEAD: usize = 16 * 1024;

/// How long the body of a request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

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
    let socket = ConnectionSocket::new(stream, connection.clone());
    let mut http_connection = pin!(builder.serve_connection(socket, service));
    let mut stopping = connection.context.stopping.subscribe();
    connection.idle();
    let ended = tokio::select! {
        ended = http_connection.as_mut() => Some(ended),
        reason = connection.activity.evicted() => return connection.report_drop(reason),
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        // A stream has no known end for which the server could wait.
        None if connection.is_streaming() => return,
        None => {
            http_connection.as_mut().graceful_shutdown();
            http_connection.await
        }
    };
    match ended {
        Err(error) if error.is_parse() => connection.report_drop(DropReason::Malformed),
        Err(error) if error.is_timeout() => connection.report_drop(DropReason::HeaderTimeout),
        // Clients may disconnect at any time; `disconnected` reports their request.
        _ => {}
    }
}

/// Prepares the socket, and returns its local address.
fn prepare(stream: &TcpStream, context: &HttpContext) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let (socket, timeout) = (socket2::SockRef::from(stream), context.settings.stall_timeout);
    // Lets the kernel, which sees the acknowledgements, detect a client that acknowledges nothing. A timeout around
    // write() would also drop a client that receives the data of a large socket buffer slowly.
    socket.set_tcp_user_timeout(Some(timeout))?;
    // Lets the kernel detect the same while a stream sends nothing. Other connections are closed earlier.
    let interval = (timeout / 4).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(timeout).with_interval(interval))?;
    stream.local_addr()
}

async fn respond(
    connection: Arc<Connection>,
    server: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    connection.busy();
    let (head, incoming) = request.into_parts();
    let name = response::percent_decode(head.uri.path());
    let (method, version) = (head.method.clone(), head.version);
    let requests_keep_alive = response::requests_keep_alive(&head.headers);
    let is_browser = page::is_browser(&head.headers);

    let client = connection.client;
    let mut request = HttpRequest { client, server, head, name: name.clone(), body: Ok(Bytes::new()) };
    let handler = &connection.context.handler;
    let mut response = match handler.response_at_once(&request) {
        Some(response) => with_body(response, &method, &connection),
        None => {
            if let Some(limit) = handler.body_limit(&request) {
                let read = tokio::time::timeout(BODY_TIMEOUT, read_body(incoming, limit)).await;
                request.body = read.unwrap_or(Err(BodyError::Incomplete));
            }
            blocking_response(request, &connection).await
        }
    };
    let is_stopping = connection.context.is_stopping();
    let is_stream = |response: &Response<Body>| response.body().remaining() == Remaining::Stream;
    if is_stopping && is_stream(&response) {
        response = with_body(response::status_response(StatusCode::SERVICE_UNAVAILABLE), &method, &connection);
    }
    if version == Version::HTTP_10 && is_stream(&response) {
        // The end of the stream is that of the connection: without this, hyper adds `Connection: keep-alive`.
        *response.version_mut() = version;
    } else if requests_keep_alive && !is_stopping {
        // While the server stops, hyper adds `Connection: close`.
        response::set_keep_alive(response.headers_mut());
    }
    connection.begin(Exchange {
        method,
        name: name.unwrap_or_default(),
        ticket: response.extensions_mut().remove().unwrap_or_default(),
        began,
        status: response.status().as_u16(),
        is_browser,
        remaining: response.body().remaining(),
        is_whole_file: response.body().is_whole_file(),
        sent: 0,
    });
    Ok(response)
}

/// Reads a body, and returns the part of it that the limit allows to keep.
async fn read_body(mut incoming: Incoming, limit: BodyLimit) -> Result<Bytes, BodyError> {
    if incoming.size_hint().lower() > limit.max as u64 {
        return Err(BodyError::TooLong);
    }
    let (mut body, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {
        let frame = frame.map_err(|_| BodyError::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit.max {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(data.get(..limit.kept - body.len()).unwrap_or(&data));
    }
    Ok(body.freeze())
}

/// The response of the handler, which runs on a thread that may block.
async fn blocking_response(request: HttpRequest, connection: &Arc<Connection>) -> Response<Body> {
    let (method, work) = (request.head.method.clone(), connection.clone());
    let blocking = tokio::task::spawn_blocking(move || {
        with_body(work.context.handler.response(&request), &request.head.method, &work)
    });
    // The panic hook logs a panic in the handler; only this request fails.
    match blocking.await {
        Ok(response) => response,
        Err(_) => with_body(response::status_response(StatusCode::INTERNAL_SERVER_ERROR), &method, connection),
    }
}

/// The response with its body. The response to HEAD has none.
fn with_body(response: HttpResponse, method: &Method, connection: &Arc<Connection>) -> Response<Body> {
    response.map(|payload| Body::new(if method == Method::HEAD { Payload::empty() } else { payload }, connection))
}
