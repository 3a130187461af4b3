//! Selects the events of one machine.

use super::error::ApiError;
use crate::events::stream::StreamedEvent;
use crate::site::Site;
use proxydhcpd_core::identity::{HardwareAddress, Identifiers, ShownIdentities};
use proxydhcpd_core::plan::inventory::Machine;
use proxydhcpd_reading::identifiers::parse_any_mac;
use proxydhcpd_reading::suggest::closest_match;
use std::net::IpAddr;

/// The names of a machine, as events show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFilter(Vec<String>);

impl MachineFilter {
    /// The machine with this MAC address, this IP address or an entry of this name, in upper or lower case.
    pub fn new(machine: &str, site: &Site) -> Result<MachineFilter, ApiError> {
        let inventory = &site.plan.inventory;
        if let Ok(address) = machine.parse::<IpAddr>() {
            return Ok(MachineFilter(vec![address.to_canonical().to_string()]));
        }
        let mac = parse_any_mac(machine);
        let entry = match mac {
            Some(mac) => {
                let identifiers = Identifiers::new(Some(mac), None);
                inventory.get_by_identity(&ShownIdentities { identifiers, ..ShownIdentities::default() })
            }
            None => inventory
                .get_by_name(machine)
                .or_else(|| inventory.iter().find(|entry| entry.name.eq_ignore_ascii_case(machine))),
        };
        if mac.is_none() && entry.is_none() {
            let cure = match closest_match(machine, inventory.iter().map(|entry| entry.name)) {
                Some(name) => format!("did you mean {name}?"),
                None => {
                    "state a MAC address, such as 52:54:00:12:34:56, an IP address or the name of an entry".to_owned()
                }
            };
            let problem = format!("`{machine}` is neither a MAC address, nor an IP address, nor the name of an entry");
            return Err(ApiError::new(problem, cure, "machine"));
        }
        let name = |mac: [u8; 6]| HardwareAddress::from_mac(mac).to_string();
        let macs = |entry: Machine<'_>| entry.macs.iter().map(|mac| name(*mac)).collect::<Vec<_>>();
        let mut names: Vec<String> = entry.map(macs).unwrap_or_default();
        names.extend(mac.map(name));
        names.extend(entry.map(|entry| entry.name.to_owned()));
        Ok(MachineFilter(names))
    }

    /// Whether the event concerns the machine.
    pub fn admits(&self, event: &StreamedEvent) -> bool {
        let address = event.address.map(|address| address.to_string());
        let known = [&event.hardware, &event.entry, &address];
        known.into_iter().flatten().any(|known| self.0.iter().any(|name| name.eq_ignore_ascii_case(known)))
    }
}
