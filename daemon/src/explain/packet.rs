//! A packet of the simulated client, and how it arrives at the server.

use super::observed_client::neighbour;
use super::question::Question;
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::wire::dhcp4::{Header, Message};
use proxydhcpd_core::wire::{DhcpMessageType, DhcpPacket, dhcp6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A packet of the client, and the port and addresses with which it arrives.
#[derive(Debug)]
pub struct SimulatedPacket {
    /// The UDP payload.
    pub octets: Vec<u8>,
    /// The port to which the client sends.
    pub port: Port,
    /// The source.
    pub from: SocketAddr,
    /// The destination.
    pub to: IpAddr,
    /// Whether the loader that the machine received sends the packet, on the assumption that this loader is iPXE.
    pub follows: bool,
}

impl SimulatedPacket {
    /// The packet of the command line. Its header determines how it arrives, unless flags override this.
    pub fn from_octets(octets: Vec<u8>, question: &Question, links: &[Link]) -> SimulatedPacket {
        if question.ipv6 {
            return SimulatedPacket::from_octets6(octets, question, &links[0]);
        }
        let header = Message::parse(&octets).ok().map(|message| message.header);
        let address =
            |pick: fn(&Header) -> Ipv4Addr| header.as_ref().map(pick).filter(|address| !address.is_unspecified());
        let (giaddr, ciaddr) = (address(|header| header.giaddr), address(|header| header.ciaddr));
        let port = question.port().unwrap_or(Port::Dhcp);
        let server = links[0].ipv4[0].address;
        let (from, to) = match (port, giaddr) {
            (Port::Dhcp, Some(relay)) => (SocketAddrV4::new(relay, 67), server),
            (Port::Dhcp, None) => (SocketAddrV4::new(ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED), 68), Ipv4Addr::BROADCAST),
            (Port::BootServer, _) => (SocketAddrV4::new(ciaddr.unwrap_or(neighbour(links[0].ipv4[0])), 4011), server),
        };
        SimulatedPacket { octets, port, from: question.from.unwrap_or(from.into()), to: to.into(), follows: false }
    }

    /// The DHCPv6 message of the command line. A client sends to the multicast group from its link-local address, which
    /// the message does not contain. A relay sends to the server.
    fn from_octets6(octets: Vec<u8>, question: &Question, link: &Link) -> SimulatedPacket {
        let port = question.port().unwrap_or(Port::Dhcp);
        let hop = dhcp6::Packet::parse(&octets).ok().and_then(|packet| packet.hops.first().map(|hop| hop.link_address));
        let (from, to) = match hop {
            Some(relay) => (SocketAddr::from((relay, port.number6())), link.address6().map(IpAddr::V6)),
            None => {
                let client = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x207);
                let from_port = if port == Port::Dhcp { 546 } else { port.number6() };
                (SocketAddrV6::new(client, from_port, 0, link.index).into(), None)
            }
        };
        let to = to.unwrap_or(ALL_SERVERS_AND_RELAYS.into());
        SimulatedPacket { octets, port, from: question.from.unwrap_or(from), to, follows: false }
    }

    /// The number of the server's port, in the address family of the packet.
    pub fn port_number(&self) -> u16 {
        if self.from.is_ipv6() { self.port.number6() } else { self.port.number() }
    }

    /// The type of the message. `None` if the packet is no DHCP message.
    pub fn message_type(&self) -> Option<DhcpMessageType> {
        DhcpPacket::parse(&self.octets, self.from.is_ipv6()).ok().and_then(|packet| packet.message_type())
    }
}
