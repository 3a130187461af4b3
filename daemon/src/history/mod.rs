//! The history of boots: every boot of every machine and the reports of machines, in a SQLite file of the state
//! directory. One thread writes it: it takes the boots that changed from the stories, and reports from a bounded queue,
//! so that boots never wait for the disk. People read the file with `sqlite3`, the program by [`History::boots`],
//! [`History::machines`] and [`History::reports`], each over a connection of its caller.

mod conditions;
mod convert;
mod handover;
mod machines;
mod query;
mod queue;
mod report_reader;
mod row;
mod schema;
mod set_aside;
mod store;
mod stored;
mod writer;

use crate::events::Events;
use crate::settings::HistoryConfig;
use crate::story::{BootKeeper, StoryBook};
pub use conditions::{MachineConditions, MachineFacts};
pub use machines::MachineFilter;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
pub use query::{BootFilter, HistoryError, ReportFilter, VerdictFilter};
use queue::{Job, Shared};
use report_reader::ReportReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
pub use store::Store;
pub use stored::{StoredBoot, StoredMachine, StoredMachines, StoredReport, Time};

/// The name of the file in the state directory.
pub const FILE: &str = "history.sqlite";

/// The history, which all threads share. The default keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct History(Option<Arc<Shared>>);

impl History {
    /// The history in this state directory. It takes nothing until it is started.
    pub fn new(state_dir: &Path, config: &HistoryConfig) -> History {
        History(config.enabled.then(|| Arc::new(Shared::new(state_dir.join(FILE), config.clone()))))
    }

    /// Starts the thread that opens the file and writes these stories to it, and reads the reports among these events
    /// from now on. If the thread cannot start, records that: machines boot without a history.
    pub fn start(&self, events: &Events, stories: &StoryBook) {
        let Some(shared) = &self.0 else { return };
        let (writer, recorder, stories) = (Arc::clone(shared), events.clone(), stories.clone());
        let thread = thread::Builder::new().name("history".to_owned());
        match thread.spawn(move || writer::run(&writer, &recorder, &stories)) {
            Ok(_) => events.add(ReportReader::new(Arc::clone(shared), events.wall_clock(0))),
            Err(error) => {
                let path = shared.path.display();
                let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
                events.record_host(What::StateFile(StateFile::HistoryUnavailable(failure)));
            }
        }
    }

    /// The path of the file; `None` if there is no history.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.0.as_ref()?.path.clone())
    }

    /// Whether the file is open, so that the history takes boots and reports.
    pub fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.is_open())
    }

    /// The number of reports that are not in the history; `None` if there is no history.
    pub fn lost_reports(&self) -> Option<u64> {
        Some(self.0.as_ref()?.lost_reports())
    }

    /// Writes what is not written yet, and ends the thread. Waits at most this long.
    pub fn stop(&self, timeout: Duration) {
        if let Some(shared) = &self.0 {
            shared.stop(timeout);
        }
    }

    /// The boots of a filter, the latest first.
    pub fn boots(&self, filter: &BootFilter) -> Result<Vec<StoredBoot>, HistoryError> {
        self.read(|path| query::boots(path, filter))
    }

    /// The machines of a filter, the one with the latest boot first.
    pub fn machines(&self, filter: &MachineFilter) -> Result<StoredMachines, HistoryError> {
        self.read(|path| machines::machines(path, filter))
    }

    /// The machines of a filter by their hardware address or, without one, by [`StoredBoot::machine`].
    pub fn machine_identifiers(&self, filter: &MachineFilter) -> Result<Vec<String>, HistoryError> {
        self.read(|path| machines::identifiers(path, filter))
    }

    /// The reports of a filter, the latest first.
    pub fn reports(&self, filter: &ReportFilter) -> Result<Vec<StoredReport>, HistoryError> {
        self.read(|path| query::reports(path, filter))
    }

    fn read<T>(&self, read: impl FnOnce(&Path) -> Result<T, HistoryError>) -> Result<T, HistoryError> {
        let shared = self.0.as_ref().ok_or(HistoryError::Off)?;
        let result = read(&shared.path);
        if let Err(HistoryError::Unreadable(error)) = &result
            && store::is_damage(error)
        {
            shared.send(Job::Damaged(error.to_string()));
        }
        result
    }
}

impl BootKeeper for History {
    fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn wake(&self) {
        if let Some(shared) = &self.0 {
            shared.send(Job::Boots);
        }
    }
}

#[cfg(test)]
mod tests;
