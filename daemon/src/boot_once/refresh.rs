//! Looks at the directory of marks every few seconds: what was marked or removed there by hand, or by `rearm`.

use super::completions::{self, DirectoryStamp};
use super::{WriterJob, BootOnceState, lock};
use crate::files::path_errors::is_absent;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::SystemTime;

/// What is new.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CompletionChanges {
    pub completed: Vec<String>,
    /// Their marks are gone from a directory that can be read.
    pub reset: Vec<String>,
    /// The directory could not be read since the start: nobody knows who has a mark.
    pub is_unknown: bool,
}

/// What was seen of the directory.
#[derive(Debug, Default)]
pub struct KnownCompletions {
    /// It has been read, or was not there at the start.
    read: bool,
    /// `None`: it has to be read again in any case.
    stamp: Option<DirectoryStamp>,
    inode: Option<(u64, u64)>,
    marks: BTreeSet<String>,
    /// What is wrong with it, and was told.
    trouble: Option<String>,
}

impl BootOnceState {
    /// May wait for a disk.
    pub fn refresh(&self) -> CompletionChanges {
        let mut seen = lock(&self.known);
        // What still waits is in memory only.
        if !self.is_idle() {
            return CompletionChanges { is_unknown: !seen.read, ..CompletionChanges::default() };
        }
        seen.marks.append(&mut lock(&self.shared.written));
        match self.read(&mut seen) {
            Ok(look) => look,
            Err(error) => {
                let unknown = !seen.read;
                self.complain(&mut seen, &error);
                CompletionChanges { is_unknown: unknown, ..CompletionChanges::default() }
            }
        }
    }

    /// Machines may boot again.
    pub fn reset(&self, machines: &[String]) {
        let mut seen = lock(&self.known);
        for machine in machines {
            seen.marks.remove(machine);
            lock(&self.shared.unwritten).remove(machine);
            if let Err(error) = completions::remove(&self.directory, machine) {
                tracing::error!("the mark {} cannot be removed: {error}", self.directory.join(machine).display());
            }
        }
    }

    /// An error changes nothing of what was seen, so that the next look tries again.
    fn read(&self, seen: &mut KnownCompletions) -> io::Result<CompletionChanges> {
        let found = match fs::metadata(&self.directory) {
            Ok(found) => DirectoryStamp::from_metadata(&found)?,
            Err(error) if is_absent(&self.directory, &error) && seen.marks.is_empty() => {
                self.is_well(seen);
                seen.read = true;
                return Ok(CompletionChanges::default());
            }
            Err(error) if is_absent(&self.directory, &error) => {
                self.restore(seen.marks.clone(), "the directory has vanished");
                return Ok(CompletionChanges::default());
            }
            Err(error) => return Err(error),
        };
        if seen.stamp == Some(found) {
            return Ok(CompletionChanges::default());
        }
        let marks = completions::list(&self.directory)?;
        let mut removed: Vec<String> = seen.marks.difference(&marks).cloned().collect();
        if seen.inode.is_some_and(|inode| inode != found.inode) && !removed.is_empty() {
            self.restore(removed.drain(..).collect(), "another directory is in its place");
        }
        let unwritten = lock(&self.shared.unwritten);
        removed.retain(|machine| !unwritten.contains_key(machine));
        drop(unwritten);
        let marked = marks.difference(&seen.marks).cloned().collect();
        self.is_well(seen);
        let stamp = Some(found).filter(|found| found.is_stable(SystemTime::now()));
        *seen = KnownCompletions { read: true, stamp, inode: Some(found.inode), marks, trouble: None };
        Ok(CompletionChanges { completed: marked, reset: removed, is_unknown: false })
    }

    /// These hold, and are written again.
    fn restore(&self, machines: BTreeSet<String>, why: &str) {
        let mut unwritten = lock(&self.shared.unwritten);
        let count = machines.len();
        let lost: Vec<String> = machines.into_iter().filter(|machine| !unwritten.contains_key(machine)).collect();
        if !lost.is_empty() {
            tracing::error!(
                "{}: {why}, and with it the marks of {}; they still hold, and are written again; \
                 `proxydhcpd rearm NAME` lets a machine boot again",
                self.directory.display(),
                list_machines(count, lost.iter().map(String::as_str))
            );
        }
        unwritten.extend(lost.into_iter().map(|machine| (machine, format!("written again, because {why}"))));
        drop(unwritten);
        self.send(WriterJob::RetryWrites);
    }

    fn is_well(&self, seen: &mut KnownCompletions) {
        if seen.trouble.take().is_some() {
            tracing::info!("{} can be read again", self.directory.display());
        }
    }

    /// Once for each kind of trouble.
    fn complain(&self, seen: &mut KnownCompletions, error: &io::Error) {
        let trouble = error.to_string();
        if seen.trouble.as_ref() == Some(&trouble) {
            return;
        }
        let then = match seen.read {
            true => "what was known of the machines that boot once still holds",
            false => "until it can be read, machines that boot once boot their disks",
        };
        tracing::error!(
            "{} cannot be read ({trouble}): {then}; it is tried again every few seconds",
            self.directory.display()
        );
        seen.trouble = Some(trouble);
    }
}

/// `4 machines (web1, web2, web3 and 1 more)`.
pub fn list_machines<'a>(count: usize, names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let names: Vec<&str> = names.take(MOST).collect();
    let more = count - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let machines = if count == 1 { "machine" } else { "machines" };
    format!("{count} {machines} ({}{more})", names.join(", "))
}
