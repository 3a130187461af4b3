//! Socket options and control messages that IPv4 and IPv6 have under different names.

use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, SockaddrStorage, setsockopt, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The local address from which datagrams are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address, without a scope.
    pub address: IpAddr,
    /// The index of the link if the address is link-local, otherwise 0: the route to a client behind a router need not
    /// lead through the link on which the client's request arrived.
    link: u32,
}

/// A [`LocalAddress`] in the kernel's form.
#[derive(Debug)]
pub enum LocalPacketInfo {
    /// For IP_PKTINFO.
    V4(libc::in_pktinfo),
    /// For IPV6_PKTINFO.
    V6(libc::in6_pktinfo),
}

// `..._PMTUDISC_DONT`: over IPv4, the option clears the flag "don't fragment", which Linux sets by default. With the
// flag, a transfer would stall if routers cannot report that a packet is too long. Over IPv6, routers do not fragment
// packets. There the option makes this host fragment packets after a router's report, which then is not an error.
#[derive(Clone)]
struct MtuDiscover4;
nix::setsockopt_impl!(
    MtuDiscover4,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int,
    sockopt::SetStruct<'_, libc::c_int>
);
#[derive(Clone)]
struct MtuDiscover6;
nix::setsockopt_impl!(
    MtuDiscover6,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU_DISCOVER,
    libc::c_int,
    sockopt::SetStruct<'_, libc::c_int>
);

impl Family {
    /// The family of an address.
    pub fn from_ip(address: IpAddr) -> Family {
        if address.is_ipv6() { Family::V6 } else { Family::V4 }
    }

    /// Lets the socket send packets longer than the path MTU, in fragments.
    pub fn allow_fragments(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, MtuDiscover4, &libc::IP_PMTUDISC_DONT),
            Family::V6 => setsockopt(socket, MtuDiscover6, &libc::IPV6_PMTUDISC_DONT),
        }
    }

    /// Makes the kernel report the destination address and the link of each datagram (`parse_packet_info`).
    pub fn enable_packet_info(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &true),
            Family::V6 => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true),
        }
    }

    /// Makes the kernel queue ICMP errors (`is_port_unreachable`) for the socket, although the socket is not connected.
    pub fn enable_error_queue(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
            Family::V6 => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
        }
    }
}

/// A buffer for the control message of [`parse_packet_info`].
pub fn packet_info_space() -> Vec<u8> {
    nix::cmsg_space!(libc::in6_pktinfo)
}

/// A buffer for the control message of [`is_port_unreachable`].
pub fn error_queue_space() -> Vec<u8> {
    nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6)
}

/// The destination address of a datagram, and the index of the link on which the datagram arrived. `None` for another
/// kind of control message.
pub fn parse_packet_info(control: ControlMessageOwned) -> Option<(IpAddr, u32)> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some((Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into(), u32::try_from(info.ipi_ifindex).ok()?))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some((Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), info.ipi6_ifindex))
        }
        _ => None,
    }
}

/// Whether this ICMP error reports a closed port.
pub fn is_port_unreachable(control: ControlMessageOwned) -> bool {
    match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            error.ee_errno == libc::ECONNREFUSED as u32
        }
        _ => false,
    }
}

/// The peer's address. A link-local address includes the index of the link. `None` if the address is not an IP address.
pub fn peer_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

impl LocalAddress {
    /// `link` is the index of the link on which a packet to the address arrived.
    pub fn new(address: IpAddr, link: u32) -> LocalAddress {
        let needs_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        LocalAddress { address, link: if needs_link { link } else { 0 } }
    }

    /// The address with this port.
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => SocketAddrV4::new(address, port).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.link).into(),
        }
    }

    /// The packet information with which a socket sends a datagram from this address, although the socket is not bound
    /// to it.
    pub fn packet_info(self) -> LocalPacketInfo {
        match self.address {
            IpAddr::V4(address) => LocalPacketInfo::V4(libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            }),
            IpAddr::V6(address) => LocalPacketInfo::V6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: self.link,
            }),
        }
    }
}

impl LocalPacketInfo {
    /// The packet information as a control message for `sendmsg`.
    pub fn control_message(&self) -> ControlMessage<'_> {
        match self {
            LocalPacketInfo::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            LocalPacketInfo::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}
