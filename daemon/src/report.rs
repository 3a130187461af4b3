//! What is said of an answer: one line for a machine that was answered, a warning once for one that nothing here can
//! boot, and a counter for every silence.

use crate::journal::{Admit, Journal};
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Response, Silence, Verdict};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::choose::Nothing;
use proxydhcpd_core::client::{Client, Hardware};
use proxydhcpd_core::recent::Recent;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

#[derive(Debug)]
pub struct Report {
    journal: Journal<(Hardware, Outcome)>,
    /// Machines that were warned of.
    warned: Recent<[u8; 17], ()>,
    hasher: RandomState,
    started: Instant,
}

/// What makes another line worth while: the machine is at another stage of its boot, or gets another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    /// With a hash of what was said.
    Answered(u64),
    NoLoader(Arch),
}

impl Report {
    pub fn new(now: Instant) -> Self {
        let hasher = RandomState::new();
        Report { journal: Journal::new(now), warned: Recent::new(4096, hasher.hash_one(0)), hasher, started: now }
    }

    /// `link` is the interface that the packet came by.
    pub fn dhcp(&mut self, site: &Site, link: &str, answer: &Answer, now: Instant) {
        match (&answer.verdict, &answer.client) {
            (Verdict::Respond(response), Some(client)) => self.answered(link, client, response, now),
            (Verdict::Silent(silence), Some(client)) => {
                self.journal.silent(silence.label());
                match silence {
                    Silence::Nothing(Nothing::NoLoader(arch)) => self.no_loader(site, link, client, *arch, now),
                    _ => tracing::debug!("{} ({client}) on {link} is not answered: {silence}", client.hardware),
                }
            }
            (Verdict::Silent(silence), None) => self.silence(silence.label()),
            (Verdict::Respond(_), None) => {}
        }
    }

    /// A packet that was not even looked into.
    pub fn silence(&mut self, reason: &'static str) {
        self.journal.silent(reason);
    }

    /// To be called now and then: what was held back is summed up.
    pub fn sum_up(&mut self, now: Instant) {
        if let Some(summary) = self.journal.summary(now) {
            tracing::info!("{summary}");
        }
    }

    /// How often we were silent since the start, by reason: for the last line of a server.
    pub fn silences(&self) -> String {
        let each = self.journal.silences().map(|(reason, times)| format!("{reason} {times}"));
        each.collect::<Vec<_>>().join(", ")
    }

    fn answered(&mut self, link: &str, client: &Client, response: &Response, now: Instant) {
        let said = self.hasher.hash_one((u8::from(response.kind), &response.boot.file));
        if self.journal.admit((client.hardware, Outcome::Answered(said)), now) == Admit::Counted {
            return;
        }
        let Response { kind, shape, boot, .. } = response;
        tracing::info!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            FILE = boot.file,
            SHAPE = %shape,
            "{} ({client}) on {link}: {kind} {} from {} ({}, {shape})",
            client.hardware,
            boot.file,
            boot.server,
            boot.why,
        );
    }

    fn no_loader(&mut self, site: &Site, link: &str, client: &Client, arch: Arch, now: Instant) {
        let mut machine = [0; 17];
        machine[0] = client.hardware.hlen;
        machine[1..].copy_from_slice(&client.hardware.octets);
        let known = self.warned.get(machine).is_some();
        if known || self.journal.admit((client.hardware, Outcome::NoLoader(arch)), now) == Admit::Counted {
            return;
        }
        self.warned.update(machine, now.duration_since(self.started).as_millis() as u64, (), |()| ());
        tracing::warn!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            "{} ({client}) on {link} is not answered: {}",
            client.hardware,
            site.no_loader(client.arch),
        );
    }
}
