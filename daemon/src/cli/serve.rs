//! `serve`, and what happens without a verb.

use super::{Output, Serve, report_config_error, print_diagnostic, context};
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::daemonize::{self, Parent};
use crate::duid;
use crate::log::{self, LogMode};
use crate::net::link;
use crate::serve::listeners::{self, Listeners, fd_limit};
use crate::serve::signals::Signals;
use crate::serve::{Server, reload};
use crate::site::{self, Site};
use crate::state::State;
use crate::boot_once::BootOnceState;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;

pub fn run(serve: &Serve, flags: Flags, output: &Output) -> ExitCode {
    if let Err(error) = fd_limit::raise() {
        return fail(error);
    }
    if serve.daemon && !serve.detached {
        return match daemonize::start_in_background(std::env::args_os()) {
            Ok(status) => ExitCode::from(status),
            Err(error) => fail(format_args!("cannot go into the background: {error}")),
        };
    }
    let caller = match serve.detached.then(Parent::detach).transpose() {
        Ok(caller) => caller,
        Err(error) => return fail(format_args!("cannot go into the background: {error}")),
    };
    // Blocking threads open files for HTTP; a burst needs no more of them than the disk can serve.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(32).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("nothing can be waited for: {error}")),
    };
    let status = runtime.block_on(start_and_serve(caller, flags, output.level_filter()));
    runtime.shutdown_timeout(Duration::from_millis(100));
    status
}

/// Reading the files may take its time, or stand still where storage is dead: signals are heard meanwhile.
async fn start_and_serve(caller: Option<Parent>, flags: Flags, level: LevelFilter) -> ExitCode {
    let mut signals = match Signals::register() {
        Ok(signals) => signals,
        Err(error) => return fail(format_args!("no signals can be heard: {error}")),
    };
    let reader = if caller.is_some() { LogMode::Background } else { LogMode::Foreground };
    let started = tokio::select! {
        () = signals.stop.recv() => {
            tracing::info!("stopped before anything was served");
            return ExitCode::SUCCESS;
        }
        started = tokio::task::spawn_blocking(move || start(flags, reader, level)) => started,
    };
    let server = match started {
        Ok(Ok(server)) => server,
        Ok(Err(status)) => return status,
        Err(error) => return fail(error),
    };
    let ready = || {
        tracing::info!("ready");
        caller.map_or(Ok(()), Parent::release).map_err(Into::into)
    };
    match server.run(signals, ready).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// Everything up to a server whose doors are open, or the status to end with: why has been said.
fn start(flags: Flags, reader: LogMode, level: LevelFilter) -> Result<Server, ExitCode> {
    let flags = flags.with_absolute_paths();
    let began = reload::filesystem_now();
    let mut loaded = site::load(&flags).map_err(|error| report_config_error(&error))?;
    log::start(reader, level);
    let all = listeners::all_links();
    let filter = listeners::interface_filter(&loaded, &all).map_err(|error| report_config_error(&site::with_file_errors(&mut loaded, error)))?;
    let links = link::list(&filter).unwrap_or_default();
    let absent = loaded.missing_addresses(&links).into_iter().chain(context::unserved_interfaces(&filter));
    absent.for_each(|warning| tracing::warn!("{}", warning.one_line()));
    let doors = Listeners::open(&loaded.settings, &all, Instant::now()).map_err(fail)?;
    let mut site = Site::build(&mut loaded, doors.open).map_err(|error| report_config_error(&error))?;
    site.check_offered_files(&all);
    loaded.diagnostics.iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
    doors.log_start(&loaded);
    site.log();
    duid::save(&loaded.settings.state_dir, &site.plan.dhcp6.duid);
    let used = BootOnceState::new(&loaded.settings.state_dir);
    let used = used.map_err(|error| fail(format_args!("no thread can be had: {error}")))?;
    if site.plan.machines.has_boot_once() {
        used.prepare();
    }
    Ok(Server::new(State::new(site, links, used), doors, loaded, flags, filter, began))
}

fn fail(error: impl Display) -> ExitCode {
    print_diagnostic(&Diagnostic::critical(error.to_string()));
    ExitCode::FAILURE
}
