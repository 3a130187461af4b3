//! The machine that is to be woken: its MAC addresses, and the places where it was last seen.

use super::error::ApiError;
use super::shared::Api;
use crate::history::{BootFilter, StoredBoot};
use crate::site::Site;
use crate::state::State;
use proxydhcpd_core::identity::{HardwareAddress, Identifiers, ShownIdentities};
use proxydhcpd_core::plan::inventory::Machine;
use proxydhcpd_core::relay::Relay;
use proxydhcpd_core::story::{MachineStory, Names};
use proxydhcpd_core::wake::Seen;
use proxydhcpd_reading::identifiers::parse_any_mac;
use proxydhcpd_reading::suggest::closest_match;
use std::net::IpAddr;

/// The machine that is to be woken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WakeTarget {
    /// The name of its entry or, without an entry, what the request calls it.
    pub name: String,
    /// Whether the name is that of an entry.
    pub has_entry: bool,
    /// The MAC addresses: those of the entry, or the one that the machine showed.
    pub macs: Vec<[u8; 6]>,
    /// The places where it was last seen.
    pub places: Vec<Place>,
    /// Whether any packet of the machine is known.
    is_known: bool,
}

/// A place where a machine was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    link: String,
    relay: Option<Relay>,
    address: Option<IpAddr>,
    by_dhcp: bool,
}

impl WakeTarget {
    /// The machine with this MAC address, with an entry of this name, or that booted with this IP address.
    ///
    /// # Errors
    /// No such machine is known.
    pub async fn find(api: &Api, id: &str) -> Result<WakeTarget, ApiError> {
        let mut target = WakeTarget::from_inventory(&api.state.site(), id);
        target.add_stories(&api.state, id);
        if target.places.is_empty() {
            target.add_history(api, id).await;
        }
        // A machine without an entry may have shown the MAC address of one only now.
        let found = target.macs.first().and_then(|mac| entry_of_mac(&api.state.site(), *mac).map(|entry| own(&entry)));
        if let Some((name, macs)) = found.filter(|_| !target.has_entry) {
            let shown = std::mem::replace(&mut target.macs, macs);
            target.macs.extend(shown.into_iter().filter(|mac| !target.macs.contains(mac)).collect::<Vec<_>>());
            target.name = name;
            target.has_entry = true;
        }
        if target.macs.is_empty() && !target.has_entry && !target.is_known {
            return Err(unknown(&api.state.site(), id));
        }
        Ok(target)
    }

    /// The places, for the core.
    pub fn seen(&self) -> Vec<Seen<'_>> {
        self.places.iter().map(Place::seen).collect()
    }

    fn from_inventory(site: &Site, id: &str) -> WakeTarget {
        let inventory = &site.plan.inventory;
        let mac = parse_any_mac(id);
        let by_name = || {
            let similar = |name: &str| name.eq_ignore_ascii_case(id);
            inventory.get_by_name(id).or_else(|| inventory.iter().find(|entry| similar(entry.name)))
        };
        let entry = by_name().or_else(|| entry_of_mac(site, mac?));
        let mut target = WakeTarget { name: id.to_owned(), macs: mac.into_iter().collect(), ..WakeTarget::default() };
        if let Some((name, macs)) = entry.map(|entry| own(&entry)) {
            target = WakeTarget { name, macs, has_entry: true, ..target };
        }
        target
    }

    /// Adds what the stories of boots know of the machine.
    fn add_stories(&mut self, state: &State, id: &str) {
        let stories = state.stories.stories();
        // The latest machine with an address is its owner.
        let owner = id.parse::<IpAddr>().ok().and_then(|address| {
            stories.machines().find(|(_, story)| story.address == Some(address)).map(|(key, _)| key)
        });
        let (names, mut macs) = (stories.names(), Vec::new());
        for (key, story) in stories.machines() {
            let mac = story.hardware.and_then(|hardware| hardware.mac());
            let is_wanted = mac.is_some_and(|mac| self.macs.contains(&mac))
                || names.text(story.entry).eq_ignore_ascii_case(&self.name)
                || owner == Some(key)
                || key.to_string().eq_ignore_ascii_case(id);
            if is_wanted {
                macs.extend(mac);
                self.is_known = true;
                self.places.extend(Place::from_story(story, names));
            }
        }
        // The entry says which addresses are the machine's. Without any, it is the one that the machine showed.
        if self.macs.is_empty() {
            self.macs = macs;
        }
    }

    /// Adds what the history knows of the machine.
    async fn add_history(&mut self, api: &Api, id: &str) {
        let history = api.state.history.clone();
        let macs = self.macs.iter().map(|mac| HardwareAddress::from_mac(*mac).to_string());
        let identities: Vec<String> = macs.chain([self.name.clone(), id.to_owned()]).collect();
        let read = move || {
            let last = |machine| BootFilter { machine: Some(machine), limit: Some(1), ..BootFilter::default() };
            let mut boots = identities.into_iter().map(|id| history.boots(&last(id)).unwrap_or_default());
            boots.find_map(|mut boots| boots.pop())
        };
        // A history that is off or unreadable has none; the log says why.
        let Some(boot) = tokio::task::spawn_blocking(read).await.ok().flatten() else { return };
        self.is_known = true;
        if self.macs.is_empty() {
            self.macs.extend(boot.hardware.as_deref().and_then(parse_any_mac));
        }
        self.places.push(Place::from_history(boot));
    }
}

impl Place {
    fn seen(&self) -> Seen<'_> {
        Seen { link: &self.link, relay: self.relay, address: self.address, by_dhcp: self.by_dhcp }
    }

    fn from_story(story: &MachineStory, names: &Names) -> Option<Place> {
        let links = story.boots.iter().rev().map(|boot| names.text(boot.link));
        let link = links.into_iter().find(|link| !link.is_empty()).unwrap_or_default().to_owned();
        let MachineStory { relay, address, sent_dhcp, .. } = *story;
        let is_known = !link.is_empty() || relay.is_some() || address.is_some();
        is_known.then_some(Place { link, relay, address, by_dhcp: sent_dhcp })
    }

    /// The history has no relays: an address beyond all links shows that there was one.
    fn from_history(boot: StoredBoot) -> Place {
        let parse = |address: Option<String>| address.and_then(|address| address.parse().ok());
        let relay = parse(boot.relay).map(|address| Relay { address, reply_to_source_port: false, subnet: None });
        let (link, address) = (boot.record.interface.unwrap_or_default(), parse(boot.address));
        Place { link, relay, address, ..Place::default() }
    }
}

fn own(entry: &Machine<'_>) -> (String, Vec<[u8; 6]>) {
    (entry.name.to_owned(), entry.macs.to_vec())
}

fn entry_of_mac(site: &Site, mac: [u8; 6]) -> Option<Machine<'_>> {
    let identifiers = Identifiers::new(Some(mac), None);
    site.plan.inventory.get_by_identity(&ShownIdentities { identifiers, ..ShownIdentities::default() })
}

fn unknown(site: &Site, id: &str) -> ApiError {
    let cure = match closest_match(id, site.plan.inventory.iter().map(|entry| entry.name)) {
        Some(name) => format!("did you mean {name}?"),
        None => "state a MAC address, the name of an entry, or the IP address of a machine that booted".to_owned(),
    };
    ApiError::new(format!("no machine {id} is known"), cure, "machine")
}
