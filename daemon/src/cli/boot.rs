//! `boot`: orders what machines boot instead of what their entries say.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::control_client::ControlClient;
use super::machine_flags::MachineFlags;
use super::many_machines::{self, Confirmation, EITHER};
use super::output::print;
use super::watch::percent_encoded;
use crate::api::{CancelRequest, MachineMatch, MachineResults, OrderRecord, OrderRequest, OrdersRequest};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Let machines boot another profile than their entries say, once or until you cancel that
///
/// The order applies at once and also after a restart of the server. No file that a person wrote changes. With --once,
/// a machine boots the profile until its boot-once is completed, and then its disk; 15 minutes later, the order ends,
/// and the entry of the machine applies again.
///
/// State the machines, or flags that choose them, such as --subnet. If flags choose more than one, the command asks
/// before it orders anything.
#[derive(Args, Clone, Debug)]
#[command(
    override_usage = "proxydhcpd boot [OPTIONS] MACHINE... PROFILE
       proxydhcpd boot [OPTIONS] --subnet ADDRESS/PREFIX PROFILE
       proxydhcpd boot [OPTIONS] --cancel MACHINE...",
    after_help = "Examples:
  proxydhcpd boot web1 rescue --once          boot rescue once, and then the disk
  proxydhcpd boot 52:54:00:12:34:56 debian    a machine without an entry, until that is cancelled
  proxydhcpd boot web1 --cancel               boot again what the entry says
  proxydhcpd boot --subnet 10.1.0.0/16 --profile-now debian12 debian13 --once
                                              every machine of the network whose last boot was debian12

Exit status: 0 on success; 1 if the server does not run, or refuses for any of the machines; 2 for
wrong usage."
)]
pub struct Boot {
    /// The machines, each by its MAC address, the name of its entry, or its IP address, and then the name of the
    /// profile
    #[arg(value_name = "MACHINE|PROFILE")]
    pub words: Vec<String>,

    /// Boot it only until its boot-once is completed
    #[arg(long)]
    pub once: bool,

    /// Cancel the boot orders of the machines
    #[arg(long, conflicts_with = "once")]
    pub cancel: bool,

    #[command(flatten)]
    pub only: MachineFlags,

    /// Only machines whose last boot had this profile
    #[arg(long, value_name = "NAME")]
    pub profile_now: Option<String>,

    /// Order nothing, and show what would happen
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask, also if the flags choose more than one machine
    #[arg(long)]
    pub yes: bool,
}

/// The machines and the profile that the command line states.
#[derive(Debug, PartialEq, Eq)]
struct Stated<'a> {
    machines: &'a [String],
    /// The conditions on machines, if any are stated.
    all_that_match: Option<MachineMatch>,
    /// `None`: the orders are cancelled.
    profile: Option<&'a str>,
}

impl Boot {
    fn stated(&self) -> Result<Stated<'_>, CommandError> {
        let (machines, profile) = match self.words.split_last() {
            _ if self.cancel => (&self.words[..], None),
            Some((profile, machines)) => (machines, Some(profile.as_str())),
            None => return Err(CommandError::Usage("state a machine and the name of a profile")),
        };
        let conditions = self.only.conditions(&self.profile_now);
        let all_that_match = (conditions != MachineMatch::default()).then_some(conditions);
        match (machines.is_empty(), &all_that_match) {
            (true, None) if self.cancel => Err(CommandError::Usage("state a machine, or flags that choose machines")),
            (true, None) => Err(CommandError::Usage("state a machine and, after it, the name of a profile")),
            (false, Some(_)) => Err(CommandError::Usage(EITHER)),
            _ => Ok(Stated { machines, all_that_match, profile }),
        }
    }
}

/// Sends the orders to the running server.
pub fn run(arguments: &Boot, flags: &GlobalFlags) -> CommandResult {
    let Stated { machines, all_that_match, profile } = arguments.stated()?;
    let client = ControlClient::new(flags)?;
    if let ([machine], false) = (machines, arguments.dry_run) {
        return boot_one(&client, machine, profile, arguments.once);
    }
    let client = client.patient();
    let send = |machines, all_that_match, dry_run| send(&client, arguments, profile, machines, all_that_match, dry_run);
    let confirmation = Confirmation::new(arguments.dry_run, arguments.yes);
    let action = match profile {
        Some(profile) => format!("boot {profile} {}", end(arguments.once)),
        None => "boot again what their entries say".to_owned(),
    };
    many_machines::run(machines, all_that_match, confirmation, &action, send)
}

/// Sends one request about several machines.
fn send(
    client: &ControlClient,
    arguments: &Boot,
    profile: Option<&str>,
    machines: Vec<String>,
    all_that_match: Option<MachineMatch>,
    dry_run: bool,
) -> Result<MachineResults, CommandError> {
    let sent = match profile {
        Some(profile) => {
            let (profile, once) = (profile.to_owned(), arguments.once);
            let request = OrdersRequest { machines, all_that_match, profile, once, dry_run };
            client.send(Method::POST, "/api/v1/boots", &request)
        }
        None => {
            let request = CancelRequest { machines, all_that_match, dry_run };
            client.send(Method::POST, "/api/v1/boots/cancel", &request)
        }
    };
    sent.map_err(CommandError::from)
}

fn boot_one(client: &ControlClient, machine: &str, profile: Option<&str>, once: bool) -> CommandResult {
    let resource = format!("/api/v1/machines/{}/boot", percent_encoded(machine));
    match profile {
        Some(profile) => {
            let request = OrderRequest { profile: profile.to_owned(), once };
            let order: OrderRecord = client.send(Method::POST, &resource, &request)?;
            print(format_args!("{machine} boots {} {}\n", order.profile, end(order.once)))?;
        }
        None => {
            client.send::<Value>(Method::DELETE, &resource, &json!({}))?;
            print(format_args!("the boot order of {machine} is cancelled\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn end(once: bool) -> &'static str {
    if once { "once, and then its disk" } else { "until you cancel that" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        boot: Boot,
    }

    #[test]
    fn the_last_word_is_the_profile_unless_orders_are_cancelled() {
        let parse = |words: &str| CommandLine::parse_from(format!("boot {words}").split_whitespace()).boot;
        let stated = |words: &str| {
            let boot = parse(words);
            boot.stated().ok().map(|stated| (stated.machines.join(" "), stated.profile.map(str::to_owned)))
        };
        let some = |machines: &str, profile: Option<&str>| Some((machines.to_owned(), profile.map(str::to_owned)));
        assert_eq!(stated("web1 web2 rescue --once"), some("web1 web2", Some("rescue")));
        assert_eq!(stated("--cancel web1 web2"), some("web1 web2", None));
        assert_eq!(stated("--subnet 10.0.0.0/8 rescue"), some("", Some("rescue")));
        assert_eq!(stated("--failed --cancel"), some("", None));
        for wrong in ["", "web1", "--cancel", "--failed", "--failed web1 rescue", "--cancel --failed web1"] {
            assert_eq!(stated(wrong), None, "{wrong}");
        }
    }
}
