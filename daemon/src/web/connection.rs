//! Serves a connection of a browser, with TLS or without.

use super::admission::Place;
use super::client::Connection;
use crate::api::LimitedStream;
use axum::body::Body;
use axum::http::header::{HOST, LOCATION};
use axum::http::{Request, Response, StatusCode};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower_service::Service;

/// The maximum size of the head of a request, in octets.
const MAX_HEAD: usize = 16 * 1024;
/// How long a browser may take to send the head of its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a browser may leave what the server sends unread.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the handshake of TLS may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The first octet of a connection with TLS: the type of the record with the handshake (RFC 8446 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Serves a connection to its end. With a configuration of TLS, it must use that.
pub async fn serve(
    stream: TcpStream,
    source: SocketAddr,
    router: Router,
    place: &Place,
    tls: Option<Arc<ServerConfig>>,
) {
    let is_secure = tls.is_some();
    let router = router.layer(Extension(place.slot())).layer(Extension(Connection { source, is_secure }));
    let Some(config) = tls else { return serve_pages(stream, router).await };
    let mut first = [0];
    let handshake = async {
        match stream.peek(&mut first).await {
            Ok(1) if first[0] == HANDSHAKE_RECORD => Ok(TlsAcceptor::from(config).accept(stream).await.ok()),
            Ok(1) => Err(stream),
            _ => Ok(None),
        }
    };
    match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(Some(stream))) => serve_pages(stream, router).await,
        // The browser uses plain HTTP.
        Ok(Err(stream)) => serve_http(stream, |request| async move { Ok(to_https(&request)) }).await,
        // An error concerns only this browser.
        Ok(Ok(None)) | Err(_) => {}
    }
}

async fn serve_pages(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    serve_http(stream, move |request| {
        let mut router = router.clone();
        async move { router.call(request).await }
    })
    .await;
}

async fn serve_http<F>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl Fn(Request<hyper::body::Incoming>) -> F,
) where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    // An error concerns only this browser, which has closed the connection or sends no HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(LimitedStream::new(stream, STALL_TIMEOUT), service_fn(respond))
        .await;
}

/// The response to a request by plain HTTP where browsers must use HTTPS: it sends a browser to the page there.
fn to_https<B>(request: &Request<B>) -> Response<Body> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-.:[]".contains(&octet);
    let mut response = Response::new(Body::from("This page uses HTTPS: begin its address with https://\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static("text/plain"));
    response.headers_mut().insert("connection", axum::http::HeaderValue::from_static("close"));
    if !host.is_empty() && host.bytes().all(is_plain) && request.method().is_safe() {
        let location = format!("https://{host}{}", request.uri().path());
        if let Ok(location) = location.parse() {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
        }
    }
    response
}
