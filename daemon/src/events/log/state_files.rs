//! The lines about the files in which the server keeps its state.

use super::limits::Limits;
use crate::boot_once::list_machines;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::state_file::{FileFailure, StateFile};

/// Something that happened to a file of the server's state.
pub fn state_file(event: &Event<'_>, file: &StateFile<'_>, limits: &mut Limits) {
    match file {
        StateFile::Renamed { from, to } => tracing::info!("renamed {from} to {to}"),
        StateFile::CompletionsUnreadable { failure: FileFailure { path, error }, are_known } => {
            let consequence = match are_known {
                true => "completed boot-onces count as last read",
                false => "until it is readable, boot-once machines boot their disks",
            };
            tracing::error!("cannot read {path}: {error}; {consequence}; the server tries again every few seconds");
        }
        StateFile::CompletionsReadable(path) => tracing::info!("{path} is readable again"),
        StateFile::CompletionsUnwritable { failure: FileFailure { path, error }, are_readable } => {
            let consequence = match are_readable {
                true => "boot-onces that complete from now on are forgotten at a restart of the server",
                false => "after a restart, boot-once machines boot their disks until the directory can be read",
            };
            tracing::warn!("cannot write to {path}: {error}; {consequence}");
        }
        StateFile::CompletionsMissing { path, machines } => tracing::error!(
            "{path} is missing, and the completions of {} with it: they may boot once more; to prevent that, \
             stop the server and restore the directory",
            list_machines(machines)
        ),
        StateFile::CompletionsLost { path, reason, machines } => tracing::error!(
            "{path}: {reason}, and the completions of {} are gone; they still count, and are written again; \
             `proxydhcpd rearm NAME` resets a machine",
            list_machines(machines)
        ),
        StateFile::CompletionUnwritten { machine, reason } => tracing::error!(
            "{reason}; the completed boot-once of {machine} is forgotten at a restart, and so are those of other \
             machines until the write succeeds"
        ),
        StateFile::CompletionsWritten { path, count } => {
            let completions = if *count == 1 { "completion" } else { "completions" };
            tracing::info!("{path} is writable: wrote {count} delayed {completions}");
        }
        StateFile::CompletionUnreadable(FileFailure { path, error }) => {
            tracing::error!("cannot read the completion {path}: {error}");
        }
        StateFile::CompletionNotRemoved(FileFailure { path, error }) => {
            tracing::error!("cannot remove the completion {path}: {error}");
        }
        StateFile::CountsUnreadable(FileFailure { path, error }) => {
            tracing::error!("cannot read {path}: {error}; tokens of earlier installations are valid again");
        }
        StateFile::CountsUnwritable(FileFailure { path, error }) => tracing::debug!("cannot rewrite {path}: {error}"),
        StateFile::CountNotAppended(FileFailure { path, error }) => tracing::debug!("{path}: {error}"),
        StateFile::KeyUnavailable(FileFailure { path, error }) => tracing::warn!(
            "{path}: {error}; the tokens of installers that run during a restart of the server become invalid"
        ),
        StateFile::NoRandomNumbers(error) => {
            tracing::error!("cannot read /dev/urandom: {error}; done_url has no token");
        }
        StateFile::SharedUuidsUnreadable(error) => tracing::error!(
            "{error}; the server leaves the file alone, and forgets shared UUIDs at each restart: repair or remove the \
             file, then restart"
        ),
        StateFile::SharedUuidsUnwritable(FileFailure { path, error }) => limits.warn_once_a_minute(
            "shared-uuids:write-failed",
            format_args!("cannot write {path}: {error}; the server forgets new shared UUIDs when it restarts"),
            event.at,
        ),
        StateFile::DuidUnwritable(error) => tracing::debug!("{error}"),
        StateFile::HistoryUnavailable(FileFailure { path, error }) => tracing::warn!(
            "the history of boots in {path} is not written: {error}; machines boot nevertheless, and the server tries \
             again every minute"
        ),
        StateFile::HistoryDamaged { failure: FileFailure { path, error }, kept } => tracing::warn!(
            "the history of boots in {path} is damaged: {error}; the server keeps it as {kept} and begins a new one"
        ),
        StateFile::EditUnreadable(FileFailure { path, error }) => {
            tracing::warn!("cannot read {path}: {error}; it does not apply: correct it, or remove it");
        }
        StateFile::HistoryAvailable(path) => tracing::info!("the history of boots in {path} is written again"),
    }
}
