//! `explain`: simulates a boot with the code that answers packets, and explains each decision. Sends nothing.

mod arguments;
mod explanation;
mod ipv4;
mod ipv6;
mod packet;
mod reasons;
mod script;
mod simulation;
mod steps;
#[cfg(test)]
mod tests;

pub use arguments::Explain;

use super::boot_once_records::BootOnceRecords;
use super::client::{ClientKind, EXAMPLE_MAC, PacketHex};
use super::client_packet::SimulatedClient;
use super::command::{CommandResult, GlobalFlags};
use super::context;
use super::observed_client::neighbour;
use crate::config::ConfigError;
use crate::site::Site;
use explanation::Explanation;
use packet::SimulatedPacket;
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::Machine;
use proxydhcpd_reading::diagnostic::Diagnostic;
use serde_json::Value;
use simulation::BootSimulation;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

/// Prints a section for each packet of the client.
pub fn run(args: &Explain, flags: &GlobalFlags) -> CommandResult {
    let context = context::load(&flags.settings)?;
    let mut observations = context.observations();
    let records = BootOnceRecords::load(&context, &mut observations);
    let has_family = |link: &Link| if args.ipv6 { !link.ipv6.is_empty() } else { !link.ipv4.is_empty() };
    if let Some(message) = args.family_mismatch() {
        return Err(ConfigError(vec![Diagnostic::error(message)]).into());
    }
    let mut links: Vec<Link> = context.links.into_iter().filter(has_family).collect();
    let is_link_local = |link: &Link| link.address6().is_none_or(|address| address.is_unicast_link_local());
    links.sort_by_key(|link| args.ipv6 && is_link_local(link));
    let links = match (args.server, links) {
        (None, links) if !links.is_empty() => links,
        (server, _) => {
            let name = flags.settings.interfaces.first().map(String::as_str);
            context::example_links(name, server.map(|server| server.0))
        }
    };
    let mut simulation = BootSimulation {
        site: &context.site,
        links: &links,
        proxy_only: context.loaded.settings.proxy_only,
        observations,
        records_are_readable: records.are_readable,
        now: 0,
        explanations: Vec::new(),
    };
    simulate(&mut simulation, args)?;
    let explanations = simulation.explanations;
    if args.json {
        let all: Vec<Value> = explanations.iter().map(Explanation::json).collect();
        anstream::println!("{:#}", Value::Array(all));
    } else {
        explanations.iter().for_each(|explanation| anstream::print!("{}", explanation.tree));
    }
    let answered =
        explanations.iter().filter(|explanation| !explanation.follows).all(|explanation| explanation.answered);
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Simulates what the arguments describe: the arrival of one packet, or a boot.
fn simulate(simulation: &mut BootSimulation<'_>, args: &Explain) -> Result<(), ConfigError> {
    let links = simulation.links;
    if let Some(packet) = &args.packet {
        simulation.explain_packet(&SimulatedPacket::from_octets(packet_octets(packet)?, args, links));
    } else if let Some(kind) = args.client {
        let simulated = simulated_client(args, kind, simulation.site, links[0].ipv4.first().copied())?;
        if args.ipv6 {
            simulation.simulate_boot6(&simulated, args.port());
        } else {
            simulation.simulate_boot4(&simulated, args.port(), args.item);
        }
    }
    Ok(())
}

/// The octets of the packet to explain, from the command line or from standard input.
fn packet_octets(packet: &PacketHex) -> Result<Vec<u8>, ConfigError> {
    let config_error = |message: String| ConfigError(vec![Diagnostic::error(message)]);
    match packet {
        PacketHex::Octets(octets) => Ok(octets.clone()),
        PacketHex::Stdin => {
            let text = std::io::read_to_string(std::io::stdin())
                .map_err(|error| config_error(format!("cannot read standard input: {error}")))?;
            PacketHex::parse_octets(&text)
                .map_err(|error| config_error(format!("standard input is not a packet in hex: {error}")))
        }
    }
}

/// The client that the flags describe. The entry that `--machine` names supplies the identities that the flags omit.
fn simulated_client(
    args: &Explain,
    kind: ClientKind,
    site: &Site,
    network: Option<Network4>,
) -> Result<SimulatedClient, ConfigError> {
    let entry = args.machine.as_deref().map(|name| find_machine(name, &site.plan)).transpose()?;
    let network = match args.relay {
        Some(IpAddr::V4(relay)) => Some(Network4 { address: relay, prefix: 24 }),
        _ => network,
    };
    // The client has no IPv4 address on a link with only IPv6.
    let address = network.map_or(Ipv4Addr::UNSPECIFIED, neighbour);
    let mac_of_entry = entry.and_then(|entry| entry.macs.first().copied());
    Ok(SimulatedClient {
        kind,
        mac: args.mac.map(|mac| mac.0).or(mac_of_entry).unwrap_or(EXAMPLE_MAC.0),
        uuid: args.uuid.map(|uuid| uuid.0).or(entry.and_then(|entry| entry.uuid)),
        serial: args.serial.clone().or(entry.and_then(|entry| entry.serial.map(str::to_owned))),
        vendor_class: args.vendor_class.clone(),
        user_class: args.user_class.clone(),
        relay: args.relay,
        circuit_id: args.circuit_id.clone(),
        interface_id: args.interface_id.clone(),
        address,
    })
}

fn find_machine<'a>(name: &str, plan: &'a Plan) -> Result<Machine<'a>, ConfigError> {
    let unknown = || {
        ConfigError(vec![Diagnostic::error(format!("unknown machine `{name}`: the configuration has no such entry"))])
    };
    plan.inventory.get_by_name(name).ok_or_else(unknown)
}
