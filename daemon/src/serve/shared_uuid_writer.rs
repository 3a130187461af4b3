//! What is learnt of shared UUIDs outlasts the server: read when it starts, written soon after there is something new.

use crate::shared_uuids::SharedUuidsFile;
use crate::state::State;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

#[derive(Debug)]
pub struct SharedUuidWriter {
    /// `None`: the file could not be read, and stays as it is.
    file: Option<SharedUuidsFile>,
    writing: Option<JoinHandle<()>>,
}

impl SharedUuidWriter {
    /// Takes up what the last server learnt.
    pub fn new(state: &State, state_dir: &Path) -> Self {
        let file = SharedUuidsFile::new(state_dir);
        let file = match file.read() {
            Ok(known) => {
                state.observations().uuid_claims.set_shared(known);
                Some(file)
            }
            Err(error) => {
                tracing::error!(
                    "{error}; the file stays as it is, and which UUIDs several machines have is forgotten at each \
                     restart: \
                     mend or remove it, then restart"
                );
                None
            }
        };
        SharedUuidWriter { file, writing: None }
    }

    /// Begins to write what is new. A disk that is slow holds up nothing else.
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
                let told = format_args!("{path}: {error}: which UUIDs several machines have is forgotten at a restart");
                state.report().warn_once_a_minute("shared-uuids:unwritten", told, Instant::now());
            }
        }));
    }

    /// Waits until what is known is on the disk.
    pub async fn flush(&mut self, state: &Arc<State>, most: Duration) {
        let all = async {
            // One may be under way, and something new since.
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
        tokio::time::timeout(most, all).await.ok();
    }
}
