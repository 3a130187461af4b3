//! A reload: everything is read before anything changes.

use super::listeners;
use super::watch::WatchedFiles;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::{ConfigError, Loaded, Settings};
use crate::net::link::LinkFilter;
use crate::site::{self, OpenPorts, Site};
use crate::state::State;
use crate::boot_once::list_machines;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a reload takes over.
#[derive(Debug)]
pub struct ReloadedSite {
    pub loaded: Loaded,
    pub filter: LinkFilter,
    pub site: Site,
}

/// What came of reading everything again.
#[derive(Debug)]
pub struct ReloadResult {
    /// Or all that is wrong.
    pub result: Result<ReloadedSite, Vec<String>>,
    /// The state of the files that was read; `None`: they changed meanwhile.
    pub fingerprint: Option<u64>,
}

/// Reloads, one after the other. One that stands still, for storage may be dead, does not keep others from beginning.
#[derive(Debug, Default)]
pub struct Reloads {
    reading: Option<Reading>,
    /// Somebody wants one.
    wanted: bool,
    /// Not before this moment: whoever sends signals in a storm is answered once a second.
    next: Option<Instant>,
    /// Threads that read, those included that were given up.
    threads: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Reading {
    ended: oneshot::Receiver<ReloadResult>,
    began: Instant,
    is_told: bool,
}

const AT_MOST_ONE_IN: Duration = Duration::from_secs(1);
/// A reload that takes longer is told of, and another may begin.
const LONG: Duration = Duration::from_secs(30);
/// Threads that stand still are left behind; more than these are not.
const MOST_THREADS: usize = 4;

impl Reloads {
    pub fn request(&mut self) {
        self.wanted = true;
    }

    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Until one that is wanted may begin.
    pub fn may_start(&self) -> impl Future<Output = ()> + use<> {
        let is_slow = |reading: &Reading| reading.is_told;
        let may = self.wanted && self.reading.as_ref().is_none_or(is_slow);
        let next = self.next;
        async move {
            match next {
                _ if !may => std::future::pending().await,
                Some(next) => tokio::time::sleep_until(next).await,
                None => {}
            }
        }
    }

    /// In a thread of its own, which may stand still for ever.
    pub fn start(&mut self, read: impl FnOnce() -> ReloadResult + Send + 'static) {
        let began = Instant::now();
        (self.wanted, self.next) = (false, Some(began + AT_MOST_ONE_IN));
        if self.threads.fetch_add(1, Ordering::AcqRel) >= MOST_THREADS {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return tracing::error!("not reloaded: {MOST_THREADS} earlier reloads still wait for a file");
        }
        let (end, ended) = oneshot::channel();
        let threads = Arc::clone(&self.threads);
        let reader = thread::Builder::new().name("reload".to_owned()).spawn(move || {
            drop(end.send(read()));
            threads.fetch_sub(1, Ordering::AcqRel);
        });
        match reader {
            Ok(_) => self.reading = Some(Reading { ended, began, is_told: false }),
            Err(error) => {
                self.threads.fetch_sub(1, Ordering::AcqRel);
                tracing::error!("not reloaded: {error}");
            }
        }
    }

    /// What came of the one that is under way.
    pub async fn finished(&mut self) -> ReloadResult {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let read = (&mut reading.ended).await;
        self.reading = None;
        read.unwrap_or_else(|_| ReloadResult {
            result: Err(vec!["the thread that reads has panicked".to_owned()]),
            fingerprint: None,
        })
    }

    /// To be called every few seconds: says so, once, where one takes long.
    pub fn warn_if_slow(&mut self) {
        if let Some(reading) =
            self.reading.as_mut().filter(|reading| !reading.is_told && reading.began.elapsed() >= LONG)
        {
            reading.is_told = true;
            tracing::warn!(
                "the reload that began {} s ago has not ended: a file or a directory of the configuration cannot be \
                 read, perhaps \
                 because it lies on storage that is gone; what was served before is served on, and SIGHUP begins \
                 another \
                 reload",
                LONG.as_secs()
            );
        }
    }
}

impl ReloadResult {
    /// Reads what the flags name. `watched`: what was read before.
    pub fn load(flags: &Flags, before: &Settings, open: OpenPorts, watched: &WatchedFiles, state: &State) -> Self {
        if !watched.wait_until_stable() {
            let why = "a machine file is still being written: it is read when it stands still".to_owned();
            return ReloadResult { result: Err(vec![why]), fingerprint: None };
        }
        let (began, stamp) = (filesystem_now(), watched.fingerprint().ok());
        let reread = ReloadedSite::new(flags, before, open, state);
        let after = watched.fingerprint().ok();
        if let (Some(stamp), Some(after)) = (stamp, after)
            && stamp.machines != after.machines
        {
            let why = "a machine file was changed while it was read: it is read again when it stands still".to_owned();
            return ReloadResult { result: Err(vec![why]), fingerprint: None };
        }
        let still = after.filter(|after| Some(*after) == stamp);
        let stamp = match reread.as_ref().map(|reread| WatchedFiles::from_config(&reread.loaded)) {
            Ok(other) if other != *watched => other.fingerprint().ok().filter(|stamp| stamp.is_older_than(began)),
            _ => still,
        };
        ReloadResult { result: reread, fingerprint: stamp.map(|stamp| stamp.all) }
    }
}

impl ReloadedSite {
    /// Or all that is wrong with it.
    fn new(flags: &Flags, before: &Settings, open: OpenPorts, state: &State) -> Result<Self, Vec<String>> {
        let say = |error: ConfigError| error.0.iter().map(Diagnostic::one_line).collect::<Vec<_>>();
        let mut loaded = site::load(flags).map_err(say)?;
        let links = listeners::all_links();
        let filter = listeners::interface_filter(&loaded, &links).map_err(|error| say(site::with_file_errors(&mut loaded, error)))?;
        if let Some(changed) = listeners::needs_restart(before, &loaded.settings, &links) {
            let error = ConfigError(vec![Diagnostic::error(format!("a change of {changed} needs a restart"))]);
            return Err(say(site::with_file_errors(&mut loaded, error)));
        }
        let mut site = Site::build(&mut loaded, open).map_err(say)?;
        site.check_offered_files(&links);
        if site.plan.machines.has_boot_once() {
            state.boot_once.prepare();
        }
        say_gone(&state.site.load(), &site);
        state.protect_removed_machines(&mut site).iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(ReloadedSite { loaded, filter, site })
    }
}

/// Machines that have lost their entry. They keep their marks, should it come back.
fn say_gone(before: &Site, site: &Site) {
    let (before, machines) = (&before.plan.machines, &site.plan.machines);
    let gone = || before.iter().filter(|machine| machines.get_by_name(machine.name).is_none()).map(|machine| machine.name);
    let count = gone().count();
    if count > 0 {
        tracing::info!("no longer in the configuration: {}", list_machines(count, gone()));
    }
}

/// Now, by the clock that file systems note changes with.
pub fn filesystem_now() -> SystemTime {
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
        .map_or_else(|_| SystemTime::now(), |now| SystemTime::UNIX_EPOCH + Duration::from(now))
}
