//! `serve`: runs the server. This command is the default.

use super::command::{CommandResult, GlobalFlags};
use super::output::{print_diagnostic, report_config_error};
use crate::boot_once::{BootOnceState, EventReceiver};
use crate::config::Loaded;
use crate::config::flags::Flags;
use crate::daemonize::{self, Parent};
use crate::duid;
use crate::edits::{Edits, UnreadableEdit};
use crate::events::Events;
use crate::log::{self, LogMode};
use crate::net::link::{self, LinkFilter};
use crate::net::sys::share_arenas;
use crate::preview;
use crate::sandbox::Sandbox;
use crate::serve::listeners::{Listeners, fd_limit};
use crate::serve::signals::Signals;
use crate::serve::{Server, reload};
use crate::site::interfaces;
use crate::site::{self, Site};
use crate::state::State;
use anyhow::anyhow;
use clap::Args;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use proxydhcpd_core::link::Link;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fmt::Display;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;
use tracing::level_filters::LevelFilter;

/// Run the server (the default)
#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// Run in the background, once the ports are open and the configuration is valid
    #[arg(short, long)]
    pub daemon: bool,

    /// This is the background process: its standard input is the pipe to the process that started it.
    #[arg(long, hide = true)]
    pub detached: bool,
}

impl Serve {
    /// The flags from before and after the word `serve`.
    pub fn merge(self, after: Self) -> Self {
        Self { daemon: self.daemon || after.daemon, detached: self.detached || after.detached }
    }
}

/// Runs the server until a signal stops it. If the flags request this, the server runs in the background.
pub fn run(serve: &Serve, flags: &GlobalFlags) -> CommandResult {
    Ok(run_server(serve, flags))
}

fn run_server(serve: &Serve, GlobalFlags { settings, output, .. }: &GlobalFlags) -> ExitCode {
    if let Err(error) = fd_limit::raise() {
        return fail(error);
    }
    if serve.daemon && !serve.detached {
        return match daemonize::start_in_background(std::env::args_os()) {
            Ok(status) => ExitCode::from(status),
            Err(error) => fail(format_args!("cannot run in the background: {error}")),
        };
    }
    let parent = match serve.detached.then(Parent::detach).transpose() {
        Ok(parent) => parent,
        Err(error) => return fail(format_args!("cannot run in the background: {error}")),
    };
    share_arenas();
    // Blocking threads open files for HTTP. More threads would only wait for the disk.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(32).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start the runtime: {error}")),
    };
    let status = runtime.block_on(start_and_serve(parent, settings.clone(), output.level_filter()));
    runtime.shutdown_timeout(Duration::from_millis(100));
    status
}

/// Starts the server, and runs it. Handles signals during the start, because to read the files may take long, or block
/// if storage has failed.
async fn start_and_serve(parent: Option<Parent>, flags: Flags, level: LevelFilter) -> ExitCode {
    let mut signals = match Signals::register() {
        Ok(signals) => signals,
        Err(error) => return fail(format_args!("cannot install signal handlers: {error}")),
    };
    let events = Events::default();
    let mode = if parent.is_some() { LogMode::Background } else { LogMode::Foreground };
    // The threads that run from now on have the rights of this one. So the first thread ends before the server enters
    // its sandbox, and everything else happens in the sandbox.
    let opened = tokio::select! {
        () = signals.stop.recv() => return stopped_early(&events),
        opened = run_in_thread({
            let events = events.clone();
            move || Opened::new(flags, mode, level, events)
        }) => opened,
    };
    let opened = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(status)) => return status,
        Err(error) => return fail(error),
    };
    let sandbox = match Sandbox::enter(&opened.loaded, &events) {
        Ok(sandbox) => sandbox,
        Err(error) => return fail(error),
    };
    let built = tokio::select! {
        () = signals.stop.recv() => return stopped_early(&events),
        built = tokio::task::spawn_blocking(move || opened.into_server(sandbox)) => built,
    };
    let server = match built {
        Ok(Ok(server)) => server,
        Ok(Err(status)) => return status,
        Err(error) => return fail(error),
    };
    let ready = || {
        events.record_host(What::Ready);
        parent.map_or(Ok(()), Parent::release).map_err(Into::into)
    };
    match server.run(signals, ready).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// Runs this work in a thread that has ended when this returns, unless the caller stops waiting.
async fn run_in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (end, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("start".to_owned()).spawn(move || drop(end.send(work())))?;
    let result = ended.await;
    thread.join().map_err(|_| anyhow!("the thread that starts the server panicked"))?;
    Ok(result?)
}

fn stopped_early(events: &Events) -> ExitCode {
    events.record_host(What::StoppedEarly);
    ExitCode::SUCCESS
}

/// A configuration, with the listeners that were opened for it.
struct Opened {
    flags: Flags,
    events: Events,
    began: SystemTime,
    loaded: Loaded,
    all_links: Vec<Link>,
    filter: LinkFilter,
    listeners: Listeners,
}

impl Opened {
    /// Reads the configuration, and opens the listeners.
    ///
    /// # Errors
    /// The start failed. The value is the exit status of the program. The reason has already been reported.
    fn new(flags: Flags, mode: LogMode, level: LevelFilter, events: Events) -> Result<Opened, ExitCode> {
        let flags = flags.with_absolute_paths();
        let began = reload::filesystem_now();
        let mut loaded = site::load(&flags).map_err(|error| report_config_error(&error))?;
        log::start(mode, level);
        let all_links = interfaces::list_all(|error| {
            events.record_host(What::InterfacesUnknown(format_args!("{error}")));
        });
        let filter = interfaces::filter(&loaded, &all_links)
            .map_err(|error| report_config_error(&site::with_file_errors(&mut loaded, error)))?;
        let listeners = Listeners::open(&loaded.settings, &all_links, Instant::now(), &events).map_err(fail)?;
        Ok(Opened { flags, events, began, loaded, all_links, filter, listeners })
    }

    /// Reads everything else, with the rights that the server has in its sandbox.
    ///
    /// # Errors
    /// As those of [`Opened::new`].
    fn into_server(self, sandbox: Sandbox) -> Result<Server, ExitCode> {
        let Opened { flags, events, began, mut loaded, all_links, filter, listeners } = self;
        let links = link::list(&filter).unwrap_or_default();
        let absent = loaded.missing_addresses(&links).into_iter().chain(preview::unserved_interfaces(&filter));
        events.warnings(absent.map(|warning| warning.one_line()));
        let mut site = Site::build(&mut loaded, listeners.open).map_err(|error| report_config_error(&error))?;
        site.check_offered_files(&all_links);
        events.warnings(loaded.diagnostics.iter().map(Diagnostic::one_line));
        listeners.record_start(&loaded);
        site.record(&events);
        if let Err(error) = duid::save(&loaded.settings.state_dir, &site.plan.offer.dhcp6.duid) {
            events.record_host(What::StateFile(StateFile::DuidUnwritable(format_args!("{error}"))));
        }
        let boot_once_events = events.clone();
        let receiver = EventReceiver::new(move |file| boot_once_events.record_host(What::StateFile(file)));
        let boot_once = BootOnceState::new(&loaded.settings.state_dir, receiver);
        let boot_once = boot_once.map_err(fail)?;
        let (edits, unreadable) = Edits::load(&loaded.settings.state_dir);
        for UnreadableEdit { path, error } in unreadable {
            let path = path.display();
            let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
            events.record_host(What::StateFile(StateFile::EditUnreadable(failure)));
        }
        let state = State::new(site, links, boot_once, edits, events);
        if state.site().plan.inventory.has_boot_once() {
            state.boot_once.prepare();
        } else if state.site().uses_report_url() {
            state.boot_once.prepare_key();
        }
        Ok(Server::new(state, listeners, loaded, flags, filter, began, sandbox))
    }
}

fn fail(error: impl Display) -> ExitCode {
    print_diagnostic(&Diagnostic::critical(error.to_string()));
    ExitCode::FAILURE
}
