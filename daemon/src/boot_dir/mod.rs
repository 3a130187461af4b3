//! Scans the boot directory for the entries of the menu, and gives a reason for each file that it skips.
//!
//! * `boot.ipxe` at the top: the operator's script, which replaces the menu;
//! * a kernel with its initrd, in any directory. A text file `cmdline` or `cmdline.txt` in the same directory contains
//!   the kernel's arguments, on any number of lines; `#` begins a comment. The file is a template: `{{ base }}` is the
//!   server's URL. iPXE expands its settings in the arguments: `ip=${net0/ip}`. Without such a file, the arguments are
//!   those in a configuration of ISOLINUX, SYSLINUX, PXELINUX or GRUB in the same tree;
//! * other `.ipxe` scripts, EFI programs, and for BIOS `.lkrn` and `memtest86+*.bin`.

mod bootloader_configs;
mod cmdline;
mod file_names;
mod kernels;
mod layouts;
mod pairing;
mod programs;
mod results;
mod walk;

pub use results::{FoundEntry, HostNameScript, SkippedFile};

use crate::files::Directory;
use kernels::KernelScanner;
use programs::ProgramScanner;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::plan::offer::BootDirEntry;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The maximum number of entries in the menu.
const MAX_ENTRIES: usize = 60;
/// The time limit of a scan.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The maximum number of names in a directory that are examined to find the files of firmware with a dialect.
const MAX_NAMES: usize = 10_000;

/// The result of a scan: the entries of the menu, and the skipped files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Whether the operator's `boot.ipxe` exists, which replaces the menu.
    pub has_boot_script: bool,
    /// The dialects whose firmware finds the files that only it requests.
    pub dialects: Vec<&'static Dialect>,
    /// The entries of the menu.
    pub found: Vec<FoundEntry>,
    /// The files and directories that are not in the menu.
    pub skipped: Vec<SkippedFile>,
    /// Scripts that machines with a certain host name run before the menu.
    pub host_name_scripts: Vec<HostNameScript>,
    /// Warnings that do not concern the menu.
    pub warnings: Vec<String>,
}

/// Scans the boot directory, and then the directories that are served under a name as if they were in it (`mounts`). A
/// missing directory counts as empty.
pub fn scan<'a>(root: &'a Path, mounts: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Scan {
    let top = names_in(root);
    let dialects = Dialect::all().filter(|dialect| has_boot_files(dialect, root, &top)).collect();
    let mut scan = Scan { dialects, ..Scan::default() };
    match has_boot_script(root) {
        Ok(exists) => scan.has_boot_script = exists,
        Err(reason) => scan.warnings.push(format!("boot.ipxe {reason}: showing the menu instead")),
    }
    let until = Instant::now() + TIME_LIMIT;
    let mounts: Vec<(&str, &Path)> = mounts.into_iter().collect();
    let hidden: Vec<&str> = mounts.iter().map(|(name, _)| *name).collect();
    for (served_as, root) in [("", root)].into_iter().chain(mounts) {
        let hidden = if served_as.is_empty() { &hidden[..] } else { &[] };
        let tree = walk::walk(root, served_as, hidden, until, &mut scan.skipped);
        let configs = bootloader_configs::read(&tree);
        for (directory, _) in &tree.directories {
            let (found, skipped) = (&mut scan.found, &mut scan.skipped);
            KernelScanner { tree: &tree, directory, configs: &configs, found, skipped }.scan();
            let (found, skipped, host_name_scripts) = (&mut scan.found, &mut scan.skipped, &mut scan.host_name_scripts);
            ProgramScanner { tree: &tree, directory, found, skipped, host_name_scripts }.scan();
        }
    }
    scan.shorten();
    scan
}

impl Scan {
    /// The entries of the menu.
    pub fn entries(&self) -> Vec<BootDirEntry> {
        self.found.iter().map(|found| found.entry.clone()).collect()
    }

    /// The path of the script that a machine requests by its host name; `None` if there is no such script. Upper and
    /// lower case are equal in host names.
    pub fn host_name_script(&self, name: &str) -> Option<&str> {
        let mut paths = self.host_name_scripts.iter().map(|script| &script.path[..]);
        paths.find(|path| path.eq_ignore_ascii_case(name))
    }

    /// Returns a line about the entries that cannot boot, and a line about the skipped files. Both lines are shortened;
    /// `check` lists all entries and files.
    pub fn summary(&self) -> Vec<String> {
        const MAX_SHOWN: usize = 3;
        let line = |what: &str, all: Vec<String>| {
            let (shown, more) = all.split_at(all.len().min(MAX_SHOWN));
            let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
            let line = format!("{what}: {}{more}; `proxydhcpd check` lists all", shown.join("; "));
            (!all.is_empty()).then_some(line)
        };
        let entries = self.found.iter().map(|found| &found.entry);
        let unbootable = entries.filter_map(|entry| Some(format!("{}: {}", entry.title, entry.problem.as_ref()?)));
        let skipped = self.skipped.iter().map(|skipped| format!("{}: {}", skipped.path, skipped.reason));
        let lines =
            [line("menu entries that cannot boot", unbootable.collect()), line("not in the menu", skipped.collect())];
        lines.into_iter().flatten().collect()
    }

    /// Shortens a menu that is too long to read. Keeps the entries near the top of the tree.
    fn shorten(&mut self) {
        let more = self.found.split_off(self.found.len().min(MAX_ENTRIES));
        let reason = format!("the menu is full: it has at most {MAX_ENTRIES} entries");
        self.skipped
            .extend(more.into_iter().map(|found| SkippedFile { path: found.entry.title, reason: reason.clone() }));
        self.found.sort_by(|one, other| file_names::natural_order(&one.entry.title, &other.entry.title));
        self.skipped.sort_by(|one, other| file_names::natural_order(&one.path, &other.path));
    }
}

/// Whether the operator's script exists. The error is the reason why the server cannot send it, since every machine
/// would request the script first.
fn has_boot_script(root: &Path) -> Result<bool, &'static str> {
    let is_link = || root.join("boot.ipxe").is_symlink();
    match Directory::from_path(root, false).map(|directory| directory.open("boot.ipxe")) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(Refusal::NotFound)) | Err(_) if !is_link() => Ok(false),
        Ok(Err(_)) if is_link() => Err("is a dangling link, or leads out of the boot directory"),
        _ => Err("is not a regular file that this server may read"),
    }
}

/// Whether the firmware with this dialect finds its files, at the top or in the directory of a machine.
fn has_boot_files(dialect: &Dialect, root: &Path, top: &[String]) -> bool {
    let has_boot_file = |names: &[String]| names.iter().any(|name| (dialect.is_boot_file)(name));
    let mut directories = top.iter().filter(|name| (dialect.is_machine_directory)(name));
    has_boot_file(top) || directories.any(|directory| has_boot_file(&names_in(&root.join(directory))))
}

fn names_in(directory: &Path) -> Vec<String> {
    let content = fs::read_dir(directory).into_iter().flatten().flatten();
    content.take(MAX_NAMES).filter_map(|item| item.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests;
