//! Reloads: the server reads everything first, then replaces the site.

use super::restart;
use super::watch::WatchedFiles;
use crate::config::flags::Flags;
use crate::config::{ConfigError, Loaded};
use crate::events::Events;
use crate::net::link::LinkFilter;
use crate::sandbox::Sandbox;
use crate::settings::Settings;
use crate::site::interfaces;
use crate::site::{self, OpenPorts, Site};
use crate::state::State;
use nix::time::{ClockId, clock_gettime};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::process::ReloadObstacle;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The state that a successful reload puts in force.
#[derive(Debug)]
pub struct ReloadedSite {
    /// The configuration.
    pub loaded: Loaded,
    /// The interfaces to serve.
    pub filter: LinkFilter,
    /// The site that was built from the configuration.
    pub site: Site,
    /// The number of edits that the site contains.
    pub edits: u64,
}

/// The result of a reload.
#[derive(Debug)]
pub struct ReloadResult {
    /// The new state, or all errors, each as one line.
    pub result: Result<ReloadedSite, Vec<String>>,
    /// The fingerprint of the files that were read; `None` if they changed during the reload.
    pub fingerprint: Option<u64>,
}

/// Runs reloads, one at a time. A reload that hangs on dead storage does not keep the next one from starting.
#[derive(Debug, Default)]
pub struct Reloads {
    thread: Option<ReloadThread>,
    /// Whether a reload has been requested and has not started yet.
    is_requested: bool,
    /// The earliest time at which the next reload may start. Even a flood of signals causes only one reload a second.
    next: Option<Instant>,
    /// The number of threads that are reading, including those whose result the server no longer awaits.
    threads: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct ReloadThread {
    ended: oneshot::Receiver<ReloadResult>,
    began: Instant,
    is_warned: bool,
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// If a reload takes longer than this, the server logs a warning, and another reload may start.
const SLOW: Duration = Duration::from_secs(30);
/// Maximum number of reload threads, including those that hang. At the maximum, no other reload starts.
const MAX_THREADS: usize = 4;

impl Reloads {
    /// Requests a reload.
    pub fn request(&mut self) {
        self.is_requested = true;
    }

    /// Whether a reload is running.
    pub fn is_reading(&self) -> bool {
        self.thread.is_some()
    }

    /// Waits until a reload is requested and may start.
    pub fn may_start(&self) -> impl Future<Output = ()> + use<> {
        let is_slow = |thread: &ReloadThread| thread.is_warned;
        let may_start = self.is_requested && self.thread.as_ref().is_none_or(is_slow);
        let next = self.next;
        async move {
            match next {
                _ if !may_start => std::future::pending().await,
                Some(next) => tokio::time::sleep_until(next).await,
                None => {}
            }
        }
    }

    /// Starts a reload in a new thread, which may hang for ever.
    pub fn start(&mut self, read: impl FnOnce() -> ReloadResult + Send + 'static, events: &Events) {
        let began = Instant::now();
        (self.is_requested, self.next) = (false, Some(began + MIN_INTERVAL));
        if self.threads.fetch_add(1, Ordering::AcqRel) >= MAX_THREADS {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return events.record_host(What::ReloadBlocked(ReloadObstacle::EarlierReloads(MAX_THREADS)));
        }
        let (end, ended) = oneshot::channel();
        let threads = Arc::clone(&self.threads);
        let spawned = thread::Builder::new().name("reload".to_owned()).spawn(move || {
            drop(end.send(read()));
            threads.fetch_sub(1, Ordering::AcqRel);
        });
        match spawned {
            Ok(_) => self.thread = Some(ReloadThread { ended, began, is_warned: false }),
            Err(error) => {
                self.threads.fetch_sub(1, Ordering::AcqRel);
                events.record_host(What::ReloadBlocked(ReloadObstacle::NoThread(format_args!("{error}"))));
            }
        }
    }

    /// Waits for the running reload, and returns its result. If no reload is running, waits for ever.
    pub async fn finished(&mut self) -> ReloadResult {
        let Some(thread) = &mut self.thread else { return std::future::pending().await };
        let read = (&mut thread.ended).await;
        self.thread = None;
        read.unwrap_or_else(|_| ReloadResult {
            result: Err(vec!["the reload thread panicked".to_owned()]),
            fingerprint: None,
        })
    }

    /// Records once that a reload takes longer than `SLOW`. Call this every few seconds.
    pub fn warn_if_slow(&mut self, events: &Events) {
        if let Some(thread) = self.thread.as_mut().filter(|thread| !thread.is_warned && thread.began.elapsed() >= SLOW)
        {
            thread.is_warned = true;
            events.record_host(What::ReloadBlocked(ReloadObstacle::Slow(SLOW)));
        }
    }
}

impl ReloadResult {
    /// Reads the configuration that the flags name. `before` contains the current settings, and `watched` the current
    /// files. A changed setting that needs a restart is an error.
    pub fn load(
        flags: &Flags,
        before: &Settings,
        open: OpenPorts,
        watched: &WatchedFiles,
        sandbox: &Sandbox,
        state: &State,
    ) -> Self {
        if !watched.wait_until_stable() {
            let error = "a machine file is still being written: the server reloads when it is complete".to_owned();
            return ReloadResult { result: Err(vec![error]), fingerprint: None };
        }
        let (began, fingerprint) = (filesystem_now(), watched.fingerprint().ok());
        let reloaded = ReloadedSite::new(flags, before, open, sandbox, state);
        let after = watched.fingerprint().ok();
        if let (Some(before), Some(after)) = (fingerprint, after)
            && before.machines != after.machines
        {
            let error = "a machine file changed during the reload: the server reloads when it is complete".to_owned();
            return ReloadResult { result: Err(vec![error]), fingerprint: None };
        }
        let unchanged = after.filter(|after| Some(*after) == fingerprint);
        let fingerprint = match reloaded.as_ref().map(|reloaded| WatchedFiles::from_config(&reloaded.loaded)) {
            Ok(other) if other != *watched => {
                other.fingerprint().ok().filter(|fingerprint| fingerprint.is_older_than(began))
            }
            _ => unchanged,
        };
        ReloadResult { result: reloaded, fingerprint: fingerprint.map(|fingerprint| fingerprint.all) }
    }
}

impl ReloadedSite {
    /// Reads and builds everything, or returns every error.
    fn new(
        flags: &Flags,
        before: &Settings,
        open: OpenPorts,
        sandbox: &Sandbox,
        state: &State,
    ) -> Result<Self, Vec<String>> {
        let to_lines = |error: ConfigError| {
            let mut lines: Vec<String> = error.0.iter().map(Diagnostic::one_line).collect();
            lines.extend(sandbox.hint(&lines).map(str::to_owned));
            lines
        };
        let mut loaded = site::load(flags).map_err(to_lines)?;
        let links = interfaces::list_all(|error| {
            state.events.record_host(What::InterfacesUnknown(format_args!("{error}")));
        });
        let filter = interfaces::filter(&loaded, &links)
            .map_err(|error| to_lines(site::with_file_errors(&mut loaded, error)))?;
        let changed = restart::changed_setting(before, &loaded.settings, &links).map(str::to_owned);
        if let Some(changed) = changed.or_else(|| sandbox.obstacle(&loaded)) {
            let error = ConfigError(vec![Diagnostic::error(format!("a change of {changed} needs a restart"))]);
            return Err(to_lines(site::with_file_errors(&mut loaded, error)));
        }
        let mut site = Site::build(&mut loaded, open).map_err(to_lines)?;
        site.check_offered_files(&links);
        let edits = state.edits.changes();
        site.plan.inventory = state.edits.apply(&site.files.written).succeeding(&state.site().plan.inventory);
        if site.plan.inventory.has_boot_once() {
            state.boot_once.prepare();
        } else if site.uses_report_url() {
            state.boot_once.prepare_key();
        }
        record_removed(&state.events, &state.site(), &site);
        state.events.completions_without_entry(&state.protect_removed_machines(&mut site));
        Ok(ReloadedSite { loaded, filter, site, edits })
    }
}

/// Records the machines whose entries were removed. The server keeps their boot-once state, in case an entry is added
/// again.
fn record_removed(events: &Events, before: &Site, site: &Site) {
    let (before, machines) = (&before.plan.inventory, &site.plan.inventory);
    let is_removed = |name: &&str| machines.get_by_name(name).is_none();
    let removed: Vec<&str> = before.iter().map(|machine| machine.name).filter(is_removed).collect();
    if !removed.is_empty() {
        events.record_host(What::EntriesRemoved(&removed));
    }
}

/// The current time by the clock that file systems use for timestamps.
pub fn filesystem_now() -> SystemTime {
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
        .map_or_else(|_| SystemTime::now(), |now| SystemTime::UNIX_EPOCH + Duration::from(now))
}
