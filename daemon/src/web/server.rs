//! Runs the page in its thread.

use super::open_sockets::OpenSockets;
use super::router::router;
use super::shared::Web;
use crate::access::{AccessControl, PageAddress};
use crate::api::Api;
use crate::events::Events;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::web::WebEvent;
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::watch;

/// The interval at which the page follows the addresses of this host and the files of its certificate.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);
/// How long the server waits for the thread when it stops.
const GRACE: Duration = Duration::from_millis(200);

/// The web listener of a running server.
#[derive(Debug)]
pub struct WebServer {
    stop: watch::Sender<bool>,
}

impl WebServer {
    /// Starts the thread. An error is recorded, and the server does without pages.
    pub fn start(api: Api, control: AccessControl) -> Option<WebServer> {
        let events = api.state.events.clone();
        let (stop, stopped) = watch::channel(false);
        let start = || -> std::io::Result<_> {
            let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
            let run = move || {
                runtime.block_on(run(Web::new(api, control), stopped));
                // A query of the history may still run: the process ends without it.
                runtime.shutdown_background();
            };
            thread::Builder::new().name("web".to_owned()).spawn(run)
        };
        match start() {
            Ok(_) => Some(WebServer { stop }),
            Err(error) => {
                record(&events, WebEvent::Failed(format_args!("{error}")));
                None
            }
        }
    }

    /// Closes the ports, and lets connections finish for a moment.
    pub async fn stop(self) {
        // The thread drops its receiver when it ends.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(GRACE, self.stop.closed()).await;
    }
}

async fn run(web: Web, mut stopped: watch::Receiver<bool>) {
    let (state, control) = (web.api.state.clone(), web.control.clone());
    let admission = web.admission().clone();
    let mut sockets = OpenSockets::new(control.clone(), admission, router(web), state.events.clone());
    let mut opening = control.opening();
    let mut announced = None;
    loop {
        let wanted = *opening.borrow_and_update();
        sockets.follow(wanted, &state.links.load()).await;
        announce(&control, &state.events, &mut announced);
        tokio::select! {
            _ = stopped.changed() => break,
            _ = opening.changed() => {}
            () = tokio::time::sleep(FOLLOW_INTERVAL) => sockets.follow_certificate(),
        }
    }
    // Dropping the sockets ends their connections.
}

/// Without a password, records the link that admits the first browser; again when other hosts reach the page, too.
fn announce(control: &AccessControl, events: &Events, announced: &mut Option<PageAddress>) {
    let Some(best) = control.listeners().best() else { return };
    let is_better = announced.is_none_or(|last| last.address.ip().is_loopback() && !best.address.ip().is_loopback());
    // A command that opens the page sets its password, or shows a link itself.
    let is_by_command = announced.is_some() && control.opening().borrow().1.is_some();
    if !is_better {
        return;
    }
    *announced = Some(best);
    if is_by_command || control.lock().password.is_set() {
        return;
    }
    if let Ok(secret) = control.new_setup_link() {
        record(events, WebEvent::SetupLink { url: format_args!("{best}"), secret: secret.as_str() });
    }
}

fn record(events: &Events, event: WebEvent<'_>) {
    events.record_host(What::Web(event));
}
