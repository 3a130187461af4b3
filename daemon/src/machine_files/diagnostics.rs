//! The errors and warnings about machines. Their number is limited.

use super::location::{location, warning_at};
use proxydhcpd_core::plan::inventory::{IdentityKind, Inventory, Machine, MachineIndex, SharedIdentity};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::path::PathBuf;

/// The first errors and warnings, and the number of errors and warnings that are not reported, because an exported file
/// may have an error in every line.
#[derive(Debug, Default)]
pub struct MachineDiagnostics {
    errors: Vec<Diagnostic>,
    more_errors: usize,
    warnings: Vec<Diagnostic>,
    more_warnings: usize,
}

/// The maximum number of errors to report, and the maximum number of warnings.
const MAX_REPORTED: usize = 20;

impl MachineDiagnostics {
    /// Adds an error, or counts it if there are too many.
    pub fn error(&mut self, error: impl FnOnce() -> Diagnostic) {
        if self.errors.len() < MAX_REPORTED {
            self.errors.push(error());
        } else {
            self.more_errors += 1;
        }
    }

    /// Adds a warning, or counts it if there are too many.
    pub fn warning(&mut self, warning: impl FnOnce() -> Diagnostic) {
        if self.warnings.len() < MAX_REPORTED {
            self.warnings.push(warning());
        } else {
            self.more_warnings += 1;
        }
    }

    /// Warns about each identity that the entries of several machines list.
    pub fn warn_about_shared(&mut self, machines: &Inventory, (files, offsets): (&[(MachineIndex, PathBuf)], &[u32])) {
        let (shared, count) = machines.shared_identities();
        self.more_warnings += count - shared.len();
        for SharedIdentity { by, identity, machines: ids, count } in shared {
            let name = |id: &MachineIndex| machines.get(*id).name;
            let names: Vec<&str> = ids.iter().map(name).collect();
            let more = count - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!(
                "{count} machines list the {by} {identity} ({}{more}): it identifies none of them, but a setting that \
                 keeps one of them from booting applies to every machine that has it",
                names.join(", ")
            );
            let has_no_other = |id: &&MachineIndex| {
                let Machine { macs, uuid, serial, .. } = machines.get(**id);
                let has = [
                    (IdentityKind::Mac, !macs.is_empty()),
                    (IdentityKind::Uuid, uuid.is_some()),
                    (IdentityKind::Serial, serial.is_some()),
                ];
                macs.len() < 2 && !has.iter().any(|(other, has)| *has && *other != by)
            };
            let mut help = format!(
                "remove it from the entries of machines that do not have it; {} is at {}",
                names[0],
                location(files, offsets, ids[0])
            );
            if by == IdentityKind::Mac {
                help += "; list the address of a shared adapter in `shared-macs`";
            }
            if let Some(unidentified) = ids.iter().find(has_no_other) {
                help = format!(
                    "{} has no other identity, so nothing else in its entry applies; {help}",
                    name(unidentified)
                );
            }
            let warning = warning_at(files, offsets, ids[1], names[1].len(), message);
            self.warning(|| warning.help(help));
        }
    }

    /// Warns about machines whose identities cannot identify them. There is one warning for each reason, because there
    /// may be a million such machines.
    pub fn warn_about_unusable(
        &mut self,
        machines: &Inventory,
        shared_macs: &[MacPattern],
        unknown_boot_nothing: bool,
        (files, offsets): (&[(MachineIndex, PathBuf)], &[u32]),
    ) {
        if shared_macs.is_empty() && !unknown_boot_nothing {
            return;
        }
        let is_shared_mac = |mac: &[u8; 6]| shared_macs.iter().any(|pattern| pattern.matches(mac));
        let (mut only_shared, mut only_serial) = (Vec::new(), Vec::new());
        for id in 0..machines.len() as MachineIndex {
            let machine = machines.get(id);
            match machine.serial {
                _ if machine.uuid.is_some() || !machine.macs.iter().all(is_shared_mac) => {}
                Some(_) if unknown_boot_nothing => only_serial.push(id),
                None if !machine.macs.is_empty() => only_shared.push(id),
                _ => {}
            }
        }
        for (found, problem, help) in
            [(only_shared, ONLY_SHARED, ONLY_SHARED_HELP), (only_serial, ONLY_SERIAL, ONLY_SERIAL_HELP)]
        {
            let Some((first, others)) = found.split_first() else { continue };
            let name = machines.get(*first).name;
            let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            let warning = warning_at(files, offsets, *first, name.len(), format!("machine `{name}`{more} {problem}"));
            self.warning(|| warning.help(help));
        }
    }

    /// Returns the warnings or, if there are errors, the errors and the warnings.
    pub fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let MachineDiagnostics { mut errors, more_errors, mut warnings, more_warnings } = self;
        if more_warnings > 0 {
            warnings.push(Diagnostic::warning(format!("and {more_warnings} more warnings about machines")));
        }
        if errors.is_empty() {
            return Ok(warnings);
        }
        if more_errors > 0 {
            errors.push(Diagnostic::error(format!("and {more_errors} more errors about machines")));
        }
        errors.append(&mut warnings);
        Err(errors)
    }
}

const ONLY_SHARED: &str = "has no identity but addresses of `shared-macs`, so its entry never applies";
const ONLY_SHARED_HELP: &str = "add its UUID, or a MAC address that only this machine has";
const ONLY_SERIAL: &str = "\
    has only a serial number, which firmware does not send: until iPXE runs, the server treats it as unknown, and \
    `unknown-machine-profile` boots nothing";
const ONLY_SERIAL_HELP: &str = "add its MAC address or UUID";
