//! How many replies a client, a source and a link may receive (docs/protocol.md 9), in thousandths of a reply.

use crate::plans::{LINK_RATE, is_limited};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::plan::Plan;
use std::collections::HashMap;
use std::net::IpAddr;

/// The replies at once, and then a second, for a machine and for a source on port 4011.
const CLIENT: (u64, u64) = (8, 2);

/// The replies so far.
#[derive(Default)]
pub struct Rates(HashMap<Receiver, Account>);

/// A receiver of replies.
#[derive(PartialEq, Eq, Hash)]
enum Receiver {
    /// The sender of this packet, by this path.
    Packet(Vec<u8>, IpAddr, usize),
    /// The Ethernet address, the source and the relay of a DHCPv4 packet.
    Machine([u8; 6], IpAddr, [u8; 4], usize),
    /// A source on port 4011.
    Source(IpAddr, usize),
    /// A link: its own machines, its relays, and port 4011.
    Link(usize, u8),
}

struct Account {
    left: u64,
    at: u64,
}

impl Rates {
    /// Counts a reply to this packet. Panics if it is one too many.
    pub fn count(&mut self, arrival: &Arrival<'_>, plan: &Plan) {
        let (packet, source, link) = (arrival.datagram, arrival.from.ip(), arrival.link);
        self.take(Receiver::Packet(packet.into(), source, link), CLIENT, arrival.now);
        let mut is_relayed = packet[0] == 12;
        if source.is_ipv4() {
            let giaddr: [u8; 4] = *packet[24..].first_chunk().expect("a header");
            is_relayed = giaddr != [0; 4];
            let is_ethernet = packet[1..3] == [1, 6];
            if is_ethernet {
                let mac = *packet[28..].first_chunk().expect("a header");
                self.take(Receiver::Machine(mac, source, giaddr, link), CLIENT, arrival.now);
            }
        }
        let on_4011 = arrival.port == Port::BootServer;
        if on_4011 {
            self.take(Receiver::Source(source, link), CLIENT, arrival.now);
        }
        if is_limited(plan) {
            let kind = if on_4011 { 2 } else { u8::from(is_relayed) };
            self.take(Receiver::Link(link, kind), (LINK_RATE.into(), LINK_RATE.into()), arrival.now);
        }
    }

    fn take(&mut self, receiver: Receiver, (burst, rate): (u64, u64), now: u64) {
        let account = self.0.entry(receiver).or_insert(Account { left: burst * 1000, at: now });
        account.left = (account.left + rate * (now - account.at)).min(burst * 1000);
        account.at = now;
        let left = account.left.checked_sub(1000);
        account.left = left.unwrap_or_else(|| panic!("more than {burst} replies at once and {rate} a second"));
    }
}
