//! The stories of boots: a reader of events queues what they need, and a thread adds it to the stories, records the
//! verdicts and wakes the history for the boots that changed. The threads that serve machines never wait for it.

mod boot_counts;
mod boot_keeper;
mod changed;
pub mod json;
mod milestones;
mod notes;
mod queue;
mod reader;
pub mod render;
pub mod step_json;
mod step_names;

use crate::events::Events;
pub use boot_counts::{BOUNDS, BootCounts, Durations, FirmwareCounts};
pub use boot_keeper::BootKeeper;
pub use changed::BootChanges;
use changed::Changed;
use milestones::Milestones;
pub use milestones::{Milestone, MilestoneKind};
pub use notes::InspectFile;
use notes::NotesCache;
use proxydhcpd_core::event::verdict::BootVerdict;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::identity::{MachineIdentity, MachineKey};
use proxydhcpd_core::story::{AdoptedBoot, ClientKind, Noted, Observation, Remedy, Stories, StoryEvent};
use queue::{Closed, QueueReceiver, queue};
use reader::StoryReader;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How often the thread looks for events while there are some. A thread that waits for each event would make the
/// sender wake it up.
const LOOK: Duration = Duration::from_millis(25);
/// How long the thread looks for events before it waits for the next one.
const ACTIVE: Duration = Duration::from_secs(1);
/// How often boots without a step are judged.
const EXPIRE: Duration = Duration::from_secs(3);

/// The stories, which all threads share.
#[derive(Clone, Debug, Default)]
pub struct StoryBook {
    stories: Arc<Mutex<Stories>>,
    changed: Arc<Mutex<Changed>>,
    counts: Arc<Mutex<BootCounts>>,
    milestones: Arc<Milestones>,
    /// The number of events that found no room in the queue.
    lost: Arc<AtomicU64>,
}

impl StoryBook {
    /// Starts to read these events, to record the verdicts in them, and to wake this keeper when boots changed.
    /// `inspect` finds the properties of a served file that matter if the boot fails.
    pub fn start(&self, events: &Events, inspect: impl InspectFile, history: impl BootKeeper) -> io::Result<()> {
        let (sender, receiver) = queue();
        let (keeper, recorder, mut notes) = (self.clone(), events.clone(), NotesCache::new(inspect));
        let run = move || keeper.keep(&receiver, &recorder, &mut notes, &history);
        thread::Builder::new().name("story".to_owned()).spawn(run)?;
        events.add(StoryReader::new(sender, Arc::clone(&self.lost)));
        Ok(())
    }

    /// Locks the stories.
    pub fn stories(&self) -> MutexGuard<'_, Stories> {
        lock(&self.stories)
    }

    /// Adds an event to the stories.
    pub fn note(&self, event: &StoryEvent) -> Noted {
        self.stories().note(event)
    }

    /// The numbers of boots until this moment.
    pub fn counts(&self) -> BootCounts {
        lock(&self.counts).clone()
    }

    /// The number of events that are missing in the stories.
    pub fn lost_events(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Begins to queue verdicts and stages for a reader. An earlier reader gets no more.
    pub fn watch_milestones(&self) -> tokio::sync::mpsc::Receiver<Milestone> {
        self.milestones.watch()
    }

    /// The number of milestones that found no room since the last call.
    pub fn take_lost_milestones(&self) -> u64 {
        self.milestones.take_lost()
    }

    /// The boots that changed since the last call, those of at most this number of machines. The next calls return the
    /// others.
    pub fn take_changed(&self, machines: usize) -> BootChanges {
        lock(&self.changed).take(machines)
    }

    /// Notes that the boots of a machine changed.
    pub fn note_changed(&self, machine: MachineKey) {
        lock(&self.changed).note(machine);
    }

    /// Notes a boot that another boot has adopted.
    pub fn note_adopted(&self, boot: AdoptedBoot) {
        lock(&self.changed).note_adopted(boot);
    }

    /// Adds events to the stories until the server ends.
    fn keep(
        &self,
        receiver: &QueueReceiver,
        events: &Events,
        notes: &mut NotesCache<impl InspectFile>,
        history: &impl BootKeeper,
    ) {
        let mut last_event = Instant::now();
        let mut last_expiry = Instant::now();
        let mut arrived = Vec::new();
        loop {
            let is_active = last_event.elapsed() < ACTIVE;
            let timeout = (!is_active).then(|| self.pause(events.now()));
            if let Err(Closed) = receiver.take(&mut arrived, timeout) {
                return;
            }
            for event in &mut arrived {
                notes.add(event);
                let Noted { reached, adopted } = self.note(event);
                if !reached.is_empty() {
                    lock(&self.counts).count(&reached);
                    self.milestones.reached(event.key, &reached, event.at);
                }
                if history.is_on() {
                    self.note_changed(event.key);
                    adopted.into_iter().for_each(|boot| self.note_adopted(boot));
                }
                last_event = Instant::now();
            }
            if last_expiry.elapsed() >= EXPIRE {
                self.stories().expire(events.now());
                last_expiry = Instant::now();
            }
            self.record_verdicts(events, history);
            lock(&self.changed).round(history, events.now());
            if is_active {
                thread::sleep(LOOK);
            }
        }
    }

    /// The longest wait for an event, if there was none for some time.
    fn pause(&self, now: u64) -> Duration {
        lock(&self.changed).wait(now).map_or(EXPIRE, |wait| Duration::from_millis(wait).clamp(LOOK, EXPIRE))
    }

    /// Records the verdicts since the last call.
    fn record_verdicts(&self, events: &Events, history: &impl BootKeeper) {
        let judged = self.stories().take_verdicts();
        for key in judged {
            if history.is_on() {
                self.note_changed(key);
            }
            let Some(verdict) = self.owned_verdict(key) else { continue };
            lock(&self.counts).count_failed(verdict.client);
            self.milestones.send(verdict.milestone);
            verdict.record(events);
        }
    }

    fn owned_verdict(&self, key: MachineKey) -> Option<OwnedVerdict> {
        let stories = self.stories();
        let (machine, names) = (stories.machine(key)?, stories.names());
        let boot = machine.boots.iter().rev().find(|boot| boot.verdict.is_some())?;
        let verdict = boot.verdict.as_ref()?;
        let (text, row) = (verdict.text(names), verdict.code.row());
        let kind = MilestoneKind::Verdict { at: verdict.at, code: verdict.code };
        Some(OwnedVerdict {
            milestone: Milestone { machine: key, began: boot.began, kind },
            identity: MachineIdentity {
                hardware: machine.hardware,
                address: machine.address,
                key,
                ..MachineIdentity::default()
            },
            entry: names.text(machine.entry).to_owned(),
            link: names.text(boot.link).to_owned(),
            client: boot.client,
            stage: boot.stage().map(|stage| stage.name()),
            id: row.id,
            message_id: row.message_id,
            observation: Observation(text).to_string(),
            remedy: Remedy(text).to_string(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A verdict with its texts, which no lock protects.
struct OwnedVerdict {
    milestone: Milestone,
    identity: MachineIdentity,
    entry: String,
    link: String,
    client: Option<ClientKind>,
    stage: Option<&'static str>,
    id: &'static str,
    message_id: &'static str,
    observation: String,
    remedy: String,
}

impl OwnedVerdict {
    fn record(&self, events: &Events) {
        let OwnedVerdict { id, message_id, stage, .. } = *self;
        let client = self.client.map(|client| client.to_string()).unwrap_or_default();
        let (client, observation, remedy) = (&client, &self.observation, &self.remedy);
        let entry = Some(self.entry.as_str()).filter(|entry| !entry.is_empty());
        let machine = EventMachine { identity: Some(&self.identity), entry, from: None };
        let link = Some(self.link.as_str()).filter(|link| !link.is_empty());
        let verdict = BootVerdict { id, message_id, client, stage, observation, remedy };
        events.lock().record(link, machine, Service::Host, What::Verdict(verdict));
    }
}
