//! Machines that were offered a boot and did not take it: the DHCP server or another boot server shuts us out, or
//! nobody gives them an address. Told from what is heard on port 67, from what others offer, and from who comes to us
//! afterwards.
//!
//! A wrong word would send people looking for what is not there. So a machine that comes to us in any way is never told
//! of, and where others that took their address from the same server did come, a single one that did not is not enough,
//! unless what it was offered shows why.

use super::finding::{Cause, Finding, NextContact, Diagnosis};
use super::overheard_offers::{OverheardOffer, OverheardOffers};
use super::{MachineKey, hardware_key};
use crate::client::{Class, Client, HardwareAddress};
use crate::bounded_cache::{TokenBucket, BoundedCache};
use crate::wire::dhcp4::Message;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// EDK2 comes to 4011 a second or two after its REQUEST, and gives a boot server up after ten (protocol.md 2.8).
const FIRMWARE_WAIT: u64 = 15_000;
/// iPXE loses 16 s on a link without router advertisements (protocol.md 3.6); slow machines lose as much again.
const IPXE_WAIT: u64 = 60_000;
/// EDK2 waits 32 s behind its last DISCOVER before it gives up (protocol.md 2.10).
const ADDRESS_WAIT: u64 = 35_000;
/// Somebody may switch a machine off between two DISCOVERs; nobody does it in the third pause of the same attempt.
const ADDRESS_TRIES: u8 = 3;
/// A machine that begins anew so long after its REQUEST has had the time to come.
const BEGINS_ANEW: u64 = 8_000;
/// And an iPXE that is stopped so late was not waiting for router advertisements.
const GAVE_UP: u64 = 30_000;
/// iPXE waits at least two seconds for a proxy's offer, unless its DHCP server tells it not to (protocol.md 3.3).
const WAITED_FOR_US: u64 = 1_500;
/// Two packets within this are one, heard twice: on two interfaces, or through two relays. And in a storm we read a
/// server's offer so much before the DISCOVER that it answers.
const HEARD_TWICE: u64 = 500;
/// The longest pause between two DISCOVERs of one attempt is 16 s; an emulator on a busy host takes more.
const SAME_ATTEMPT: u64 = 60_000;
/// What was started from our menu may be an iPXE with a script of its own.
const OUR_SCRIPT_COUNTS: u64 = 30 * 60 * 1000;
/// The loader that we gave is the iPXE that asks now.
const OUR_LOADER_COUNTS: u64 = 5 * 60 * 1000;
/// How long it counts for a server that one of its machines came to us.
const GOOD_COUNTS: u64 = 24 * 60 * 60 * 1000;
/// How much has to come together before something is said, alone and beside machines that came; a miss weighs 1 or 2.
const ENOUGH: u8 = 2;
const ENOUGH_BESIDE_OTHERS: u8 = 6;
/// Machines between their DISCOVER and their file: half a megabyte.
const MACHINES: usize = 4096;
const SERVERS: usize = 256;
/// Findings at once; then one a minute, for whoever plays machines and servers to us.
const FINDINGS: u32 = 20;

#[derive(Debug)]
pub struct BootAttempts {
    boots: BoundedCache<MachineKey, Boot>,
    /// By kind of finding, server and link.
    records: BoundedCache<[u8; 17], Record>,
    /// What others have offered them.
    offers: OverheardOffers,
    bucket: TokenBucket,
    found: Vec<Finding>,
}

/// An offer of ours on port 67.
#[derive(Clone, Copy, Debug)]
pub struct SentOffer {
    pub xid: u32,
    /// The interface that it was asked for on.
    pub link: u32,
    /// Where whoever takes it comes next.
    pub next: NextContact,
}

/// One attempt of one machine.
#[derive(Clone, Copy, Debug)]
struct Boot {
    /// With what would have to be said if no REQUEST follows.
    finding: Finding,
    offer: SentOffer,
    discovers: u8,
    /// When it asked first and last.
    first: u64,
    last: u64,
    request: Option<AddressRequest>,
    /// There is nothing to be told of it any more.
    settled: bool,
    /// When it came to us as firmware, and as iPXE.
    loaded: Option<u64>,
    scripted: Option<u64>,
}

/// It takes its address.
#[derive(Clone, Copy, Debug)]
pub struct AddressRequest {
    pub server: Ipv4Addr,
    /// It lies in none of our networks.
    pub is_remote: bool,
    pub at: u64,
    /// What iPXE keeps in `secs`: bit 0, it has seen an offer of a proxy; bit 1, one of a server.
    pub secs: u16,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    missed: u8,
    good: Option<u64>,
    /// The causes that were told, as bits.
    told: u8,
}

impl BootAttempts {
    pub fn new(seed: u64) -> Self {
        BootAttempts {
            boots: BoundedCache::new(MACHINES, seed),
            records: BoundedCache::new(SERVERS, seed.rotate_left(20)),
            offers: OverheardOffers::new(seed.rotate_left(44)),
            bucket: TokenBucket::full(FINDINGS, 0),
            found: Vec::new(),
        }
    }

    /// A DISCOVER was answered. A Raspberry Pi takes an address without a REQUEST, UEFI HTTP boot has ways of its own,
    /// and of a BIOS it is known only that it needs an address.
    pub fn note_offer(&mut self, client: &Client, offer: SentOffer, now: u64) {
        if client.class != Class::Pxe || client.raspberry_pi {
            return;
        }
        let next = if client.is_ipxe() || client.arch.is_efi() { offer.next } else { NextContact::Elsewhere };
        let fresh = Boot::new(client, SentOffer { next, ..offer }, now);
        let before = self.boots.update(hardware_key(&client.hardware), now, fresh, |boot| {
            let before = *boot;
            if boot.asks_again(&fresh, now) {
                return None;
            }
            *boot = Boot { loaded: before.loaded, scripted: before.scripted, ..fresh };
            boot.settled = boot.is_of_our_menu(now);
            Some(before)
        });
        if let Some(before) = before {
            match before.loaded_elsewhere(&fresh, now) {
                Some(rival) => self.missed(&before, rival, before.weight(), now),
                None => self.begins_anew(&before, now),
            }
        }
    }

    /// The offer has not left this host: nobody else keeps the machine from it.
    pub fn note_unsent(&mut self, hardware: &HardwareAddress) {
        if let Some(boot) = self.boots.get_mut(hardware_key(hardware)) {
            boot.settled = true;
        }
    }

    /// An OFFER or an ACK of another server.
    pub fn note_overheard(&mut self, message: &Message<'_>, now: u64) {
        self.offers.note(message, now);
    }

    /// A REQUEST, to a DHCP server if it says so.
    pub fn note_request(&mut self, hardware: &HardwareAddress, xid: u32, request: Option<AddressRequest>, now: u64) {
        let Some(boot) = self.boots.get_mut(hardware_key(hardware)) else { return };
        match (boot.request, request) {
            (None, Some(_)) if xid == boot.offer.xid => boot.request = request,
            // It has an address by other ways.
            (None, _) => boot.settled = true,
            // Its server does not answer, which is not about us.
            (Some(request), _) if xid == boot.offer.xid && now.saturating_sub(request.at) > HEARD_TWICE => {
                boot.settled = true;
            }
            (Some(_), _) => {}
        }
    }

    /// It came to port 4011, or asked for a file; where `beginning` says so, for one that only a firmware asks for, or
    /// an iPXE that has not asked for an address yet.
    pub fn note_contact(&mut self, hardware: &HardwareAddress, beginning: bool, now: u64) {
        let Some(boot) = self.boots.get_mut(hardware_key(hardware)) else { return };
        let before = *boot;
        boot.settled = true;
        if boot.finding.ipxe && beginning {
            boot.loaded = Some(now);
            return self.begins_anew(&before, now);
        }
        *(if boot.finding.ipxe { &mut boot.scripted } else { &mut boot.loaded }) = Some(now);
        let Some(AddressRequest { server, .. }) = boot.request else { return };
        let finding = boot.finding;
        let kinds = match finding.ipxe {
            true => [Diagnosis::OfferUnseen(server), Diagnosis::BootsAnother(server)],
            false => [Diagnosis::ShutOut(server), Diagnosis::LoadedElsewhere(server)],
        };
        for rival in kinds {
            let key = Finding { diagnosis: rival, ..finding }.key();
            self.records.update(key, now, Record::default(), |record| {
                (record.missed, record.good) = (0, Some(now));
            });
        }
    }

    /// To be called every few seconds: what has been waited for in vain since the last time.
    pub fn expire(&mut self, now: u64) -> Vec<Finding> {
        let mut due = Vec::new();
        for boot in self.boots.values_mut().filter(|boot| !boot.settled && boot.is_due(now)) {
            due.push(*boot);
            boot.settled = true;
        }
        for (boot, rival) in due.iter().filter_map(|boot| Some((boot, boot.rival()?))) {
            self.missed(boot, rival, boot.weight(), now);
        }
        core::mem::take(&mut self.found)
    }

    /// Another attempt tells as much of the one before as the end of our patience does.
    fn begins_anew(&mut self, before: &Boot, now: u64) {
        let (Some(request), Some(rival)) = (before.request, before.rival()) else { return };
        let waited = now.saturating_sub(request.at);
        if !before.settled && waited >= BEGINS_ANEW {
            let sure = !before.finding.ipxe || waited >= GAVE_UP;
            self.missed(before, rival, if sure { before.weight() } else { 1 }, now);
        }
    }

    fn missed(&mut self, boot: &Boot, rival: Diagnosis, weight: u8, now: u64) {
        let finding = self.explained(boot, rival);
        let weight = if finding.is_certain() && boot.weight() > 1 { ENOUGH_BESIDE_OTHERS } else { weight };
        let tell = self
            .records
            .update(finding.key(), now, Record::default(), |record| record.missed(weight, finding.cause.bit(), now));
        // The bucket's second is a minute.
        if tell && self.bucket.take(FINDINGS, 1, now / 60) {
            self.found.push(finding);
        }
    }

    /// With what the offers say that others made to it.
    fn explained(&self, boot: &Boot, rival: Diagnosis) -> Finding {
        let Boot { finding, offer, first, request, .. } = boot;
        let offers = || self.offers.for_attempt(&finding.hardware, offer.xid, first.saturating_sub(HEARD_TWICE));
        let Some(AddressRequest { server, is_remote: remote, .. }) = *request else {
            let rival = match (rival, offers().find(|offered| offered.has_address)) {
                (Diagnosis::NoAddress(times), Some(offered)) => Diagnosis::AddressUntaken(times, offered.server),
                _ => rival,
            };
            return Finding { diagnosis: rival, ..*finding };
        };
        let own = offers().find(|offered| offered.server == server);
        // EDK2 takes what comes with an address from nobody but the server of that address.
        let is_another =
            |offered: &OverheardOffer| offered.server != server && offered.is_pxe && (finding.ipxe || !offered.has_address);
        let another = offers().find(is_another).map(|offered| Cause::AnotherServer(offered.server));
        let option_60 = own.filter(|own| own.is_pxe).map(|_| Cause::Option60);
        let boot_file = own.filter(|own| own.has_file).map(|_| Cause::BootFile);
        // Firmware prefers a boot server to a plain file name, iPXE the file name of the server of its address.
        let cause =
            if finding.ipxe { boot_file.or(option_60).or(another) } else { option_60.or(another).or(boot_file) };
        let nothing = if own.is_some() { Cause::NotInOffers } else { Cause::NotOverheard { remote } };
        Finding { diagnosis: rival, cause: cause.unwrap_or(nothing), ..*finding }
    }
}

impl Boot {
    fn new(client: &Client, offer: SentOffer, now: u64) -> Boot {
        let finding = Finding {
            hardware: client.hardware,
            arch: client.arch,
            ipxe: client.is_ipxe(),
            link: offer.link,
            relay: client.relay.and_then(|relay| match relay.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }),
            next: offer.next,
            diagnosis: Diagnosis::NoAddress(1),
            cause: Cause::NotOverheard { remote: false },
        };
        Boot {
            finding,
            offer,
            discovers: 1,
            first: now,
            last: now,
            request: None,
            settled: false,
            loaded: None,
            scripted: None,
        }
    }

    /// Whether it is the same attempt that asks again. iPXE has the same xid at every boot.
    fn asks_again(&mut self, fresh: &Boot, now: u64) -> bool {
        let same = self.offer.xid == fresh.offer.xid && self.finding.ipxe == fresh.finding.ipxe;
        let pause = now.saturating_sub(self.last);
        if !same || pause > SAME_ATTEMPT || self.request.is_some() && pause > HEARD_TWICE {
            return false;
        }
        if pause > HEARD_TWICE {
            self.discovers = self.discovers.saturating_add(1);
            self.finding.diagnosis = Diagnosis::NoAddress(self.discovers);
        }
        self.last = now;
        true
    }

    /// An iPXE that our script has started, as far as anybody can tell.
    fn is_of_our_menu(&self, now: u64) -> bool {
        self.finding.ipxe && self.scripted.is_some_and(|at| now.saturating_sub(at) < OUR_SCRIPT_COUNTS)
    }

    fn is_due(&self, now: u64) -> bool {
        let wait = if self.finding.ipxe { IPXE_WAIT } else { FIRMWARE_WAIT };
        match self.request {
            Some(request) => now.saturating_sub(request.at) >= wait,
            None => now.saturating_sub(self.last) >= ADDRESS_WAIT,
        }
    }

    /// What is to be told of it when nothing more follows.
    fn rival(&self) -> Option<Diagnosis> {
        let Some(AddressRequest { server, at, secs, .. }) = self.request else {
            return Some(self.finding.diagnosis).filter(|_| self.discovers >= ADDRESS_TRIES);
        };
        let unseen = secs & 3 == 2;
        match self.finding.ipxe {
            _ if self.offer.next == NextContact::Elsewhere => None,
            false => Some(Diagnosis::ShutOut(server)),
            true if !unseen => Some(Diagnosis::BootsAnother(server)),
            // One that did not wait was told so by its server.
            true => Some(Diagnosis::OfferUnseen(server)).filter(|_| at.saturating_sub(self.first) >= WAITED_FOR_US),
        }
    }

    /// It asks as an iPXE now, before a firmware gives up waiting for us, and has taken nothing from us: what it runs
    /// it has from elsewhere. Only of those that we wait for on port 4011 is that sure, whose requests say whose they
    /// are.
    fn loaded_elsewhere(&self, fresh: &Boot, now: u64) -> Option<Diagnosis> {
        let AddressRequest { server, at, .. } = self.request?;
        let is_next = fresh.finding.ipxe && !self.finding.ipxe && self.offer.next == NextContact::BootServer;
        (is_next && !self.settled && now.saturating_sub(at) < FIRMWARE_WAIT).then_some(Diagnosis::LoadedElsewhere(server))
    }

    /// An iPXE that did not come from us may have a script of its own: one alone is not enough.
    fn weight(&self) -> u8 {
        let ours = self.loaded.is_some_and(|at| self.first.saturating_sub(at) < OUR_LOADER_COUNTS);
        if matches!(self.rival(), Some(Diagnosis::BootsAnother(_))) && !ours { 1 } else { 2 }
    }
}

impl Record {
    /// Whether it is to be told now.
    fn missed(&mut self, weight: u8, cause: u8, now: u64) -> bool {
        let others = self.good.is_some_and(|at| now.saturating_sub(at) < GOOD_COUNTS);
        self.missed = self.missed.saturating_add(weight);
        let enough = self.missed >= if others { ENOUGH_BESIDE_OTHERS } else { ENOUGH };
        let tell = enough && self.told & cause == 0;
        self.told |= if tell { cause } else { 0 };
        tell
    }
}
