//! The errors and warnings about machines. Their number is limited.

use super::location::MachineLocations;
use proxydhcpd_core::plan::inventory::{IdentityKind, Inventory, Machine, SharedIdentity};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::collections::BTreeMap;

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
    pub fn warn_about_shared(&mut self, machines: &Inventory, locations: &MachineLocations) {
        let (shared, count) = machines.shared_identities();
        self.more_warnings += count - shared.len();
        let positions = positions(machines, shared.iter().flat_map(|shared| shared.machines.iter().copied()));
        for SharedIdentity { by, identity, machines: names, count } in shared {
            let more = count - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!(
                "{count} machines list the {by} {identity} ({}{more}): it identifies none of them, but a setting that \
                 keeps one of them from booting applies to every machine that has it",
                names.join(", ")
            );
            let has_no_other = |name: &&&str| {
                let Machine { macs, uuid, serial, .. } = machines.get_by_name(name).unwrap_or_default();
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
                locations.text(positions[names[0]])
            );
            if by == IdentityKind::Mac {
                help += "; list the address of a shared adapter in `shared-macs`";
            }
            if let Some(unidentified) = names.iter().find(has_no_other) {
                help = format!("{unidentified} has no other identity, so nothing else in its entry applies; {help}");
            }
            let warning = locations.warning(positions[names[1]], names[1].len(), message);
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
        locations: &MachineLocations,
    ) {
        if shared_macs.is_empty() && !unknown_boot_nothing {
            return;
        }
        let is_shared_mac = |mac: &[u8; 6]| shared_macs.iter().any(|pattern| pattern.matches(mac));
        // The first such machine with its position, and the number of the others.
        let (mut only_shared, mut only_serial) = (None, None);
        for (position, machine) in machines.iter().enumerate() {
            let found = match machine.serial {
                _ if machine.uuid.is_some() || !machine.macs.iter().all(is_shared_mac) => continue,
                Some(_) if unknown_boot_nothing => &mut only_serial,
                None if !machine.macs.is_empty() => &mut only_shared,
                _ => continue,
            };
            match found {
                Some((_, _, others)) => *others += 1,
                None => *found = Some((position, machine.name, 0)),
            }
        }
        for (found, problem, help) in
            [(only_shared, ONLY_SHARED, ONLY_SHARED_HELP), (only_serial, ONLY_SERIAL, ONLY_SERIAL_HELP)]
        {
            let Some((position, name, others)) = found else { continue };
            let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
            let warning = locations.warning(position, name.len(), format!("machine `{name}`{more} {problem}"));
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

/// The positions of the machines with these names, in the order of reading.
fn positions<'a>(machines: &Inventory, names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut positions: BTreeMap<&str, usize> = names.map(|name| (name, 0)).collect();
    if !positions.is_empty() {
        for (position, machine) in machines.iter().enumerate() {
            if let Some(found) = positions.get_mut(machine.name) {
                *found = position;
            }
        }
    }
    positions
}

const ONLY_SHARED: &str = "has no identity but addresses of `shared-macs`, so its entry never applies";
const ONLY_SHARED_HELP: &str = "add its UUID, or a MAC address that only this machine has";
const ONLY_SERIAL: &str = "\
    has only a serial number, which firmware does not send: until iPXE runs, the server treats it as unknown, and \
    `unknown-machine-profile` boots nothing";
const ONLY_SERIAL_HELP: &str = "add its MAC address or UUID";
