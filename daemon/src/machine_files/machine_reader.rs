//! Collects machines: adds each to the plan's table as soon as it is read.

use super::builder::{MachineBuilder, ProfileCheck};
use super::diagnostics::MachineDiagnostics;
use super::location::MachineLocations;
use crate::settings::raw::machine::no_identity_message;
use proxydhcpd_core::plan::inventory::{AddError, BootMode, Inventory, InventoryBuilder, Machine};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Reads machines and collects them.
pub struct MachineReader<'a> {
    /// Checks the names of profiles.
    pub(super) check_profile: &'a ProfileCheck<'a>,
    builder: InventoryBuilder,
    /// Errors and warnings so far.
    pub(super) diagnostics: MachineDiagnostics,
    /// The machine that is being read.
    pub(super) current: MachineBuilder,
    /// Where the machines begin, so that a diagnostic can point at both of two machines with the same name.
    locations: MachineLocations,
    /// The machines with boot-once, by profile. An empty name: the machines have no profile, so rules or the default
    /// decide.
    boot_once: BTreeMap<String, BootOnceMachines>,
    began: Instant,
}

/// The machines of a profile with boot-once.
struct BootOnceMachines {
    count: usize,
    /// The name of the first machine.
    first: String,
    /// The position of the first machine in the order of reading.
    position: usize,
}

/// All machines that were read.
#[derive(Clone, Debug, Default)]
pub struct MachineFiles {
    /// The machines.
    pub machines: Inventory,
    /// The number of files with at least one machine.
    pub file_count: usize,
    /// The time that it took to read the machines.
    pub duration: Duration,
    /// Where each machine begins, in the order of the list.
    pub locations: MachineLocations,
    /// The warnings about the machines.
    pub warnings: Vec<Diagnostic>,
}

impl<'a> MachineReader<'a> {
    /// Creates a reader that has no machines yet.
    pub fn new(profiles: &'a ProfileCheck<'a>) -> Self {
        MachineReader {
            check_profile: profiles,
            builder: InventoryBuilder::default(),
            diagnostics: MachineDiagnostics::default(),
            current: MachineBuilder::default(),
            locations: MachineLocations::default(),
            boot_once: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    /// Adds a machine that begins at this offset of this file. `error` creates an error that points at the machine.
    pub fn add_machine(
        &mut self,
        machine: &Machine<'_>,
        file: &Path,
        offset: usize,
        error: impl Fn(String) -> Diagnostic,
    ) {
        if !self.locations.is_in(file) {
            self.begin(file);
        }
        let added = add_to(&mut self.builder, &mut self.diagnostics, &mut self.locations, machine, offset, error);
        count_boot_once(&mut self.boot_once, added, machine);
    }

    /// Warns about machines whose boot-once no file completes. There is one warning for each profile, because there may
    /// be a million such machines. `incomplete` returns the name of the profile if no file completes a boot-once of
    /// that profile.
    pub fn warn_about_boot_once(&mut self, incomplete: impl Fn(Option<&str>) -> Option<String>) {
        for (profile, BootOnceMachines { count, first, position }) in &self.boot_once {
            let profile = Some(profile.as_str()).filter(|profile| !profile.is_empty());
            let Some(profile) = incomplete(profile) else { continue };
            let more = match count - 1 {
                0 => String::new(),
                more => format!(" and {more} more with the profile `{profile}`"),
            };
            let message = format!("no download completes the boot-once of machine `{first}`{more}");
            let warning = self.locations.warning(*position, first.len(), message);
            self.diagnostics.warning(|| warning.help(BOOT_ONCE_HELP));
        }
    }

    /// Builds the table of machines, or fails with all errors. `shared_macs`: MAC addresses that identify no machine.
    /// `unknown_boot_nothing`: whether machines without an entry boot nothing.
    pub fn finish(
        self,
        shared_macs: &[MacPattern],
        unknown_boot_nothing: bool,
    ) -> Result<MachineFiles, Vec<Diagnostic>> {
        let MachineReader { builder, mut diagnostics, locations, began, .. } = self;
        let machines = builder.finish(shared_macs);
        diagnostics.warn_about_shared(&machines, &locations);
        diagnostics.warn_about_unusable(&machines, shared_macs, unknown_boot_nothing, &locations);
        Ok(MachineFiles {
            machines,
            file_count: locations.file_count(),
            duration: began.elapsed(),
            locations,
            warnings: diagnostics.finish()?,
        })
    }

    /// Begins a file. The machines that are added next are in it.
    pub(super) fn begin(&mut self, path: &Path) {
        self.locations.begin(path);
    }

    /// Adds the current machine, which begins at this offset of its file. `error` creates an error that points at the
    /// name of the machine.
    pub(super) fn add_current(&mut self, offset: usize, error: impl Fn(String) -> Diagnostic) {
        let machine = self.current.machine();
        if machine.macs.is_empty() && machine.uuid.is_none() && machine.serial.is_none() {
            let message = no_identity_message(machine.name);
            self.diagnostics.warning(|| Diagnostic { severity: Severity::Warning, ..error(message) });
        }
        if self.current.has_placeholder_uuid {
            let message = format!(
                "the `uuid` of machine `{}` is a placeholder that many machines have: it is ignored",
                machine.name
            );
            self.diagnostics.warning(|| Diagnostic { severity: Severity::Warning, ..error(message) });
        }
        let added = add_to(&mut self.builder, &mut self.diagnostics, &mut self.locations, &machine, offset, error);
        count_boot_once(&mut self.boot_once, added, &machine);
    }
}

fn count_boot_once(by_profile: &mut BTreeMap<String, BootOnceMachines>, added: Option<usize>, machine: &Machine<'_>) {
    let Some(position) = added.filter(|_| machine.boot_mode == BootMode::Once) else { return };
    let profile = machine.profile.unwrap_or_default();
    match by_profile.get_mut(profile) {
        Some(machines) => machines.count += 1,
        None => {
            let machines = BootOnceMachines { count: 1, first: machine.name.to_owned(), position };
            by_profile.insert(profile.to_owned(), machines);
        }
    }
}

/// Adds a machine, and returns its position in the order of reading.
fn add_to(
    builder: &mut InventoryBuilder,
    diagnostics: &mut MachineDiagnostics,
    locations: &mut MachineLocations,
    machine: &Machine<'_>,
    offset: usize,
    error: impl Fn(String) -> Diagnostic,
) -> Option<usize> {
    match builder.add(machine) {
        Ok(()) => return Some(locations.add(offset)),
        Err(AddError::NameTaken) => diagnostics.error(|| {
            let error = error(format!("duplicate machine `{}`", machine.name));
            let first = builder.names().position(|name| name == machine.name).unwrap_or_default();
            error.help(format!("{} has it first", locations.text(first)))
        }),
        Err(refused @ AddError::TooLarge) => diagnostics.error(|| error(refused.to_string())),
    }
    None
}

impl fmt::Debug for MachineReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineReader")
            .field("diagnostics", &self.diagnostics)
            .field("files", &self.locations.file_count())
            .finish_non_exhaustive()
    }
}

const BOOT_ONCE_HELP: &str = "set `boot-once-file` in its profile, or have the installed system request {{ done_url }}";
