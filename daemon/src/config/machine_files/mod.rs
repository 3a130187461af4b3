//! Machine files: machines from a directory of TOML files, or from a CSV or JSON file that another system exported. The
//! reader adds each machine to the plan's table as soon as it has read the machine. It also adds the machines of the
//! configuration.

pub mod builder;
mod csv;
pub mod headings;
mod json;
pub mod records;
mod toml;

use super::diagnostic::{Diagnostic, Severity, Source};
use super::machines::no_identity_message;
use crate::files;
use builder::MachineBuilder;
use proxydhcpd_core::plan::machines::{
    AddError, IdentityKind, Machine, MachineIndex, Machines, MachinesBuilder, Policy, SharedIdentity,
};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::plan::profile::ProfileId;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Resolves the name of a profile, or returns an error message and help.
pub type ProfileLookup<'a> = dyn Fn(&str) -> Result<ProfileId, (String, Option<String>)> + 'a;

/// Reads machines and collects them.
pub struct MachineReader<'a> {
    find_profile: &'a ProfileLookup<'a>,
    builder: MachinesBuilder,
    diagnostics: MachineDiagnostics,
    /// The machine that is being read.
    current: MachineBuilder,
    /// The offset of each machine in its file, so that a diagnostic can point at both of two machines with the same
    /// name.
    offsets: Vec<u32>,
    /// The files, each with the ID of its first machine.
    files: Vec<(MachineIndex, PathBuf)>,
    /// By profile, the number of machines with boot-once and the first such machine. `None`: the machine has no
    /// profile, so rules or the default decide.
    boot_once: BTreeMap<Option<ProfileId>, (usize, MachineIndex)>,
    began: Instant,
}

/// All machines that were read.
#[derive(Clone, Debug, Default)]
pub struct MachineFiles {
    /// The machines.
    pub machines: Machines,
    /// The number of files with at least one machine.
    pub file_count: usize,
    /// The time that it took to read the machines.
    pub duration: Duration,
    /// The warnings about the machines.
    pub warnings: Vec<Diagnostic>,
}

/// The first errors and warnings, and the number of errors and warnings that are not reported, because an exported file
/// may have an error in every line.
#[derive(Debug, Default)]
struct MachineDiagnostics {
    errors: Vec<Diagnostic>,
    more_errors: usize,
    warnings: Vec<Diagnostic>,
    more_warnings: usize,
}

/// The maximum number of errors to report, and the maximum number of warnings.
const MAX_REPORTED: usize = 20;

impl<'a> MachineReader<'a> {
    /// Creates a reader that has no machines yet.
    pub fn new(profiles: &'a ProfileLookup<'a>) -> Self {
        MachineReader {
            find_profile: profiles,
            builder: MachinesBuilder::default(),
            diagnostics: MachineDiagnostics::default(),
            current: MachineBuilder::default(),
            offsets: Vec::new(),
            files: Vec::new(),
            boot_once: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    /// Reads a file, or the files of a directory.
    pub fn read_path(&mut self, path: &Path) {
        match path.metadata() {
            Err(error) => return self.unreadable(path, &error),
            Ok(metadata) if !metadata.is_dir() => return self.file(path),
            Ok(_) => {}
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut files: Vec<PathBuf> = match listed {
            Ok(files) => files,
            Err(error) => return self.unreadable(path, &error),
        };
        // Hidden files are skipped, because editors, version control and packages create them.
        let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files.retain(|file| !is_hidden(file));
        files.sort();
        for file in files {
            if file.is_dir() {
                let warning = Diagnostic::warning("a directory among machine files is not read")
                    .in_file(&file.display().to_string());
                self.diagnostics.warning(|| warning.help("list it in `machine-files`, too"));
            } else if extension(&file).is_some() {
                self.file(&file);
            }
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
        if self.files.last().is_none_or(|(_, last)| last != file) {
            self.begin(file);
        }
        let once = self.boot_once_profile(machine);
        let added =
            add_to(&mut self.builder, &mut self.diagnostics, (&self.files, &mut self.offsets), machine, offset, error);
        self.count_boot_once(added, once);
    }

    /// Warns about machines whose boot-once no file completes. There is one warning for each profile, because there may
    /// be a million such machines. `incomplete` returns the name of the profile if no file completes a boot-once of
    /// that profile.
    pub fn warn_about_boot_once(&mut self, incomplete: impl Fn(Option<ProfileId>) -> Option<String>) {
        for (profile, (count, first)) in &self.boot_once {
            let Some(profile) = incomplete(*profile) else { continue };
            let machine = self.builder.name(*first).unwrap_or_default();
            let more = match count - 1 {
                0 => String::new(),
                more => format!(" and {more} more with the profile `{profile}`"),
            };
            let message = format!("no download completes the boot-once of machine `{machine}`{more}");
            let warning = warning_at(&self.files, &self.offsets, *first, machine.len(), message);
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
        let MachineReader { builder, mut diagnostics, mut files, offsets, began, .. } = self;
        let end = builder.len() as MachineIndex;
        let ends: Vec<MachineIndex> = files.iter().skip(1).map(|(first, _)| *first).chain([end]).collect();
        let mut ends = ends.into_iter();
        files.retain(|(first, _)| ends.next().is_some_and(|end| *first < end));
        let machines = builder.finish(shared_macs);
        diagnostics.warn_about_shared(&machines, (&files, &offsets));
        diagnostics.warn_about_unusable(&machines, shared_macs, unknown_boot_nothing, (&files, &offsets));
        Ok(MachineFiles {
            machines,
            file_count: files.len(),
            duration: began.elapsed(),
            warnings: diagnostics.finish()?,
        })
    }

    fn file(&mut self, path: &Path) {
        self.begin(path);
        let name = path.display().to_string();
        match extension(path) {
            Some("csv") => match files::open_regular(path, MAX_FILE_SIZE) {
                Ok(file) => csv::read(self, &name, file.take(MAX_FILE_SIZE)),
                Err(error) => self.unreadable(path, &error),
            },
            Some(extension) => {
                match files::read_regular(path, MAX_FILE_SIZE).map(|octets| Source::new(&name, octets)) {
                    Ok(Ok(source)) if extension == "toml" => toml::read(self, &source),
                    Ok(Ok(source)) => json::read(self, &source),
                    Ok(Err(error)) => self.diagnostics.error(|| error),
                    Err(error) => self.unreadable(path, &error),
                }
            }
            None => self.diagnostics.error(|| {
                let error = Diagnostic::error("the file name has no known extension").in_file(&name);
                error.help("names of machine files end in .toml, .csv or .json")
            }),
        }
    }

    fn begin(&mut self, path: &Path) {
        self.files.push((self.builder.len() as MachineIndex, path.to_owned()));
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let file = path.display().to_string();
        self.diagnostics.error(|| Diagnostic::error(format!("cannot read the machines: {error}")).in_file(&file));
    }

    /// Adds the current machine, which begins at this offset of its file. `error` creates an error that points at the
    /// name of the machine.
    fn add_current(&mut self, offset: usize, error: impl Fn(String) -> Diagnostic) {
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
        let once = self.boot_once_profile(&machine);
        let added =
            add_to(&mut self.builder, &mut self.diagnostics, (&self.files, &mut self.offsets), &machine, offset, error);
        self.count_boot_once(added, once);
    }

    /// The profile of a machine with boot-once, or `None` for another machine.
    fn boot_once_profile(&self, machine: &Machine<'_>) -> Option<Option<ProfileId>> {
        let find = |name| (self.find_profile)(name).ok();
        (machine.policy == Policy::Once).then(|| machine.profile.and_then(find))
    }

    fn count_boot_once(&mut self, added: Option<MachineIndex>, once: Option<Option<ProfileId>>) {
        if let (Some(machine), Some(profile)) = (added, once) {
            self.boot_once.entry(profile).or_insert((0, machine)).0 += 1;
        }
    }
}

/// The files, each with its first machine, and the offset of each machine in its file.
type MachineOffsets<'a> = (&'a [(MachineIndex, PathBuf)], &'a mut Vec<u32>);

fn add_to(
    builder: &mut MachinesBuilder,
    diagnostics: &mut MachineDiagnostics,
    (files, offsets): MachineOffsets<'_>,
    machine: &Machine<'_>,
    offset: usize,
    error: impl Fn(String) -> Diagnostic,
) -> Option<MachineIndex> {
    match builder.add(machine) {
        Ok(id) => {
            offsets.push(offset.try_into().unwrap_or(u32::MAX));
            return Some(id);
        }
        Err(AddError::NameTaken(other)) => diagnostics.error(|| {
            let error = error(format!("duplicate machine `{}`", machine.name));
            error.help(format!("{} has it first", location(files, offsets, other)))
        }),
        Err(refused @ AddError::TooLarge) => diagnostics.error(|| error(refused.to_string())),
    }
    None
}

/// Returns the file and the line of a machine, as text. Reads the file again, because lines are counted only for
/// diagnostics.
fn location(files: &[(MachineIndex, PathBuf)], offsets: &[u32], machine: MachineIndex) -> String {
    let Some((file, offset)) = file_and_offset(files, offsets, machine) else { return "another file".to_owned() };
    match read_up_to(file, offset) {
        Ok(before) => format!("{}:{}", file.display(), before.iter().filter(|octet| **octet == b'\n').count() + 1),
        Err(_) => file.display().to_string(),
    }
}

/// Returns a warning that points at the beginning of a machine. `width`: the number of octets to underline.
fn warning_at(
    files: &[(MachineIndex, PathBuf)],
    offsets: &[u32],
    machine: MachineIndex,
    width: usize,
    message: String,
) -> Diagnostic {
    let Some((file, offset)) = file_and_offset(files, offsets, machine) else { return Diagnostic::warning(message) };
    let name = file.display().to_string();
    match read_up_to(file, offset + MAX_LINE) {
        Ok(octets) => {
            let source = Source { name, text: String::from_utf8_lossy(&octets).into_owned() };
            let at = offset as usize;
            source.warning(at..at + width, message)
        }
        Err(_) => Diagnostic::warning(message).in_file(&name),
    }
}

/// The maximum size of a machine file, in octets. A million machines with a few variables each need a quarter of it.
const MAX_FILE_SIZE: u64 = 1 << 30;
/// The maximum number of octets to show of the line with which a machine begins.
const MAX_LINE: u64 = 1024;

fn file_and_offset<'a>(
    files: &'a [(MachineIndex, PathBuf)],
    offsets: &[u32],
    machine: MachineIndex,
) -> Option<(&'a Path, u64)> {
    let file = files.partition_point(|(first, _)| *first <= machine).checked_sub(1).map(|at| files[at].1.as_path());
    file.zip(offsets.get(machine as usize).map(|offset| u64::from(*offset)))
}

fn read_up_to(file: &Path, end: u64) -> io::Result<Vec<u8>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mut octets = Vec::new();
    File::open(file)?.take(end + BYTE_ORDER_MARK.len() as u64).read_to_end(&mut octets)?;
    // In CSV, an offset counts from the beginning of the file. In the other formats, it counts from the end of the byte
    // order mark.
    if extension(file) != Some("csv") && octets.starts_with(BYTE_ORDER_MARK) {
        octets.drain(..BYTE_ORDER_MARK.len());
    }
    octets.truncate(end as usize);
    Ok(octets)
}

impl fmt::Debug for MachineReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineReader")
            .field("diagnostics", &self.diagnostics)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// Whether a file in a directory of machine files is a machine file. Its extension decides.
pub fn is_machine_file(path: &Path) -> bool {
    extension(path).is_some()
}

fn extension(path: &Path) -> Option<&'static str> {
    let actual = path.extension()?.to_str()?;
    EXTENSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(actual))
}

const EXTENSIONS: [&str; 3] = ["toml", "csv", "json"];

impl MachineDiagnostics {
    fn error(&mut self, error: impl FnOnce() -> Diagnostic) {
        if self.errors.len() < MAX_REPORTED {
            self.errors.push(error());
        } else {
            self.more_errors += 1;
        }
    }

    fn warning(&mut self, warning: impl FnOnce() -> Diagnostic) {
        if self.warnings.len() < MAX_REPORTED {
            self.warnings.push(warning());
        } else {
            self.more_warnings += 1;
        }
    }

    /// Warns about each identity that the entries of several machines list.
    fn warn_about_shared(&mut self, machines: &Machines, (files, offsets): (&[(MachineIndex, PathBuf)], &[u32])) {
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
    fn warn_about_unusable(
        &mut self,
        machines: &Machines,
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
    fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
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

const BOOT_ONCE_HELP: &str = "set `boot-once-file` in its profile, or have the installed system request {{ done_url }}";
const ONLY_SHARED: &str = "has no identity but addresses of `shared-macs`, so its entry never applies";
const ONLY_SHARED_HELP: &str = "add its UUID, or a MAC address that only this machine has";
const ONLY_SERIAL: &str = "\
    has only a serial number, which firmware does not send: until iPXE runs, the server treats it as unknown, and \
    `unknown-machine-profile` boots nothing";
const ONLY_SERIAL_HELP: &str = "add its MAC address or UUID";
