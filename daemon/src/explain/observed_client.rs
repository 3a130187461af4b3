//! A client whose DHCP request the server would have observed, and the address that the client would have.

use super::client::{ClientKind, Mac};
use super::client_packet::ipxe_features;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::observations::{AddressOwner, FirmwareInfo, Observations};
use proxydhcpd_core::wire::pxe::Features;
use std::net::{IpAddr, Ipv4Addr};

/// Adds the DHCP request of this client to the observations.
pub fn with_observed_client(
    mut observations: Observations,
    client: ClientKind,
    mac: Mac,
    address: IpAddr,
) -> Observations {
    let features = client.ipxe.then(|| Features::parse(&ipxe_features(client.arch))).flatten();
    let firmware = FirmwareInfo { arch: Some(client.arch), features };
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&mac.0);
    let hardware = HardwareAddress { htype: 1, hlen: 6, octets };
    observations.note_address(address, AddressOwner { hardware, machine_id: None, firmware }, 0);
    observations
}

/// An address of this network other than the server's, for a simulated machine.
pub fn neighbour(network: Network4) -> Ipv4Addr {
    let address = u32::from(network.address);
    let other = Ipv4Addr::from(address ^ 0b0110_0000);
    if network.contains(other) { other } else { Ipv4Addr::from(address ^ 1) }
}
