//! A command's part of the command line: the flags that it has in common with all others, and its result.

use super::output::{Output, OutputError};
use crate::config::ConfigError;
use crate::config::flags::Flags;
use clap::Args;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::process::ExitCode;

/// The flags that every command has.
#[derive(Args, Clone, Debug)]
pub struct GlobalFlags {
    /// The flags that change the configuration.
    #[command(flatten)]
    pub settings: Flags,

    /// The flags that change the output.
    #[command(flatten)]
    pub output: Output,

    /// Returns the definition of the command line, for a command that describes it.
    #[arg(skip = undefined as fn() -> clap::Command)]
    pub definition: fn() -> clap::Command,
}

/// A command line without flags, until the parser of the command line states its own.
fn undefined() -> clap::Command {
    clap::Command::new("proxydhcpd")
}

/// The exit status of a command that ran, or the error that prevented it.
pub type CommandResult = Result<ExitCode, CommandError>;

/// An error that the command line's entry point reports.
#[derive(Debug)]
pub enum CommandError {
    /// Flags or arguments contradict each other.
    Usage(&'static str),
    /// The configuration is invalid, or does not contain what the arguments name.
    Config(ConfigError),
    /// The running server does not have the answer.
    Control(Diagnostic),
    /// Standard output does not take the text.
    Output(OutputError),
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<OutputError> for CommandError {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}
