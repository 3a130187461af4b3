//! The marks of used-up boots, as the server has kept them, for verbs that say what a machine gets.

use super::say;
use super::setting::Setting;
use crate::config::diagnostic::Diagnostic;
use crate::used::token::{self, Key};
use crate::used::{folder, some_names};
use proxydhcpd_core::fetch::Fetch;
use proxydhcpd_core::memory::Memory;
use std::io;
use std::path::Path;

/// What is known of the machines that boot once.
#[derive(Debug)]
pub struct Marks {
    pub are_known: bool,
    key: Option<Key>,
}

impl Marks {
    /// Puts them into `memory`, where some machine boots once; says on standard error what cannot be read.
    pub fn read(setting: &Setting, memory: &mut Memory) -> Marks {
        let state_dir = &setting.loaded.settings.state_dir;
        if !setting.site.plan.machines.any_once() {
            return Marks { are_known: true, key: None };
        }
        let told = |error: io::Error, file: &Path, then: &str| {
            let message = format!("this cannot be read ({error}): {then}");
            say(&Diagnostic::warning(message).of(&file.display().to_string()));
        };
        match token::armings(state_dir) {
            Ok(armings) => memory.once.set_times(armings),
            Err(error) => told(error, &token::armings_file(state_dir), "the token of done_url may be another one"),
        }
        let marks = folder::marks(&folder::below(state_dir)).map(|marks| {
            for machine in &marks {
                memory.once.note(machine);
            }
        });
        let are_known = marks.is_ok();
        if let Err(error) = marks {
            told(error, &folder::below(state_dir), "machines that boot once are taken as not having done so");
        }
        Marks { are_known, key: Key::kept(state_dir).ok().flatten() }
    }

    /// What is rendered has the token that the server would give it.
    pub fn give_token(&self, setting: &Setting, memory: &Memory, meant: &mut Fetch) {
        let Some(machine) = meant.machine(&setting.site.plan) else { return };
        let token = self.key.as_ref().map(|key| key.token(machine, memory.once.arming(machine)));
        meant.carry(token);
    }

    /// Whether `done_url` is the server's.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// Marks that no entry has, and whether there are any that cannot be read.
pub fn astray(setting: &Setting) -> Option<Diagnostic> {
    let folder = folder::below(&setting.loaded.settings.state_dir);
    let machines = &setting.site.plan.machines;
    let of = |told: Diagnostic| told.of(&folder.display().to_string());
    let marks = match folder::marks(&folder) {
        Ok(marks) => marks,
        Err(error) if machines.any_once() => {
            return Some(of(Diagnostic::warning(format!("the marks of used-up boots cannot be read: {error}"))));
        }
        Err(_) => return None,
    };
    let astray: Vec<&str> = marks.iter().map(String::as_str).filter(|name| machines.named(name).is_none()).collect();
    if astray.is_empty() {
        return None;
    }
    let names = some_names(astray.len(), astray.iter().copied());
    let told = Diagnostic::warning(format!("there are marks of used-up boots of {names} that have no entry"));
    Some(of(told.help("they hold should the entries come back; `proxydhcpd rearm NAME` removes a mark")))
}
