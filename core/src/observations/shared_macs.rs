//! Hardware addresses that two machines use. The proof is two unlike UUIDs that one address shows in turn: the first,
//! the second, and the first again. One change proves nothing: the board, or the card with its address, may have been
//! replaced.

use crate::bounded_cache::BoundedCache;
use crate::client::Client;
use crate::identity::MachineKey;
use crate::plan::Plan;
use crate::wire::pxe::MachineId;
use crate::wire::uuid::swap_fields;

/// The number of addresses that the server remembers: half a megabyte.
const CAPACITY: usize = 8192;
/// The time between the first UUID and its return, in milliseconds. A repair in which a card moves to another machine
/// and back takes longer.
const IN_TURN: u64 = 60 * 60 * 1000;

/// The UUIDs that addresses show.
#[derive(Debug)]
pub struct SharedMacs(BoundedCache<MachineKey, ShownUuids>);

/// The UUIDs that one address shows.
#[derive(Clone, Copy, Debug)]
struct ShownUuids {
    /// The current UUID, in printed order, and when the address first showed it since the last change.
    current: ([u8; 16], u64),
    /// The UUID before it.
    before: Option<([u8; 16], u64)>,
    /// Whether the address has returned to a UUID.
    is_shared: bool,
}

/// A hardware address that two machines use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedMac {
    /// The address.
    pub mac: [u8; 6],
    /// The UUIDs of the machines, in printed order: that of the present machine, and that of the other.
    pub uuids: [[u8; 16]; 2],
}

impl SharedMacs {
    /// A value without addresses. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        SharedMacs(BoundedCache::new(CAPACITY, seed))
    }

    /// Notes the UUID of a client, and returns its address if two machines use it. An address that the configuration
    /// lists as shared, and a UUID that many machines have, show nothing.
    pub fn note(&mut self, plan: &Plan, client: &Client, now: u64) -> Option<SharedMac> {
        let mac = client.hardware().mac().filter(|mac| !plan.inventory.is_shared_mac(mac))?;
        let uuid = client.machine.machine_id.filter(MachineId::is_unique)?.uuid();
        let fresh = ShownUuids { current: (uuid, now), before: None, is_shared: false };
        let shown = self.0.update(MachineKey::from_hardware(&client.hardware()), now, fresh, |shown| {
            shown.show(uuid, now);
            *shown
        });
        let (other, _) = shown.before.filter(|_| shown.is_shared)?;
        Some(SharedMac { mac, uuids: [shown.current.0, other] })
    }
}

impl ShownUuids {
    fn show(&mut self, uuid: [u8; 16], now: u64) {
        if is_same(self.current.0, uuid) {
            return;
        }
        let returned = self.before.filter(|(before, _)| is_same(*before, uuid));
        let is_in_turn = returned.is_some_and(|(_, at)| now.saturating_sub(at) < IN_TURN);
        *self = ShownUuids { current: (uuid, now), before: Some(self.current), is_shared: is_in_turn };
    }
}

/// Whether two UUIDs are those of one machine. Firmware and iPXE may differ in the order of the octets.
fn is_same(one: [u8; 16], other: [u8; 16]) -> bool {
    one == other || one == swap_fields(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 16] = 0x11223344_5566_7788_99aa_bbccddeeff01_u128.to_be_bytes();
    const B: [u8; 16] = 0x11223344_5566_7788_99aa_bbccddeeff02_u128.to_be_bytes();
    const C: [u8; 16] = 0x11223344_5566_7788_99aa_bbccddeeff03_u128.to_be_bytes();

    /// Whether the address counts as shared after it has shown these UUIDs, one a minute.
    fn is_shared(uuids: &[[u8; 16]]) -> bool {
        let mut shown = ShownUuids { current: (uuids[0], 0), before: None, is_shared: false };
        (1..).zip(&uuids[1..]).for_each(|(minute, uuid)| shown.show(*uuid, minute * 60_000));
        shown.is_shared
    }

    #[test]
    fn an_address_that_returns_to_a_uuid_is_shared() {
        assert!(is_shared(&[A, B, A]) && is_shared(&[A, A, B, B, A]) && is_shared(&[A, B, A, A, B]));
        assert!(!is_shared(&[A, A]) && !is_shared(&[A, B]) && !is_shared(&[A, B, B]), "the board was replaced");
        assert!(!is_shared(&[A, B, C]) && !is_shared(&[A, B, C, A]), "an adapter that moves from machine to machine");
    }

    #[test]
    fn the_two_orders_of_octets_are_one_machine() {
        assert!(!is_shared(&[A, swap_fields(A), A, swap_fields(A)]));
        assert!(is_shared(&[A, B, swap_fields(A)]));
    }

    #[test]
    fn a_card_that_moves_back_after_hours_is_not_shared() {
        let mut shown = ShownUuids { current: (A, 0), before: None, is_shared: false };
        shown.show(B, IN_TURN);
        shown.show(A, IN_TURN + 1000);
        assert!(!shown.is_shared);
    }
}
