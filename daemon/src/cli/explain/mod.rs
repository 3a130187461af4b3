//! `explain`: simulates a boot with the code that answers packets, and explains each decision. Sends nothing.

mod arguments;
#[cfg(test)]
mod tests;

pub use arguments::Explain;

use super::command::{CommandResult, GlobalFlags};
use super::control_client::json;
use super::output::{print, print_diagnostic};
use crate::config::ConfigError;
use crate::explain::client::PacketHex;
use crate::explain::explanation::Explanation;
use crate::explain::simulation::BootSimulation;
use crate::explain::{UnknownMachine, links_of, simulate};
use crate::preview::{self, boot_once_records::BootOnceRecords};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::process::ExitCode;

/// Prints a section for each packet of the client.
pub fn run(args: &Explain, flags: &GlobalFlags) -> CommandResult {
    let context = preview::load(&flags.settings)?;
    let mut warnings = Vec::new();
    let mut observations = context.observations(&mut warnings);
    let records = BootOnceRecords::load(&context, &mut observations, &mut warnings);
    warnings.iter().for_each(print_diagnostic);
    let question = args.question(args.packet.as_ref().map(packet_octets).transpose()?);
    if let Some(message) = question.family_mismatch(|name| format!("--{name}")) {
        return Err(ConfigError(vec![Diagnostic::error(message)]).into());
    }
    let name = flags.settings.interfaces.first().map(String::as_str);
    let links = links_of(&question, context.links, name);
    let mut simulation = BootSimulation {
        site: &context.site,
        links: &links,
        proxy_only: context.loaded.settings.proxy_only,
        observations,
        records_are_readable: records.are_readable,
        now: 0,
        explanations: Vec::new(),
    };
    simulate(&mut simulation, &question).map_err(unknown_machine)?;
    let explanations = simulation.explanations;
    if args.json {
        let all: Vec<_> = explanations.iter().map(Explanation::record).collect();
        print(format_args!("{}\n", json(&all)))?;
    } else {
        explanations.iter().try_for_each(|explanation| print(&explanation.tree))?;
    }
    let answered =
        explanations.iter().filter(|explanation| !explanation.follows).all(|explanation| explanation.answered);
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn unknown_machine(UnknownMachine { name, similar }: UnknownMachine) -> ConfigError {
    let error = Diagnostic::error(format!("unknown machine `{name}`: the configuration has no such entry"));
    ConfigError(vec![match similar {
        Some(similar) => error.help(format!("did you mean {similar}?")),
        None => error,
    }])
}
