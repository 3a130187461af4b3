//! Finds the machines that a request changes.

use super::error::ApiError;
use crate::state::{EditTarget, State};
use proxydhcpd_core::identity::{HardwareAddress, Identifiers, ShownIdentities};
use proxydhcpd_reading::identifiers::parse_any_mac;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The MAC addresses of machines by their IP addresses.
type MacsByAddress = BTreeMap<IpAddr, [u8; 6]>;

impl EditTarget {
    /// The machine with this MAC address, with an entry of this name, or that booted with this IP address.
    pub fn find(state: &State, id: &str) -> Result<EditTarget, ApiError> {
        EditTarget::find_with(state, id, &mut None)
    }

    /// The machine of each identifier.
    pub fn find_many(state: &State, ids: &[String]) -> Vec<Result<EditTarget, ApiError>> {
        let mut addresses = None;
        ids.iter().map(|id| EditTarget::find_with(state, id, &mut addresses)).collect()
    }

    fn find_with(state: &State, id: &str, addresses: &mut Option<MacsByAddress>) -> Result<EditTarget, ApiError> {
        if let Some(entry) = state.site().plan.inventory.get_by_name(id) {
            return Ok(EditTarget { name: entry.name.to_owned(), macs: Vec::new() });
        }
        let mac = parse_any_mac(id).or_else(|| {
            let address: IpAddr = id.parse().ok()?;
            addresses.get_or_insert_with(|| macs_by_address(state)).get(&address).copied()
        });
        let mac = mac.ok_or_else(|| {
            let cure = "state a MAC address, the name of an entry, or the IP address of a machine that booted";
            ApiError::new(format!("no machine {id} is known"), cure, "machine")
        })?;
        Ok(EditTarget::from_mac(state, mac))
    }

    fn from_mac(state: &State, mac: [u8; 6]) -> EditTarget {
        let shown = ShownIdentities { identifiers: Identifiers::new(Some(mac), None), ..ShownIdentities::default() };
        match state.site().plan.inventory.get_by_identity(&shown) {
            Some(entry) => EditTarget { name: entry.name.to_owned(), macs: Vec::new() },
            None => {
                let name = HardwareAddress::from_mac(mac).to_string().replace(':', "-");
                EditTarget { name, macs: vec![mac] }
            }
        }
    }
}

/// The machine that last booted with each IP address.
fn macs_by_address(state: &State) -> MacsByAddress {
    let stories = state.stories.stories();
    let mut macs = MacsByAddress::new();
    for (_, story) in stories.machines() {
        if let (Some(address), Some(mac)) = (story.address, story.hardware.and_then(|hardware| hardware.mac())) {
            macs.entry(address).or_insert(mac);
        }
    }
    macs
}
