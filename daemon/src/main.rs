//! Parse, dispatch, exit status.

use clap::Parser;
use proxydhcpd::cli::{Check, Cli, Command, Explain, LogLevel, Output, Serve};
use proxydhcpd::config::diagnostic::Diagnostic;
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{self, ConfigError, Loaded};
use proxydhcpd::daemonize;
use proxydhcpd::log::{self, Reader};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.output.choose_colours();
    let (command, flags, output) = cli.into_command().unwrap_or_else(|wrong| wrong.exit());
    match command {
        Command::Serve(serve) => run_serve(&serve, &flags, &output),
        Command::Check(check) => run_check(&check, &flags),
        Command::Explain(explain) => run_explain(&explain, &flags),
    }
}

// JOIN (lead): the bodies below belong into cli/serve.rs, cli/check.rs and cli/explain.rs.

fn run_serve(serve: &Serve, flags: &Flags, output: &Output) -> ExitCode {
    if serve.daemon && !serve.detached {
        return match daemonize::start(std::env::args_os()) {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                anstream::eprintln!(
                    "{}",
                    Diagnostic::critical(format!("cannot go into the background: {error}")).styled()
                );
                ExitCode::FAILURE
            }
        };
    }
    let caller = serve.detached.then(daemonize::Caller::leave);
    let loaded = match load(flags) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let reader = if serve.detached { Reader::Background } else { Reader::Starter };
    log::start(reader, level(output));
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.one_line());
    }
    // JOIN: open sockets, serve; then `caller.release()` and `systemd::ready`.
    match caller.map(|caller| caller.and_then(daemonize::Caller::release)) {
        None | Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) => ExitCode::FAILURE,
    }
}

fn run_check(check: &Check, flags: &Flags) -> ExitCode {
    let (told, status) = match config::load(flags) {
        Ok(loaded) => (loaded.warnings, 0),
        Err(error) => (error.0.clone(), error.exit_status()),
    };
    if check.json {
        anstream::println!("{}", serde_json::json!({ "diagnostics": told }));
    } else {
        told.iter().for_each(|told| anstream::eprintln!("{}", told.styled()));
    }
    ExitCode::from(status)
}

fn run_explain(_explain: &Explain, flags: &Flags) -> ExitCode {
    load(flags).map_or_else(|status| status, |_| ExitCode::SUCCESS)
}

/// The configuration; or what is wrong with it is said, and the exit status comes back.
fn load(flags: &Flags) -> Result<Loaded, ExitCode> {
    config::load(flags).map_err(|error: ConfigError| {
        error.0.iter().for_each(|told| anstream::eprintln!("{}", told.styled()));
        ExitCode::from(error.exit_status())
    })
}

fn level(output: &Output) -> LevelFilter {
    match output.level() {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
