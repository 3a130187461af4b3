//! The state that all connections share, and the settings of the HTTP server.

use super::connection_table::ConnectionTable;
use super::event::{DropReason, HttpEvent};
use super::handler::Handler;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::watch;

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Maximum number of connections. At the limit, a new connection replaces the connection that has been idle
    /// longest, or a slow connection that has stalled or whose address has more connections than that of the new one.
    /// If there is no such connection, the new one waits until another ends, or the server closes it if its address
    /// has its share of connections. A connection needs one descriptor, and each file that is being sent another.
    pub max_connections: usize,
    /// How long a client may take to send the head of its next request. This limits both slow senders and idle
    /// connections.
    pub header_timeout: Duration,
    /// How long a client may leave sent data unacknowledged, or keep its receive window closed.
    pub stall_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            max_connections: 16_384,
            header_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// The state that all connections share.
pub struct HttpContext {
    /// The settings.
    pub settings: HttpSettings,
    /// Decides about each request.
    pub handler: Box<dyn Handler>,
    /// Called for every event.
    pub on_event: Box<dyn Fn(HttpEvent) + Send + Sync>,
    /// All connections.
    pub connections: Arc<ConnectionTable>,
    /// The number of bodies being sent: the more there are, the smaller their buffers.
    pub active_bodies: AtomicUsize,
    /// Whether the server is stopping.
    pub stopping: watch::Sender<bool>,
}

impl HttpContext {
    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Reports that the server closes the connection of this client, or does not serve it.
    pub fn report_drop(&self, client: SocketAddr, reason: DropReason) {
        (self.on_event)(HttpEvent::Dropped { client, reason });
    }
}
