//! Rebuilds the stories of boots from captured packets. The packets are the evidence: the replies, the files and the
//! refusals are those that a server really sent, and the clock is that of the capture. [`Survey`] finds the servers in
//! a first pass; [`Replay`] rebuilds the stories in a second one.

mod addresses;
mod context;
mod dhcp;
mod download;
mod http;
mod offered;
mod request;
mod stream;
mod survey;
mod tftp;

use crate::capture::Packet;
use crate::identity::MachineKey;
use crate::story::{MachineStory, Names};
use addresses::is_dhcp;
use alloc::vec::Vec;
use context::Context;
pub use context::InspectScript;
use http::Connections;
pub use offered::local_name;
pub use survey::{FoundServers, Survey};
use tftp::Transfers;

/// How often boots without a step are judged, in milliseconds, as in the running server.
const EXPIRE: u64 = 3000;
/// After a pause of this length, in milliseconds, nothing more can expire.
const MAX_WAIT: u64 = 300_000;
/// Nanoseconds in a millisecond.
const MILLISECOND: u64 = 1_000_000;

/// Rebuilds stories from packets.
pub struct Replay {
    context: Context,
    transfers: Transfers,
    connections: Connections,
    /// The time of the first packet, in nanoseconds since 1970.
    began: Option<u64>,
    next_expiry: u64,
}

impl Replay {
    /// A replay without packets. The stories are those of the boots from these servers.
    pub fn new(servers: &FoundServers, inspect: InspectScript) -> Replay {
        Replay {
            context: Context::new(servers, inspect),
            transfers: Transfers::default(),
            connections: Connections::default(),
            began: None,
            next_expiry: EXPIRE,
        }
    }

    /// Adds a packet. `at` is its time in nanoseconds since 1970, `interface` the name of the interface on which it was
    /// captured, or empty.
    pub fn packet(&mut self, at: u64, interface: &str, packet: &Packet<'_>) {
        let began = *self.began.get_or_insert(at);
        let now = at.saturating_sub(began) / MILLISECOND;
        self.pass_time(now.max(self.context.now));
        self.context.set_link(interface);
        let Packet { from, to, .. } = packet;
        if packet.tcp.is_some() {
            self.connections.packet(&mut self.context, packet, &mut self.transfers);
        } else if is_dhcp(from.port()) || is_dhcp(to.port()) {
            if let Some(machine) = dhcp::packet(&mut self.context, packet) {
                self.transfers.settle(&mut self.context, |known| known == machine);
            }
        } else {
            self.transfers.packet(&mut self.context, packet);
        }
    }

    /// Ends the replay: adds what the last packets show.
    pub fn finish(&mut self) {
        dhcp::finish(&mut self.context);
        self.transfers.finish(&mut self.context);
        self.connections.finish(&mut self.context);
        let now = self.context.now;
        self.judge(now);
    }

    /// The stories of the machines, in the order of their first boots.
    pub fn stories(&self) -> Vec<(MachineKey, &MachineStory)> {
        let mut machines: Vec<_> = self.context.stories.machines().collect();
        machines.sort_by_key(|(_, story)| story.boots.front().map(|boot| boot.began));
        machines
    }

    /// The texts of the stories.
    pub fn names(&self) -> &Names {
        self.context.stories.names()
    }

    /// The time of the last packet, in milliseconds since the first packet.
    pub fn now(&self) -> u64 {
        self.context.now
    }

    /// The time of a story, in milliseconds since the first packet, in nanoseconds since 1970.
    pub fn wall_clock(&self, at: u64) -> u64 {
        self.began.unwrap_or_default().saturating_add(at.saturating_mul(MILLISECOND))
    }

    /// Lets time pass until `now`, in milliseconds since the first packet.
    fn pass_time(&mut self, now: u64) {
        let last = self.context.now;
        while self.next_expiry <= now {
            // A capture may have long pauses, and a wrong clock.
            if self.next_expiry.saturating_sub(last) > MAX_WAIT {
                self.next_expiry = now;
            }
            let at = self.next_expiry;
            self.expire(at);
            self.judge(at);
            self.next_expiry = at.saturating_add(EXPIRE);
        }
        self.expire(now);
        self.context.now = now;
    }

    fn expire(&mut self, now: u64) {
        dhcp::expire(&mut self.context, now);
        self.transfers.expire(&mut self.context, now);
    }

    /// Judges the boots without a step for some time.
    fn judge(&mut self, now: u64) {
        self.context.note_findings(now);
        self.context.stories.expire(now);
        self.context.stories.take_verdicts();
    }
}

impl core::fmt::Debug for Replay {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Replay").field("began", &self.began).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
