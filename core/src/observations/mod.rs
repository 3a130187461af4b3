//! The server's observations of clients and of other servers, as far as they matter for a reply. `answer()` receives
//! them as a value. The time is an argument, in milliseconds of any monotonic clock.

mod address_owner;
pub mod boot_attempts;
mod boot_loop;
pub mod boot_once;
pub mod finding;
pub mod heard_servers;
mod overheard_offers;
mod rate_limits;
pub mod shared_macs;
pub mod shared_uuids;
mod solicits;

use crate::bounded_cache::BoundedCache;
use crate::client::Client;
use crate::identity::{HardwareAddress, MachineIdentity, MachineKey};
use crate::plan::rule::RuleRef;
use crate::wire::dhcp4::Message;
use crate::wire::pxe::MachineId;
pub use address_owner::{AddressOwner, FirmwareInfo};
use boot_attempts::BootAttempts;
use boot_loop::BootLoops;
pub use boot_loop::LoopCause;
use boot_once::BootOnce;
use core::net::{IpAddr, Ipv6Addr};
use heard_servers::HeardServers;
use overheard_offers::OverheardOffer;
use rate_limits::RateLimits;
use shared_macs::SharedMacs;
use shared_uuids::UuidClaims;

/// How long the server remembers an OFFER. A UEFI client contacts port 4011 a few seconds later, or after minutes if a
/// user stops it at a setup screen.
const OFFER_LIFETIME: u64 = 10 * 60 * 1000;
/// The number of entries in each of the caches of DHCPv6 addresses, menu choices, loaders and replaced iPXEs.
const CAPACITY: usize = 8192;
/// The number of machines whose OFFER the server remembers, because they may contact port 4011: 2.5 megabytes.
const OFFERS_CAPACITY: usize = 65536;
/// The number of addresses whose owners the server remembers: 5 megabytes.
const ADDRESSES_CAPACITY: usize = 65536;
/// How long a machine's DHCP vouches for its address. An old entry does little harm: the machine is, or was, at the
/// address.
const VOUCHED_LIFETIME: u64 = 60 * 60 * 1000;
/// How long a choice in the firmware's menu counts. The iPXE that it starts sends its request within seconds, on slow
/// machines within a minute.
const CHOICE_LIFETIME: u64 = 2 * 60 * 1000;
/// How long after its replacement an iPXE counts as replaced.
const REPLACED_LIFETIME: u64 = 2 * 60 * 1000;
/// How long an iPXE repeats its DISCOVER (after 0, 1, 3 and 7 s, and again for its next card) before it fetches the
/// offered file.
const DISCOVERS_DURATION: u64 = 30 * 1000;

/// Everything that the server has observed.
#[derive(Debug)]
pub struct Observations {
    /// The machines that received an OFFER, with the time, and with the matched rule if only a relayed packet can match
    /// it.
    offers: BoundedCache<MachineKey, (u64, Option<RuleRef>)>,
    /// The request rates of clients, sources and links.
    pub rate_limits: RateLimits,
    /// The owners of addresses, from packets to DHCP servers and to this server.
    addresses: BoundedCache<IpAddr, AddressOwner>,
    /// Addresses whose DHCP packets no remote host can have forged, with the time of the last such packet: see
    /// [`Observations::is_vouched`].
    vouched: BoundedCache<IpAddr, u64>,
    /// The address that a DHCPv6 server has assigned, by the client's DUID.
    leases: BoundedCache<MachineKey, Ipv6Addr>,
    /// The item that each machine chose from this server's menu, and the time of the choice.
    choices: BoundedCache<MachineKey, (u16, u64)>,
    /// The first-stage loaders that machines have fetched.
    boot_loops: BootLoops,
    /// The UUIDs that hardware addresses show.
    pub uuid_claims: UuidClaims,
    /// The UUIDs that each hardware address shows.
    pub shared_macs: SharedMacs,
    /// The machines whose iPXE received this server's loader because it lacks a feature, and the time when it did. The
    /// time is `None` if a capable iPXE has replaced it.
    replaced: BoundedCache<MachineKey, Option<u64>>,
    /// The machines of the plan, by name, that have completed their boot-once.
    pub boot_once: BootOnce,
    /// The machines that received an offer, and whether they took the offer.
    pub boot_attempts: BootAttempts,
    /// The other servers whose offers were overheard.
    pub heard_servers: HeardServers,
}

impl Observations {
    /// A value without observations. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        Observations {
            offers: BoundedCache::new(OFFERS_CAPACITY, seed),
            rate_limits: RateLimits::new(seed),
            addresses: BoundedCache::new(ADDRESSES_CAPACITY, seed.rotate_left(8)),
            vouched: BoundedCache::new(ADDRESSES_CAPACITY, seed.rotate_left(20)),
            leases: BoundedCache::new(CAPACITY, seed.rotate_left(12)),
            choices: BoundedCache::new(CAPACITY, seed.rotate_left(24)),
            boot_loops: BootLoops::new(CAPACITY, seed.rotate_left(40)),
            replaced: BoundedCache::new(CAPACITY, seed.rotate_left(52)),
            boot_once: BootOnce::default(),
            uuid_claims: UuidClaims::new(seed.rotate_left(44)),
            shared_macs: SharedMacs::new(seed.rotate_left(32)),
            boot_attempts: BootAttempts::new(seed.rotate_left(56)),
            heard_servers: HeardServers::new(seed.rotate_left(60)),
        }
    }

    /// Notes a message that another DHCP server or boot server sends to a client. `link` is the kernel's index of the
    /// interface on which it arrived.
    pub fn note_overheard(&mut self, message: &Message<'_>, link: u32, now: u64) {
        let Some(offer) = OverheardOffer::from_message(message, now) else { return };
        self.heard_servers.note(&offer, link);
        self.boot_attempts.note_overheard(message, offer, now);
    }

    /// Notes the address that a machine has, or is about to have.
    pub fn note_address(&mut self, address: impl Into<IpAddr>, owner: AddressOwner, now: u64) {
        let address = address.into();
        if !address.is_unspecified() {
            self.addresses.update(address, now, owner, |known| *known = owner);
        }
    }

    /// Notes a DHCP packet from this address on its own link, or through a relay that the plan lists.
    pub fn note_vouched(&mut self, address: IpAddr, now: u64) {
        self.vouched.update(address, now, now, |at| *at = now);
    }

    /// Whether DHCP vouches for an address: DHCP packets that no remote host can have forged show that a machine has
    /// it.
    pub fn was_vouched(&self, address: IpAddr) -> bool {
        self.vouched.get(address.to_canonical()).is_some()
    }

    /// Whether DHCP has vouched for the address within the last hour (see [`Observations::was_vouched`]).
    pub fn is_vouched(&self, address: IpAddr, now: u64) -> bool {
        self.vouched.get(address.to_canonical()).is_some_and(|at| now.saturating_sub(at) < VOUCHED_LIFETIME)
    }

    /// The client that has this address; `None` if the server has not overheard its DHCP packets.
    pub fn address_owner(&self, address: impl Into<IpAddr>) -> Option<AddressOwner> {
        self.addresses.get(address.into().to_canonical())
    }

    /// Notes the address that a DHCPv6 server has assigned to a client.
    pub fn note_lease(&mut self, duid: &HardwareAddress, address: Ipv6Addr, now: u64) {
        self.leases.update(MachineKey::from_hardware(duid), now, address, |known| *known = address);
    }

    /// The address that a DHCPv6 server has assigned to the client with this DUID; `None` if the server has overheard
    /// none.
    pub fn lease(&self, duid: &HardwareAddress) -> Option<Ipv6Addr> {
        self.leases.get(MachineKey::from_hardware(duid))
    }

    /// Notes a request on port 4011. EDK2 may put the UUID into the chaddr of such a request, so the server also looks
    /// the machine up by its IP address.
    pub fn note_boot_server_request(&mut self, machine: MachineKey, address: IpAddr, now: u64) {
        self.boot_attempts.note_contact(machine, false, now);
        if let Some(owner) = self.address_owner(address) {
            self.boot_attempts.note_contact(MachineKey::from_hardware(&owner.hardware), false, now);
        }
    }

    /// Notes a request for a file. `is_first_request` is whether the file is the first that a machine requests in a
    /// boot.
    pub fn note_file_request(&mut self, machine: &MachineIdentity, is_first_request: bool, now: u64) {
        self.boot_attempts.note_contact(machine.key, is_first_request, now);
    }

    /// Notes the boot server type that the client chose from the firmware's menu.
    pub fn note_choice(&mut self, client: &Client, server_type: u16, now: u64) {
        self.choices.update(client.machine.key, now, (server_type, now), |choice| *choice = (server_type, now));
    }

    /// The boot server type that the machine chose from the firmware's menu in the last two minutes; `None` if it chose
    /// none.
    pub fn choice(&self, client: &Client, now: u64) -> Option<u16> {
        let (server_type, at) = self.choices.get(client.machine.key)?;
        (now.saturating_sub(at) < CHOICE_LIFETIME).then_some(server_type)
    }

    /// Notes the complete fetch of a first-stage loader. Returns the likely cause of a boot loop if this fetch reveals
    /// one.
    pub fn note_loader(&mut self, machine: &MachineIdentity, name: &str, now: u64) -> Option<LoopCause> {
        self.boot_loops.note_loader(machine.key, name, now)
    }

    /// Notes a request of an iPXE.
    pub fn note_ipxe(&mut self, client: &Client, now: u64) {
        self.boot_loops.note_ipxe(client.machine.key, now);
    }

    /// The time when the machine fetched its loader, if that was within the last two minutes. The client is then that
    /// loader.
    pub fn loaded_at(&self, client: &Client, now: u64) -> Option<u64> {
        self.boot_loops.loaded_at(client.machine.key, now)
    }

    /// Notes that an iPXE received this server's loader because it lacks a feature. If the iPXE repeats its request
    /// before it fetches the loader, the recorded time stays the same.
    pub fn note_replaced(&mut self, client: &Client, now: u64) {
        let is_recent = |at: u64| now.saturating_sub(at) < REPLACED_LIFETIME;
        let key = client.machine.key;
        self.replaced.update(key, now, None, |at| *at = at.filter(|at| is_recent(*at)).or(Some(now)));
    }

    /// Notes a request of an iPXE that lacks no feature. If a later iPXE of this machine lacks a feature, it belongs to
    /// another boot.
    pub fn note_capable(&mut self, client: &Client) {
        let key = client.machine.key;
        if let Some(at) = self.replaced.get_mut(key) {
            *at = None;
        }
    }

    /// Whether an iPXE that lacks a feature received this server's loader, but still sends requests: the machine has
    /// fetched the loader or, if another server has the file, has had the time to fetch it.
    pub fn was_replaced(&self, client: &Client, now: u64) -> bool {
        let replaced_at = self.replaced.get(client.machine.key).flatten();
        replaced_at.is_some_and(|at| {
            let since = now.saturating_sub(at);
            let fetched = self.loaded_at(client, now).is_some_and(|loaded| loaded >= at);
            since < REPLACED_LIFETIME && (fetched || since >= DISCOVERS_DURATION)
        })
    }

    /// Whether the machine was in a boot loop within the last five minutes.
    pub fn is_looping(&self, client: &Client, now: u64) -> bool {
        self.boot_loops.is_looping(client.machine.key, now)
    }

    /// Whether the server sent an OFFER to this machine in the last ten minutes, whichever DHCP server assigned the
    /// machine's address.
    pub fn was_offered(&self, client: &Client, now: u64) -> bool {
        self.offer(client, now).is_some()
    }

    /// The rule that the machine's relayed DISCOVER matched, if only a relayed packet can match it. The machine's
    /// requests to port 4011 do not pass through the relay.
    pub fn relay_rule(&self, client: &Client, now: u64) -> Option<RuleRef> {
        self.offer(client, now)?.1
    }

    fn offer(&self, client: &Client, now: u64) -> Option<(u64, Option<RuleRef>)> {
        self.offers.get(client.machine.key).filter(|(at, _)| now.saturating_sub(*at) < OFFER_LIFETIME)
    }

    /// Notes an OFFER. `rule` is the matched rule, if only a relayed packet can match it.
    pub fn note_offer(&mut self, client: &Client, rule: Option<RuleRef>, now: u64) {
        self.offers.update(client.machine.key, now, (now, rule), |offer| *offer = (now, rule));
    }

    /// The hardware address of a client that shows a UUID or a DUID instead. It is the only hardware address that has
    /// shown this UUID or DUID or, if there is no such address, that of the owner of the client's IP address, provided
    /// that the owner has the same UUID. Otherwise the result is `hardware` itself.
    pub fn resolve_hardware(
        &self,
        address: Option<IpAddr>,
        hardware: &HardwareAddress,
        machine_id: Option<MachineId>,
    ) -> HardwareAddress {
        let resolved = self.uuid_claims.resolve_hardware(hardware, machine_id);
        if resolved.mac().is_some() {
            return resolved;
        }
        let owner = address
            .and_then(|address| self.address_owner(address))
            .filter(|owner| machine_id.is_some() && owner.machine_id == machine_id);
        owner.map_or(resolved, |owner| owner.hardware)
    }

    /// Completes the identity of a machine from observations: its key, and its MAC address if its packet states only a
    /// UUID or a DUID.
    pub fn identify(&self, machine: &mut MachineIdentity) {
        let Some(hardware) = machine.hardware else { return };
        machine.key = self.key(&hardware, machine.machine_id);
        if machine.identifiers.macs == [None; 3] {
            machine.identifiers.macs[0] = self.resolve_hardware(machine.address, &hardware, machine.machine_id).mac();
        }
    }

    /// The key of observations that count for minutes. It is the hardware address, because machines may share a UUID.
    fn key(&self, hardware: &HardwareAddress, machine_id: Option<MachineId>) -> MachineKey {
        MachineKey::from_hardware(&self.uuid_claims.resolve_hardware(hardware, machine_id))
    }
}
