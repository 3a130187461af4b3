//! Boot attempts: machines that received an offer of this server and did not take it, because the DHCP server or
//! another boot server prevents it, or because they received no address. The evidence is what arrives on port 67, what
//! other servers offer, and which machines contact this server afterwards. `solicits` has the attempts over IPv6.
//!
//! A wrong finding would make people search for a fault that does not exist. So a machine that contacts this server in
//! any way causes no finding. If other machines with an address from the same DHCP server did contact this server, a
//! single machine that did not causes no finding either, unless the offers to that machine show the cause.

use super::finding::{Cause, Diagnosis, Finding, NextContact, network_key6};
use super::overheard_offers::{OverheardOffer, OverheardOffers};
use super::solicits::Solicits;
use crate::bounded_cache::BoundedCache;
use crate::client::{Class, Client};
use crate::identity::MachineKey;
use crate::wire::dhcp4::Message;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// EDK2 contacts port 4011 a second or two after its REQUEST, and gives up after ten seconds (protocol.md 2.8).
const FIRMWARE_WAIT: u64 = 15_000;
/// iPXE loses 16 s on a link without router advertisements (protocol.md 3.6); slow machines lose as much again.
const IPXE_WAIT: u64 = 60_000;
/// EDK2 waits 32 s after its last DISCOVER before it gives up (protocol.md 2.10).
const ADDRESS_WAIT: u64 = 35_000;
/// The number of DISCOVERs without a REQUEST that causes a finding. A machine may be switched off between two
/// DISCOVERs, but hardly in the third pause of the same attempt.
const ADDRESS_TRIES: u8 = 3;
/// A machine that starts another attempt this long after its REQUEST has had the time to contact this server.
const RESTART_COUNTS: u64 = 8_000;
/// An iPXE that gives up this late was not waiting for router advertisements.
const GAVE_UP: u64 = 30_000;
/// iPXE waits at least two seconds for a proxy's offer, unless its DHCP server disables that (protocol.md 3.3).
const WAITED_FOR_OFFER: u64 = 1_500;
/// Two packets within this time are the same packet, received twice: on two interfaces, or through two relays. In a
/// boot storm the server may also read another server's offer this long before the DISCOVER that it answers.
const SAME_PACKET: u64 = 500;
/// The longest pause between two DISCOVERs of one attempt is 16 s; it is longer in an emulator on a busy host.
const SAME_ATTEMPT: u64 = 60_000;
/// How long a machine that tried to boot over IPv4 counts as one that boots over IPv4 as well.
const TRIED_IPV4: u64 = 10 * 60 * 1000;
/// How long after a machine fetched a script of this server its iPXE may be one that the menu started, with an embedded
/// script.
const SCRIPT_LIFETIME: u64 = 30 * 60 * 1000;
/// How long after the machine fetched a loader of this server its iPXE counts as that loader.
const LOADER_LIFETIME: u64 = 5 * 60 * 1000;
/// How long a success counts: a machine with an address from the DHCP server contacted this server.
const SUCCESS_LIFETIME: u64 = 24 * 60 * 60 * 1000;
/// The total weight of failed attempts that causes a finding; a failed attempt weighs 1 or 2.
const THRESHOLD: u8 = 2;
/// The threshold if other machines with an address from the same DHCP server succeed.
const THRESHOLD_IF_OTHERS_BOOT: u8 = 6;
/// The number of machines whose boot attempts the server remembers: half a megabyte.
const MACHINES: usize = 4096;
const SERVERS: usize = 256;
/// The number of findings between two calls of [`BootAttempts::expire`]. A host may forge machines and servers.
const MAX_FINDINGS: usize = MACHINES;

/// The boot attempts of all machines, and the findings about them.
#[derive(Debug)]
pub struct BootAttempts {
    attempts: BoundedCache<MachineKey, BootAttempt>,
    /// The histories, by kind of finding, server and link.
    histories: BoundedCache<[u8; 17], ServerHistory>,
    /// The offers of other servers.
    offers: OverheardOffers,
    /// The attempts over IPv6.
    solicits: Solicits,
    /// Findings that [`BootAttempts::expire`] has not returned yet.
    findings: Vec<Finding>,
}

/// An offer that this server sent on port 67.
#[derive(Clone, Copy, Debug)]
pub struct SentOffer {
    /// The transaction ID.
    pub xid: u32,
    /// The kernel's index of the interface on which the DISCOVER arrived.
    pub link: u32,
    /// Where a machine that takes the offer sends its next request.
    pub next: NextContact,
}

/// One boot attempt of one machine.
#[derive(Clone, Copy, Debug)]
struct BootAttempt {
    /// The finding if no REQUEST follows.
    finding: Finding,
    offer: SentOffer,
    discovers: u8,
    /// The time of the first DISCOVER.
    first: u64,
    /// The time of the last DISCOVER.
    last: u64,
    request: Option<AddressRequest>,
    /// Whether the client uses UEFI HTTP boot. The only possible finding is then that it received no address.
    is_http: bool,
    /// Whether the attempt can cause no finding any more.
    closed: bool,
    /// When the machine contacted this server as firmware.
    loaded: Option<u64>,
    /// When the machine contacted this server as iPXE.
    scripted: Option<u64>,
}

/// A REQUEST with which a machine takes its address.
#[derive(Clone, Copy, Debug)]
pub struct AddressRequest {
    /// The DHCP server that offered the address (option 54).
    pub server: Ipv4Addr,
    /// Whether the DHCP server is in none of the served networks.
    pub is_remote: bool,
    /// When the REQUEST arrived.
    pub at: u64,
    /// The field `secs`, in which iPXE reports the offers that it has seen: bit 0 a proxy's, bit 1 a DHCP server's.
    pub secs: u16,
}

/// The attempts of machines with an address from one DHCP server.
#[derive(Clone, Copy, Debug, Default)]
struct ServerHistory {
    /// The total weight of failed attempts since the last success.
    failed: u8,
    /// The time of the last success.
    succeeded: Option<u64>,
    /// The causes of the findings so far, as bits.
    reported: u8,
}

impl BootAttempts {
    /// A value without attempts. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Self {
        BootAttempts {
            attempts: BoundedCache::new(MACHINES, seed),
            histories: BoundedCache::new(SERVERS, seed.rotate_left(20)),
            offers: OverheardOffers::new(seed.rotate_left(44)),
            solicits: Solicits::new(seed.rotate_left(12)),
            findings: Vec::new(),
        }
    }

    /// Notes that the server has sent an offer. The function ignores firmware with a dialect, which may take an address
    /// without a REQUEST. The only possible finding about a BIOS, and about UEFI HTTP boot, is that it received no
    /// address. It ignores the probe, which takes no address.
    pub fn note_offer(&mut self, client: &Client, offer: SentOffer, now: u64) {
        if client.class == Class::UBoot || client.dialect.is_some() || client.machine.is_probe() {
            return;
        }
        let is_pxe = client.class == Class::Pxe && (client.is_ipxe() || client.arch.is_efi());
        let next = if is_pxe { offer.next } else { NextContact::Elsewhere };
        let fresh = BootAttempt::new(client, SentOffer { next, ..offer }, now);
        let before = self.attempts.update(client.machine.key, now, fresh, |attempt| {
            let before = *attempt;
            // HTTP boot can only show that there is no address, and the machine has one: the earlier attempt goes on.
            let has_address = attempt.request.is_some() && !attempt.closed && !attempt.is_http;
            if attempt.note_repeat(&fresh, now) || fresh.is_http && has_address {
                return None;
            }
            *attempt = BootAttempt { loaded: before.loaded, scripted: before.scripted, ..fresh };
            attempt.closed = attempt.is_from_menu(now);
            Some(before)
        });
        if let Some(before) = before {
            match before.loaded_elsewhere(&fresh, now) {
                Some(diagnosis) => self.fail(&before, diagnosis, before.weight(), now),
                None => self.note_restart(&before, now),
            }
        }
    }

    /// Notes that the server has sent an ADVERTISE. `link` is the kernel's index of the interface on which the SOLICIT
    /// arrived.
    pub fn note_advertise(&mut self, client: &Client, transaction: [u8; 3], link: u32, now: u64) {
        self.solicits.note(client, transaction, link, now);
    }

    /// Notes that a client requested an address from a DHCPv6 server, on this link or through this relay.
    pub fn note_request6(&mut self, machine: MachineKey, link: u32, relay: Option<IpAddr>, now: u64) {
        self.solicits.note_request(machine, network_key6(link, relay), now);
    }

    /// Notes that the server failed to send the offer. If the machine does not take the offer, no other server is the
    /// cause.
    pub fn note_unsent(&mut self, machine: MachineKey) {
        self.solicits.note_contact(machine);
        if let Some(attempt) = self.attempts.get_mut(machine) {
            attempt.closed = true;
        }
    }

    /// Notes the OFFER or ACK of another server in this message.
    pub(super) fn note_overheard(&mut self, message: &Message<'_>, offer: OverheardOffer, now: u64) {
        self.offers.note(message, offer, now);
    }

    /// Notes a REQUEST on port 67. `request` is `None` if the REQUEST names no DHCP server.
    pub fn note_request(&mut self, machine: MachineKey, xid: u32, request: Option<AddressRequest>, now: u64) {
        let Some(attempt) = self.attempts.get_mut(machine) else { return };
        match (attempt.request, request) {
            (None, Some(_)) if xid == attempt.offer.xid => attempt.request = request,
            // The machine already has an address.
            (None, _) => attempt.closed = true,
            // The machine repeats its REQUEST because the DHCP server does not reply. This server is not the cause.
            (Some(request), _) if xid == attempt.offer.xid && now.saturating_sub(request.at) > SAME_PACKET => {
                attempt.closed = true;
            }
            (Some(_), _) => {}
        }
    }

    /// Notes that a machine has contacted this server, on port 4011 or for a file. `is_first_request` is whether the
    /// file is one that only a firmware requests, or an iPXE that has no address yet.
    pub fn note_contact(&mut self, machine: MachineKey, is_first_request: bool, now: u64) {
        self.solicits.note_contact(machine);
        let Some(attempt) = self.attempts.get_mut(machine) else { return };
        let before = *attempt;
        attempt.closed = true;
        // A success of HTTP boot does not show that the same machine can use PXE.
        if attempt.is_http {
            return;
        }
        if attempt.finding.ipxe && is_first_request {
            attempt.loaded = Some(now);
            return self.note_restart(&before, now);
        }
        *(if attempt.finding.ipxe { &mut attempt.scripted } else { &mut attempt.loaded }) = Some(now);
        let Some(AddressRequest { server, .. }) = attempt.request else { return };
        let finding = attempt.finding;
        let diagnoses = match finding.ipxe {
            true => [Diagnosis::OfferUnseen(server), Diagnosis::BootsAnother(server)],
            false => [Diagnosis::ShutOut(server), Diagnosis::LoadedElsewhere(server)],
        };
        for diagnosis in diagnoses {
            let key = Finding { diagnosis, ..finding }.key();
            self.histories.update(key, now, ServerHistory::default(), |history| {
                (history.failed, history.succeeded) = (0, Some(now));
            });
        }
    }

    /// Closes the attempts whose time is over, and returns the findings since the last call. Call it every few seconds.
    pub fn expire(&mut self, now: u64) -> Vec<Finding> {
        let mut due = Vec::new();
        for attempt in self.attempts.values_mut().filter(|attempt| !attempt.closed && attempt.is_due(now)) {
            due.push(*attempt);
            attempt.closed = true;
        }
        for (attempt, diagnosis) in due.iter().filter_map(|attempt| Some((attempt, attempt.diagnose()?))) {
            self.fail(attempt, diagnosis, attempt.weight(), now);
        }
        for unanswered in self.solicits.expire(now) {
            let finding = unanswered.finding;
            let attempt = self.attempts.get(MachineKey::from_hardware(&finding.hardware));
            let tries_ipv4 = attempt.is_some_and(|attempt| now.saturating_sub(attempt.last) < TRIED_IPV4);
            if unanswered.has_server || !tries_ipv4 {
                self.report(finding, THRESHOLD, now);
            }
        }
        core::mem::take(&mut self.findings)
    }

    /// Closes an attempt because the machine has started another one.
    fn note_restart(&mut self, before: &BootAttempt, now: u64) {
        let Some(diagnosis) = before.diagnose() else { return };
        let Some(request) = before.request else {
            // Firmware goes on to its next boot method, such as HTTP boot, because it received no address.
            if !before.closed && now.saturating_sub(before.last) >= GAVE_UP {
                self.fail(before, diagnosis, before.weight(), now);
            }
            return;
        };
        let waited = now.saturating_sub(request.at);
        if !before.closed && waited >= RESTART_COUNTS {
            let certain = !before.finding.ipxe || waited >= GAVE_UP;
            self.fail(before, diagnosis, if certain { before.weight() } else { 1 }, now);
        }
    }

    fn fail(&mut self, attempt: &BootAttempt, diagnosis: Diagnosis, weight: u8, now: u64) {
        let finding = self.explain(attempt, diagnosis);
        let weight = if finding.is_certain() && attempt.weight() > 1 { THRESHOLD_IF_OTHERS_BOOT } else { weight };
        self.report(finding, weight, now);
    }

    /// Counts a failure in its history, and reports the finding if the failures are enough.
    fn report(&mut self, finding: Finding, weight: u8, now: u64) {
        let is_repeat = self.histories.update(finding.key(), now, ServerHistory::default(), |history| {
            history.fail(weight, finding.cause.bit(), now)
        });
        if let Some(is_repeat) = is_repeat
            && self.findings.len() < MAX_FINDINGS
        {
            self.findings.push(Finding { is_repeat, ..finding });
        }
    }

    /// The finding, with the cause as far as the offers of other servers show it.
    fn explain(&self, attempt: &BootAttempt, diagnosis: Diagnosis) -> Finding {
        let BootAttempt { finding, offer, first, request, .. } = attempt;
        let offers = || self.offers.for_attempt(&finding.hardware, offer.xid, first.saturating_sub(SAME_PACKET));
        let Some(AddressRequest { server, is_remote, .. }) = *request else {
            let diagnosis = match (diagnosis, offers().find(|overheard| overheard.has_address)) {
                (Diagnosis::NoAddress(times), Some(overheard)) => Diagnosis::AddressUntaken(times, overheard.server),
                _ => diagnosis,
            };
            return Finding { diagnosis, ..*finding };
        };
        let own = offers().find(|overheard| overheard.server == server);
        // EDK2 takes the boot file of an offer with an address only if it takes that address.
        let is_another = |overheard: &OverheardOffer| {
            overheard.server != server && overheard.is_pxe && (finding.ipxe || !overheard.has_address)
        };
        let another = offers().find(is_another).map(|overheard| Cause::AnotherServer(overheard.server));
        let option_60 = own.filter(|own| own.is_pxe).map(|_| Cause::Option60);
        let boot_file = own.filter(|own| own.has_file).map(|_| Cause::BootFile);
        // Firmware prefers a boot server to a plain file name. iPXE prefers the file name from the server that assigned
        // its address.
        let cause =
            if finding.ipxe { boot_file.or(option_60).or(another) } else { option_60.or(another).or(boot_file) };
        let unknown = if own.is_some() { Cause::NotInOffers } else { Cause::NotOverheard { is_remote } };
        Finding { diagnosis, cause: cause.unwrap_or(unknown), ..*finding }
    }
}

impl BootAttempt {
    fn new(client: &Client, offer: SentOffer, now: u64) -> BootAttempt {
        let finding = Finding {
            hardware: client.hardware(),
            arch: client.arch,
            ipxe: client.is_ipxe(),
            link: offer.link,
            relay: client.machine.relay.map(|relay| relay.address),
            next: offer.next,
            diagnosis: Diagnosis::NoAddress(1),
            cause: Cause::NotOverheard { is_remote: false },
            asked: now,
            is_repeat: false,
        };
        BootAttempt {
            finding,
            offer,
            discovers: 1,
            first: now,
            last: now,
            request: None,
            is_http: client.class == Class::Http,
            closed: false,
            loaded: None,
            scripted: None,
        }
    }

    /// Whether the DISCOVER repeats that of this attempt; if it does, counts it. The xid is not enough, because iPXE
    /// uses the same xid at every boot.
    fn note_repeat(&mut self, fresh: &BootAttempt, now: u64) -> bool {
        let same = self.offer.xid == fresh.offer.xid && self.finding.ipxe == fresh.finding.ipxe;
        let pause = now.saturating_sub(self.last);
        if !same || pause > SAME_ATTEMPT || self.request.is_some() && pause > SAME_PACKET {
            return false;
        }
        if pause > SAME_PACKET {
            self.discovers = self.discovers.saturating_add(1);
            self.finding.diagnosis = Diagnosis::NoAddress(self.discovers);
        }
        (self.last, self.finding.asked) = (now, now);
        true
    }

    /// Whether the client is probably an iPXE that a script of this server has started.
    fn is_from_menu(&self, now: u64) -> bool {
        self.finding.ipxe && self.scripted.is_some_and(|at| now.saturating_sub(at) < SCRIPT_LIFETIME)
    }

    fn is_due(&self, now: u64) -> bool {
        let wait = if self.finding.ipxe { IPXE_WAIT } else { FIRMWARE_WAIT };
        match self.request {
            Some(request) => now.saturating_sub(request.at) >= wait,
            None => now.saturating_sub(self.last) >= ADDRESS_WAIT,
        }
    }

    /// The diagnosis if the machine sends nothing more; `None` if the attempt then proves no fault.
    fn diagnose(&self) -> Option<Diagnosis> {
        let Some(AddressRequest { server, at, secs, .. }) = self.request else {
            return Some(self.finding.diagnosis).filter(|_| self.discovers >= ADDRESS_TRIES);
        };
        let unseen = secs & 3 == 2;
        match self.finding.ipxe {
            _ if self.offer.next == NextContact::Elsewhere => None,
            false => Some(Diagnosis::ShutOut(server)),
            true if !unseen => Some(Diagnosis::BootsAnother(server)),
            // If iPXE did not wait for a proxy's offer, its DHCP server has disabled the wait.
            true => Some(Diagnosis::OfferUnseen(server)).filter(|_| at.saturating_sub(self.first) >= WAITED_FOR_OFFER),
        }
    }

    /// The diagnosis if the machine now sends a DISCOVER as iPXE, although its firmware has not contacted this server
    /// and cannot have stopped waiting for it: another server has sent that iPXE. This is certain only for machines
    /// that must contact port 4011, because requests to that port identify the machine. Otherwise `None`.
    fn loaded_elsewhere(&self, fresh: &BootAttempt, now: u64) -> Option<Diagnosis> {
        let AddressRequest { server, at, .. } = self.request?;
        let is_next = fresh.finding.ipxe && !self.finding.ipxe && self.offer.next == NextContact::BootServer;
        (is_next && !self.closed && now.saturating_sub(at) < FIRMWARE_WAIT)
            .then_some(Diagnosis::LoadedElsewhere(server))
    }

    /// The weight of a failure. An iPXE from elsewhere may have an embedded script: one failure is not enough.
    fn weight(&self) -> u8 {
        let is_own_loader = self.loaded.is_some_and(|at| self.first.saturating_sub(at) < LOADER_LIFETIME);
        if matches!(self.diagnose(), Some(Diagnosis::BootsAnother(_))) && !is_own_loader { 1 } else { 2 }
    }
}

impl ServerHistory {
    /// Counts a failed attempt, and returns whether it repeats a finding; `None` if the failures are not enough for
    /// one.
    fn fail(&mut self, weight: u8, cause: u8, now: u64) -> Option<bool> {
        let others_boot = self.succeeded.is_some_and(|at| now.saturating_sub(at) < SUCCESS_LIFETIME);
        self.failed = self.failed.saturating_add(weight);
        let enough = self.failed >= if others_boot { THRESHOLD_IF_OTHERS_BOOT } else { THRESHOLD };
        let is_repeat = self.reported & cause != 0;
        self.reported |= if enough { cause } else { 0 };
        enough.then_some(is_repeat)
    }
}
