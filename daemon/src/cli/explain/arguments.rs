//! The arguments of `explain`.

use crate::explain::client::{ClientKind, Mac, PacketHex, ServerAddress, Uuid, common_kinds};
use crate::explain::question::Question;
use clap::{ArgGroup, Args};
use std::net::{IpAddr, SocketAddr};

/// Explain what a machine would receive, and why
///
/// Prints each step of the decision and each reply as a tree: which entry and which rule matched and which nearly
/// matched, the replies on port 67 and on port 4011, and then the script of its iPXE. Nothing is sent. Describe the
/// machine by flags, or give a packet of it.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("Examples:
  proxydhcpd explain --client uefi-x64               an x64 UEFI machine
  proxydhcpd explain --client bios --machine web1    a machine of the configuration, with BIOS
  proxydhcpd explain --client bios --relay 10.1.0.1  a BIOS machine behind a relay
  proxydhcpd explain --client ipxe-arm64             an ARM machine that already runs iPXE
  proxydhcpd explain --client uefi-x64 --ipv6        the boot over IPv6
  proxydhcpd explain --client uefi-x64 --port 4011   only its request on port 4011
  proxydhcpd explain 0101060012345678...             a DHCP packet in hex, or `-` for standard input

Clients: {},
http-x64, http-arm64 and every other registered architecture (option 93); ipxe-bios, ipxe-x64,
ipxe-arm64 ... for a machine that already runs iPXE.

Exit status: 0 if the server answers the machine; 1 if it does not; 2 for wrong usage or an invalid
configuration.", common_kinds()))]
#[command(group(ArgGroup::new("asks").args(["packet", "client"]).required(true)))]
pub struct Explain {
    /// The DHCP packet (UDP payload) in hex; `-` reads standard input
    #[arg(value_name = "HEX", conflicts_with_all = ["client", "mac", "uuid", "serial"])]
    pub packet: Option<PacketHex>,

    /// The client that sends the request: firmware or iPXE, and its architecture
    #[arg(long, value_name = "ID")]
    pub client: Option<ClientKind>,

    /// Send the identities of this machine of the configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["packet", "mac", "uuid", "serial"])]
    pub machine: Option<String>,

    /// The machine's MAC address [default: 02:00:00:00:00:01]
    #[arg(long)]
    pub mac: Option<Mac>,

    /// The machine's UUID (option 97), as its firmware prints it
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// The machine's serial number, which its iPXE sends in the URL of its script
    #[arg(long)]
    pub serial: Option<String>,

    /// Send this vendor class (option 60) instead of the usual one
    #[arg(long, value_name = "TEXT", conflicts_with = "packet")]
    pub vendor_class: Option<String>,

    /// Send this user class (option 77) instead of the usual one (--ipxe-user-class lists those that mean iPXE)
    #[arg(long = "sends-user-class", value_name = "TEXT", conflicts_with = "packet")]
    pub user_class: Option<String>,

    /// Choose this item of the firmware's menu: 0x8001 and up, or the `type` in the configuration
    #[arg(long, value_name = "TYPE", value_parser = parse_item_type, conflicts_with = "packet")]
    pub item: Option<u16>,

    /// Boot over IPv6; a packet in hex is then a DHCPv6 message
    #[arg(long, conflicts_with_all = ["item", "circuit_id"])]
    pub ipv6: bool,

    /// The relay that forwards the request: its giaddr, or with --ipv6 its link-address
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<IpAddr>,

    /// The circuit ID that the relay adds (option 82, sub-option 1)
    #[arg(long, value_name = "TEXT", requires = "relay", conflicts_with = "packet")]
    pub circuit_id: Option<String>,

    /// The interface ID that the DHCPv6 relay adds (option 18)
    #[arg(long, value_name = "TEXT", requires_all = ["relay", "ipv6"], conflicts_with = "packet")]
    pub interface_id: Option<String>,

    /// Simulate only the request to this port: DHCP (67, or 547 with --ipv6) or boot server (4011) [default: the whole
    /// boot]
    #[arg(long, value_parser = ["67", "547", "4011"])]
    port: Option<String>,

    /// The source address of a packet in hex [default: from its header]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "packet")]
    pub from: Option<SocketAddr>,

    /// Use this server address and network instead of those of this host
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub server: Option<ServerAddress>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Explain {
    /// The question of these arguments. `packet`: the octets of their packet.
    pub fn question(&self, packet: Option<Vec<u8>>) -> Question {
        Question {
            packet,
            client: self.client,
            machine: self.machine.clone(),
            mac: self.mac.map(|mac| mac.0),
            uuid: self.uuid.map(|uuid| uuid.0),
            serial: self.serial.clone(),
            vendor_class: self.vendor_class.clone(),
            user_class: self.user_class.clone(),
            item: self.item,
            ipv6: self.ipv6,
            relay: self.relay,
            circuit_id: self.circuit_id.clone(),
            interface_id: self.interface_id.clone(),
            port: self.port.as_deref().and_then(|port| port.parse().ok()),
            from: self.from,
            server: self.server,
        }
    }
}

/// Parses the type of a menu item, in hexadecimal such as `0x8001`, or in decimal.
fn parse_item_type(text: &str) -> Result<u16, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
    number.map_err(|_| "expected a number up to 65535, for example 0x8001".to_owned())
}
