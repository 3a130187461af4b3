//! The open listeners, and the addresses of the DHCP sockets.

use crate::net::socket::Socket;
use crate::net::udp6;
use crate::serve::tftp;
use crate::settings::TftpConfig;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};

/// An open listener: one socket, or several sockets of the same service.
#[derive(Debug)]
pub enum Listener {
    /// A DHCP socket, with the destination address of the packets that it receives.
    Dhcp(SocketAddr, Socket),
    /// The TFTP sockets of one address family, with the settings of TFTP.
    Tftp(tftp::TftpListener, TftpConfig),
    /// The port of HTTP, and one socket for each address family.
    Http(u16, Vec<TcpListener>),
}

/// The destination of IPv4 broadcasts to the DHCP server port.
pub const DHCP_BROADCAST: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 67));
/// Port 4011 over IPv4.
pub const BOOT_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4011));
/// All_DHCP_Servers, the group to which a DHCPv6 relay sends if no server is configured on the relay. The sockets that
/// receive packets for this group also join the clients' group on each link.
pub const DHCP6_MULTICAST: SocketAddr = SocketAddr::V6(SocketAddrV6::new(udp6::ALL_SERVERS, 547, 0, 0));
/// Port 4011 over IPv6. Its socket joins the group All_DHCP_Relay_Agents_and_Servers on every link.
pub const BOOT_SERVER6: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 4011, 0, 0));
/// The UDP port for TFTP requests.
pub const TFTP_PORT: u16 = 69;

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Dhcp(SocketAddr::V4(address), _) => write!(f, "DHCP on port {}", address.port()),
            Listener::Dhcp(SocketAddr::V6(address), _) => write!(f, "DHCPv6 on port {}", address.port()),
            Listener::Tftp(..) => write!(f, "TFTP on port {TFTP_PORT}"),
            Listener::Http(port, _) => write!(f, "HTTP on port {port}"),
        }
    }
}
