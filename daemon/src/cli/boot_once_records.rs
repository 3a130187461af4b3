//! The marks of used-up boots, as the server has kept them, for verbs that say what a machine gets.

use super::print_diagnostic;
use super::context::CliContext;
use crate::config::diagnostic::Diagnostic;
use crate::boot_once::token::{self, TokenKey};
use crate::boot_once::{UNSAID_HELP, completions, list_machines};
use proxydhcpd_core::fetch::Fetch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::machines::Policy;
use std::io;
use std::path::Path;

/// What is known of the machines that boot once.
#[derive(Debug)]
pub struct BootOnceRecords {
    pub are_readable: bool,
    key: Option<TokenKey>,
}

impl BootOnceRecords {
    /// Puts them into `memory`; says on standard error what cannot be read, where some machine boots once.
    pub fn load(setting: &CliContext, memory: &mut Observations) -> BootOnceRecords {
        let state_dir = &setting.loaded.settings.state_dir;
        let any_once = setting.site.plan.machines.has_boot_once();
        let told = |error: io::Error, file: &Path, then: &str| {
            if !any_once {
                return;
            }
            let message = format!("this cannot be read ({error}): {then}");
            print_diagnostic(&Diagnostic::warning(message).in_file(&file.display().to_string()));
        };
        match token::read_counts(state_dir) {
            Ok(armings) => memory.boot_once.set_completions(armings),
            Err(error) => told(error, &token::counts_file(state_dir), "the token of done_url may be another one"),
        }
        let marks = completions::list(&completions::path_in(state_dir)).map(|marks| {
            for machine in &marks {
                memory.boot_once.note_completed(machine);
            }
        });
        let are_known = marks.is_ok() || !any_once;
        if let Err(error) = marks {
            memory.boot_once.set_unknown(true);
            told(
                error,
                &completions::path_in(state_dir),
                "a server that starts now has machines that boot once boot their disks",
            );
        }
        BootOnceRecords { are_readable: are_known, key: TokenKey::load(state_dir).ok().flatten() }
    }

    /// What is rendered has the token that the server would give it.
    pub fn set_token(&self, setting: &CliContext, memory: &Observations, meant: &mut Fetch) {
        let Some(machine) = meant.machine(&setting.site.plan) else { return };
        let token = self.key.as_ref().map(|key| key.token(machine, memory.boot_once.generation(machine)));
        meant.set_token(token);
    }

    /// Whether `done_url` is the server's.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// Marks that no entry has, or one that does not say `boot`, and whether there are any that cannot be read.
pub fn unmatched_records(setting: &CliContext) -> Vec<Diagnostic> {
    let directory = completions::path_in(&setting.loaded.settings.state_dir);
    let machines = &setting.site.plan.machines;
    let of = |told: Diagnostic| told.in_file(&directory.display().to_string());
    let marks = match completions::list(&directory) {
        Ok(marks) => marks,
        Err(error) if machines.has_boot_once() => {
            return vec![of(Diagnostic::warning(format!("the marks of used-up boots cannot be read: {error}")))];
        }
        Err(_) => return Vec::new(),
    };
    let warning = |policy: Option<Policy>, what: &str, help: &str| {
        let is_meant = |name: &&str| machines.get_by_name(name).map(|entry| entry.policy) == policy;
        let names: Vec<&str> = marks.iter().map(String::as_str).filter(is_meant).collect();
        let told =
            |names| Diagnostic::warning(format!("there are marks of used-up boots of {names} {what}")).help(help);
        (!names.is_empty()).then(|| of(told(list_machines(names.len(), names.iter().copied()))))
    };
    let unsaid = "whose entries do not say `boot`: they boot their disks";
    let no_entry =
        "where the mark says which machine it is of, that boots its disk; `proxydhcpd rearm NAME` removes a mark";
    [warning(None, "that have no entry", no_entry), warning(Some(Policy::Unspecified), unsaid, UNSAID_HELP)]
        .into_iter()
        .flatten()
        .collect()
}
