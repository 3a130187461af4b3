//! `wake`: wakes machines.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::control_client::ControlClient;
use super::machine_flags::MachineFlags;
use super::many_machines::{self, Confirmation, EITHER};
use super::output::{print, print_diagnostic};
use super::watch::percent_encoded;
use crate::api::{MachineMatch, WakeRecord, WakesRequest};
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Wake machines: let the server send them a Wake-on-LAN packet
///
/// The server sends the packet on the interface where it last saw the machine, or on every interface if it never saw
/// the machine. For a machine behind a relay, the packet goes to the broadcast address of its subnet, which routers
/// drop unless that is enabled there. Wake-on-LAN must be on in the firmware of the machine.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd wake web1                 a machine with an entry, by all its MAC addresses
  proxydhcpd wake 52:54:00:12:34:56    any machine
  proxydhcpd boot web1 debian --once && proxydhcpd wake web1
  proxydhcpd wake --subnet 10.1.0.0/16 every machine of the network that booted

Exit status: 0 if a packet left for every machine; 1 if not, or if the server does not run; 2 for wrong
usage.")]
pub struct Wake {
    /// The machines: the MAC address, the name of the entry, or the IP address of each
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,

    #[command(flatten)]
    pub only: MachineFlags,

    /// Only machines whose last boot had this profile
    #[arg(long, value_name = "NAME")]
    pub profile_now: Option<String>,

    /// Wake none, and show which machines the command would wake
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask, also if the flags choose more than one machine
    #[arg(long)]
    pub yes: bool,
}

/// Asks the running server to wake the machines.
pub fn run(arguments: &Wake, flags: &GlobalFlags) -> CommandResult {
    let conditions = arguments.only.conditions(&arguments.profile_now);
    let all_that_match = (conditions != MachineMatch::default()).then_some(conditions);
    match (arguments.machines.is_empty(), &all_that_match) {
        (true, None) => return Err(CommandError::Usage("state a machine, or flags that choose machines")),
        (false, Some(_)) => return Err(CommandError::Usage(EITHER)),
        _ => {}
    }
    let client = ControlClient::new(flags)?;
    if all_that_match.is_some() || arguments.dry_run {
        let client = client.patient();
        let send = |machines, all_that_match, dry_run| {
            let request = WakesRequest { machines, all_that_match, dry_run };
            client.send(Method::POST, "/api/v1/wakes", &request).map_err(CommandError::from)
        };
        let confirmation = Confirmation::new(arguments.dry_run, arguments.yes);
        return many_machines::run(
            &arguments.machines,
            all_that_match,
            confirmation,
            "receive a packet to wake them",
            send,
        );
    }
    let (mut code, mut notes) = (ExitCode::SUCCESS, BTreeSet::new());
    for machine in &arguments.machines {
        let resource = format!("/api/v1/machines/{}/wake", percent_encoded(machine));
        match client.send::<WakeRecord>(Method::POST, &resource, &json!({})) {
            Ok(record) => {
                print(text(&record))?;
                notes.extend(record.sent.into_iter().filter_map(|place| place.note));
            }
            Err(error) if error.is_temporary => return Err(error.into()),
            Err(error) => {
                print_diagnostic(&error.diagnostic);
                code = ExitCode::FAILURE;
            }
        }
    }
    for note in notes {
        print(format_args!("{note}\n"))?;
    }
    Ok(code)
}

fn text(record: &WakeRecord) -> String {
    let WakeRecord { machine, macs, sent, not_sent } = record;
    let to: Vec<String> = sent.iter().map(ToString::to_string).collect();
    let mut text = format!("{machine}: sent a packet to wake {} to {}\n", macs.join(", "), to.join(", "));
    for place in not_sent {
        text += &format!("{machine}: {}; {}\n", place.problem, place.cure);
    }
    text
}
