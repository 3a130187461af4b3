//! Recognises packets that a capture contains several times, because each interface that the packet passed recorded it.

/// The number of latest packets among which a repeat is sought.
const PACKETS: usize = 64;
/// A packet passes the interfaces of one host within this time, in nanoseconds. A host repeats a packet later.
const SAME: u64 = 5_000_000;

/// The latest packets.
#[derive(Debug)]
pub struct Repeats {
    latest: [(u64, u64); PACKETS],
    next: usize,
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats { latest: [(0, 0); PACKETS], next: 0 }
    }
}

impl Repeats {
    /// Whether this IP packet, captured at this time in nanoseconds, repeats one of the latest packets.
    pub fn is_repeat(&mut self, at: u64, packet: &[u8]) -> bool {
        let hash = packet_hash(packet);
        let is_same = |(known, time): &(u64, u64)| *known == hash && at.saturating_sub(*time) < SAME;
        if self.latest.iter().any(is_same) {
            return true;
        }
        if let Some(place) = self.latest.get_mut(self.next) {
            *place = (hash, at);
        }
        self.next = (self.next + 1) % PACKETS;
        false
    }
}

/// The FNV-1a hash of a packet, without the fields that a router changes: the hop limit, and the checksum of IPv4.
fn packet_hash(packet: &[u8]) -> u64 {
    let changes: &[usize] = if packet.first().is_some_and(|octet| octet >> 4 == 4) { &[8, 10, 11] } else { &[7] };
    let kept = packet.iter().enumerate().filter(|(index, _)| !changes.contains(index));
    kept.fold(0xcbf2_9ce4_8422_2325, |hash, (_, &octet)| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_repeats_only_within_milliseconds() {
        let mut repeats = Repeats::default();
        let packet = [0x45, 0, 0, 20, 0, 1, 0, 0, 64, 17, 9, 9];
        let mut routed = packet;
        (routed[8], routed[10]) = (63, 8);
        assert!(!repeats.is_repeat(1_000_000_000, &packet));
        assert!(repeats.is_repeat(1_000_050_000, &routed));
        assert!(!repeats.is_repeat(2_000_000_000, &packet), "the host repeats the packet");
        assert!(!repeats.is_repeat(2_000_000_000, &[0x45, 1]));
    }
}
