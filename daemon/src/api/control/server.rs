//! Accepts connections to the control socket, and serves the API on them.

use super::open;
use super::peer::{self, Permission};
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::limited_stream::LimitedStream;
use crate::api::router::router;
use crate::api::shared::Api;
use crate::events::Events;
use crate::settings::CONTROL_GROUP;
use axum::http::StatusCode;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::control_socket::ControlSocketEvent;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tower_service::Service;

/// The maximum number of connections.
const MAX_CONNECTIONS: usize = 32;
/// The maximum size of the head of a request, in octets.
const MAX_HEAD: usize = 16 * 1024;
/// How long a client may take to send the head of its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave what the server sends unread.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of connections that are refused at once with a response.
const MAX_REFUSALS: usize = 8;
/// How long a client that is refused may take to send its request.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long connections may go on when the server stops.
const GRACE: Duration = Duration::from_millis(200);

/// The control socket of a running server.
#[derive(Debug)]
pub struct ControlSocket {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ControlSocket {
    /// Opens the socket at this path, and serves it on the current tokio runtime. Returns at once. An error is
    /// recorded, and the server does without the socket.
    pub fn start(api: Api, path: &Path) -> ControlSocket {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(api, path.to_owned(), stopped));
        ControlSocket { stop, task }
    }

    /// Closes the socket, and lets connections finish for a moment.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn run(api: Api, path: PathBuf, mut stopped: oneshot::Receiver<()>) {
    let events = api.state.events.clone();
    let shown = path.display().to_string();
    let opened = match tokio::task::spawn_blocking(move || open::open(&path)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(open::OpenError { error, remedy })) => {
            return record(&events, ControlSocketEvent::Failed { error: format_args!("{error}"), remedy });
        }
        // The thread panicked, which the panic hook has logged.
        Err(_) => return,
    };
    let listener = match opened.listener.try_clone().and_then(UnixListener::from_std) {
        Ok(listener) => listener,
        Err(error) => {
            let error = format_args!("cannot open the control socket {shown}: {error}");
            return record(&events, ControlSocketEvent::Failed { error, remedy: "restart the server" });
        }
    };
    record(&events, ControlSocketEvent::Opened(format_args!("{shown}")));
    let router = router(api).layer(Extension(Caller::ControlSocket));
    let (mut connections, mut refusals) = (JoinSet::new(), JoinSet::new());
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            // A connection that panicked has ended like any other. The panic hook has logged the panic.
            Some(_) = connections.join_next() => {}
            Some(_) = refusals.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= MAX_CONNECTIONS => {
                    record(&events, ControlSocketEvent::Full(MAX_CONNECTIONS));
                    if refusals.len() < MAX_REFUSALS {
                        refusals.spawn(refuse(stream));
                    }
                }
                Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone(), events.clone()))),
                Err(error) => {
                    record(&events, ControlSocketEvent::AcceptFailed(format_args!("{error}")));
                    // Descriptors become free as connections end.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
    drop((listener, opened));
    // Dropping the set closes the connections that remain.
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves a connection to its end.
async fn serve(stream: UnixStream, router: Router, events: Events) {
    let Ok(peer) = stream.peer_cred() else { return };
    let permission = peer::permission(peer).await;
    if permission == Permission::Denied {
        record(&events, ControlSocketEvent::Refused { user: peer.uid() });
    }
    let service = service_fn(move |request| {
        let mut router = router.clone();
        async move {
            match permission {
                Permission::Granted => router.call(request).await,
                Permission::Denied => Ok(denied(peer.uid()).response(StatusCode::FORBIDDEN)),
            }
        }
    });
    // An error concerns only this client, which has closed the connection or sends no HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(LimitedStream::new(stream, STALL_TIMEOUT), service)
        .await;
}

/// Responds that all connections are in use. A client takes no response before it has sent its request.
async fn refuse(stream: UnixStream) {
    let service = service_fn(|_| async { Ok::<_, Infallible>(busy().response(StatusCode::SERVICE_UNAVAILABLE)) });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REFUSAL_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(LimitedStream::new(stream, REFUSAL_TIMEOUT), service)
        .await;
}

/// The error if all connections are in use.
fn busy() -> ApiError {
    let problem = format!("all {MAX_CONNECTIONS} connections of the control socket are in use");
    ApiError::new(problem, "end some `proxydhcpd watch`", "control socket")
}

/// The error for a user that may not use the socket.
fn denied(user: u32) -> ApiError {
    ApiError::new(
        format!("the user with the number {user} may not use the control socket"),
        format!("run the command as root, or add the user to the group {CONTROL_GROUP} (docs/operation.md)"),
        "control socket",
    )
}

fn record(events: &Events, event: ControlSocketEvent<'_>) {
    events.record_host(What::ControlSocket(event));
}
