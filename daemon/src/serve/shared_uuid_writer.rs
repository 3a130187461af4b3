//! Keeps the list of shared UUIDs across restarts: reads it at the start, and writes it soon after a change.

use crate::shared_uuids::SharedUuidsFile;
use crate::state::State;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Writes the file of shared UUIDs.
#[derive(Debug)]
pub struct SharedUuidWriter {
    /// `None` if the file could not be read: the server then does not overwrite it.
    file: Option<SharedUuidsFile>,
    writing: Option<JoinHandle<()>>,
}

impl SharedUuidWriter {
    /// Reads the file that an earlier run of the server wrote. Records an error if the file cannot be read.
    pub fn new(state: &State, state_dir: &Path) -> Self {
        let file = SharedUuidsFile::new(state_dir);
        let file = match file.read() {
            Ok(known) => {
                state.observations().uuid_claims.set_shared(known);
                Some(file)
            }
            Err(error) => {
                state.events.record_host(What::StateFile(StateFile::SharedUuidsUnreadable(&error)));
                None
            }
        };
        SharedUuidWriter { file, writing: None }
    }

    /// Starts to write the file in the background if the list has changed, unless an earlier write is still running.
    pub fn write_changes(&mut self, state: &Arc<State>) {
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        let Some(file) = self.file.clone() else { return };
        let Some(known) = state.observations().uuid_claims.take_changed() else { return };
        let state = Arc::clone(state);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = file.write(&known) {
                state.observations().uuid_claims.mark_changed();
                let path = file.path().display();
                let failure = FileFailure { path: format_args!("{path}"), error: format_args!("{error}") };
                state.events.record_host(What::StateFile(StateFile::SharedUuidsUnwritable(failure)));
            }
        }));
    }

    /// Writes the list if it has changed, and waits at most `timeout` until it is on the disk.
    pub async fn flush(&mut self, state: &Arc<State>, timeout: Duration) {
        let all = async {
            // A write may be under way, and the list may have changed since that write began.
            for _ in 0..2 {
                if let Some(writing) = self.writing.take() {
                    writing.await.ok();
                }
                self.write_changes(state);
            }
            if let Some(writing) = self.writing.take() {
                writing.await.ok();
            }
        };
        tokio::time::timeout(timeout, all).await.ok();
    }
}
