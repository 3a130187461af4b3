//! Sends packets through the copy of the firewall: each service receives a request, and its reply arrives.

use super::replica::{NEIGHBOUR, NEIGHBOUR6, Replica};
use crate::explain::observed_client::neighbour;
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use proxydhcpd_core::link::Link;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a packet may take: it crosses only a virtual cable.
const WAIT: Duration = Duration::from_millis(400);

/// How often a service is tried: a packet may be lost while the virtual cable comes up, or be late on a busy host.
const ATTEMPTS: usize = 4;

/// A service whose packets must pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Requests to UDP port 67, and replies to port 68, both as broadcasts.
    Dhcp,
    /// Requests to UDP port 4011 and replies from it.
    BootServer,
    /// Read requests to UDP port 69.
    Tftp,
    /// The packets of a transfer, between other ports: these, or any.
    TftpTransfer(Option<RangeInclusive<u16>>),
    /// Connections to this TCP port.
    Http(u16),
    /// DHCPv6: requests to a multicast group and UDP port 547, and replies to port 546.
    Dhcp6,
    /// Requests over IPv6 to UDP port 4011.
    BootServer6,
}

/// The services of this host that machines use.
#[derive(Clone, Debug)]
pub struct Services {
    /// The services, in the order of a boot.
    pub all: Vec<Service>,
}

impl Service {
    /// The port in the syntax of firewall programs: `udp`, and `4011` or `5000-5010`.
    pub fn port(&self) -> (&'static str, String) {
        match self {
            Service::Dhcp => ("udp", "67".to_owned()),
            Service::BootServer | Service::BootServer6 => ("udp", "4011".to_owned()),
            Service::Tftp => ("udp", "69".to_owned()),
            Service::TftpTransfer(Some(ports)) => ("udp", format!("{}-{}", ports.start(), ports.end())),
            Service::TftpTransfer(None) => ("udp", "high ports".to_owned()),
            Service::Http(port) => ("tcp", port.to_string()),
            Service::Dhcp6 => ("udp", "547".to_owned()),
        }
    }

    fn is_v6(&self) -> bool {
        matches!(self, Service::Dhcp6 | Service::BootServer6)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Service::Dhcp => f.write_str("UDP port 67 (DHCP)"),
            Service::BootServer => f.write_str("UDP port 4011 (boot server)"),
            Service::Tftp => f.write_str("UDP port 69 (TFTP)"),
            Service::TftpTransfer(_) => f.write_str("the UDP ports of TFTP transfers"),
            Service::Http(port) => write!(f, "TCP port {port} (HTTP)"),
            Service::Dhcp6 => f.write_str("UDP port 547 (DHCPv6)"),
            Service::BootServer6 => f.write_str("UDP port 4011 over IPv6 (boot server)"),
        }
    }
}

/// The services whose packets do not pass on this link.
///
/// # Errors
/// The copy lacks an address, or the kernel refuses a socket.
pub fn blocked(replica: &Replica, link: &Link, services: &Services) -> io::Result<Vec<Service>> {
    let mut blocked = Vec::new();
    let mut test = |service: &Service, passes: &dyn Fn() -> io::Result<bool>| {
        for _ in 0..ATTEMPTS {
            if passes()? {
                return Ok(());
            }
        }
        blocked.push(service.clone());
        Ok::<_, io::Error>(())
    };
    // A machine that boots has no address when it sends its first request.
    for service in services.all.iter().filter(|service| **service == Service::Dhcp && link.address().is_some()) {
        test(service, &|| dhcp(replica, link))?;
    }
    if let Some(network) = link.ipv4.first() {
        let (own, other) = (network.address, neighbour(*network));
        replica.assign_address(other, network.prefix.min(30))?;
        for service in services.all.iter().filter(|service| **service != Service::Dhcp && !service.is_v6()) {
            test(service, &|| passes4(replica, service, own, other))?;
        }
    }
    if let Some(own) = link.link_local() {
        for service in services.all.iter().filter(|service| service.is_v6()) {
            test(service, &|| passes6(replica, link, service, own))?;
        }
    }
    Ok(blocked)
}

fn passes4(replica: &Replica, service: &Service, own: Ipv4Addr, other: Ipv4Addr) -> io::Result<bool> {
    let (own, other) = (IpAddr::V4(own), IpAddr::V4(other));
    match service {
        Service::BootServer => {
            let (server, client) = (udp(replica, true, own, 4011)?, udp(replica, false, other, 4011)?);
            Ok(round_trip(&client, &server, (own, 4011).into()))
        }
        Service::Tftp => {
            let (server, client) = (udp(replica, true, own, 69)?, udp(replica, false, other, 2070)?);
            Ok(passes(&client, &server, (own, 69).into()).is_some())
        }
        Service::TftpTransfer(ports) => {
            // The server sends first, from a port of the transfer, and the client acknowledges.
            let port = ports.as_ref().map_or(40_000, |ports| *ports.start());
            let (server, client) = (udp(replica, true, own, port)?, udp(replica, false, other, 2071)?);
            Ok(round_trip(&server, &client, (other, 2071).into()))
        }
        Service::Http(port) => {
            let listener = replica.host.on(|| TcpListener::bind((own, *port)))?;
            let connection = replica.neighbour.on(|| TcpStream::connect_timeout(&(own, *port).into(), WAIT));
            drop(listener);
            Ok(connection.is_ok())
        }
        Service::Dhcp | Service::Dhcp6 | Service::BootServer6 => Ok(true),
    }
}

/// A DISCOVER from a machine without an address, and an OFFER, both as broadcasts.
fn dhcp(replica: &Replica, link: &Link) -> io::Result<bool> {
    let open = |port, interface: &str| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(WAIT))?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        Ok::<UdpSocket, io::Error>(socket.into())
    };
    let server = replica.host.on(|| open(67, &link.name))?;
    let client = replica.neighbour.on(|| open(68, NEIGHBOUR))?;
    let to = |port| SocketAddr::from((Ipv4Addr::BROADCAST, port));
    Ok(passes(&client, &server, to(67)).is_some() && passes(&server, &client, to(68)).is_some())
}

fn passes6(replica: &Replica, link: &Link, service: &Service, own: Ipv6Addr) -> io::Result<bool> {
    let index = |name: &str| nix::net::if_::if_nametoindex(name).map_err(io::Error::from);
    let open = |address: Ipv6Addr, port, interface: &str| {
        let index = index(interface)?;
        let socket = UdpSocket::bind(SocketAddrV6::new(address, port, 0, index))?;
        socket.set_read_timeout(Some(WAIT))?;
        Ok::<_, io::Error>((socket, index))
    };
    let (server_port, client_port) = if *service == Service::Dhcp6 { (547, 546) } else { (4011, 4011) };
    let (client, scope) = replica.neighbour.on(|| open(NEIGHBOUR6, client_port, NEIGHBOUR))?;
    let (server, _) = replica.host.on(|| {
        let (server, index) = open(Ipv6Addr::UNSPECIFIED, server_port, &link.name)?;
        server.join_multicast_v6(&ALL_SERVERS_AND_RELAYS, index)?;
        Ok((server, index))
    })?;
    let to = if *service == Service::Dhcp6 { ALL_SERVERS_AND_RELAYS } else { own };
    Ok(round_trip(&client, &server, SocketAddrV6::new(to, server_port, 0, scope).into()))
}

/// Opens a socket of the copy, or of its neighbour.
fn udp(replica: &Replica, on_host: bool, address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let namespace = if on_host { &replica.host } else { &replica.neighbour };
    let socket = namespace.on(|| UdpSocket::bind((address, port)))?;
    socket.set_read_timeout(Some(WAIT))?;
    Ok(socket)
}

/// Whether a packet arrives, and the reply to it.
fn round_trip(from: &UdpSocket, to: &UdpSocket, address: SocketAddr) -> bool {
    passes(from, to, address).is_some_and(|sender| passes(to, from, sender).is_some())
}

/// The sender of the packet, if it arrives. A rule that rejects makes the send or the reception fail, too.
fn passes(from: &UdpSocket, to: &UdpSocket, address: SocketAddr) -> Option<SocketAddr> {
    from.send_to(b"proxydhcpd doctor", address).ok()?;
    to.recv_from(&mut [0; 64]).ok().map(|(_, sender)| sender)
}
