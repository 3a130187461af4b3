//! The latest DHCP packets of machines and of the servers that answered them, so that the page can show what was on the
//! wire. Their number, their octets and the rate at which packets are kept are bounded: a storm of requests costs the
//! thread that answers them next to nothing.

use proxydhcpd_core::bounded_cache::TokenBucket;
use proxydhcpd_core::identity::MachineKey;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of packets. A boot has about ten, repeats not counted.
pub const MAX_PACKETS: usize = 4096;
/// The maximum number of their octets together. With the list, the packets use at most 3 MiB.
pub const MAX_OCTETS: usize = 2 << 20;
/// A longer packet is not kept: a DHCP message fits into the MTU of Ethernet.
const MAX_LENGTH: usize = 1500;
/// How many packets are kept at once, and then for each second: to keep one takes a tenth of the time of an answer.
const BURST: u32 = 1000;
const RATE: u32 = 100;
/// How far back a repeat is looked for, in packets.
const REPEATS: usize = 24;

/// The sender of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketSender {
    /// The machine.
    Machine,
    /// This server.
    Server,
    /// Another server.
    OtherServer,
}

/// A packet that was just received or is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct SeenPacket<'a> {
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The machine.
    pub machine: MachineKey,
    /// The sender.
    pub sender: PacketSender,
    /// The UDP port of the server.
    pub port: u16,
    /// Whether it is a DHCPv6 message.
    pub is_ipv6: bool,
    /// The UDP payload.
    pub octets: &'a [u8],
}

/// A packet that is kept. Repeats, which differ only in what counts them, are one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPacket {
    /// The time of the first occurrence, in milliseconds since the start of the server.
    pub at: u64,
    /// The time of the last occurrence.
    pub last: u64,
    /// The number of occurrences.
    pub times: u32,
    /// The machine.
    pub machine: MachineKey,
    /// The sender.
    pub sender: PacketSender,
    /// The UDP port of the server.
    pub port: u16,
    /// Whether it is a DHCPv6 message.
    pub is_ipv6: bool,
    /// The UDP payload of the first occurrence.
    pub octets: Box<[u8]>,
}

/// The packets that are kept, which all threads share.
#[derive(Debug)]
pub struct KeptPackets(Mutex<PacketRing>);

/// The packets that are kept, the oldest first, and a ring with their octets. There is room for all from the start, so
/// that no answer waits for an allocation; the kernel provides the memory when it is first written.
#[derive(Debug)]
pub struct PacketRing {
    packets: VecDeque<RingPacket>,
    octets: Vec<u8>,
    /// The place in `octets` of the next packet.
    next: usize,
    rate: TokenBucket,
}

/// A packet whose octets are in the ring.
#[derive(Debug)]
struct RingPacket {
    /// The packet without its octets.
    packet: KeptPacket,
    /// The place of its octets in the ring.
    place: Range<usize>,
}

impl Default for KeptPackets {
    fn default() -> Self {
        KeptPackets(Mutex::new(PacketRing {
            packets: VecDeque::with_capacity(MAX_PACKETS),
            octets: Vec::with_capacity(MAX_OCTETS),
            next: 0,
            rate: TokenBucket::full(BURST, 0),
        }))
    }
}

impl KeptPackets {
    /// Locks the packets, for a batch.
    pub fn lock(&self) -> MutexGuard<'_, PacketRing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The packets of this machine, the oldest first.
    pub fn of_machine(&self, machine: MachineKey) -> Vec<KeptPacket> {
        let ring = self.lock();
        let whole = |RingPacket { packet, place }: &RingPacket| KeptPacket {
            octets: ring.octets[place.clone()].into(),
            ..packet.clone()
        };
        ring.packets.iter().filter(|kept| kept.packet.machine == machine).map(whole).collect()
    }
}

impl PacketRing {
    /// Keeps a packet, and forgets the oldest ones for which there is no room.
    pub fn keep(&mut self, seen: SeenPacket<'_>) {
        if seen.octets.len() > MAX_LENGTH || !self.rate.take(BURST, RATE, seen.at) {
            return;
        }
        let PacketRing { packets, octets, .. } = self;
        let is_repeat = |kept: &&mut RingPacket| kept.packet.is_repeated_by(&seen, &octets[kept.place.clone()]);
        if let Some(RingPacket { packet, .. }) = packets.iter_mut().rev().take(REPEATS).find(is_repeat) {
            (packet.last, packet.times) = (seen.at, packet.times.saturating_add(1));
            return;
        }
        let SeenPacket { at, machine, sender, port, is_ipv6, octets } = seen;
        let place = self.make_room(octets.len());
        self.octets[place.clone()].copy_from_slice(octets);
        let octets = Box::default();
        let packet = KeptPacket { at, last: at, times: 1, machine, sender, port, is_ipv6, octets };
        self.packets.push_back(RingPacket { packet, place });
    }

    /// Returns the place of the next packet with this many octets, and forgets the packets that are there.
    fn make_room(&mut self, length: usize) -> Range<usize> {
        if self.next + length > MAX_OCTETS {
            // A packet is never in two parts, so the end of the ring stays empty.
            while self.packets.front().is_some_and(|oldest| oldest.place.start >= self.next) {
                self.packets.pop_front();
            }
            self.next = 0;
        }
        let place = self.next..self.next + length;
        let is_in_place = |oldest: &RingPacket| place.contains(&oldest.place.start);
        while self.packets.len() >= MAX_PACKETS || self.packets.front().is_some_and(is_in_place) {
            self.packets.pop_front();
        }
        self.octets.resize(self.octets.len().max(place.end), 0);
        self.next = place.end;
        place
    }
}

impl KeptPacket {
    /// Whether a packet repeats this one, which has these octets.
    fn is_repeated_by(&self, seen: &SeenPacket<'_>, octets: &[u8]) -> bool {
        let is_of_same = self.machine == seen.machine
            && self.sender == seen.sender
            && self.port == seen.port
            && self.is_ipv6 == seen.is_ipv6;
        // DHCPv4: xid and secs. DHCPv6: the transaction.
        let counts = if seen.is_ipv6 { 1..4 } else { 4..10 };
        let same = |range: Range<usize>| octets.get(range.clone()) == seen.octets.get(range);
        let length = seen.octets.len();
        is_of_same && octets.len() == length && same(0..counts.start) && same(counts.end..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::identity::HardwareAddress;

    fn seen(machine: u8, at: u64, octets: &[u8]) -> SeenPacket<'_> {
        let machine = MachineKey::from_hardware(&HardwareAddress::from_mac([2, 0, 0, 0, 0, machine]));
        SeenPacket { at, machine, sender: PacketSender::Machine, port: 67, is_ipv6: false, octets }
    }

    #[test]
    fn a_repeat_with_another_xid_and_another_time_is_the_same_packet() {
        let packets = KeptPackets::default();
        let mut octets = [7; 300];
        packets.lock().keep(seen(1, 0, &octets));
        packets.lock().keep(seen(2, 1000, &octets));
        octets[4..10].copy_from_slice(&[1, 2, 3, 4, 0, 4]);
        packets.lock().keep(seen(1, 4000, &octets));
        octets[40] = 1;
        packets.lock().keep(seen(1, 5000, &octets));
        let kept = packets.of_machine(seen(1, 0, &[]).machine);
        let shown: Vec<_> = kept.iter().map(|packet| (packet.at, packet.last, packet.times)).collect();
        assert_eq!(shown, [(0, 4000, 2), (5000, 5000, 1)]);
    }

    #[test]
    fn the_latest_packets_are_kept_within_the_bounds() {
        let packets = KeptPackets::default();
        for number in 0..10_000_u64 {
            let mut octets = [0; 1400];
            octets[20..28].copy_from_slice(&number.to_be_bytes());
            packets.lock().keep(seen(1, number * 10, &octets));
        }
        let kept = packets.of_machine(seen(1, 0, &[]).machine);
        assert_eq!((kept.len(), kept.last().unwrap().at), (MAX_OCTETS / 1400, 99_990));
        packets.lock().keep(seen(1, 100_000, &[0; 1501]));
        assert_eq!(packets.of_machine(kept[0].machine).last().unwrap().at, 99_990);
    }

    #[test]
    fn a_storm_is_not_kept_as_a_whole() {
        let packets = KeptPackets::default();
        for number in 0..3000_u64 {
            let octets = [&[0; 20], &number.to_be_bytes()[..]].concat();
            packets.lock().keep(seen(1, 0, &octets));
        }
        assert_eq!(packets.of_machine(seen(1, 0, &[]).machine).len(), BURST as usize);
    }
}
