//! What was heard before and bears on an answer now. It comes into `answer()` as a value; time is an
//! argument, in milliseconds of any clock that does not go back.

pub mod shared_uuids;
pub mod finding;
mod rate_limits;
mod boot_loop;
mod overheard_offers;
pub mod boot_once;
pub mod boot_attempts;

use crate::arch::Arch;
use crate::client::{Client, HardwareAddress};
use crate::plan::rule::RuleRef;
use crate::bounded_cache::{CacheKey, BoundedCache};
use crate::wire::pxe::{Features, MachineId};
use shared_uuids::UuidClaims;
use core::net::{IpAddr, Ipv6Addr};
use rate_limits::RateLimits;
use boot_loop::BootLoops;
pub use boot_loop::LoopCause;
use boot_once::BootOnce;
use boot_attempts::BootAttempts;

/// A UEFI client asks 4011 a few seconds after its OFFER; people who stop at a setup screen take minutes.
const OFFER_COUNTS: u64 = 10 * 60 * 1000;
/// DHCPv6 clients, menu choices and loads that are remembered.
const CAPACITY: usize = 8192;
/// Machines that may come to 4011 after their OFFER, tens of thousands of them: 2.5 megabytes.
const OFFERS_CAPACITY: usize = 65536;
/// Machines of which we know the address for a while: 5 megabytes.
const ADDRESSES_CAPACITY: usize = 65536;
/// How long a machine's DHCP vouches for its address. An old entry does little harm: the machine is still there, or
/// was.
const HEARD_COUNTS: u64 = 60 * 60 * 1000;
/// From a choice in the firmware's menu to the iPXE that it starts: seconds, on slow machines a minute.
const CHOICE_COUNTS: u64 = 2 * 60 * 1000;
/// From our loader that an iPXE was given in its place to the time at which it may be given that anew.
const REPLACED_COUNTS: u64 = 2 * 60 * 1000;
/// As long as an iPXE may go on asking (at 0, 1, 3 and 7 s, and so for its next card) before it fetches what it was
/// offered.
const ASKS_AGAIN: u64 = 30 * 1000;

#[derive(Debug)]
pub struct Observations {
    /// Machines to which an OFFER went, when, and the rule that it met if only a relayed packet can tell.
    offers: BoundedCache<MachineKey, (u64, Option<RuleRef>)>,
    pub rate_limits: RateLimits,
    /// Who has an address, by what machines say to their DHCP server and to us.
    addresses: BoundedCache<IpAddr, AddressOwner>,
    /// Addresses that DHCP was heard from where nobody elsewhere can have forged it, and when: see
    /// [`Memory::is_vouched`].
    vouched: BoundedCache<IpAddr, u64>,
    /// The address that a DHCPv6 client has been given, by its DUID.
    leases: BoundedCache<MachineKey, Ipv6Addr>,
    /// The item that was chosen from the menu that we gave, and when.
    choices: BoundedCache<MachineKey, (u16, u64)>,
    /// First-stage loaders that machines have fetched.
    loads: BootLoops,
    /// Who says which UUID.
    pub uuid_claims: UuidClaims,
    /// iPXEs that were given our loader because they lack something, and when; `None`: their place is taken.
    replaced: BoundedCache<MachineKey, Option<u64>>,
    /// Machines of the plan, by name, that were to boot once and have.
    pub boot_once: BootOnce,
    /// Machines that were offered a boot, and whether they came for it.
    pub boot_attempts: BootAttempts,
}

/// A machine that goes round in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootLoop {
    pub owner: Option<AddressOwner>,
    pub cause: LoopCause,
}

/// The machine that has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressOwner {
    pub hardware: HardwareAddress,
    pub machine: Option<MachineId>,
    pub firmware: FirmwareInfo,
}

/// What its firmware or its iPXE said of itself: the system that it booted cannot tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirmwareInfo {
    pub arch: Option<Arch>,
    pub features: Option<Features>,
}

/// A machine by its hardware address; in the table of claims also a UUID or a DUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineKey([u8; 17]);

impl CacheKey for MachineKey {
    fn octets(&self) -> impl AsRef<[u8]> {
        self.0
    }
}

impl Observations {
    /// `seed`: anything that nobody outside can guess.
    pub fn new(seed: u64) -> Self {
        Observations {
            offers: BoundedCache::new(OFFERS_CAPACITY, seed),
            rate_limits: RateLimits::new(seed),
            addresses: BoundedCache::new(ADDRESSES_CAPACITY, seed.rotate_left(8)),
            vouched: BoundedCache::new(ADDRESSES_CAPACITY, seed.rotate_left(20)),
            leases: BoundedCache::new(CAPACITY, seed.rotate_left(12)),
            choices: BoundedCache::new(CAPACITY, seed.rotate_left(24)),
            loads: BootLoops::new(CAPACITY, seed.rotate_left(40)),
            replaced: BoundedCache::new(CAPACITY, seed.rotate_left(52)),
            boot_once: BootOnce::default(),
            uuid_claims: UuidClaims::new(seed.rotate_left(44)),
            boot_attempts: BootAttempts::new(seed.rotate_left(56)),
        }
    }

    /// A machine says which address it has, or is about to have.
    pub fn note_address(&mut self, address: impl Into<IpAddr>, holder: AddressOwner, now: u64) {
        let address = address.into();
        if !address.is_unspecified() {
            self.addresses.update(address, now, holder, |known| *known = holder);
        }
    }

    /// DHCP from this address was heard on its own link, or through a relay that the plan lists.
    pub fn note_vouched(&mut self, address: IpAddr, now: u64) {
        self.vouched.update(address, now, now, |at| *at = now);
    }

    /// Whether DHCP vouches for an address: a machine has it, and whoever sends packets in its name from elsewhere did
    /// not make that up.
    pub fn was_vouched(&self, address: IpAddr) -> bool {
        self.vouched.get(address.to_canonical()).is_some()
    }

    /// The same, within the last hour.
    pub fn is_vouched(&self, address: IpAddr, now: u64) -> bool {
        self.vouched.get(address.to_canonical()).is_some_and(|at| now.saturating_sub(at) < HEARD_COUNTS)
    }

    pub fn address_owner(&self, address: impl Into<IpAddr>) -> Option<AddressOwner> {
        self.addresses.get(address.into().to_canonical())
    }

    /// A DHCPv6 client says which address it has been given.
    pub fn note_lease(&mut self, duid: &HardwareAddress, address: Ipv6Addr, now: u64) {
        self.leases.update(hardware_key(duid), now, address, |known| *known = address);
    }

    pub fn lease(&self, duid: &HardwareAddress) -> Option<Ipv6Addr> {
        self.leases.get(hardware_key(duid))
    }

    /// A machine came to port 4011. EDK2 may put its UUID into chaddr there, so it is found by its address as well.
    pub fn note_boot_server_request(&mut self, hardware: &HardwareAddress, address: IpAddr, now: u64) {
        self.boot_attempts.note_contact(hardware, false, now);
        self.note_file_request(address, false, now);
    }

    /// A file was asked for from this address, and whether the machine begins anew with it.
    pub fn note_file_request(&mut self, address: IpAddr, beginning: bool, now: u64) {
        if let Some(holder) = self.address_owner(address) {
            self.boot_attempts.note_contact(&holder.hardware, beginning, now);
        }
    }

    pub fn note_choice(&mut self, client: &Client, kind: u16, now: u64) {
        self.choices.update(self.key(client), now, (kind, now), |choice| *choice = (kind, now));
    }

    /// What was chosen from the firmware's menu a moment ago.
    pub fn choice(&self, client: &Client, now: u64) -> Option<u16> {
        let (kind, at) = self.choices.get(self.key(client))?;
        (now.saturating_sub(at) < CHOICE_COUNTS).then_some(kind)
    }

    /// A first-stage loader was fetched whole, by a machine or, if nobody knows whose it is, by an address.
    pub fn note_loader(&mut self, address: IpAddr, name: &str, now: u64) -> Option<BootLoop> {
        let holder = self.address_owner(address);
        self.loads.note_loader(holder, address, name, now).map(|seen| BootLoop { owner: holder, cause: seen })
    }

    /// An iPXE asks.
    pub fn note_ipxe(&mut self, client: &Client, now: u64) {
        self.loads.note_ipxe(self.key(client), now);
    }

    /// When the machine fetched its loader, if that was a moment ago: what asks now is that loader.
    pub fn loaded_at(&self, client: &Client, now: u64) -> Option<u64> {
        self.loads.loaded_at(self.key(client), now)
    }

    /// An iPXE was given our loader because it lacks something. That it asks again before it fetches that is no news.
    pub fn note_replaced(&mut self, client: &Client, now: u64) {
        let fresh = |at: u64| now.saturating_sub(at) < REPLACED_COUNTS;
        let key = self.key(client);
        self.replaced.update(key, now, None, |at| *at = at.filter(|at| fresh(*at)).or(Some(now)));
    }

    /// An iPXE asks that lacks nothing: a later one on this machine that does is another boot.
    pub fn note_capable(&mut self, client: &Client) {
        let key = self.key(client);
        if let Some(at) = self.replaced.get_mut(key) {
            *at = None;
        }
    }

    /// Whether an iPXE that lacks something has been given our loader and is back all the same: it has fetched that, or
    /// must have by now, where another server has it.
    pub fn was_replaced(&self, client: &Client, now: u64) -> bool {
        let given = self.replaced.get(self.key(client)).flatten();
        given.is_some_and(|at| {
            let since = now.saturating_sub(at);
            let fetched = self.loaded_at(client, now).is_some_and(|loaded| loaded >= at);
            since < REPLACED_COUNTS && (fetched || since >= ASKS_AGAIN)
        })
    }

    /// Whether it was found going round in a circle some minutes ago.
    pub fn is_looping(&self, client: &Client, now: u64) -> bool {
        self.loads.is_looping(self.key(client), now)
    }

    /// Whether an OFFER of ours went to this machine in the last minutes, wherever it has its address from since.
    pub fn was_offered(&self, client: &Client, now: u64) -> bool {
        self.offer(client, now).is_some()
    }

    /// The rule that was met by what its relay said, which no longer stands between us on port 4011.
    pub fn relay_rule(&self, client: &Client, now: u64) -> Option<RuleRef> {
        self.offer(client, now)?.1
    }

    fn offer(&self, client: &Client, now: u64) -> Option<(u64, Option<RuleRef>)> {
        self.offers.get(self.key(client)).filter(|(at, _)| now.saturating_sub(*at) < OFFER_COUNTS)
    }

    /// `rule`: the one that only a relayed packet can meet.
    pub fn note_offer(&mut self, client: &Client, rule: Option<RuleRef>, now: u64) {
        self.offers.update(self.key(client), now, (now, rule), |offer| *offer = (now, rule));
    }

    /// The hardware address of who shows a UUID or a DUID in its place, if a single one has that; or else of who was
    /// heard to have its address and its UUID.
    pub fn resolve_hardware(&self, at: Option<IpAddr>, hardware: &HardwareAddress, machine: Option<MachineId>) -> HardwareAddress {
        let claimed = self.uuid_claims.resolve_hardware(hardware, machine);
        if claimed.mac().is_some() {
            return claimed;
        }
        let holder =
            at.and_then(|address| self.address_owner(address)).filter(|holder| machine.is_some() && holder.machine == machine);
        holder.map_or(claimed, |holder| holder.hardware)
    }

    /// What is remembered for minutes is a hardware address's own: a UUID may be that of many machines.
    fn key(&self, client: &Client) -> MachineKey {
        hardware_key(&self.uuid_claims.resolve_hardware(&client.hardware, client.machine_id))
    }
}

/// The first octet keeps hardware addresses (hlen 1-16), DUIDs (0x80 and more) and UUIDs (0xff) apart.
fn hardware_key(hardware: &HardwareAddress) -> MachineKey {
    let mut key = [0; 17];
    key[0] = if hardware.htype == HardwareAddress::DUID { 0x80 | hardware.hlen } else { hardware.hlen };
    key[1..=hardware.octets().len()].copy_from_slice(hardware.octets());
    MachineKey(key)
}
