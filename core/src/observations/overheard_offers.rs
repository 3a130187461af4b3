//! What other DHCP and boot servers offer to machines that ask us, too. UEFI and iPXE ask for broadcasts, and so their
//! servers' OFFERs and ACKs reach every host of the network: what a server is blamed for is what its own offer says.

use super::{MachineKey, hardware_key};
use crate::client::{Class, HardwareAddress};
use crate::bounded_cache::{CacheKey, BoundedCache};
use crate::wire::dhcp4::{Message, MessageType, OP_REPLY, code};
use core::net::Ipv4Addr;

/// Attempts of machines whose offers are kept: half a megabyte.
const ATTEMPTS: usize = 4096;
/// Servers that one machine is offered something by. A network with more has other worries.
const SERVERS: usize = 4;

/// What was offered lately, by machine and xid.
#[derive(Debug)]
pub(super) struct OverheardOffers(BoundedCache<Attempt, [Option<OverheardOffer>; SERVERS]>);

/// What one server has offered to one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverheardOffer {
    pub server: Ipv4Addr,
    pub at: u64,
    /// With an address: it is more than a boot server.
    pub has_address: bool,
    /// Option 60 says PXEClient: it calls itself a boot server.
    pub is_pxe: bool,
    /// It names a boot file, in `file` or in option 67.
    pub has_file: bool,
}

/// Firmware that tries PXE and then HTTP has an xid for each, and is offered different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt {
    machine: MachineKey,
    xid: u32,
}

impl OverheardOffers {
    pub fn new(seed: u64) -> Self {
        OverheardOffers(BoundedCache::new(ATTEMPTS, seed))
    }

    /// An OFFER or an ACK of another server.
    pub fn note(&mut self, message: &Message<'_>, now: u64) {
        let Some(offered) = OverheardOffer::of(message, now) else { return };
        let attempt = Attempt::new(&HardwareAddress::from_header(&message.header), message.header.xid);
        self.0.update(attempt, now, [None; SERVERS], |known| {
            let oldest = (0..SERVERS).min_by_key(|&index| known[index].map(|offered| offered.at)).unwrap_or(0);
            let same = known.iter().position(|known| known.is_some_and(|known| known.server == offered.server));
            known[same.unwrap_or(oldest)] = Some(offered);
        });
    }

    /// Offers to one attempt of a machine that began at this time. iPXE has the same xid at every boot.
    pub fn for_attempt(&self, hardware: &HardwareAddress, xid: u32, since: u64) -> impl Iterator<Item = OverheardOffer> + use<> {
        let known = self.0.get(Attempt::new(hardware, xid)).unwrap_or_default();
        known.into_iter().flatten().filter(move |offered| offered.at >= since)
    }
}

impl OverheardOffer {
    fn of(message: &Message<'_>, now: u64) -> Option<OverheardOffer> {
        let kind = message.message_type().filter(|_| message.header.op == OP_REPLY);
        if !matches!(kind, Some(MessageType::Offer | MessageType::Ack)) {
            return None;
        }
        let is_given = |code| message.option(code).is_some_and(|value| value.iter().any(|octet| *octet != 0));
        Some(OverheardOffer {
            server: message.address(code::SERVER_ID)?,
            at: now,
            has_address: !message.header.yiaddr.is_unspecified(),
            is_pxe: message.option(code::VENDOR_CLASS).is_some_and(|class| Class::from_vendor_class(&class) == Some(Class::Pxe)),
            has_file: !message.file().is_empty() || is_given(code::BOOT_FILE),
        })
    }
}

impl Attempt {
    fn new(hardware: &HardwareAddress, xid: u32) -> Self {
        Attempt { machine: hardware_key(hardware), xid }
    }
}

impl CacheKey for Attempt {
    fn octets(&self) -> impl AsRef<[u8]> {
        let mut octets = [0; 21];
        octets[..17].copy_from_slice(&self.machine.0);
        octets[17..].copy_from_slice(&self.xid.to_be_bytes());
        octets
    }
}
