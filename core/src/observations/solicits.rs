//! Firmware that sends SOLICITs and requests no address: no DHCPv6 server assigns it one.
//!
//! A DHCPv6 server sends its ADVERTISE to the client alone, so this server cannot overhear it. The evidence is the
//! REQUEST, a multicast that follows each ADVERTISE with an address.
//!
//! Many networks have no DHCPv6 server, and their machines boot over IPv4 after their firmware has tried IPv6. A
//! machine that tries IPv4 as well is reported only if another client of its network did request an address.

use super::finding::{Cause, Diagnosis, Finding, NextContact};
use crate::bounded_cache::BoundedCache;
use crate::client::{Client, Program};
use crate::identity::MachineKey;
use alloc::vec::Vec;

/// EDK2 sends four SOLICITs, after 0, 4, 12 and 28 s, and gives up 32 s after the last one (protocol.md 2.10). Then it
/// tries its next boot method, which may be IPv4.
const SOLICITS: u8 = 4;
const GAVE_UP: u64 = 30_000;
const ADDRESS_WAIT: u64 = 45_000;
/// Two packets within this time are the same packet, received twice.
const SAME_PACKET: u64 = 500;
/// The longest pause between two SOLICITs of one attempt is 16 s; it is longer in an emulator on a busy host.
const SAME_ATTEMPT: u64 = 60_000;
/// The number of machines that the server remembers, and the number of networks.
const MACHINES: usize = 1024;
const NETWORKS: usize = 256;

/// The SOLICITs of machines that have requested no address yet.
#[derive(Debug)]
pub(super) struct Solicits {
    attempts: BoundedCache<MachineKey, SolicitAttempt>,
    /// The networks in which a client requested an address from a DHCPv6 server, with the time of the last REQUEST.
    networks: BoundedCache<[u8; 17], u64>,
    /// The attempts that ended because the machine began another one.
    ended: Vec<UnansweredSolicits>,
}

/// A machine that sent SOLICITs and requested no address.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnansweredSolicits {
    /// The finding.
    pub finding: Finding,
    /// Whether a client of the same network requested an address from a DHCPv6 server earlier.
    pub has_server: bool,
}

/// The SOLICITs of one attempt.
#[derive(Clone, Copy, Debug)]
struct SolicitAttempt {
    finding: Finding,
    transaction: [u8; 3],
    solicits: u8,
    last: u64,
    /// Whether the attempt can cause no finding any more.
    closed: bool,
}

impl Solicits {
    /// A value without SOLICITs. `seed` is a number that no other host can guess.
    pub fn new(seed: u64) -> Solicits {
        Solicits {
            attempts: BoundedCache::new(MACHINES, seed),
            networks: BoundedCache::new(NETWORKS, seed.rotate_left(16)),
            ended: Vec::new(),
        }
    }

    /// Notes a SOLICIT of firmware to which the server has sent an ADVERTISE. `link` is the kernel's index of the
    /// interface on which it arrived.
    pub fn note(&mut self, client: &Client, transaction: [u8; 3], link: u32, now: u64) {
        if client.program != Program::Firmware || client.machine.is_probe() {
            return;
        }
        let finding = Finding {
            hardware: client.hardware(),
            arch: client.arch,
            ipxe: false,
            link,
            relay: client.machine.relay.map(|relay| relay.address),
            next: NextContact::Elsewhere,
            diagnosis: Diagnosis::NoAddress6(1),
            cause: Cause::NotOverheard { is_remote: false },
            asked: now,
            is_repeat: false,
        };
        let fresh = SolicitAttempt { finding, transaction, solicits: 1, last: now, closed: false };
        let before = self.attempts.update(client.machine.key, now, fresh, |attempt| {
            let before = *attempt;
            if attempt.note_repeat(transaction, now) {
                return None;
            }
            *attempt = fresh;
            Some(before)
        });
        if let Some(before) = before.filter(|before| before.is_unanswered(GAVE_UP, now)) {
            self.end(before);
        }
    }

    /// Notes that a client requested an address from a DHCPv6 server.
    pub fn note_request(&mut self, machine: MachineKey, network: [u8; 17], now: u64) {
        self.networks.update(network, now, now, |at| *at = now);
        self.note_contact(machine);
    }

    /// Notes that a machine has contacted this server in any way.
    pub fn note_contact(&mut self, machine: MachineKey) {
        if let Some(attempt) = self.attempts.get_mut(machine) {
            attempt.closed = true;
        }
    }

    /// Closes the attempts whose time is over, and returns those that caused no REQUEST, since the last call.
    pub fn expire(&mut self, now: u64) -> Vec<UnansweredSolicits> {
        let is_due = |attempt: &&mut SolicitAttempt| attempt.is_unanswered(ADDRESS_WAIT, now);
        let mut due = Vec::new();
        for attempt in self.attempts.values_mut().filter(is_due) {
            attempt.closed = true;
            due.push(*attempt);
        }
        due.into_iter().for_each(|attempt| self.end(attempt));
        core::mem::take(&mut self.ended)
    }

    fn end(&mut self, attempt: SolicitAttempt) {
        let finding = attempt.finding;
        let has_server = self.networks.get(finding.key()).is_some();
        // The caller empties the list every few seconds. A host that forges machines cannot make it long.
        if self.ended.len() < MACHINES {
            self.ended.push(UnansweredSolicits { finding, has_server });
        }
    }
}

impl SolicitAttempt {
    /// Whether the SOLICIT repeats that of this attempt; if it does, counts it.
    fn note_repeat(&mut self, transaction: [u8; 3], now: u64) -> bool {
        let pause = now.saturating_sub(self.last);
        if self.transaction != transaction || pause > SAME_ATTEMPT {
            return false;
        }
        if pause > SAME_PACKET {
            self.solicits = self.solicits.saturating_add(1);
            self.finding.diagnosis = Diagnosis::NoAddress6(self.solicits);
        }
        (self.last, self.finding.asked) = (now, now);
        true
    }

    /// Whether the machine has sent all its SOLICITs, and then nothing for this time, in milliseconds.
    fn is_unanswered(&self, pause: u64, now: u64) -> bool {
        !self.closed && self.solicits >= SOLICITS && now.saturating_sub(self.last) >= pause
    }
}
