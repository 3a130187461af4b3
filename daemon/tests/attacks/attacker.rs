//! The host of the attacker: the addresses that it uses, and what it holds while an attack lasts.

use crate::common::server::Server;
use nix::sys::signal::Signal;
use proxydhcpd_testbed::raw::RawSocket;
use std::cell::RefCell;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The most TCP connections that the attacker holds. Both ends are on this host.
const MAX_CONNECTIONS: usize = 1500;
/// The pause between two groups of packets.
const PAUSE: Duration = Duration::from_millis(2);

/// The addresses of the network under attack.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub server: Ipv4Addr,
    pub attacker: Ipv4Addr,
    /// The first three octets of addresses on the link that no host has. The next network is empty, too.
    pub absent: [u8; 3],
}

/// The attacker, for one attack. Its packets leave by a packet socket on eth0 of its host.
pub struct Attacker<'a> {
    pub addresses: Addresses,
    pub server: &'a Server,
    wire: RawSocket,
    connections: RefCell<Vec<TcpStream>>,
    /// The configuration of the server before the attack.
    configuration: String,
}

impl Addresses {
    /// An address on the link that no host has. All namespaces share the kernel's table of neighbours (1024 entries),
    /// so there are only 120 of a group.
    pub fn absent(&self, group: u8, number: u32) -> Ipv4Addr {
        let [a, b, c] = self.absent;
        Ipv4Addr::new(a, b, c + group, 1 + (number % 120) as u8)
    }

    /// An address that is not on the link. The server has a route to it, by the attacker's host.
    pub fn off_link(&self, number: u32) -> Ipv4Addr {
        let [_, low, c, d] = number.to_be_bytes();
        Ipv4Addr::new(198, 18 + (low & 1), c, d)
    }
}

impl<'a> Attacker<'a> {
    /// Call this on the host of the attacker.
    pub fn new(addresses: Addresses, server: &'a Server) -> Attacker<'a> {
        let configuration = fs::read_to_string(server.directory.path().join("proxydhcpd.toml")).unwrap();
        let (wire, connections) = (RawSocket::open(), RefCell::default());
        Attacker { addresses, server, wire, connections, configuration }
    }

    /// Sends packets at this rate, each with its number, from the number `first` on, until `stop`.
    pub fn run(&self, rate: u32, first: u32, send: fn(&Attacker<'_>, u32), stop: &AtomicBool) {
        let (began, mut sent) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let due = 1 + (began.elapsed().as_secs_f64() * f64::from(rate)) as u32;
            // A host that was busy does not make up for what it has missed.
            sent = sent.max(due.saturating_sub(1 + rate / 4));
            while sent < due {
                send(self, first + sent);
                sent += 1;
            }
            thread::sleep(PAUSE);
        }
        self.end();
    }

    /// Sends a datagram to a port of the server, with any source.
    pub fn send(&self, from: Ipv4Addr, from_port: u16, port: u16, payload: &[u8]) {
        let to = SocketAddrV4::new(self.addresses.server, port);
        self.wire.send(&SocketAddrV4::new(from, from_port), &to, payload);
    }

    /// Sends a datagram from a host without an address to all servers on the link.
    pub fn broadcast(&self, payload: &[u8]) {
        let (from, to) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        self.wire.send(&SocketAddrV4::new(from, 68), &SocketAddrV4::new(to, 67), payload);
    }

    /// Sends a frame.
    pub fn send_frame(&self, frame: &[u8]) {
        self.wire.send_frame(frame);
    }

    /// Connects to the HTTP port, sends these octets, and holds the connection without reading. Once there are as many
    /// as possible, every tenth call replaces the oldest one, which the server may have closed.
    pub fn connect(&self, number: u32, request: &[u8]) {
        if self.connections.borrow().len() == MAX_CONNECTIONS && !number.is_multiple_of(10) {
            return;
        }
        let to = SocketAddr::from((self.addresses.server, 8080));
        let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(200)) else { return };
        // The server may have closed the connection.
        let _ = std::io::Write::write_all(&mut stream, request);
        let mut connections = self.connections.borrow_mut();
        if connections.len() == MAX_CONNECTIONS {
            connections.remove(0);
        }
        connections.push(stream);
    }

    /// Replaces the configuration of the server by this text, and makes the server read it.
    pub fn configure(&self, text: &[u8]) {
        let directory = self.server.directory.path();
        fs::write(directory.join("new"), text).unwrap();
        fs::rename(directory.join("new"), directory.join("proxydhcpd.toml")).unwrap();
        self.server.signal(Signal::SIGHUP);
    }

    /// Ends what the attack holds, and restores the configuration.
    fn end(&self) {
        self.connections.borrow_mut().clear();
        let file = self.server.directory.path().join("proxydhcpd.toml");
        if fs::read_to_string(&file).ok().as_ref() != Some(&self.configuration) {
            self.configure(self.configuration.as_bytes());
        }
    }
}
