//! Protects the machines that completed a boot-once and no longer have an entry.

use super::Site;
use crate::boot_once::completions::{self, StoredIdentities};
use crate::boot_once::list_machines;
use proxydhcpd_core::plan::inventory::{IdentityKind, Machine};
use std::io;
use std::path::Path;

impl Site {
    /// Makes machines that completed a boot-once and no longer have an entry boot from disk. `completed`: the names of
    /// all machines with a completion. Returns warnings about these machines, and about completions that do not
    /// identify their machine. `unreadable` gets each completion that cannot be read. An identity that an entry lists
    /// belongs to that entry, not to a removed machine.
    pub fn protect_removed_machines<'a>(
        &mut self,
        directory: &Path,
        completed: impl Iterator<Item = &'a str>,
        mut unreadable: impl FnMut(&Path, io::Error),
    ) -> Vec<String> {
        let machines = std::mem::take(&mut self.plan.inventory).with_removed_entries(&[]);
        let (mut gone, mut unknown, mut diagnostics) = (Vec::new(), Vec::new(), Vec::new());
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
                let entry = machines.get_by_name(taker).unwrap_or_default();
                let profile = entry.profile.unwrap_or("the choice of the rules and defaults");
                diagnostics.push(format!(
                    "{name} completed its boot-once and has no entry; its {by} is now in the entry of {taker}, which \
                     boots {profile}"
                ));
            }
            let (uuid_is_listed, serial_is_listed) = (listed.uuid.is_some(), listed.serial.is_some());
            known.macs.retain(|mac| !machines.lists_mac(mac));
            known.uuid = known.uuid.filter(|_| !uuid_is_listed);
            known.serial = known.serial.take().filter(|_| !serial_is_listed);
        }
        let is_left = |known: &StoredIdentities| *known != StoredIdentities::default();
        gone.retain(|(_, known)| is_left(known));
        let name = |names: &[&str]| list_machines(names.len(), names.iter().copied());
        let names: Vec<&str> = gone.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            diagnostics.push(format!(
                "completed boot-onces of {}, which have no entry: these machines boot from disk; `proxydhcpd rearm \
                 NAME` lets one boot like any machine without an entry",
                name(&names)
            ));
        }
        if !unknown.is_empty() {
            diagnostics.push(format!(
                "completed boot-onces of {}, which have no entry and no identities in their completions: these \
                 machines are not protected, and boot like any machine without an entry; restore their entries, or \
                 run `proxydhcpd rearm NAME`",
                name(&unknown)
            ));
        }
        const MAX_WARNINGS: usize = 20;
        let more = diagnostics.len().saturating_sub(MAX_WARNINGS);
        diagnostics.drain(..more);
        let gone: Vec<Machine<'_>> = gone.iter().map(|(name, known)| completed_machine(name, known)).collect();
        self.plan.inventory = machines.with_removed_entries(&gone);
        diagnostics
    }
}

fn completed_machine<'a>(name: &'a str, known: &'a StoredIdentities) -> Machine<'a> {
    let StoredIdentities { macs, uuid, serial } = known;
    Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), ..Machine::default() }
}
