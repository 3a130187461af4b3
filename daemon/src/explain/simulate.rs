//! Simulates what a question describes.

use super::client::{ClientKind, EXAMPLE_MAC};
use super::client_packet::SimulatedClient;
use super::observed_client::neighbour;
use super::packet::SimulatedPacket;
use super::question::Question;
use super::simulation::BootSimulation;
use crate::preview::example_links;
use crate::site::Site;
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::Machine;
use proxydhcpd_reading::suggest::closest_match;
use std::net::{IpAddr, Ipv4Addr};

/// An entry that a question names, and that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMachine {
    /// The name.
    pub name: String,
    /// The name of an entry that is similar.
    pub similar: Option<String>,
}

/// The links for a question: those of `served` that have its address family. If there are none, or the question states
/// the address of the server, an example with this name.
pub fn links_of(question: &Question, served: Vec<Link>, name: Option<&str>) -> Vec<Link> {
    let has_family = |link: &Link| if question.ipv6 { !link.ipv6.is_empty() } else { !link.ipv4.is_empty() };
    let is_link_local = |link: &Link| link.address6().is_none_or(|address| address.is_unicast_link_local());
    let mut links: Vec<Link> = served.into_iter().filter(has_family).collect();
    links.sort_by_key(|link| question.ipv6 && is_link_local(link));
    match question.server {
        None if !links.is_empty() => links,
        server => example_links(name, server.map(|server| server.0)),
    }
}

/// Simulates what the question describes: the arrival of one packet, or a boot. The explanations are then in the
/// simulation.
pub fn simulate(simulation: &mut BootSimulation<'_>, question: &Question) -> Result<(), UnknownMachine> {
    let links = simulation.links;
    if let Some(packet) = &question.packet {
        simulation.explain_packet(&SimulatedPacket::from_octets(packet.clone(), question, links));
    } else if let Some(kind) = question.client {
        let simulated = simulated_client(question, kind, simulation.site, links[0].ipv4.first().copied())?;
        if question.ipv6 {
            simulation.simulate_boot6(&simulated, question.port());
        } else {
            simulation.simulate_boot4(&simulated, question.port(), question.item);
        }
    }
    Ok(())
}

/// The client of the question. The entry that the question names supplies the identities that it omits.
fn simulated_client(
    question: &Question,
    kind: ClientKind,
    site: &Site,
    network: Option<Network4>,
) -> Result<SimulatedClient, UnknownMachine> {
    let entry = question.machine.as_deref().map(|name| find_machine(name, &site.plan)).transpose()?;
    let network = match question.relay {
        Some(IpAddr::V4(relay)) => Some(Network4 { address: relay, prefix: 24 }),
        _ => network,
    };
    // The client has no IPv4 address on a link with only IPv6.
    let address = network.map_or(Ipv4Addr::UNSPECIFIED, neighbour);
    let mac_of_entry = entry.and_then(|entry| entry.macs.first().copied());
    Ok(SimulatedClient {
        kind,
        mac: question.mac.or(mac_of_entry).unwrap_or(EXAMPLE_MAC.0),
        uuid: question.uuid.or(entry.and_then(|entry| entry.uuid)),
        serial: question.serial.clone().or(entry.and_then(|entry| entry.serial.map(str::to_owned))),
        vendor_class: question.vendor_class.clone(),
        user_class: question.user_class.clone(),
        relay: question.relay,
        circuit_id: question.circuit_id.clone(),
        interface_id: question.interface_id.clone(),
        address,
    })
}

fn find_machine<'a>(name: &str, plan: &'a Plan) -> Result<Machine<'a>, UnknownMachine> {
    plan.inventory.get_by_name(name).ok_or_else(|| {
        let similar = closest_match(name, plan.inventory.iter().map(|entry| entry.name)).map(str::to_owned);
        UnknownMachine { name: name.to_owned(), similar }
    })
}
