//! The open listeners, and the addresses of the DHCP sockets.

use crate::net::socket::Socket;
use crate::net::udp6;
use crate::serve::tftp;
use crate::settings::TftpConfig;
use proxydhcpd_core::event::port::ListenerKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};

/// An open listener: one socket, or several sockets of the same service.
#[derive(Debug)]
pub enum Listener {
    /// A DHCP socket, with the destination address of the packets that it receives.
    Dhcp(SocketAddr, Socket),
    /// The TFTP sockets of one address family, with the settings of TFTP.
    Tftp(tftp::TftpListener, TftpConfig),
    /// The port of HTTP, and one socket for each address family.
    Http(u16, Vec<TcpListener>),
    /// The port of syslog, and one socket for each address family.
    Syslog(u16, Vec<UdpSocket>),
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
/// The UDP port for syslog (RFC 5426 3.3), to which iPXE always sends.
pub const SYSLOG_PORT: u16 = 514;

impl Listener {
    /// The kind of the listener.
    pub fn kind(&self) -> ListenerKind {
        match self {
            Listener::Dhcp(address, _) if *address == BOOT_SERVER => ListenerKind::BootServer,
            Listener::Dhcp(address, _) if *address == BOOT_SERVER6 => ListenerKind::BootServer6,
            Listener::Dhcp(address, _) if *address == DHCP6_MULTICAST => ListenerKind::Dhcp6Multicast,
            Listener::Dhcp(..) => ListenerKind::DhcpBroadcast,
            Listener::Tftp(sockets, _) => match sockets.family() {
                tftp::Family::V4 => ListenerKind::Tftp,
                tftp::Family::V6 => ListenerKind::Tftp6,
            },
            Listener::Http(..) => ListenerKind::Http,
            Listener::Syslog(..) => ListenerKind::Syslog,
        }
    }

    /// The number of the port.
    pub fn port(&self) -> u16 {
        match self {
            Listener::Dhcp(address, _) => address.port(),
            Listener::Tftp(..) => TFTP_PORT,
            Listener::Http(port, _) | Listener::Syslog(port, _) => *port,
        }
    }
}
