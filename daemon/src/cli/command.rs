//! A command's part of the command line: the flags that it has in common with all others, and its result.

use super::output::Output;
use crate::config::ConfigError;
use crate::config::flags::Flags;
use clap::Args;
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
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
