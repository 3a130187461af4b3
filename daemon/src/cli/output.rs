//! The output of commands: the flags that change it, and the diagnostics on standard error.

use crate::config::ConfigError;
use clap::{ArgAction, Args, ValueEnum};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

/// The flags that change what is printed and logged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Log more: -v adds why requests are ignored, and every file that a machine fetches
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub verbose: u8,

    /// Log messages of this severity and above
    #[arg(long, global = true, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// Use colours: auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Color,
}

/// The values of `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The values of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Output {
    /// The severity from which on messages are logged.
    pub fn level_filter(&self) -> LevelFilter {
        match (self.log_level, self.verbose) {
            (Some(LogLevel::Error), _) => LevelFilter::ERROR,
            (Some(LogLevel::Warn), _) => LevelFilter::WARN,
            (Some(LogLevel::Info), _) | (None, 0) => LevelFilter::INFO,
            (Some(LogLevel::Debug), _) | (None, 1) => LevelFilter::DEBUG,
            (Some(LogLevel::Trace), _) | (None, _) => LevelFilter::TRACE,
        }
    }

    /// Sets the colour choice for everything that is printed through `anstream`.
    pub fn set_color_choice(&self) {
        match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Prints the errors of the configuration, and returns the exit status for them.
pub fn report_config_error(error: &ConfigError) -> ExitCode {
    error.0.iter().for_each(print_diagnostic);
    ExitCode::from(error.exit_status())
}

/// Standard output does not take the text.
#[derive(Debug)]
pub struct OutputError(io::Error);

/// Prints a text on standard output. The text keeps its colours if standard output is a terminal.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    let mut output = anstream::stdout().lock();
    write!(output, "{text}").and_then(|()| output.flush()).map_err(OutputError)
}

/// Reports that standard output did not take the text, and returns the exit status. A reader that has read enough, such
/// as `head`, is no error.
pub fn report_output_error(error: &OutputError) -> ExitCode {
    if error.0.kind() == ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    print_diagnostic(&Diagnostic::error(format!("cannot write to standard output: {}", error.0)));
    ExitCode::FAILURE
}

/// Prints a diagnostic on standard error. The text has colours if standard error is a terminal.
pub fn print_diagnostic(diagnostic: &Diagnostic) {
    // There is no other place for the error.
    let _ = writeln!(anstream::stderr(), "{}", diagnostic.styled());
}
