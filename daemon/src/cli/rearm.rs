//! `rearm`: machines that have used up their one boot may boot again.

use super::{Rearm, print_diagnostic};
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::{self, ConfigError};
use crate::suggest::closest_match;
use crate::boot_once::completions;
use std::process::ExitCode;

/// The running server notices by itself, within seconds.
pub fn run(args: &Rearm, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let directory = completions::path_in(&config::load(flags)?.settings.state_dir);
    let marks = completions::list(&directory).map_err(|error| {
        ConfigError(vec![
            Diagnostic::error(format!("the marks of used-up boots cannot be read: {error}"))
                .in_file(&directory.display().to_string()),
        ])
    })?;
    if args.machines.is_empty() {
        marks.iter().for_each(|machine| anstream::println!("{machine}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut status = ExitCode::SUCCESS;
    for machine in &args.machines {
        let wrong = match marks.contains(machine).then(|| completions::remove(&directory, machine)) {
            Some(Ok(_)) => continue,
            Some(Err(error)) => Diagnostic::error(format!("{}: {error}", directory.join(machine).display())),
            None => {
                let told = Diagnostic::error(format!("{machine} has not used up a boot"));
                match closest_match(machine, marks.iter().map(String::as_str)) {
                    Some(meant) => told.help(format!("did you mean {meant}?")),
                    None => told.help("`proxydhcpd rearm` alone lists those that have"),
                }
            }
        };
        print_diagnostic(&wrong);
        status = ExitCode::FAILURE;
    }
    Ok(status)
}
