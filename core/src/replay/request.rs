//! A DHCP request that waits for a reply.

use crate::client::Client;
use crate::identity::HardwareAddress;
use crate::wire::{DhcpPacket, dhcp4, dhcp6};

/// A DHCP request that waits for a reply.
#[derive(Debug)]
pub struct Request {
    /// When it arrived, in milliseconds.
    pub at: u64,
    /// The client that sent it.
    pub client: Client,
    /// The exchange to which it belongs.
    pub transaction: Transaction,
}

/// The identity of an exchange, by which a reply belongs to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// The transaction ID and the hardware address of a DHCPv4 client.
    Dhcp4(u32, HardwareAddress),
    /// The transaction ID and the end of the DUID of a DHCPv6 client.
    Dhcp6([u8; 3], HardwareAddress),
}

impl Transaction {
    /// The exchange to which a packet belongs.
    pub fn new(packet: &DhcpPacket<'_>) -> Transaction {
        match packet {
            DhcpPacket::Dhcp4(dhcp4::Message { header, .. }) => {
                Transaction::Dhcp4(header.xid, HardwareAddress::from_header(header))
            }
            DhcpPacket::Dhcp6(dhcp6::Packet { message, .. }) => {
                let duid = message.option(dhcp6::code::CLIENT_ID).unwrap_or_default();
                Transaction::Dhcp6(message.transaction_id, HardwareAddress::from_duid(duid))
            }
        }
    }
}
