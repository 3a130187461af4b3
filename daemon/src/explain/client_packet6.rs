//! Builds the DHCPv6 packets of a simulated client, with the options that firmware sends.

use super::client_packet::{SimulatedClient, vendor_class};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::wire::dhcp6::{INTEL_ENTERPRISE_NUMBER, MessageType, Writer, code};
use proxydhcpd_core::wire::pxe::MachineId;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

const TRANSACTION: [u8; 3] = [0x1e, 0x47, 0x11];
/// The UDP port of clients. Relays and servers listen on port 547 (RFC 8415 section 7.2).
const CLIENT_PORT: u16 = 546;

/// The client's message of this kind: the SOLICIT of firmware to port 547, the INFORMATION-REQUEST of iPXE, or a
/// REQUEST to port 4011. The REQUEST contains `server`, the server's DUID.
pub fn packet(client: &SimulatedClient, kind: MessageType, server: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut packet = Writer::new(kind, TRANSACTION, &mut octets);
    if kind == MessageType::Request {
        packet.option(code::SERVER_ID, server);
    }
    packet.option(code::CLIENT_ID, &duid(client));
    if kind == MessageType::Solicit {
        packet.option(code::IA_NA, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    packet.option(code::ELAPSED_TIME, &[0, 0]);
    packet.option(code::OPTION_REQUEST, &[0, 59, 0, 60, 0, 23, 0, 16]);
    packet.option(code::NETWORK_INTERFACE, &[1, 3, if client.kind.ipxe { 10 } else { 0 }]);
    packet.option(code::ARCHITECTURE, &client.kind.arch.0.to_be_bytes());
    let class = vendor_class(client);
    let with_length = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    packet.option(code::VENDOR_CLASS, &[&INTEL_ENTERPRISE_NUMBER.to_be_bytes()[..], &with_length(&class)].concat());
    let user_class = client.user_class.as_deref().or(client.kind.ipxe.then_some("iPXE"));
    if let Some(user_class) = user_class {
        packet.option(code::USER_CLASS, &with_length(user_class));
    }
    octets
}

/// Wraps the message in the RELAY-FORW of a relay. `relay` is the relay's address on the client's link (link-address).
pub fn relayed(client: &SimulatedClient, relay: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut octets = vec![MessageType::RelayForward.into(), 0];
    octets.extend_from_slice(&relay.octets());
    octets.extend_from_slice(&link_local(client.mac).octets());
    let interface_id = client.interface_id.as_deref().map(|id| (code::INTERFACE_ID, id.as_bytes()));
    for (code, value) in interface_id.into_iter().chain([(code::RELAY_MESSAGE, message)]) {
        octets.extend_from_slice(&code.to_be_bytes());
        octets.extend_from_slice(&(value.len() as u16).to_be_bytes());
        octets.extend_from_slice(value);
    }
    octets
}

/// The source of the client's packets: its link-local address.
pub fn sender(client: &SimulatedClient, port: Port, link: u32) -> SocketAddr {
    let port = if port == Port::BootServer { port.number6() } else { CLIENT_PORT };
    SocketAddrV6::new(link_local(client.mac), port, 0, link).into()
}

/// The address of a client in the relay's network.
pub fn address_behind_relay(client: &SimulatedClient, relay: Ipv6Addr) -> IpAddr {
    let (network, identifier) = (relay.octets(), link_local(client.mac).octets());
    let mut address = identifier;
    address[..8].copy_from_slice(&network[..8]);
    Ipv6Addr::from(address).into()
}

/// The link-local address with the modified EUI-64 of the MAC address (RFC 4291 appendix A).
fn link_local([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// The client's DUID. If the client has a UUID, the DUID contains it: EDK2 uses the octet order of SMBIOS, and iPXE the
/// printed order.
pub fn duid(client: &SimulatedClient) -> Vec<u8> {
    match client.uuid {
        Some(uuid) if client.kind.ipxe => [&[0, 4][..], &uuid].concat(),
        Some(uuid) => [&[0, 4][..], &MachineId::from_uuid(uuid).0[1..]].concat(),
        None => [&[0, 3, 0, 1][..], &client.mac].concat(),
    }
}
