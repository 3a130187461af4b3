//! Builds the DHCPv4 packets of a simulated client. They contain the options by which the server recognises clients, as
//! firmware sends them.

use super::client::ClientKind;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::wire::dhcp4::{BROADCAST_FLAG, Header, MIN_LENGTH, MessageType, Writer, code};
use proxydhcpd_core::wire::pxe::{BootItem, Features, MachineId};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// A client that `explain` simulates.
#[derive(Clone, Debug)]
pub struct SimulatedClient {
    /// Whether the client is firmware or iPXE, and its architecture.
    pub kind: ClientKind,
    /// The client's MAC address.
    pub mac: [u8; 6],
    /// The UUID. Its octets are in the printed order.
    pub uuid: Option<[u8; 16]>,
    /// The serial number, which iPXE states in the URL of its script.
    pub serial: Option<String>,
    /// Option 60. `None` for the usual value.
    pub vendor_class: Option<String>,
    /// Option 77. `None` for the usual value.
    pub user_class: Option<String>,
    /// The relay that forwards the client's requests.
    pub relay: Option<IpAddr>,
    /// The circuit ID that the relay adds (option 82).
    pub circuit_id: Option<String>,
    /// The interface ID that a DHCPv6 relay adds (option 18).
    pub interface_id: Option<String>,
    /// The address that the client has when it contacts port 4011.
    pub address: Ipv4Addr,
}

impl SimulatedClient {
    /// The features that the client sends (option 175). `None` if it is not iPXE.
    pub fn features(&self) -> Option<Features> {
        Features::parse(&ipxe_features(self.kind.arch)).filter(|_| self.kind.ipxe)
    }

    /// The source of the client's request to port 4011. EDK2 sends from port 4011, and iPXE from port 68.
    pub fn source_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, if self.kind.ipxe { 68 } else { 4011 })
    }

    /// The client's DISCOVER to port 67, or its REQUEST to port 4011 with the chosen menu item.
    pub fn packet(&self, port: Port, item: Option<u16>) -> Vec<u8> {
        let (kind, flags, ciaddr) = match port {
            Port::Dhcp => (MessageType::Discover, BROADCAST_FLAG, Ipv4Addr::UNSPECIFIED),
            Port::BootServer => (MessageType::Request, 0, self.address),
        };
        let giaddr = match self.relay {
            Some(IpAddr::V4(relay)) if port == Port::Dhcp => relay,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let mut header = Header { xid: 0x0c1e_4711, flags, ciaddr, giaddr, ..Header::default() };
        header.chaddr[..6].copy_from_slice(&self.mac);

        let mut octets = Vec::new();
        let mut packet = Writer::new(&header, &mut octets);
        packet.option(code::MESSAGE_TYPE, &[kind.into()]);
        self.write_client_options(&mut packet);
        if let Some(kind) = item {
            packet.option(code::VENDOR_SPECIFIC, &BootItem { server_type: kind, layer: 0 }.option());
        }
        if let Some(uuid) = self.uuid {
            packet.option(code::MACHINE_ID, &MachineId::from_uuid(uuid).0);
        }
        if let Some(circuit) = self.circuit_id.as_ref().filter(|_| port == Port::Dhcp) {
            let circuit = &circuit.as_bytes()[..circuit.len().min(253)];
            packet.option(code::RELAY_AGENT, &[&[1, circuit.len() as u8], circuit].concat());
        }
        packet.finish(MIN_LENGTH);
        octets
    }

    /// Writes the options by which servers recognise the kind of client, into a message that has its type.
    pub fn write_client_options(&self, packet: &mut Writer<'_>) {
        let (major, minor) = undi(self.kind);
        packet.option(code::MAXIMUM_SIZE, &1472u16.to_be_bytes());
        packet.option(code::ARCHITECTURE, &self.kind.arch.0.to_be_bytes());
        packet.option(code::NETWORK_INTERFACE, &[1, major, minor]);
        packet.option(code::VENDOR_CLASS, vendor_class(self).as_bytes());
        if self.kind.ipxe {
            packet.option(code::IPXE, &ipxe_features(self.kind.arch));
        }
        if let Some(class) = self.user_class.as_deref().or(self.kind.ipxe.then_some("iPXE")) {
            packet.option(code::USER_CLASS, class.as_bytes());
        }
    }
}

/// The UNDI version. EDK2 sends 3.0, and iPXE under UEFI sends 3.10 (protocol.md 1.3).
fn undi(kind: ClientKind) -> (u8, u8) {
    if kind.arch.is_efi() { (3, if kind.ipxe { 10 } else { 0 }) } else { (2, 1) }
}

/// The client's vendor class (option 60). iPXE always sends its built-in vendor class.
pub fn vendor_class(client: &SimulatedClient) -> String {
    let SimulatedClient { kind, vendor_class, .. } = client;
    let word = match kind.arch.transport() {
        Some(Transport::Http) => "HTTPClient",
        _ => "PXEClient",
    };
    let (major, minor) = undi(*kind);
    let class = || format!("{word}:Arch:{:05}:UNDI:{major:03}{minor:03}", kind.arch.0);
    vendor_class.clone().filter(|_| !kind.ipxe).unwrap_or_else(class)
}

/// Option 175 of iPXE 1.21 with HTTP, TFTP, DNS and menus, as distributions build it. On BIOS, iPXE boots kernels in
/// the bzImage format. Under UEFI, it boots them as EFI programs.
pub fn ipxe_features(arch: Arch) -> [u8; 20] {
    let kernels = if arch == Arch::BIOS { 0x18 } else { 0x24 };
    [0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x17, 1, 1, 0x27, 1, 1, kernels, 1, 1]
}
