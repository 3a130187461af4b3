//! The addresses that the player assigns itself, as a DHCP server that answers at once and loses nothing: in a storm of
//! thousands of machines the DHCP server of a site would be what the machines wait for, and not the boot server.

use proxydhcpd_core::wire::dhcp4::{Header, Message, MessageType, OP_REPLY, Writer, code};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

/// The option with the time for which an address is valid (RFC 2132 9.2), and that time in seconds.
const LEASE_TIME: u8 = 51;
const LEASE_SECONDS: u32 = 24 * 60 * 60;

/// The addresses, and the machines that have one.
#[derive(Debug)]
pub struct AddressPool {
    /// The first address, which is that of the DHCP server in its replies.
    server: Ipv4Addr,
    last: Ipv4Addr,
    leases: HashMap<[u8; 6], Ipv4Addr>,
}

impl AddressPool {
    /// The first address becomes the server identifier (option 54); the machines get the others, one each.
    pub fn new(addresses: &RangeInclusive<Ipv4Addr>) -> AddressPool {
        AddressPool { server: *addresses.start(), last: *addresses.end(), leases: HashMap::new() }
    }

    /// The OFFER for a DISCOVER, or the ACK for a REQUEST that is for this server, with the address of the server.
    /// `None` for other messages, and if there is no address left.
    pub fn reply(&mut self, request: &[u8]) -> Option<(Vec<u8>, Ipv4Addr)> {
        let request = Message::parse(request).ok()?;
        let reply_type = match request.message_type()? {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request if request.address(code::SERVER_ID)? == self.server => MessageType::Ack,
            _ => return None,
        };
        let address = self.address_of(request.header.hardware().try_into().ok()?)?;
        let header = Header { op: OP_REPLY, yiaddr: address, ..request.header.clone() };
        let mut reply = Vec::new();
        let mut writer = Writer::new(&header, &mut reply);
        writer
            .option(code::MESSAGE_TYPE, &[reply_type.into()])
            .option(code::SERVER_ID, &self.server.octets())
            .option(LEASE_TIME, &LEASE_SECONDS.to_be_bytes());
        writer.finish(0);
        Some((reply, self.server))
    }

    fn address_of(&mut self, mac: [u8; 6]) -> Option<Ipv4Addr> {
        let next = u32::from(self.server) + 1 + u32::try_from(self.leases.len()).ok()?;
        match self.leases.get(&mac) {
            Some(address) => Some(*address),
            None if next > u32::from(self.last) => None,
            None => Some(*self.leases.entry(mac).or_insert(next.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(mac: u8, message_type: MessageType, server: Ipv4Addr) -> Vec<u8> {
        let header = Header { chaddr: chaddr(mac), ..Header::default() };
        let mut out = Vec::new();
        let mut writer = Writer::new(&header, &mut out);
        writer.option(code::MESSAGE_TYPE, &[message_type.into()]).option(code::SERVER_ID, &server.octets());
        writer.finish(300);
        out
    }

    fn chaddr(mac: u8) -> [u8; 16] {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&[2, 0, 0, 0, 0, mac]);
        chaddr
    }

    #[test]
    fn each_machine_gets_another_address_until_none_is_left() {
        let server = Ipv4Addr::new(10, 90, 16, 0);
        let mut pool = AddressPool::new(&(server..=Ipv4Addr::new(10, 90, 16, 2)));
        let mut address = |mac, message_type, to| {
            let (reply, from) = pool.reply(&request(mac, message_type, to))?;
            let reply = Message::parse(&reply).unwrap();
            assert_eq!((from, reply.address(code::SERVER_ID)), (server, Some(server)));
            Some((reply.message_type().unwrap(), reply.header.yiaddr.octets()[3]))
        };
        assert_eq!(address(7, MessageType::Discover, server), Some((MessageType::Offer, 1)));
        assert_eq!(address(8, MessageType::Discover, server), Some((MessageType::Offer, 2)));
        assert_eq!(address(7, MessageType::Request, server), Some((MessageType::Ack, 1)));
        assert_eq!(address(8, MessageType::Request, Ipv4Addr::new(10, 90, 0, 1)), None);
        assert_eq!(address(9, MessageType::Discover, server), None);
    }
}
