//! The interface between a connection and the handler that decides about its requests.

use crate::files::Opened;
use bytes::Bytes;
use hyper::Response;
use hyper::http::request::Parts;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use tokio::sync::mpsc;

/// Decides about each request. The connection neither knows methods and paths, nor where a body comes from.
pub trait Handler: Send + Sync + 'static {
    /// The response to a request for which the handler reads and opens nothing; `None` for any other request. Must not
    /// block.
    fn response_at_once(&self, _request: &HttpRequest) -> Option<HttpResponse> {
        None
    }

    /// The part of the request's body that [`Handler::response`] reads, if it reads any. The server does not read a
    /// body that takes longer than ten seconds.
    fn body_limit(&self, _request: &HttpRequest) -> Option<BodyLimit> {
        None
    }

    /// The response to a request. May block, because it runs on a separate thread. If it panics, only this request
    /// fails.
    fn response(&self, request: &HttpRequest) -> HttpResponse;
}

/// A request. The server ignores its body, unless [`Handler::body_limit`] allows one.
#[derive(Debug)]
pub struct HttpRequest {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The local address and port of the connection.
    pub server: SocketAddr,
    /// The method, the URI and the header fields.
    pub head: Parts,
    /// The path, percent-decoded: arbitrary octets. `None` if it cannot be decoded.
    pub name: Option<Vec<u8>>,
    /// The body, or the part of it that [`BodyLimit::kept`] allows; empty if the handler does not read it.
    pub body: Result<Bytes, BodyError>,
}

/// The part of a request's body that the server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// The number of octets that the server keeps, from the beginning. It drops the others as they arrive.
    pub kept: usize,
    /// The maximum length of the body, in octets. The server refuses a longer one.
    pub max: usize,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the handler allows.
    TooLong,
    /// It did not arrive in time, or the connection ended.
    Incomplete,
}

/// A response whose body has not been read yet. The response to HEAD has the body of GET, which the connection does not
/// send. If it has an `Arc<FileTicket>` ([`FileTicket`](proxydhcpd_core::file_ticket::FileTicket)) among its
/// extensions, the ticket stays with the request until its end.
pub type HttpResponse = Response<Payload>;

/// The body of a response.
#[derive(Debug)]
pub enum Payload {
    /// A text, which may be empty.
    Text(Bytes),
    /// These octets of a file or a rendered text.
    Range(Opened, Range<u64>),
    /// Chunks until their sender is dropped: a stream, whose length is unknown. Sending waits while the client receives
    /// more slowly, and fails when the client has disconnected or the server stops. An error closes the connection, so
    /// that the client does not mistake a part for the whole.
    ///
    /// HTTP/1.1 frames the chunks, HTTP/1.0 closes the connection at the end. A client that vanishes without a packet
    /// is noticed within twice [`super::HttpSettings::stall_timeout`].
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl Payload {
    /// No body.
    pub fn empty() -> Payload {
        Payload::Text(Bytes::new())
    }
}

impl<F: Fn(&HttpRequest) -> HttpResponse + Send + Sync + 'static> Handler for F {
    fn response(&self, request: &HttpRequest) -> HttpResponse {
        self(request)
    }
}
