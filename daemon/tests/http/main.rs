//! Tests the real HTTP server on loopback, with curl and with unusual clients.

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod large_files;
mod networks;
mod requests;
mod streams;

use proxydhcpd::files::{Directory, Opened};
use proxydhcpd::serve::http::{self, FileHandler, FinishedRequest, Handler, HttpEvent, HttpSettings};
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::request::FileRequest;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The timeout for an event. It is long enough for a busy host, so a test that reaches it has failed.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server with a temporary boot directory.
struct Server {
    port: u16,
    directory: tempfile::TempDir,
    events: Receiver<HttpEvent>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Server {
        Server::with(HttpSettings::default())
    }

    fn with(settings: HttpSettings) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let root = Directory::from_path(directory.path(), false).unwrap();
        Server::with_open(directory, settings, move |request| {
            let name = std::str::from_utf8(request.name).map_err(|_| Refusal::BadName)?;
            root.open(name.trim_start_matches('/'))
        })
    }

    fn with_open(
        directory: tempfile::TempDir,
        settings: HttpSettings,
        open: impl Fn(&FileRequest<'_>) -> Result<Opened, Refusal> + Send + Sync + 'static,
    ) -> Server {
        let open = move |request: &FileRequest<'_>| open(request).into();
        Server::with_handler(directory, settings, FileHandler::new(open, (), ()))
    }

    fn with_handler(directory: tempfile::TempDir, settings: HttpSettings, handler: impl Handler) -> Server {
        let listeners = http::bind(0, true).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        let (note, events) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let note = move |event| drop(note.send(event));
            runtime.block_on(http::serve(listeners, settings, handler, note, async { drop(stopped.await) })).unwrap();
        });
        Server { port, directory, events, stop: Some(stop), thread: Some(thread) }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of `size` octets into the boot directory. Each group of eight octets differs from its neighbours.
    fn write_file(&self, name: &str, size: usize) -> Vec<u8> {
        let octets: Vec<u8> = (0..size as u64 / 8 + 1)
            .flat_map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .take(size)
            .collect();
        std::fs::write(self.path(name), &octets).unwrap();
        octets
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    fn connect(&self) -> Client {
        Client::to((Ipv4Addr::LOCALHOST, self.port).into())
    }

    /// Returns the next event of any kind.
    fn event(&self) -> HttpEvent {
        self.events.recv_timeout(TIMEOUT).expect("no event")
    }

    fn finished(&self) -> FinishedRequest {
        match self.event() {
            HttpEvent::Finished(finished) => finished,
            other => panic!("{other:?}"),
        }
    }

    fn stop(&mut self) {
        drop(self.stop.take());
    }

    fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.join();
        }
    }
}

/// A client that sends exactly the octets that a test chooses.
struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    /// The head as it arrived. Tests check the spelling of its fields.
    head: String,
    body: Vec<u8>,
}

impl Client {
    fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    fn send(&mut self, octets: impl AsRef<[u8]>) -> &mut Client {
        self.stream.get_mut().write_all(octets.as_ref()).unwrap();
        self
    }

    fn get(&mut self, name: &str, fields: &str) -> Reply {
        self.send(format!("GET /{name} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).reply()
    }

    /// Receives the head of the next reply.
    fn head(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: Vec::new() }
    }

    /// Receives the next reply to a request other than HEAD.
    fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        if reply.status != 304 {
            reply.body.resize(reply.header("Content-Length").unwrap().parse().unwrap(), 0);
            self.stream.read_exact(&mut reply.body).unwrap();
        }
        reply
    }

    /// Receives all octets until the server closes or resets the connection.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("still open: {error}"),
        }
        rest
    }
}

impl Reply {
    /// Returns the value of a header field with exactly this spelling, or `None` if the head has no such field.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn curl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).output();
    let output = output.expect("curl is missing: run e2e/setup");
    assert!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn truncate(path: &Path, size: u64) {
    std::fs::File::options().write(true).create(true).truncate(false).open(path).unwrap().set_len(size).unwrap();
}
