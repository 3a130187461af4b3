//! Tests the TFTP server on loopback: every rule through the real socket, the vectors, and common clients.

mod changing_files;
mod client;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod large;
mod limits;
mod networks;
mod ports;
mod rules;
mod unverified_clients;
mod vectors;

use client::Client;
use proxydhcpd::files::{Opened, open_loader};
use proxydhcpd::serve::tftp::{Family, TftpEvent, TftpListeners, TftpRefusal, TftpSilence, bind, run};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::io::{PipeWriter, pipe};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The options with which EDK2 requests a file.
pub const EDK2: [(&str, &str); 2] = [("blksize", "1468"), ("windowsize", "4")];

/// The event of a transfer that ended.
pub fn ended(name: &str, octets: u64, outcome: Outcome) -> RecordedEvent {
    RecordedEvent::Ended { name: name.into(), octets, outcome }
}

/// Returns each address family with a flag that is unset, and with the flag set.
pub fn families_and_flags() -> impl Iterator<Item = (Family, bool)> {
    BOTH_FAMILIES.into_iter().flat_map(|family| [(family, false), (family, true)])
}

/// Sends a request, and receives the OACK. Returns the address from which the server sends the file.
pub fn oack(client: &mut Client, served: &TestServer, name: &str, options: &[(&str, &str)]) -> SocketAddr {
    client.request(served.address(), name, options);
    match client.packet() {
        (from, TftpPacket::Oack(_)) => from,
        other => panic!("no OACK: {other:?}"),
    }
}

/// A TFTP server with a temporary directory. Dropping this value stops the server.
#[derive(Debug)]
pub struct TestServer {
    pub directory: tempfile::TempDir,
    family: Family,
    pub port: u16,
    events: Receiver<RecordedEvent>,
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// A copy of an event, without borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedEvent {
    Ended { name: String, octets: u64, outcome: Outcome },
    Refused(TftpRefusal),
    Ignored(TftpSilence),
    Failed(std::io::ErrorKind),
}

/// Both address families. A test of behaviour that does not depend on the family runs for both.
pub const BOTH_FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The default number of descriptors for all transfers of a server.
const DESCRIPTORS: usize = 1000;

pub fn settings() -> TftpConfig {
    TftpConfig::default()
}

impl TestServer {
    pub fn new(settings: TftpConfig) -> TestServer {
        TestServer::with_family(Family::V4, settings)
    }

    /// Starts a server whose transfers together may use this many descriptors.
    pub fn with_descriptors(settings: TftpConfig, descriptors: usize) -> TestServer {
        TestServer::start(Family::V4, settings, descriptors, loopback(), true)
    }

    pub fn with_family(family: Family, settings: TftpConfig) -> TestServer {
        TestServer::with_link(family, settings, loopback())
    }

    /// Starts a server on this link. DHCP traffic has confirmed the addresses of all its clients.
    pub fn with_link(
        family: Family,
        settings: TftpConfig,
        link: impl Fn(u32) -> Option<Link> + Send + 'static,
    ) -> TestServer {
        TestServer::start(family, settings, DESCRIPTORS, link, true)
    }

    /// Starts a server on loopback. All its clients are unverified.
    pub fn for_unverified_clients(family: Family, settings: TftpConfig) -> TestServer {
        TestServer::start(family, settings, DESCRIPTORS, loopback(), false)
    }

    fn start(
        family: Family,
        settings: TftpConfig,
        descriptors: usize,
        link: impl Fn(u32) -> Option<Link> + Send + 'static,
        is_vouched: bool,
    ) -> TestServer {
        let directory = tempfile::tempdir().unwrap();
        let any: IpAddr = match family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let sockets = bind(any, 0, &settings).unwrap();
        let port = sockets.port().unwrap();
        let listeners = Arc::new(TftpListeners::new(descriptors).unwrap());
        listeners.add(sockets).unwrap();
        let (stopped, stop) = pipe().unwrap();
        let (notes, events) = channel();
        let root = directory.path().to_owned();
        let thread = std::thread::spawn(move || {
            let note = |event: TftpEvent<'_>| {
                // The send fails if the test needs no more events, and has dropped the receiver.
                let _ = notes.send(RecordedEvent::from(event));
            };
            let open = |request: &FileRequest<'_>| open(&root, request).into();
            run(listeners, &settings, |index, _| link(index), open, |_| is_vouched, note, stopped).unwrap();
        });
        TestServer { directory, family, port, events, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        (self.loopback(), self.port).into()
    }

    pub fn client(&self) -> Client {
        Client::bind((self.loopback(), 0).into())
    }

    fn loopback(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::LOCALHOST.into(),
            Family::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// Writes a file into the server's directory, and returns its path.
    pub fn write_file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Waits for the next event, and returns it.
    pub fn next_event(&self) -> RecordedEvent {
        self.events.recv_timeout(Duration::from_secs(20)).expect("no event")
    }

    pub fn assert_no_event(&self) {
        assert_eq!(self.events.try_recv().ok(), None);
    }

    /// Signals the server to stop, and does not wait for its end.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    pub fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            self.wait();
        }
    }
}

impl From<TftpEvent<'_>> for RecordedEvent {
    fn from(event: TftpEvent<'_>) -> RecordedEvent {
        match event {
            TftpEvent::Ended { name, octets, outcome, .. } => {
                RecordedEvent::Ended { name: String::from_utf8_lossy(name).into(), octets, outcome }
            }
            TftpEvent::Refused { reason, .. } => RecordedEvent::Refused(reason),
            TftpEvent::Ignored { reason, .. } => RecordedEvent::Ignored(reason),
            TftpEvent::Failed { error, .. } => RecordedEvent::Failed(error.kind()),
        }
    }
}

/// Returns the loopback link, with the MTU of Ethernet.
fn loopback() -> impl Fn(u32) -> Option<Link> + Send + 'static {
    let lo = nix::net::if_::if_nametoindex("lo").unwrap();
    let ipv4 = vec![Network4 { address: Ipv4Addr::LOCALHOST, prefix: 8 }];
    let ipv6 = vec![Network6 { address: Ipv6Addr::LOCALHOST, prefix: 128 }];
    let link = Link { index: lo, name: "lo".into(), mtu: 1500, ipv4, ipv6 };
    move |index| (index == lo).then(|| link.clone())
}

fn open(root: &std::path::Path, request: &FileRequest<'_>) -> Result<Opened, Refusal> {
    let name = normalize(request.name).map_err(|_| Refusal::Denied)?;
    open_loader(&root.join(name))
}

/// Returns octets in which all blocks differ.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
