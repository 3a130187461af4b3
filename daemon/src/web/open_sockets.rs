//! The open sockets of the page, which follow the addresses at which it should be.

use super::addresses;
use super::admission::{Admission, MAX_CONNECTIONS};
use super::connection;
use super::listener;
use super::tls::{CertificateNews, Tls};
use crate::access::{AccessControl, Opening, PageAddress, PageListeners};
use crate::events::Events;
use axum::Router;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::web::WebEvent;
use proxydhcpd_core::link::Link;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;

/// The response if all connections are in use.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    All connections of this page are in use: close some of its tabs.\n";

/// The open sockets.
#[derive(Debug)]
pub struct OpenSockets {
    control: AccessControl,
    admission: Admission,
    router: Router,
    events: Events,
    tls: Option<Tls>,
    /// Why there is no certificate.
    tls_error: Option<String>,
    open: BTreeMap<SocketAddr, OpenSocket>,
    failures: BTreeMap<SocketAddr, String>,
}

/// An open socket.
#[derive(Debug)]
struct OpenSocket {
    is_secure: bool,
    /// Connections end when this is dropped.
    closing: watch::Sender<()>,
    /// The task that has the socket.
    accepting: JoinHandle<()>,
}

/// The values that the connections of one socket need.
#[derive(Clone, Debug)]
struct Acceptor {
    control: AccessControl,
    router: Router,
    events: Events,
    admission: Admission,
    opening: Option<Opening>,
    tls: Option<Arc<ServerConfig>>,
    /// Has no sender any more when the socket is closed.
    closed: watch::Receiver<()>,
}

impl OpenSockets {
    /// No open sockets yet.
    pub fn new(control: AccessControl, admission: Admission, router: Router, events: Events) -> OpenSockets {
        let (open, failures) = (BTreeMap::new(), BTreeMap::new());
        OpenSockets { control, admission, router, events, tls: None, tls_error: None, open, failures }
    }

    /// Opens and closes sockets, so that the page is where the configuration, or a command, says. Publishes where it
    /// is.
    pub async fn follow(&mut self, (change, opening): (u64, Option<Opening>), links: &[Link]) {
        let config = self.control.config().clone();
        let mut wanted: BTreeMap<SocketAddr, bool> = addresses::wanted(&config, opening, links)
            .into_iter()
            .map(|address| (address, addresses::is_secure(&config, opening, address.ip())))
            .collect();
        if wanted.values().any(|is_secure| *is_secure) {
            self.prepare_tls(&wanted.keys().map(SocketAddr::ip).collect::<Vec<_>>());
            // Without a certificate, the server does not use plain HTTP instead.
            wanted.retain(|_, is_secure| !*is_secure || self.tls.is_some());
        }
        let is_unwanted = |address: &SocketAddr, open: &OpenSocket| wanted.get(address) != Some(&open.is_secure);
        let unwanted: Vec<SocketAddr> = self
            .open
            .iter()
            .filter(|(address, open)| is_unwanted(address, open))
            .map(|(address, _)| *address)
            .collect();
        for address in unwanted {
            let Some(OpenSocket { is_secure, closing, accepting }) = self.open.remove(&address) else { continue };
            let url = PageAddress { address, is_secure };
            record(&self.events, WebEvent::Closed(format_args!("{url}")));
            drop(closing);
            // The address is free when the task has dropped the socket. A panic has been logged by the panic hook.
            let _ = accepting.await;
        }
        self.failures.retain(|address, _| wanted.contains_key(address));
        for (address, is_secure) in wanted {
            if !self.open.contains_key(&address) {
                self.open(address, is_secure, opening);
            }
        }
        self.control.publish(PageListeners {
            change,
            addresses: self
                .open
                .iter()
                .map(|(address, open)| PageAddress { address: *address, is_secure: open.is_secure })
                .collect(),
            failures: self.failures.iter().map(|(address, error)| (*address, error.clone())).collect(),
            fingerprint: self.tls.as_ref().map(Tls::fingerprint),
        });
    }

    /// Reads the certificate again if it has changed.
    pub fn follow_certificate(&mut self) {
        if let Some(news) = self.tls.as_mut().and_then(Tls::follow_files) {
            record_certificate(&self.events, &news);
        }
    }

    fn open(&mut self, address: SocketAddr, is_secure: bool, opening: Option<Opening>) {
        let listener = match listener::open(address) {
            Ok(listener) => listener,
            Err(error) => {
                let text = error.to_string();
                if self.failures.insert(address, text.clone()) != Some(text) {
                    let error = format_args!("{error}");
                    record(&self.events, WebEvent::ListenFailed { address, error });
                }
                return;
            }
        };
        self.failures.remove(&address);
        let (closing, closed) = watch::channel(());
        let acceptor = Acceptor {
            control: self.control.clone(),
            router: self.router.clone(),
            events: self.events.clone(),
            admission: self.admission.clone(),
            opening,
            tls: self.tls.as_ref().map(Tls::server_config),
            closed,
        };
        let accepting = tokio::spawn(acceptor.accept(listener));
        self.open.insert(address, OpenSocket { is_secure, closing, accepting });
        let url = PageAddress { address, is_secure };
        record(&self.events, WebEvent::Listening(format_args!("{url}")));
    }

    fn prepare_tls(&mut self, addresses: &[IpAddr]) {
        if self.tls.is_some() {
            return;
        }
        let specific: Vec<IpAddr> = addresses.iter().copied().filter(|address| !address.is_unspecified()).collect();
        match Tls::new(self.control.config(), self.control.state_dir(), &specific) {
            Ok((tls, news)) => {
                news.iter().for_each(|news| record_certificate(&self.events, news));
                (self.tls, self.tls_error) = (Some(tls), None);
            }
            // Without a certificate, no other host reaches the page. One line says why, until the reason changes.
            Err(error) => {
                if self.tls_error.as_ref() != Some(&error) {
                    record(&self.events, WebEvent::Failed(format_args!("no TLS: {error}")));
                    self.tls_error = Some(error);
                }
            }
        }
    }
}

impl Acceptor {
    /// Accepts connections until the socket is closed.
    async fn accept(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                _ = self.closed.changed() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, source) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    record(&self.events, WebEvent::AcceptFailed(format_args!("{error}")));
                    // Descriptors become free as connections end.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let config = self.control.config();
            let is_shared = source.ip().is_loopback() || config.trusted_proxies.contains(&source.ip().to_canonical());
            let Some(place) = self.admission.admit(source.ip(), is_shared) else {
                // A new connection has an empty send buffer.
                let _ = stream.try_write(BUSY);
                record(&self.events, WebEvent::Full(MAX_CONNECTIONS));
                continue;
            };
            let own = stream.local_addr().map_or(source.ip(), |address| address.ip());
            let is_secure = addresses::is_secure(config, self.opening, own);
            let tls = self.tls.clone().filter(|_| is_secure);
            let (router, mut closed) = (self.router.clone(), self.closed.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = connection::serve(stream, source, router, &place, tls) => {}
                    _ = closed.changed() => {}
                }
            });
        }
    }
}

fn record_certificate(events: &Events, news: &CertificateNews) {
    match news {
        CertificateNews::Used { fingerprint, is_own } => {
            record(events, WebEvent::Certificate { fingerprint, is_own: *is_own });
        }
        CertificateNews::Failed { error, instead } => {
            record(events, WebEvent::CertificateFailed { error: format_args!("{error}"), instead });
        }
    }
}

fn record(events: &Events, event: WebEvent<'_>) {
    events.record_host(What::Web(event));
}
