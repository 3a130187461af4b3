//! `rearm`: removes completions, so that the machines boot from the network again.

use super::{Rearm, print_diagnostic};
use crate::boot_once::completions;
use crate::config::flags::Flags;
use crate::config::{self, ConfigError};
use crate::reading::diagnostic::Diagnostic;
use crate::reading::suggest::closest_match;
use std::process::ExitCode;

/// Removes completions, or lists them. A running server detects the change within seconds.
pub fn run(args: &Rearm, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let directory = completions::path_in(&config::load(flags)?.settings.state_dir);
    let completed = completions::list(&directory).map_err(|error| {
        ConfigError(vec![
            Diagnostic::error(format!("cannot read the records of completed boot-onces: {error}"))
                .in_file(&directory.display().to_string()),
        ])
    })?;
    if args.machines.is_empty() {
        completed.iter().for_each(|machine| anstream::println!("{machine}"));
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
