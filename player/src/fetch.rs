//! Fetches files from a machine's address, by TFTP and HTTP.

use crate::failure::Failure;
use crate::http::{self, HttpDialect, Response};
use crate::network::{Network, Port};
use crate::tftp::{Purpose, TftpClient, TftpDialect, Transferred};
use crate::url::Url;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The longest pause of an HTTP server.
const HTTP_PAUSE: Duration = Duration::from_secs(30);

/// A file that arrived, or the refusal.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The first octets of the file; `None` if the server refused it.
    pub content: Option<Vec<u8>>,
    /// Its length, in octets.
    pub length: u64,
    /// The reason of a refusal.
    pub refusal: Option<Failure>,
}

impl Fetched {
    /// The content of a file that the boot needs.
    pub fn required(self) -> Result<Vec<u8>, Failure> {
        match (self.content, self.refusal) {
            (Some(content), _) => Ok(content),
            (None, refusal) => Err(refusal.unwrap_or(Failure::NoFile)),
        }
    }
}

/// Fetches a file by TFTP, from a new port.
pub async fn by_tftp(
    network: &Network,
    address: IpAddr,
    dialect: &'static TftpDialect,
    purpose: Purpose,
    server: SocketAddr,
    name: &str,
) -> Result<Fetched, Failure> {
    let mut port = Port::Udp(network.bind(address, 0).await?);
    let mut client = TftpClient::new(dialect, purpose, server, name, network.now());
    Ok(match network.run(&mut client, &mut port).await? {
        Transferred::File(content, length) => {
            let length = if purpose == Purpose::Probe { 0 } else { length };
            Fetched { content: Some(content), length, refusal: None }
        }
        Transferred::Refused(code, text) => {
            Fetched { content: None, length: 0, refusal: Some(Failure::TftpError(name.to_owned(), code, text)) }
        }
    })
}

/// Sends an HTTP request with this method, on a new connection. After HEAD, there is no content.
pub async fn by_http(
    network: &Network,
    address: IpAddr,
    dialect: HttpDialect,
    method: &str,
    text: &str,
) -> Result<Fetched, Failure> {
    let url = Url::parse(text)?;
    let failed = |reason: &dyn std::fmt::Display| Failure::Http(text.to_owned(), reason.to_string());
    let exchange = async {
        let mut stream = network.connect(address, url.server).await?;
        stream.write_all(&http::request(dialect, method, &url)).await?;
        let mut response = Response::new(method == "HEAD");
        while !response.is_complete() && !response.is_malformed() {
            let Ok(ready) = timeout(HTTP_PAUSE, stream.readable()).await else {
                return Err(std::io::Error::other("the server stopped"));
            };
            ready?;
            match network.read_now(&stream, |octets| response.push(octets)) {
                Ok(0) => response.close(),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(response)
    };
    let response = exchange.await.map_err(|error: std::io::Error| failed(&error))?;
    if response.is_malformed() {
        return Err(failed(&"the response is malformed or ended early"));
    }
    let length = if method == "HEAD" { 0 } else { response.length };
    Ok(match response.status {
        200 => Fetched { content: Some(response.content.into_kept()), length, refusal: None },
        status => Fetched { content: None, length, refusal: Some(Failure::HttpStatus(text.to_owned(), status)) },
    })
}
