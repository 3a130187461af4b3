//! Detects completions that `rearm` or an administrator added to the directory or removed from it.

use super::completions::{self, DirectoryStamp};
use super::known_completions::KnownCompletions;
use super::{BootOnceState, WriterJob, lock};
use crate::files::path_errors::is_absent;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::SystemTime;

/// The changes since the last refresh.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CompletionChanges {
    /// Machines whose completions were added.
    pub completed: Vec<String>,
    /// Machines whose completions were removed from a readable directory.
    pub reset: Vec<String>,
    /// Whether the directory has been unreadable since the start, so that the completions are unknown.
    pub is_unknown: bool,
}

impl BootOnceState {
    /// Reads the directory if it changed, and returns the changes. May wait for the disk.
    pub fn refresh(&self) -> CompletionChanges {
        let mut known = lock(&self.known);
        // The directory does not contain queued completions yet, so that they would seem to be removed.
        if !self.is_idle() {
            return CompletionChanges { is_unknown: !known.is_known, ..CompletionChanges::default() };
        }
        known.machines.append(&mut lock(&self.shared.written));
        match self.read(&mut known) {
            Ok(changes) => changes,
            Err(error) => {
                let is_unknown = !known.is_known;
                self.record_error(&mut known, &error);
                CompletionChanges { is_unknown, ..CompletionChanges::default() }
            }
        }
    }

    /// Removes the completions of these machines.
    pub fn reset(&self, machines: &[String]) {
        let mut known = lock(&self.known);
        for machine in machines {
            known.machines.remove(machine);
            lock(&self.shared.unwritten).remove(machine);
            if let Err(error) = completions::remove(&self.directory, machine) {
                self.shared.events.record(StateFile::CompletionNotRemoved(FileFailure {
                    path: format_args!("{}", self.directory.join(machine).display()),
                    error: format_args!("{error}"),
                }));
            }
        }
    }

    /// Reads the directory into `known`, and returns the changes. An error leaves `known` unchanged, so that the next
    /// refresh tries again.
    fn read(&self, known: &mut KnownCompletions) -> io::Result<CompletionChanges> {
        let current = match fs::metadata(&self.directory) {
            Ok(metadata) => DirectoryStamp::from_metadata(&metadata)?,
            Err(error) if is_absent(&self.directory, &error) && known.machines.is_empty() => {
                self.clear_error(known);
                known.is_known = true;
                return Ok(CompletionChanges::default());
            }
            Err(error) if is_absent(&self.directory, &error) => {
                self.restore(known.machines.clone(), "the directory vanished");
                return Ok(CompletionChanges::default());
            }
            Err(error) => return Err(error),
        };
        if known.stamp == Some(current) {
            return Ok(CompletionChanges::default());
        }
        let machines = completions::list(&self.directory)?;
        let mut removed: Vec<String> = known.machines.difference(&machines).cloned().collect();
        if known.inode.is_some_and(|inode| inode != current.inode) && !removed.is_empty() {
            self.restore(removed.drain(..).collect(), "another directory replaced it");
        }
        let unwritten = lock(&self.shared.unwritten);
        removed.retain(|machine| !unwritten.contains_key(machine));
        drop(unwritten);
        let completed = machines.difference(&known.machines).cloned().collect();
        self.clear_error(known);
        let stamp = Some(current).filter(|current| current.is_stable(SystemTime::now()));
        *known = KnownCompletions { is_known: true, stamp, inode: Some(current.inode), machines, error: None };
        Ok(CompletionChanges { completed, reset: removed, is_unknown: false })
    }

    /// Writes the completions of these machines again.
    fn restore(&self, machines: BTreeSet<String>, reason: &str) {
        let mut unwritten = lock(&self.shared.unwritten);
        let lost: Vec<String> = machines.into_iter().filter(|machine| !unwritten.contains_key(machine)).collect();
        if !lost.is_empty() {
            self.shared.events.record(StateFile::CompletionsLost {
                path: format_args!("{}", self.directory.display()),
                reason,
                machines: &lost,
            });
        }
        unwritten.extend(lost.into_iter().map(|machine| (machine, format!("written again, because {reason}"))));
        drop(unwritten);
        self.send(WriterJob::RetryWrites);
    }

    fn clear_error(&self, known: &mut KnownCompletions) {
        if known.error.take().is_some() {
            let path = self.directory.display();
            self.shared.events.record(StateFile::CompletionsReadable(format_args!("{path}")));
        }
    }

    /// Records an error, unless the last refresh failed with the same error.
    fn record_error(&self, known: &mut KnownCompletions, error: &io::Error) {
        let error = error.to_string();
        if known.error.as_ref() == Some(&error) {
            return;
        }
        self.shared.events.record(StateFile::CompletionsUnreadable {
            failure: FileFailure { path: format_args!("{}", self.directory.display()), error: format_args!("{error}") },
            are_known: known.is_known,
        });
        known.error = Some(error);
    }
}
