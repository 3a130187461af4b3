//! `rearm`: removes completions, so that the machines boot from the network again.

use super::command::{CommandResult, GlobalFlags};
use super::output::{print, print_diagnostic};
use crate::boot_once::completions;
use crate::config::{self, ConfigError};
use clap::Args;
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;
use std::process::ExitCode;

/// Reset boot-once: let these machines boot from the network again
///
/// Without a name, list the machines that completed their boot-once. The running server applies the reset within
/// seconds.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd rearm         list the machines that completed their boot-once
  proxydhcpd rearm web1    let web1 boot its profile once more

Exit status: 0 on success; 1 if a machine has not completed a boot-once, or its record cannot be
removed; 2 if the configuration is invalid.")]
pub struct Rearm {
    /// Names of machines in the configuration
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,
}

/// Removes completions, or lists them. A running server detects the change within seconds.
pub fn run(args: &Rearm, flags: &GlobalFlags) -> CommandResult {
    let directory = completions::path_in(&config::load(&flags.settings)?.settings.state_dir);
    let completed = completions::list(&directory).map_err(|error| {
        ConfigError(vec![
            Diagnostic::error(format!("cannot read the records of completed boot-onces: {error}"))
                .in_file(&directory.display().to_string()),
        ])
    })?;
    if args.machines.is_empty() {
        for machine in &completed {
            print(format_args!("{machine}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut status = ExitCode::SUCCESS;
    for machine in &args.machines {
        let error = match completed.contains(machine).then(|| completions::remove(&directory, machine)) {
            Some(Ok(_)) => continue,
            Some(Err(error)) => Diagnostic::error(format!("{}: {error}", directory.join(machine).display())),
            None => {
                let error = Diagnostic::error(format!("{machine} has not completed a boot-once"));
                match closest_match(machine, completed.iter().map(String::as_str)) {
                    Some(suggestion) => error.help(format!("did you mean {suggestion}?")),
                    None => error.help("`proxydhcpd rearm` without a name lists the machines that have"),
                }
            }
        };
        print_diagnostic(&error);
        status = ExitCode::FAILURE;
    }
    Ok(status)
}
