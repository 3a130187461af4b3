//! What IPv4 and IPv6 have of the same kind, each under a name of its own.

use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, SockaddrStorage, setsockopt, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// An address of ours that datagrams leave from, with the index of its link where it is nothing without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    pub address: IpAddr,
    /// 0 where the address alone says it: a client beyond a router is not always reached by the link that its request
    /// came by.
    link: u32,
}

/// A [`Source`] as the kernel takes it.
#[derive(Debug)]
pub enum LocalPacketInfo {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

// `..._PMTUDISC_DONT` leaves the flag off that forbids routers to fragment, which Linux sets otherwise over IPv4: where
// they cannot say that a packet was too long, the transfer would only stall. Over IPv6 no router fragments; there it
// means that we do, once one has said so, and that it is no error.
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
    pub fn from_ip(address: IpAddr) -> Family {
        if address.is_ipv6() { Family::V6 } else { Family::V4 }
    }

    /// What is longer than the way is wide is sent in fragments.
    pub fn allow_fragments(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, MtuDiscover4, &libc::IP_PMTUDISC_DONT),
            Family::V6 => setsockopt(socket, MtuDiscover6, &libc::IPV6_PMTUDISC_DONT),
        }
    }

    /// Every datagram is to say how it came ([`way`]).
    pub fn enable_packet_info(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &true),
            Family::V6 => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true),
        }
    }

    /// What ICMP says is to be told ([`says_refused`]) even though the socket is not connected.
    pub fn enable_error_queue(self, socket: &UdpSocket) -> nix::Result<()> {
        match self {
            Family::V4 => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
            Family::V6 => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
        }
    }
}

/// Room for [`way`].
pub fn packet_info_space() -> Vec<u8> {
    nix::cmsg_space!(libc::in6_pktinfo)
}

/// Room for [`says_refused`].
pub fn error_queue_space() -> Vec<u8> {
    nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6)
}

/// Where a datagram was sent to, and the index of the link that it came by.
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

/// Whether this is the report that a port is closed.
pub fn is_port_unreachable(control: ControlMessageOwned) -> bool {
    match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            error.ee_errno == libc::ECONNREFUSED as u32
        }
        _ => false,
    }
}

/// The other end; a link-local address comes with the index of the link.
pub fn peer_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

impl LocalAddress {
    /// `link` is that by which somebody has written to the address.
    pub fn new(address: IpAddr, link: u32) -> LocalAddress {
        let needs_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        LocalAddress { address, link: if needs_link { link } else { 0 } }
    }

    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => SocketAddrV4::new(address, port).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.link).into(),
        }
    }

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
    pub fn control_message(&self) -> ControlMessage<'_> {
        match self {
            LocalPacketInfo::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            LocalPacketInfo::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}
