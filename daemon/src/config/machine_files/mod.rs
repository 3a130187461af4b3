//! The machines that the operator describes: in the configuration itself, in a directory of TOML files, or in one CSV or
//! JSON file exported from elsewhere. Whatever the format, each machine goes into the plan's table as soon as it is
//! read.

mod csv;
pub mod builder;
pub mod headings;
mod json;
pub mod records;
mod toml;

use super::diagnostic::{Diagnostic, Severity, Source};
use super::machines::no_identity_message;
use crate::files;
use builder::MachineBuilder;
use proxydhcpd_core::plan::machines::{MachinesBuilder, IdentityKind, Machine, MachineIndex, Machines, Policy, AddError, SharedIdentity};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::plan::profile::ProfileId;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The number of the profile that a machine names, or why there is none and what was probably meant.
pub type ProfileLookup<'a> = dyn Fn(&str) -> Result<ProfileId, (String, Option<String>)> + 'a;

/// Machines that are being read.
pub struct MachineReader<'a> {
    find_profile: &'a ProfileLookup<'a>,
    builder: MachinesBuilder,
    diagnostics: Told,
    /// The one that is being read.
    current: MachineBuilder,
    /// Where each begins in its file, so that two of one name can both be shown.
    offsets: Vec<u32>,
    /// The first number of each file.
    files: Vec<(MachineIndex, PathBuf)>,
    /// How many boot once by each profile, none being what rules and the site say, and the first of them.
    once: BTreeMap<Option<ProfileId>, (usize, MachineIndex)>,
    began: Instant,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct MachineFiles {
    pub machines: Machines,
    /// Files with at least one machine.
    pub file_count: usize,
    pub duration: Duration,
    pub warnings: Vec<Diagnostic>,
}

/// What is wrong, told as far as anybody would read it. An exported file may be wrong in every line.
#[derive(Debug, Default)]
struct Told {
    errors: Vec<Diagnostic>,
    more_errors: usize,
    warnings: Vec<Diagnostic>,
    more_warnings: usize,
}

/// Errors that are told in full, and warnings.
const MOST_TOLD: usize = 20;

impl<'a> MachineReader<'a> {
    pub fn new(profiles: &'a ProfileLookup<'a>) -> Self {
        MachineReader {
            find_profile: profiles,
            builder: MachinesBuilder::default(),
            diagnostics: Told::default(),
            current: MachineBuilder::default(),
            offsets: Vec::new(),
            files: Vec::new(),
            once: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    /// A directory, or a file by its ending.
    pub fn read_path(&mut self, path: &Path) {
        match path.metadata() {
            Err(error) => return self.unreadable(path, &error),
            Ok(found) if !found.is_dir() => return self.file(path),
            Ok(_) => {}
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut files: Vec<PathBuf> = match listed {
            Ok(files) => files,
            Err(error) => return self.unreadable(path, &error),
        };
        // Others have their files there, too: editors, version control, packages.
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files.retain(|file| !hidden(file));
        files.sort();
        for file in files {
            if file.is_dir() {
                let warning = Diagnostic::warning("a directory among machine files is not looked into")
                    .in_file(&file.display().to_string());
                self.diagnostics.warning(|| warning.help("name it in `machine-files`, beside the directory that it is in"));
            } else if ending(&file).is_some() {
                self.file(&file);
            }
        }
    }

    /// One that the configuration itself describes, in this file from this octet on. `at`: an error that points at it.
    pub fn add_machine(&mut self, machine: &Machine<'_>, file: &Path, offset: usize, at: impl Fn(String) -> Diagnostic) {
        if self.files.last().is_none_or(|(_, last)| last != file) {
            self.begin(file);
        }
        let taken = take(&mut self.builder, &mut self.diagnostics, (&self.files, &mut self.offsets), machine, offset, at);
        self.count(taken, machine.profile, machine.policy);
    }

    /// Warns of machines whose one boot nothing uses up, once for each such profile: there may be a million of them.
    /// `name`: that of the profile, where nothing does.
    pub fn warn_about_boot_once(&mut self, name: impl Fn(Option<ProfileId>) -> Option<String>) {
        for (profile, (count, first)) in &self.once {
            let Some(profile) = name(*profile) else { continue };
            let machine = self.builder.name(*first).unwrap_or_default();
            let more = match count - 1 {
                0 => String::new(),
                more => format!(" and of {more} more with the profile `{profile}`"),
            };
            let message = format!("no file that we send uses up the one boot of machine `{machine}`{more}");
            let warning = spotted(&self.files, &self.offsets, *first, machine.len(), message);
            self.diagnostics.warning(|| warning.help(ONCE_HELP));
        }
    }

    /// `shared-macs`: addresses that many machines share in turn. `unknown_get_nothing`: machines that nobody knows do.
    pub fn finish(self, shared_macs: &[MacPattern], unknown_get_nothing: bool) -> Result<MachineFiles, Vec<Diagnostic>> {
        let MachineReader { builder, diagnostics: mut told, mut files, offsets, began, .. } = self;
        let end = builder.len() as MachineIndex;
        let ends: Vec<MachineIndex> = files.iter().skip(1).map(|(first, _)| *first).chain([end]).collect();
        let mut ends = ends.into_iter();
        files.retain(|(first, _)| ends.next().is_some_and(|end| *first < end));
        let machines = builder.finish(shared_macs);
        told.shared(&machines, (&files, &offsets));
        told.hard_to_find(&machines, shared_macs, unknown_get_nothing, (&files, &offsets));
        Ok(MachineFiles { machines, file_count: files.len(), duration: began.elapsed(), warnings: told.list()? })
    }

    fn file(&mut self, path: &Path) {
        self.begin(path);
        let name = path.display().to_string();
        match ending(path) {
            Some("csv") => match files::open_regular(path, LONGEST) {
                Ok(file) => csv::read(self, &name, file.take(LONGEST)),
                Err(error) => self.unreadable(path, &error),
            },
            Some(ending) => match files::read_regular(path, LONGEST).map(|octets| Source::new(&name, octets)) {
                Ok(Ok(source)) if ending == "toml" => toml::read(self, &source),
                Ok(Ok(source)) => json::read(self, &source),
                Ok(Err(error)) => self.diagnostics.error(|| error),
                Err(error) => self.unreadable(path, &error),
            },
            None => self.diagnostics.error(|| {
                let error = Diagnostic::error("this is no file of machines, by its name").in_file(&name);
                error.help("names of machine files end in .toml, .csv or .json")
            }),
        }
    }

    fn begin(&mut self, path: &Path) {
        self.files.push((self.builder.len() as MachineIndex, path.to_owned()));
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let file = path.display().to_string();
        self.diagnostics.error(|| Diagnostic::error(format!("unable to read the machines: {error}")).in_file(&file));
    }

    /// Takes in what the draft says. `offset`: where it begins in its file; `at`: an error that points at its name.
    fn add_current(&mut self, offset: usize, at: impl Fn(String) -> Diagnostic) {
        let machine = self.current.machine();
        if machine.macs.is_empty() && machine.uuid.is_none() && machine.serial.is_none() {
            let message = no_identity_message(machine.name);
            self.diagnostics.warning(|| Diagnostic { severity: Severity::Warning, ..at(message) });
        }
        if self.current.has_placeholder_uuid {
            let message = format!(
                "the `uuid` of machine `{}` is in many machines and identifies none: it is left out",
                machine.name
            );
            self.diagnostics.warning(|| Diagnostic { severity: Severity::Warning, ..at(message) });
        }
        let (profile, policy) = (machine.profile, machine.policy);
        let taken = take(&mut self.builder, &mut self.diagnostics, (&self.files, &mut self.offsets), &machine, offset, at);
        self.count(taken, profile, policy);
    }

    fn count(&mut self, taken: Option<MachineIndex>, profile: Option<ProfileId>, policy: Policy) {
        if let Some(machine) = taken.filter(|_| policy == Policy::Once) {
            self.once.entry(profile).or_insert((0, machine)).0 += 1;
        }
    }
}

/// Files by their first machines, and where in its file each machine begins.
type Places<'a> = (&'a [(MachineIndex, PathBuf)], &'a mut Vec<u32>);

fn take(
    builder: &mut MachinesBuilder,
    told: &mut Told,
    (files, offsets): Places<'_>,
    machine: &Machine<'_>,
    offset: usize,
    at: impl Fn(String) -> Diagnostic,
) -> Option<MachineIndex> {
    match builder.add(machine) {
        Ok(id) => {
            offsets.push(offset.try_into().unwrap_or(u32::MAX));
            return Some(id);
        }
        Err(AddError::NameTaken(other)) => told.error(|| {
            let error = at(format!("machine `{}` is given twice", machine.name));
            error.help(format!("{} gives it first", place(files, offsets, other)))
        }),
        Err(refused @ AddError::TooLarge) => told.error(|| at(refused.to_string())),
    }
    None
}

/// File and line in which a machine begins. The file is read again for it: lines are worth counting only now.
fn place(files: &[(MachineIndex, PathBuf)], offsets: &[u32], machine: MachineIndex) -> String {
    let Some((file, offset)) = begins(files, offsets, machine) else { return "another file".to_owned() };
    match read_up_to(file, offset) {
        Ok(before) => format!("{}:{}", file.display(), before.iter().filter(|octet| **octet == b'\n').count() + 1),
        Err(_) => file.display().to_string(),
    }
}

/// A warning that points at where a machine begins, so many octets wide.
fn spotted(
    files: &[(MachineIndex, PathBuf)],
    offsets: &[u32],
    machine: MachineIndex,
    width: usize,
    message: String,
) -> Diagnostic {
    let Some((file, offset)) = begins(files, offsets, machine) else { return Diagnostic::warning(message) };
    let name = file.display().to_string();
    match read_up_to(file, offset + LONGEST_LINE) {
        Ok(octets) => {
            let source = Source { name, text: String::from_utf8_lossy(&octets).into_owned() };
            let at = offset as usize;
            source.warning(at..at + width, message)
        }
        Err(_) => Diagnostic::warning(message).in_file(&name),
    }
}

/// The longest machine file: a million machines with some variables each are a quarter of it.
const LONGEST: u64 = 1 << 30;
/// As much behind a machine's beginning as is shown of its line.
const LONGEST_LINE: u64 = 1024;

fn begins<'a>(files: &'a [(MachineIndex, PathBuf)], offsets: &[u32], machine: MachineIndex) -> Option<(&'a Path, u64)> {
    let file = files.partition_point(|(first, _)| *first <= machine).checked_sub(1).map(|at| files[at].1.as_path());
    file.zip(offsets.get(machine as usize).map(|offset| u64::from(*offset)))
}

fn read_up_to(file: &Path, end: u64) -> io::Result<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut octets = Vec::new();
    File::open(file)?.take(end + MARK.len() as u64).read_to_end(&mut octets)?;
    // A CSV counts from the beginning of its file, what is read as a text from behind the mark.
    if ending(file) != Some("csv") && octets.starts_with(MARK) {
        octets.drain(..MARK.len());
    }
    octets.truncate(end as usize);
    Ok(octets)
}

impl fmt::Debug for MachineReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("told", &self.diagnostics).field("files", &self.files.len()).finish_non_exhaustive()
    }
}

/// Whether a file in a directory of machine files is read, by its name.
pub fn is_machine_file(path: &Path) -> bool {
    ending(path).is_some()
}

fn ending(path: &Path) -> Option<&'static str> {
    let of_file = path.extension()?.to_str()?;
    ENDINGS.into_iter().find(|ending| ending.eq_ignore_ascii_case(of_file))
}

const ENDINGS: [&str; 3] = ["toml", "csv", "json"];

impl Told {
    fn error(&mut self, error: impl FnOnce() -> Diagnostic) {
        if self.errors.len() < MOST_TOLD {
            self.errors.push(error());
        } else {
            self.more_errors += 1;
        }
    }

    fn warning(&mut self, warning: impl FnOnce() -> Diagnostic) {
        if self.warnings.len() < MOST_TOLD {
            self.warnings.push(warning());
        } else {
            self.more_warnings += 1;
        }
    }

    /// Identities that several machines list.
    fn shared(&mut self, machines: &Machines, (files, offsets): (&[(MachineIndex, PathBuf)], &[u32])) {
        let (shared, count) = machines.shared_identities();
        self.more_warnings += count - shared.len();
        for SharedIdentity { by, identity, machines: ids, count } in shared {
            let name = |id: &MachineIndex| machines.get(*id).name;
            let names: Vec<&str> = ids.iter().map(name).collect();
            let more = count - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!(
                "{count} machines list the {by} {identity} ({}{more}): it leads to none of them, but what protects \
                 one of \
                 them from a boot holds for whichever has it",
                names.join(", ")
            );
            let has_no_other = |id: &&MachineIndex| {
                let Machine { macs, uuid, serial, .. } = machines.get(**id);
                let has = [(IdentityKind::Mac, !macs.is_empty()), (IdentityKind::Uuid, uuid.is_some()), (IdentityKind::Serial, serial.is_some())];
                macs.len() < 2 && !has.iter().any(|(other, has)| *has && *other != by)
            };
            let mut help = format!(
                "take it out of the entries of machines that do not have it; {} is at {}",
                names[0],
                place(files, offsets, ids[0])
            );
            if by == IdentityKind::Mac {
                help += "; an address of an adapter that they share goes into `shared-macs`";
            }
            if let Some(lost) = ids.iter().find(has_no_other) {
                help = format!("{} has no other identity, so its entry does nothing else; {help}", name(lost));
            }
            let warning = spotted(files, offsets, ids[1], names[1].len(), message);
            self.warning(|| warning.help(help));
        }
    }

    /// Machines whose identities are no use, once for each reason: there may be a million of them.
    fn hard_to_find(
        &mut self,
        machines: &Machines,
        shared_macs: &[MacPattern],
        unknown_get_nothing: bool,
        (files, offsets): (&[(MachineIndex, PathBuf)], &[u32]),
    ) {
        if shared_macs.is_empty() && !unknown_get_nothing {
            return;
        }
        let is_shared_mac = |mac: &[u8; 6]| shared_macs.iter().any(|dock| dock.matches(mac));
        let (mut docked, mut by_serial) = (Vec::new(), Vec::new());
        for id in 0..machines.len() as MachineIndex {
            let machine = machines.get(id);
            match machine.serial {
                _ if machine.uuid.is_some() || !machine.macs.iter().all(is_shared_mac) => {}
                Some(_) if unknown_get_nothing => by_serial.push(id),
                None if !machine.macs.is_empty() => docked.push(id),
                _ => {}
            }
        }
        for (found, what, help) in [(docked, DOCKED, DOCKED_HELP), (by_serial, BY_SERIAL, BY_SERIAL_HELP)] {
            let Some((first, others)) = found.split_first() else { continue };
            let name = machines.get(*first).name;
            let more = if others.is_empty() { String::new() } else { format!(", as {} more,", others.len()) };
            let warning = spotted(files, offsets, *first, name.len(), format!("machine `{name}`{more} {what}"));
            self.warning(|| warning.help(help));
        }
    }

    /// The warnings, or everything if there is an error among it.
    fn list(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let Told { mut errors, more_errors, mut warnings, more_warnings } = self;
        if more_warnings > 0 {
            warnings.push(Diagnostic::warning(format!("and {more_warnings} more warnings about machines")));
        }
        if errors.is_empty() {
            return Ok(warnings);
        }
        if more_errors > 0 {
            errors.push(Diagnostic::error(format!("and {more_errors} more errors in descriptions of machines")));
        }
        errors.append(&mut warnings);
        Err(errors)
    }
}

const ONCE_HELP: &str =
    "name one with `boot-once-file` in its profile, or have the booted system ask for {{ done_url }}";
const DOCKED: &str = "has no identity but addresses of `shared-macs`: it is never found";
const DOCKED_HELP: &str = "give it its UUID, or an address of its own";
const BY_SERIAL: &str = "is known by its serial number alone, which firmware does not say: it is nobody to us until an iPXE runs on it, and \
                         `unknown-machine-profile` get nothing";
const BY_SERIAL_HELP: &str = "give it its MAC address or its UUID, too";
