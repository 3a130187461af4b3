//! Protects the machines that completed a boot-once and no longer have an entry.

use super::Site;
use crate::boot_once::completions::{self, StoredIdentities};
use proxydhcpd_core::event::completion::CompletionWithoutEntry;
use proxydhcpd_core::plan::inventory::{IdentityKind, Machine};
use std::io;
use std::path::Path;

impl Site {
    /// Makes machines that completed a boot-once and no longer have an entry boot from disk. `completed`: the names of
    /// all machines with a completion. Returns these machines, and completions that do not identify their
    /// machine. `unreadable` gets each completion that cannot be read. An identity that an entry lists
    /// belongs to that entry, not to a removed machine.
    pub fn protect_removed_machines<'a>(
        &mut self,
        directory: &Path,
        completed: impl Iterator<Item = &'a str>,
        mut unreadable: impl FnMut(&Path, io::Error),
    ) -> Vec<CompletionWithoutEntry> {
        let machines = std::mem::take(&mut self.plan.inventory).with_removed_entries(&[]);
        let (mut gone, mut unknown, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for name in completed.filter(|name| machines.get_by_name(name).is_none()) {
            match completions::read_identities(directory, name) {
                Ok(Some(known)) => gone.push((name, known)),
                Ok(None) => unknown.push(name),
                Err(error) => {
                    unreadable(&directory.join(name), error);
                    unknown.push(name);
                }
            }
        }
        for (name, known) in &mut gone {
            let listed = machines.entries_listing(&completed_machine(name, known));
            let takers = [
                (IdentityKind::Mac, listed.mac),
                (IdentityKind::Uuid, listed.uuid),
                (IdentityKind::Serial, listed.serial),
            ];
            if let Some((by, taker)) = takers.into_iter().find_map(|(by, taker)| Some((by, taker?))) {
                warnings.push(CompletionWithoutEntry::IdentityTaken {
                    machine: (*name).to_owned(),
                    by,
                    taker: taker.to_owned(),
                    profile: machines.get_by_name(taker).and_then(|entry| entry.profile).map(str::to_owned),
                });
            }
            let (uuid_is_listed, serial_is_listed) = (listed.uuid.is_some(), listed.serial.is_some());
            known.macs.retain(|mac| !machines.lists_mac(mac));
            known.uuid = known.uuid.filter(|_| !uuid_is_listed);
            known.serial = known.serial.take().filter(|_| !serial_is_listed);
        }
        let is_left = |known: &StoredIdentities| *known != StoredIdentities::default();
        gone.retain(|(_, known)| is_left(known));
        if !gone.is_empty() {
            warnings.push(CompletionWithoutEntry::Removed(gone.iter().map(|(name, _)| (*name).to_owned()).collect()));
        }
        if !unknown.is_empty() {
            warnings.push(CompletionWithoutEntry::Unidentified(unknown.into_iter().map(str::to_owned).collect()));
        }
        const MAX_WARNINGS: usize = 20;
        let more = warnings.len().saturating_sub(MAX_WARNINGS);
        warnings.drain(..more);
        let gone: Vec<Machine<'_>> = gone.iter().map(|(name, known)| completed_machine(name, known)).collect();
        self.plan.inventory = machines.with_removed_entries(&gone);
        warnings
    }
}

fn completed_machine<'a>(name: &'a str, known: &'a StoredIdentities) -> Machine<'a> {
    let StoredIdentities { macs, uuid, serial } = known;
    Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), ..Machine::default() }
}
