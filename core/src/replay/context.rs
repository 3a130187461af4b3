//! The state that the parts of a replay share: the clock, the servers, the observations and the stories.

use super::addresses::is_one_of;
use super::request::Request;
use super::survey::FoundServers;
use crate::bounded_cache::CacheKey;
use crate::identity::MachineIdentity;
use crate::link::{Link, Network4, Network6};
use crate::observations::Observations;
use crate::plan::Plan;
use crate::story::{FileNotes, ShortText, Stories, StoryEvent, StoryWhat};
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use core::net::IpAddr;

/// The maximum number of names of loaders.
const MAX_LOADERS: usize = 1024;
/// The index of the only link.
pub const LINK_INDEX: u32 = 1;

/// Finds the properties of a script that matter if the boot fails: the arguments are its name and its text.
pub type InspectScript = Box<dyn Fn(&str, &[u8]) -> FileNotes>;

/// The state that the parts of a replay share.
pub struct Context {
    /// The time, in milliseconds since the first packet.
    pub now: u64,
    /// A plan without decisions: the packets show what the server decided.
    pub plan: Plan,
    /// The network of the servers, as one link.
    pub links: [Link; 1],
    /// The addresses of the servers.
    pub servers: alloc::vec::Vec<IpAddr>,
    /// The observations, as those of the server.
    pub observations: Observations,
    /// The stories.
    pub stories: Stories,
    /// Finds the properties of scripts.
    pub inspect: InspectScript,
    /// The names of the files that offers named as loaders.
    loaders: BTreeSet<String>,
    /// The DHCP requests that wait for a reply, oldest first.
    pub requests: VecDeque<Request>,
    link: ShortText,
}

impl Context {
    /// The state before the first packet.
    pub fn new(servers: &FoundServers, inspect: InspectScript) -> Context {
        let ipv4 = servers.networks.iter().map(|(address, prefix)| Network4 { address: *address, prefix: *prefix });
        let ipv6 = servers.addresses.iter().filter_map(|address| match address {
            IpAddr::V6(address) => Some(Network6 { address: *address, prefix: 64 }),
            IpAddr::V4(_) => None,
        });
        let link =
            Link { index: LINK_INDEX, name: String::new(), mtu: 1500, ipv4: ipv4.collect(), ipv6: ipv6.collect() };
        let plan = Plan::default().with_offer(|offer| offer.dhcp6.duid.clone_from(&servers.duid));
        // No host can know the seed of a replay in advance and gain by it.
        let observations = Observations::new(seed(servers));
        let (loaders, link_name) = (BTreeSet::new(), ShortText::default());
        Context {
            now: 0,
            plan,
            links: [link],
            servers: servers.addresses.clone(),
            observations,
            stories: Stories::default(),
            inspect,
            loaders,
            requests: VecDeque::new(),
            link: link_name,
        }
    }

    /// Sets the name of the interface of the packet at hand.
    pub fn set_link(&mut self, name: &str) {
        if self.link.as_str() != name {
            self.link = ShortText::new(name);
        }
    }

    /// Whether a server has this address.
    pub fn is_server(&self, address: IpAddr) -> bool {
        is_one_of(&self.servers, address)
    }

    /// Adds an event that shows that the machine went on: its earlier requests receive no reply any more.
    pub fn note_progress(&mut self, at: u64, machine: &MachineIdentity, what: StoryWhat) {
        let is_over = |request: &Request| request.client.machine.key == machine.key && request.at < at;
        while let Some(index) = self.requests.iter().position(is_over) {
            let Some(request) = self.requests.remove(index) else { break };
            self.note_no_reply(&request);
        }
        self.note(at, machine, what);
    }

    /// Adds a request without a reply.
    pub fn note_no_reply(&mut self, request: &Request) {
        let client = (&request.client).into();
        self.note(request.at, &request.client.machine, StoryWhat::NoReply { client });
    }

    /// Adds an event to the story of a machine.
    pub fn note(&mut self, at: u64, machine: &MachineIdentity, what: StoryWhat) {
        self.stories.note(&StoryEvent {
            at,
            key: machine.key,
            hardware: machine.hardware,
            address: machine.address,
            relay: machine.relay,
            machine_id: machine.machine_id,
            entry: ShortText::default(),
            link: self.link,
            what,
        });
    }

    /// Adds the findings about machines that did not take an offer.
    pub fn note_findings(&mut self, now: u64) {
        for finding in self.observations.boot_attempts.expire(now) {
            self.note(now, &MachineIdentity::from_hardware(finding.hardware), StoryWhat::Finding(finding));
        }
    }

    /// Notes that an offer named a loader.
    pub fn note_loader_name(&mut self, name: String) {
        if self.loaders.len() < MAX_LOADERS {
            self.loaders.insert(name);
        }
    }

    /// Whether an offer named this file as a loader.
    pub fn is_loader(&self, name: &str) -> bool {
        self.loaders.contains(name)
    }
}

/// A number from the addresses of the servers.
fn seed(servers: &FoundServers) -> u64 {
    let keys = servers.addresses.iter().map(|address| crate::identity::MachineKey::from_address(*address));
    keys.fold(1, |seed: u64, key| {
        key.octets().as_ref().iter().fold(seed, |seed, octet| seed.wrapping_mul(31).wrapping_add((*octet).into()))
    })
}
