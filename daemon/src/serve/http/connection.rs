//! The state of a connection. It tracks every request until the kernel has accepted its response.

use super::activity::{Activity, Rest};
use super::context::HttpContext;
use super::event::{DropReason, FinishedRequest, HttpEvent};
use super::file_sender::FileSender;
use hyper::Method;
use proxydhcpd_core::file_ticket::FileTicket;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The state of a connection that its requests, bodies and socket share.
pub struct Connection {
    /// The state of the server.
    pub context: Arc<HttpContext>,
    /// The client's address and port.
    pub client: SocketAddr,
    /// How active the connection is.
    pub activity: Arc<Activity>,
    exchange: Mutex<Option<Exchange>>,
    /// Sends the file of a response, from when hyper receives the body until the socket reaches it.
    file: Mutex<Option<FileSender>>,
}

/// A request whose response is being sent.
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The requested path, percent-decoded.
    pub name: Vec<u8>,
    /// The decisions about the request.
    pub ticket: Arc<FileTicket>,
    /// When the request arrived.
    pub began: Instant,
    /// The status code of the response.
    pub status: u16,
    /// Whether the client is a web browser.
    pub is_browser: bool,
    /// The part of the body that hyper does not have yet, or that the socket has not sent if it is a file's.
    pub remaining: Remaining,
    /// Whether the body is the whole file.
    pub is_whole_file: bool,
    /// Octets of the body that hyper has taken, or that the socket has sent.
    pub sent: u64,
}

/// The part of a body that hyper does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// This number of octets.
    Octets(u64),
    /// The rest of a stream, whose length is unknown.
    Stream,
}

impl Remaining {
    /// Nothing: hyper has the whole body.
    pub const NOTHING: Remaining = Remaining::Octets(0);

    /// The rest after this number of octets.
    pub fn after(self, count: u64) -> Remaining {
        match self {
            Remaining::Octets(octets) => Remaining::Octets(octets - count),
            Remaining::Stream => Remaining::Stream,
        }
    }
}

impl Connection {
    /// A new connection of this client.
    pub fn new(context: &Arc<HttpContext>, client: SocketAddr) -> Arc<Connection> {
        let activity = Activity::new(client.ip());
        let (context, exchange, file) = (context.clone(), Mutex::default(), Mutex::default());
        Arc::new(Connection { context, client, activity, exchange, file })
    }

    /// Records that the client has no request.
    pub fn idle(&self) {
        self.context.connections.rest(&self.activity, Rest::Idle);
    }

    /// Records that there is something to receive or to send.
    pub fn busy(&self) {
        self.context.connections.end_rest(&self.activity);
    }

    /// Begins an exchange.
    pub fn begin(&self, exchange: Exchange) {
        // hyper reads the next request only after it has flushed a response, except if a request's body ended late. In
        // that case the previous exchange ends here.
        if let Some(before) = { self.exchange().replace(exchange) } {
            self.finish(before, false);
        }
    }

    /// Whether the response is a stream that has not ended.
    pub fn is_streaming(&self) -> bool {
        self.exchange().as_ref().is_some_and(|exchange| exchange.remaining == Remaining::Stream)
    }

    /// Gives the socket the file of a response to send.
    pub fn send_file(&self, file: FileSender) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// Takes the file of the response to send.
    pub fn take_file(&self) -> Option<FileSender> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts octets of the body that hyper has taken for sending, or that the socket has sent if they are a file's,
    /// after which this part remains.
    pub fn record_sent(&self, count: u64, remaining: Remaining) {
        let mut exchange = self.exchange();
        let Some(exchange) = exchange.as_mut() else { return };
        exchange.sent += count;
        if mem::replace(&mut exchange.remaining, remaining) == Remaining::Stream {
            self.busy();
        }
    }

    /// Reports that the body could not be read to its end.
    pub fn report_failure(&self, error: &io::Error) {
        let failed = self.exchange().as_ref().map(|exchange| (exchange.name.clone(), exchange.ticket.clone()));
        let (name, ticket) = failed.unwrap_or_default();
        (self.context.on_event)(HttpEvent::Failed { client: self.client, name, ticket, error: error.to_string() });
    }

    /// Reports that the server closes the connection.
    pub fn report_drop(&self, reason: DropReason) {
        self.context.report_drop(self.client, reason);
    }

    /// Called when hyper has nothing left to write. If hyper has received the whole body of the response, the exchange
    /// ends. A stream that goes on is quiet until its next chunk.
    pub fn flushed(&self) {
        let mut exchange = self.exchange();
        if let Some(ended) = exchange.take_if(|exchange| exchange.remaining == Remaining::NOTHING) {
            drop(exchange);
            self.idle();
            let whole = ended.is_whole_file;
            self.finish(ended, whole);
        } else if exchange.as_ref().is_some_and(|exchange| exchange.remaining == Remaining::Stream)
            && !self.activity.rests(Rest::Quiet)
        {
            self.context.connections.rest(&self.activity, Rest::Quiet);
        }
    }

    /// Ends the exchange, if there is one. Called when the socket is dropped.
    pub fn disconnected(&self) {
        self.busy();
        if let Some(exchange) = { self.exchange().take() } {
            self.finish(exchange, false);
        }
    }

    fn finish(&self, exchange: Exchange, whole: bool) {
        (self.context.on_event)(HttpEvent::Finished(FinishedRequest {
            client: self.client,
            method: exchange.method,
            name: exchange.name,
            ticket: exchange.ticket,
            status: exchange.status,
            octets: exchange.sent,
            duration: exchange.began.elapsed(),
            whole,
            is_browser: exchange.is_browser,
        }));
    }

    fn exchange(&self) -> MutexGuard<'_, Option<Exchange>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
