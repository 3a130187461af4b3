//! The DHCPv6 packet that a described machine would send, with the options that firmware has in it.

use super::client_packet::{SimulatedClient, vendor_class};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::wire::dhcp6::{INTEL_ENTERPRISE_NUMBER, MessageType, Writer, code};
use proxydhcpd_core::wire::pxe::MachineId;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

const TRANSACTION: [u8; 3] = [0x1e, 0x47, 0x11];
/// Clients listen here, relays and servers there.
const CLIENT_PORT: u16 = 546;

/// Its SOLICIT on 547, its iPXE's INFORMATION-REQUEST, or its REQUEST on 4011, which names the server by its DUID.
pub fn packet(described: &SimulatedClient, kind: MessageType, server: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut packet = Writer::new(kind, TRANSACTION, &mut octets);
    if kind == MessageType::Request {
        packet.option(code::SERVER_ID, server);
    }
    packet.option(code::CLIENT_ID, &duid(described));
    if kind == MessageType::Solicit {
        packet.option(code::IA_NA, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    packet.option(code::ELAPSED_TIME, &[0, 0]);
    packet.option(code::OPTION_REQUEST, &[0, 59, 0, 60, 0, 23, 0, 16]);
    packet.option(code::NETWORK_INTERFACE, &[1, 3, if described.kind.ipxe { 10 } else { 0 }]);
    packet.option(code::ARCHITECTURE, &described.kind.arch.0.to_be_bytes());
    let class = vendor_class(described);
    let counted = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    packet.option(code::VENDOR_CLASS, &[&INTEL_ENTERPRISE_NUMBER.to_be_bytes()[..], &counted(&class)].concat());
    let user_class = described.user_class.as_deref().or(described.kind.ipxe.then_some("iPXE"));
    if let Some(user_class) = user_class {
        packet.option(code::USER_CLASS, &counted(user_class));
    }
    octets
}

/// The same as a relay passes it on that knows the machine's link by this address of its own.
pub fn relayed(described: &SimulatedClient, relay: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut octets = vec![MessageType::RelayForward.into(), 0];
    octets.extend_from_slice(&relay.octets());
    octets.extend_from_slice(&link_local(described.mac).octets());
    let circuit = described.interface_id.as_deref().map(|id| (code::INTERFACE_ID, id.as_bytes()));
    for (code, value) in circuit.into_iter().chain([(code::RELAY_MESSAGE, message)]) {
        octets.extend_from_slice(&code.to_be_bytes());
        octets.extend_from_slice(&(value.len() as u16).to_be_bytes());
        octets.extend_from_slice(value);
    }
    octets
}

/// Where the machine writes from: its link-local address while it has no other.
pub fn sender(described: &SimulatedClient, port: Port, link: u32) -> SocketAddr {
    let port = if port == Port::BootServer { port.number6() } else { CLIENT_PORT };
    SocketAddrV6::new(link_local(described.mac), port, 0, link).into()
}

/// An address of the machine's in the relay's network.
pub fn address_behind_relay(described: &SimulatedClient, relay: Ipv6Addr) -> IpAddr {
    let (network, identifier) = (relay.octets(), link_local(described.mac).octets());
    let mut address = identifier;
    address[..8].copy_from_slice(&network[..8]);
    Ipv6Addr::from(address).into()
}

/// Made of the hardware address (RFC 4291 appendix A).
fn link_local([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// Of the UUID where it has one: EDK2 takes the octets as SMBIOS stores them, iPXE as they are printed.
pub fn duid(described: &SimulatedClient) -> Vec<u8> {
    match described.uuid {
        Some(uuid) if described.kind.ipxe => [&[0, 4][..], &uuid].concat(),
        Some(uuid) => [&[0, 4][..], &MachineId::from_uuid(uuid).0[1..]].concat(),
        None => [&[0, 3, 0, 1][..], &described.mac].concat(),
    }
}
