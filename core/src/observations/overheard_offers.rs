//! The offers of other DHCP and boot servers to machines that this server replies to. UEFI and iPXE request broadcasts,
//! so the OFFERs and ACKs that other servers send them reach every host of the network. A finding about a server rests
//! on that server's offer.

use crate::bounded_cache::{BoundedCache, CacheKey};
use crate::client::Class;
use crate::identity::{HardwareAddress, MachineKey};
use crate::wire::dhcp4::{Message, MessageType, OP_REPLY, code};
use core::net::Ipv4Addr;

/// The number of boot attempts whose offers the server remembers: half a megabyte.
const MAX_ATTEMPTS: usize = 4096;
/// The number of servers whose offers the server remembers for each boot attempt. Few networks have more.
const MAX_SERVERS: usize = 4;

/// Recent offers, by machine and xid.
#[derive(Debug)]
pub(super) struct OverheardOffers(BoundedCache<AttemptKey, [Option<OverheardOffer>; MAX_SERVERS]>);

/// The offer of one server to one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverheardOffer {
    /// The server identifier (option 54).
    pub server: Ipv4Addr,
    /// When the offer arrived.
    pub at: u64,
    /// Whether the offer has an address (yiaddr): the server is then more than a boot server.
    pub has_address: bool,
    /// Whether option 60 of the offer is PXEClient: the server then announces itself as a boot server.
    pub is_pxe: bool,
    /// Whether the offer names a boot file, in `file` or in option 67.
    pub has_file: bool,
}

/// The key of a boot attempt. Firmware that tries PXE and then HTTP uses a different xid for each, and receives
/// different offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AttemptKey {
    machine: MachineKey,
    xid: u32,
}

impl OverheardOffers {
    /// A cache without offers. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        OverheardOffers(BoundedCache::new(MAX_ATTEMPTS, seed))
    }

    /// Notes the OFFER or ACK of another server in this message.
    pub fn note(&mut self, message: &Message<'_>, offer: OverheardOffer, now: u64) {
        let attempt = AttemptKey::new(&HardwareAddress::from_header(&message.header), message.header.xid);
        self.0.update(attempt, now, [None; MAX_SERVERS], |known| {
            let oldest = (0..MAX_SERVERS).min_by_key(|&index| known[index].map(|offer| offer.at)).unwrap_or(0);
            let same = known.iter().position(|known| known.is_some_and(|known| known.server == offer.server));
            known[same.unwrap_or(oldest)] = Some(offer);
        });
    }

    /// The offers to the boot attempt of a machine that began at `since`. The time is needed because iPXE uses the same
    /// xid at every boot.
    pub fn for_attempt(
        &self,
        hardware: &HardwareAddress,
        xid: u32,
        since: u64,
    ) -> impl Iterator<Item = OverheardOffer> + use<> {
        let known = self.0.get(AttemptKey::new(hardware, xid)).unwrap_or_default();
        known.into_iter().flatten().filter(move |offer| offer.at >= since)
    }
}

impl OverheardOffer {
    /// The OFFER or ACK in this message; `None` if it is neither, or does not identify its server.
    pub fn from_message(message: &Message<'_>, now: u64) -> Option<OverheardOffer> {
        let kind = message.message_type().filter(|_| message.header.op == OP_REPLY);
        if !matches!(kind, Some(MessageType::Offer | MessageType::Ack)) {
            return None;
        }
        let is_present = |code| message.option(code).is_some_and(|value| value.iter().any(|octet| *octet != 0));
        Some(OverheardOffer {
            server: message.address(code::SERVER_ID)?,
            at: now,
            has_address: !message.header.yiaddr.is_unspecified(),
            is_pxe: message
                .option(code::VENDOR_CLASS)
                .is_some_and(|class| Class::from_vendor_class(&class) == Some(Class::Pxe)),
            has_file: !message.file().is_empty() || is_present(code::BOOT_FILE),
        })
    }
}

impl AttemptKey {
    fn new(hardware: &HardwareAddress, xid: u32) -> Self {
        AttemptKey { machine: MachineKey::from_hardware(hardware), xid }
    }
}

impl CacheKey for AttemptKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        let mut octets = [0; 21];
        octets[..17].copy_from_slice(self.machine.octets().as_ref());
        octets[17..].copy_from_slice(&self.xid.to_be_bytes());
        octets
    }
}
