//! `completions`: prints a script with which a shell completes commands and flags.

use super::command::{CommandResult, GlobalFlags};
use crate::explain::client::known_kinds;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, ValueEnum, ValueHint};
use clap_complete::{Shell, generate};
use std::io::Write;
use std::process::ExitCode;

/// Print a script that lets a shell complete commands and flags
///
/// `make install` installs the scripts.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd completions bash > /usr/share/bash-completion/completions/proxydhcpd
  proxydhcpd completions zsh > /usr/share/zsh/site-functions/_proxydhcpd
  proxydhcpd completions fish > /usr/share/fish/vendor_completions.d/proxydhcpd.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: CompletionShell,
}

/// The shells for which there are scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn run(arguments: &Completions, flags: &GlobalFlags) -> CommandResult {
    let shell = match arguments.shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut with_hints((flags.definition)()), "proxydhcpd", &mut script);
    let written = std::io::stdout().write_all(&script);
    Ok(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The definition of the command line with what the shell needs to complete values. Without it, a shell suggests files
/// for each value.
fn with_hints(command: Command) -> Command {
    command.mut_args(with_hint).mut_subcommands(with_hints)
}

fn with_hint(argument: Arg) -> Arg {
    if argument.get_id() == "client" {
        // The definition needs words that live as long as the program, which ends after the script.
        let kinds = known_kinds().into_iter().map(|kind| &*kind.leak());
        return argument.value_parser(PossibleValuesParser::new(kinds));
    }
    if !argument.get_action().takes_values() {
        return argument;
    }
    let hint = match argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
        Some("FILE" | "PATH") => ValueHint::FilePath,
        Some("DIR") => ValueHint::DirPath,
        Some(_) => ValueHint::Other,
        None => return argument,
    };
    argument.value_hint(hint)
}
