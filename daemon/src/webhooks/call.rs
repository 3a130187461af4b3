//! One attempt to call a webhook.

use super::call_error::CallError;
use super::signature::signature;
use super::trust;
use crate::settings::webhook::WebhookConfig;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long a receiver may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum size of the head of a response, in octets. The server reads no body.
const MAX_HEAD: usize = 16 * 1024;

/// A receiver of calls.
#[derive(Debug)]
pub struct Receiver {
    config: WebhookConfig,
    /// The host and the port, as log lines show them. The rest of the URL may contain a secret.
    shown: String,
    /// TLS for an https URL, made before the first call.
    tls: Option<Arc<ClientConfig>>,
}

impl Receiver {
    /// The receiver of this webhook.
    pub fn new(config: WebhookConfig) -> Receiver {
        let shown = format!("{}:{}", config.url.host().unwrap_or_default(), port(&config.url));
        Receiver { config, shown, tls: None }
    }

    /// Calls the receiver.
    ///
    /// # Errors
    /// The receiver did not take the call.
    pub async fn call(&mut self, id: &str, body: &str) -> Result<(), CallError> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let tls = self.tls()?;
        let exchange = async {
            let host = self.config.url.host().unwrap_or_default().trim_matches(['[', ']']);
            let connected = TcpStream::connect((host, port(&self.config.url))).await;
            let stream = connected.map_err(|error| CallError::connect(&self.shown, &error))?;
            match tls {
                None => self.exchange(stream, id, timestamp, body).await,
                Some(tls) => {
                    let name = ServerName::try_from(host.to_owned());
                    let name = name.map_err(|error| CallError::tls(&self.shown, &error))?;
                    let stream = TlsConnector::from(tls).connect(name, stream).await;
                    let stream = stream.map_err(|error| CallError::tls(&self.shown, &error))?;
                    self.exchange(stream, id, timestamp, body).await
                }
            }
        };
        timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err(CallError::timeout(&self.shown, TIMEOUT.as_secs())))
    }

    /// TLS, if the URL needs it. The files are read again until they can be used.
    fn tls(&mut self) -> Result<Option<Arc<ClientConfig>>, CallError> {
        if self.config.url.scheme_str() == Some("https") && self.tls.is_none() {
            let config = trust::client_config(self.config.ca_file.as_deref()).map_err(CallError::trust)?;
            self.tls = Some(config);
        }
        Ok(self.tls.clone())
    }

    /// Sends the request, and reads the head of the response.
    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        id: &str,
        timestamp: u64,
        body: &str,
    ) -> Result<(), CallError> {
        let request = self.request(id, timestamp, body).map_err(|error| CallError::http(&self.shown, &error))?;
        let handshake = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| CallError::http(&self.shown, &error))?;
        let mut connection = std::pin::pin!(connection);
        let mut response = std::pin::pin!(sender.send_request(request));
        // The connection ends with this function, even if the receiver sends more.
        let response = tokio::select! {
            biased;
            response = &mut response => response,
            Err(error) = &mut connection => return Err(CallError::http(&self.shown, &error)),
        };
        let status = response.map_err(|error| CallError::http(&self.shown, &error))?.status();
        if status.is_success() { Ok(()) } else { Err(CallError::status(&self.shown, status)) }
    }

    fn request(&self, id: &str, timestamp: u64, body: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let url = &self.config.url;
        let signature = signature(self.config.secret.octets(), id, timestamp, body).unwrap_or_default();
        Request::builder()
            .method(Method::POST)
            .uri(url.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
            .header(header::USER_AGENT, concat!("proxydhcpd/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
    }
}

fn port(url: &Uri) -> u16 {
    let of_scheme = if url.scheme_str() == Some("https") { 443 } else { 80 };
    url.port_u16().unwrap_or(of_scheme)
}
