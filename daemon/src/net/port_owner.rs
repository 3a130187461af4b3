//! Finds the process that uses a port: the error "address already in use" alone does not show an administrator which
//! process to stop.

use proxydhcpd_core::event::port;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A socket that is bound to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoundSocket {
    /// The socket's local address, which may be a wildcard.
    pub address: IpAddr,
    /// The inode number, which identifies the socket in the whole system.
    pub inode: u64,
}

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process ID.
    pub pid: u32,
    /// The name in the kernel, which has at most 15 octets: `systemd-network` for systemd-networkd.
    pub name: String,
}

/// The owner of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// The address of the owner's socket, which may be a wildcard.
    pub address: IpAddr,
    /// The process. `None` if /proc does not show it: it belongs to another user or another container, or the kernel
    /// owns the socket.
    pub process: Option<Process>,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        })
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.for_event().fmt(f)
    }
}

impl PortOwner {
    /// The owner as part of an event.
    pub fn for_event(&self) -> port::PortOwner<'_> {
        let process = self.process.as_ref().map(|process| (process.pid, process.name.as_str()));
        port::PortOwner { address: self.address, process }
    }
}

/// The owner of a socket that conflicts with a bind to `address`. `None` if there is none, or /proc is not readable.
pub fn port_owner(transport: Transport, address: IpAddr, port: u16) -> Option<PortOwner> {
    let bound =
        bound_sockets(transport, port).ok()?.into_iter().find(|other| addresses_overlap(address, other.address))?;
    Some(bound.owner())
}

impl BoundSocket {
    /// Finds the process that has the socket. To read all of /proc takes some milliseconds.
    pub fn owner(&self) -> PortOwner {
        PortOwner { address: self.address, process: process_with(&self.name()) }
    }

    /// Whether proxydhcpd's own process has the socket.
    pub fn is_own_process(&self) -> bool {
        has_open("self", &self.name())
    }

    /// The target of the links to the socket in `/proc/PID/fd`.
    fn name(&self) -> String {
        format!("socket:[{}]", self.inode)
    }
}

/// The IPv4 and IPv6 sockets of this network namespace that are bound to a port. For TCP, only listening sockets.
pub fn bound_sockets(transport: Transport, port: u16) -> io::Result<Vec<BoundSocket>> {
    let (four, six) = match transport {
        Transport::Udp => ("udp", "udp6"),
        Transport::Tcp => ("tcp", "tcp6"),
    };
    let mut bound = parse(&table(four)?, transport, port);
    // A kernel without IPv6 does not have the second table.
    bound.extend(parse(&table(six).unwrap_or_default(), transport, port));
    bound.sort();
    Ok(bound)
}

/// Whether a socket on `other` conflicts with a bind to `wanted`: the addresses are equal, or one is a wildcard. An
/// IPv6 wildcard of another process may include IPv4, because /proc does not show IPV6_V6ONLY. This server's IPv6
/// wildcards do not include IPv4, so that no IPv4 socket conflicts with them.
pub fn addresses_overlap(wanted: IpAddr, other: IpAddr) -> bool {
    let is_free = wanted.is_ipv6() && other.is_ipv4();
    !is_free && (wanted == other || wanted.is_unspecified() || other.is_unspecified())
}

/// Limit of a table's size, in octets: some hundred thousand sockets.
const MAX_TABLE_SIZE: u64 = 32 << 20;

/// Reads the socket table of this thread's network namespace. `/proc/net` shows the namespace of the first thread,
/// which may be another one.
fn table(name: &str) -> io::Result<String> {
    let mut text = String::new();
    let path = format!("/proc/thread-self/net/{name}");
    // The error gets the kind `Other`: callers would mistake the original kind for the result of a bind.
    let unknown = |error| io::Error::other(format!("cannot read its owner from {path}: {error}; is /proc mounted?"));
    let table = File::open(&path).map_err(unknown)?;
    table.take(MAX_TABLE_SIZE).read_to_string(&mut text).map_err(unknown)?;
    Ok(text)
}

fn parse(table: &str, transport: Transport, port: u16) -> Vec<BoundSocket> {
    table.lines().skip(1).filter_map(|line| parse_row(line, transport, port)).collect()
}

/// Parses `sl local remote st tx:rx tr:when retransmits uid timeout inode ...`, where `local` is `ADDRESS:PORT` in
/// hexadecimal. `None` if the row is invalid, has another port, or is a TCP socket that does not listen.
fn parse_row(line: &str, transport: Transport, port: u16) -> Option<BoundSocket> {
    const LISTENING: &str = "0A";
    let mut columns = line.split_ascii_whitespace();
    let (address, local_port) = columns.nth(1)?.split_once(':')?;
    if u16::from_str_radix(local_port, 16) != Ok(port) {
        return None;
    }
    let state = columns.nth(1)?;
    if transport == Transport::Tcp && state != LISTENING {
        return None;
    }
    let inode = columns.nth(5)?.parse().ok()?;
    Some(BoundSocket { address: parse_address(address)?, inode })
}

/// Parses an address, which the kernel prints as 32-bit words in host byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

/// The process with the lowest ID that has this socket open, among the processes whose descriptors this one may read.
fn process_with(socket: &str) -> Option<Process> {
    let pids: BTreeSet<u32> =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let pid = pids.into_iter().find(|pid| has_open(&pid.to_string(), socket))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Process { pid, name: name.trim_end().to_owned() })
}

fn has_open(process: &str, socket: &str) -> bool {
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|descriptors| {
        descriptors.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == socket))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn the_owner_of_an_own_socket_is_this_process() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let owner = port_owner(Transport::Udp, Ipv4Addr::UNSPECIFIED.into(), port).unwrap();
        assert_eq!(owner.address, Ipv4Addr::LOCALHOST);
        let process = owner.process.unwrap();
        assert_eq!(process.pid, std::process::id());
        assert_eq!(process.name, fs::read_to_string("/proc/self/comm").unwrap().trim_end());
        assert!(bound_sockets(Transport::Udp, port).unwrap().iter().all(BoundSocket::is_own_process));
        assert_eq!(port_owner(Transport::Udp, Ipv6Addr::UNSPECIFIED.into(), port), None, "IPv6 has separate ports");
        drop(socket);
        assert_eq!(port_owner(Transport::Udp, Ipv4Addr::UNSPECIFIED.into(), port), None);
    }

    #[test]
    fn a_socket_on_another_address_does_not_conflict() {
        let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(port_owner(Transport::Udp, Ipv4Addr::LOCALHOST.into(), port), None);
        assert!(port_owner(Transport::Udp, Ipv4Addr::new(127, 0, 0, 2).into(), port).is_some());
    }

    #[test]
    fn the_owner_of_a_tcp_port_is_its_listener_and_not_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_served, _) = listener.accept().unwrap();
        assert_eq!(bound_sockets(Transport::Tcp, port).unwrap().len(), 1);
        drop(listener);
        assert_eq!(bound_sockets(Transport::Tcp, port).unwrap(), []);
    }

    #[test]
    fn an_ipv6_wildcard_conflicts_with_ipv4() {
        let Ok(socket) = UdpSocket::bind("[::]:0") else { return }; // a host without IPv6
        let port = socket.local_addr().unwrap().port();
        let owner = port_owner(Transport::Udp, Ipv4Addr::LOCALHOST.into(), port).unwrap();
        assert_eq!(owner.address, Ipv6Addr::UNSPECIFIED);
    }

    #[test]
    fn an_invisible_process_is_described_so() {
        let owner = PortOwner { address: Ipv4Addr::UNSPECIFIED.into(), process: None };
        assert_eq!(owner.to_string(), "a process that /proc does not show on 0.0.0.0");
    }

    #[test]
    fn invalid_rows_are_ignored() {
        for table in ["", "header\n", "header\n 1:", "h\n 0: 00:0043 0:0 07", "h\n 0: ZZZZZZZZ:0043 0:0 07 0 0 0 0 0 9"]
        {
            assert_eq!(parse(table, Transport::Udp, 67), []);
        }
        let good = "h\n 7: FFFFFFFF:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 4711 2 0 0";
        assert_eq!(parse(good, Transport::Udp, 67), [BoundSocket { address: Ipv4Addr::BROADCAST.into(), inode: 4711 }]);
    }
}
