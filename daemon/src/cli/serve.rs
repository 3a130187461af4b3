//! `serve`, and what happens without a verb.

use super::{Output, Serve, refuse, say};
use crate::config;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::daemonize::{self, Caller};
use crate::log::{self, Reader};
use crate::net::link;
use crate::serve::Server;
use crate::serve::doors::{self, Doors};
use crate::site::Site;
use crate::state::State;
use crate::used::Used;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;

pub fn run(serve: &Serve, flags: Flags, output: &Output) -> ExitCode {
    if serve.daemon && !serve.detached {
        return match daemonize::start(std::env::args_os()) {
            Ok(status) => ExitCode::from(status),
            Err(error) => fail(format_args!("cannot go into the background: {error}")),
        };
    }
    let caller = match serve.detached.then(Caller::leave).transpose() {
        Ok(caller) => caller,
        Err(error) => return fail(format_args!("cannot go into the background: {error}")),
    };
    let flags = flags.absolute();
    let mut loaded = match config::load(&flags) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    log::start(if serve.detached { Reader::Background } else { Reader::Starter }, output.filter());
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
    let all = doors::all_links();
    let filter = match doors::filter(&loaded, &all) {
        Ok(filter) => filter,
        Err(error) => return refuse(&error),
    };
    let links = link::list(&filter).unwrap_or_default();
    loaded.absent(&links).iter().for_each(|warning| tracing::warn!("{}", warning.one_line()));
    let doors = match Doors::open(&loaded.settings, &all, Instant::now()) {
        Ok(doors) => doors,
        Err(error) => return fail(error),
    };
    let site = match Site::build(&mut loaded, doors.open) {
        Ok(site) => site,
        Err(error) => return refuse(&error),
    };
    doors.say(&loaded);
    site.say();
    let ready = || {
        tracing::info!("ready");
        caller.map_or(Ok(()), Caller::release).map_err(Into::into)
    };
    let used = match Used::below(&loaded.settings.state_dir) {
        Ok(used) => used,
        Err(error) => return fail(format_args!("no thread can be had: {error}")),
    };
    if site.plan.machines.any_once()
        && let Err(why) = used.is_writable()
    {
        tracing::warn!("{why}");
    }
    match Server::new(State::new(site, links, used), doors, loaded, flags, filter).run(ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn fail(error: impl Display) -> ExitCode {
    say(&Diagnostic::critical(error.to_string()));
    ExitCode::FAILURE
}
