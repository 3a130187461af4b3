//! Reads the completions that the server stores, for the commands that show the replies to a machine.

use super::Preview;
use crate::boot_once::token::{self, TokenKey};
use crate::boot_once::{RESET_HELP, completions, list_machines};
use proxydhcpd_core::fetch::Fetch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::inventory::BootMode;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::io;
use std::path::Path;

/// The stored completions, and the key for tokens.
#[derive(Debug)]
pub struct BootOnceRecords {
    /// Whether the completions can be read. Also true if no machine has `boot = "once"`.
    pub are_readable: bool,
    /// The key for the tokens of `done_url`. `None` if it does not exist or cannot be read.
    key: Option<TokenKey>,
}

impl BootOnceRecords {
    /// Adds the stored completions to the observations. Adds a warning for each file that cannot be read, if a machine
    /// has `boot = "once"`.
    pub fn load(context: &Preview, observations: &mut Observations, warnings: &mut Vec<Diagnostic>) -> BootOnceRecords {
        let state_dir = &context.loaded.settings.state_dir;
        let any_once = context.site.plan.inventory.has_boot_once();
        let mut warn = |error: io::Error, file: &Path, consequence: &str| {
            if !any_once {
                return;
            }
            let message = format!("cannot read this ({error}): {consequence}");
            warnings.push(Diagnostic::warning(message).in_file(&file.display().to_string()));
        };
        match token::read_counts(state_dir) {
            Ok(counts) => observations.boot_once.set_completions(counts),
            Err(error) => {
                warn(error, &token::counts_file(state_dir), "the token of done_url may differ from the server's")
            }
        }
        let completed = completions::list(&completions::path_in(state_dir)).map(|completed| {
            for machine in &completed {
                observations.boot_once.note_completed(machine);
            }
        });
        let are_readable = completed.is_ok() || !any_once;
        if let Err(error) = completed {
            observations.boot_once.set_unknown(true);
            warn(
                error,
                &completions::path_in(state_dir),
                "a server that starts now boots all boot-once machines from disk",
            );
        }
        BootOnceRecords { are_readable, key: TokenKey::load(state_dir).ok().flatten() }
    }

    /// Adds the token that the server would put into `done_url`, if the key is known.
    pub fn set_token(&self, context: &Preview, observations: &Observations, fetch: &mut Fetch) {
        let Some(machine) = fetch.machine(&context.site.plan) else { return };
        let token = self.key.as_ref().map(|key| key.token(machine, observations.boot_once.generation(machine)));
        fetch.set_token(token);
    }

    /// Whether the key is known, so that `done_url` has the same token as on the server.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// Warns of completions of machines that have no entry, or whose entry does not set `boot`, and of completions that
/// cannot be read.
pub fn unmatched_records(context: &Preview) -> Vec<Diagnostic> {
    let directory = completions::path_in(&context.loaded.settings.state_dir);
    let machines = &context.site.plan.inventory;
    let at_directory = |diagnostic: Diagnostic| diagnostic.in_file(&directory.display().to_string());
    let completed = match completions::list(&directory) {
        Ok(completed) => completed,
        Err(error) if machines.has_boot_once() => {
            let message = format!("cannot read the records of completed boot-onces: {error}");
            return vec![at_directory(Diagnostic::warning(message))];
        }
        Err(_) => return Vec::new(),
    };
    let warning = |boot_mode: Option<BootMode>, what: &str, help: &str| {
        let has_boot_mode = |name: &&str| machines.get_by_name(name).map(|entry| entry.boot_mode) == boot_mode;
        let names: Vec<&str> = completed.iter().map(String::as_str).filter(has_boot_mode).collect();
        let diagnostic = |names| Diagnostic::warning(format!("completed boot-onces of {names} {what}")).help(help);
        (!names.is_empty()).then(|| at_directory(diagnostic(list_machines(&names))))
    };
    let unset = "with entries that do not set `boot`: they boot from disk";
    let no_entry_help =
        "a machine that the record identifies boots from disk; `proxydhcpd rearm NAME` removes the record";
    [warning(None, "without an entry", no_entry_help), warning(Some(BootMode::Unspecified), unset, RESET_HELP)]
        .into_iter()
        .flatten()
        .collect()
}
