//! The question that an explanation answers: what would this machine receive, or the machine that sent this packet?

use super::client::{ClientKind, ServerAddress};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use std::net::{IpAddr, SocketAddr};

/// A machine, or a packet that it sent, and how its requests arrive. The default states nothing.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The UDP payload of a DHCP packet, instead of a machine.
    pub packet: Option<Vec<u8>>,
    /// The client that sends the request.
    pub client: Option<ClientKind>,
    /// The name of the entry that supplies the identities.
    pub machine: Option<String>,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// Its UUID, in printed order.
    pub uuid: Option<[u8; 16]>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The vendor class (option 60) instead of the usual one.
    pub vendor_class: Option<String>,
    /// The user class (option 77) instead of the usual one.
    pub user_class: Option<String>,
    /// The chosen item of the firmware's menu.
    pub item: Option<u16>,
    /// Whether it boots over IPv6; a packet is then a DHCPv6 message.
    pub ipv6: bool,
    /// The relay that forwards the request.
    pub relay: Option<IpAddr>,
    /// The circuit ID that the relay adds (option 82, sub-option 1).
    pub circuit_id: Option<String>,
    /// The interface ID that the DHCPv6 relay adds (option 18).
    pub interface_id: Option<String>,
    /// The only port to which the client sends a request: 67, 547 or 4011. `None`: all ports of a boot.
    pub port: Option<u16>,
    /// The source address of the packet. `None`: its header says it.
    pub from: Option<SocketAddr>,
    /// The server's address and network instead of those of this host.
    pub server: Option<ServerAddress>,
}

impl Question {
    /// The only port to which the client sends a request. `None`: all ports of a boot.
    pub fn port(&self) -> Option<Port> {
        self.port.map(|port| if port == Port::BootServer.number() { Port::BootServer } else { Port::Dhcp })
    }

    /// The error if a value does not belong to the address family of the question. `name` writes the name of a value as
    /// the asker states it, such as `--relay`.
    pub fn family_mismatch(&self, name: impl Fn(&str) -> String) -> Option<String> {
        let other = |address: Option<IpAddr>| address.is_some_and(|address| address.is_ipv6() != self.ipv6);
        let ipv6 = name("ipv6");
        Some(match self.port {
            _ if self.ipv6 && self.client.is_some_and(|client| client.arch == Arch::BIOS && !client.ipxe) => {
                "BIOS cannot boot over IPv6; did you mean `ipxe-bios`?".to_owned()
            }
            Some(547) if !self.ipv6 => format!("port 547 is for DHCPv6: add {ipv6}"),
            Some(67) if self.ipv6 => format!("port 67 is for DHCPv4: with {ipv6} use 547"),
            _ if other(self.relay) && self.ipv6 => format!("with {ipv6}, {} must be an IPv6 address", name("relay")),
            _ if other(self.relay) => format!("{} is an IPv6 address: add {ipv6}", name("relay")),
            _ if other(self.server.map(|server| server.address())) => {
                format!("{} is an address of the other family: add or remove {ipv6}", name("server"))
            }
            _ if other(self.from.map(|from| from.ip())) => {
                format!("{} is an address of the other family: add or remove {ipv6}", name("from"))
            }
            _ => return None,
        })
    }
}
