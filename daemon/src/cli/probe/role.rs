//! The clients that the probe plays, and the packets that they send: DISCOVERs and SOLICITs, never a REQUEST.

use crate::explain::client::ClientKind;
use crate::explain::client_packet::SimulatedClient;
use crate::explain::client_packet6;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::wire::dhcp4::{BROADCAST_FLAG, Header, MIN_LENGTH, MessageType, Writer, code};
use proxydhcpd_core::wire::dhcp6;
use proxydhcpd_core::wire::pxe::MachineId;
use std::net::Ipv4Addr;

/// The UUID of the probe, in printed order: the MAC address at its end. Boot firmware always sends one.
const PROBE_UUID: [u8; 16] = [0x50, 0x58, 0x45, 0, 0, 0, 0x40, 0, 0x80, 0, 0x02, 0x50, 0x58, 0x45, 0x00, 0x01];

/// The options that EDK2 requests (option 55, EDK2 PxeBcDhcp4.c): servers such as dnsmasq send no others.
const PARAMETERS: [u8; 22] = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128];

/// The firmware that the probe plays: that of nearly all machines.
pub const FIRMWARE: [Arch; 2] = [Arch::BIOS, Arch::X64];

/// A client that the probe plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A PXE ROM of a BIOS.
    Bios,
    /// The PXE client of an x64 UEFI.
    UefiPxe,
    /// The HTTP client of an x64 UEFI.
    UefiHttp,
    /// An iPXE that an x64 UEFI started.
    Ipxe,
    /// A client that does not boot: it has no option 60.
    Plain,
}

/// How a DISCOVER reaches its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By a broadcast on the link.
    Broadcast,
    /// To port 67, as from a relay with this address.
    Relay(Ipv4Addr),
    /// To port 4011, from a client with this address.
    BootServer(Ipv4Addr),
}

impl Role {
    /// The roles of DHCPv4, in the order in which the probe plays them.
    pub const ALL: [Role; 5] = [Role::Bios, Role::UefiPxe, Role::UefiHttp, Role::Ipxe, Role::Plain];
    /// The roles that exist over IPv6.
    pub const IPV6: [Role; 2] = [Role::UefiPxe, Role::UefiHttp];
    /// The roles whose client sends to port 4011.
    pub const BOOT_SERVER: [Role; 3] = [Role::Bios, Role::UefiPxe, Role::Ipxe];

    /// The role in words.
    pub fn name(self) -> String {
        let [bios, uefi] = FIRMWARE;
        match self {
            Role::Bios => format!("{bios}, PXE"),
            Role::UefiPxe => format!("{uefi}, PXE"),
            Role::UefiHttp => format!("{uefi}, HTTP boot"),
            Role::Ipxe => format!("iPXE on {uefi}"),
            Role::Plain => "a client that does not boot".to_owned(),
        }
    }

    /// The name for scripts.
    pub fn id(self) -> &'static str {
        match self {
            Role::Bios => "bios",
            Role::UefiPxe => "uefi-pxe",
            Role::UefiHttp => "uefi-http",
            Role::Ipxe => "ipxe",
            Role::Plain => "plain",
        }
    }

    /// Whether the client boots from the network.
    pub fn boots(self) -> bool {
        self != Role::Plain
    }

    /// The DISCOVER with this transaction ID.
    pub fn discover(self, path: Path, xid: u32) -> Vec<u8> {
        let mut header = Header { xid, flags: BROADCAST_FLAG, ..Header::default() };
        match path {
            Path::Broadcast => {}
            Path::Relay(giaddr) => (header.giaddr, header.hops) = (giaddr, 1),
            Path::BootServer(ciaddr) => (header.ciaddr, header.flags) = (ciaddr, 0),
        }
        header.chaddr[..6].copy_from_slice(&PROBE_MAC);
        let mut octets = Vec::new();
        let mut packet = Writer::new(&header, &mut octets);
        packet.option(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
        packet.option(code::PARAMETER_LIST, &PARAMETERS);
        if let Some(client) = self.client() {
            client.write_client_options(&mut packet);
            packet.option(code::MACHINE_ID, &MachineId::from_uuid(PROBE_UUID).0);
        }
        packet.finish(MIN_LENGTH);
        octets
    }

    /// The SOLICIT with this transaction ID. Without a UUID, its DUID contains the MAC address, by which the server
    /// recognises the probe. `None` for a role that the probe does not play over IPv6.
    pub fn solicit(self, transaction: [u8; 3]) -> Option<Vec<u8>> {
        let mut octets = client_packet6::packet(&self.client()?, dhcp6::MessageType::Solicit, &[]);
        octets.get_mut(1..4)?.copy_from_slice(&transaction);
        Some(octets)
    }

    /// The client, as `explain` simulates it. `None` for the plain client.
    fn client(self) -> Option<SimulatedClient> {
        let [bios, uefi] = FIRMWARE;
        let arch = match self {
            Role::Bios => bios,
            Role::UefiPxe | Role::Ipxe => uefi,
            Role::UefiHttp => Arch::with(|row| row.base == uefi.0 && row.transport == Transport::Http)?,
            Role::Plain => return None,
        };
        Some(SimulatedClient {
            kind: ClientKind { arch, ipxe: self == Role::Ipxe },
            mac: PROBE_MAC,
            uuid: None,
            serial: None,
            vendor_class: None,
            user_class: None,
            relay: None,
            circuit_id: None,
            interface_id: None,
            address: Ipv4Addr::UNSPECIFIED,
        })
    }
}
