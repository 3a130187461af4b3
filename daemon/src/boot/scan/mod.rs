//! Looks through the boot directory for what the menu can show, and says of what it leaves out why.
//!
//! * `boot.ipxe` at its top: the operator's own script, which takes the menu's place;
//! * a kernel with its initrd, in whatever directory. A text file `cmdline` or `cmdline.txt` beside them has the kernel's
//!   arguments, on as many lines as one likes; what follows a `#` is a remark. It is a template: `{{ base }}` is our
//!   address. iPXE replaces its settings in it: `ip=${net0/ip}`. Without such a file the arguments are those of an
//!   ISOLINUX, SYSLINUX, PXELINUX or GRUB in the same tree;
//! * other `.ipxe` scripts, EFI programs, and for BIOS `.lkrn` and `memtest86+*.bin`.

mod cmdline;
mod bootloader_configs;
mod results;
mod layouts;
mod kernels;
mod file_names;
mod pairing;
mod programs;
mod walk;

pub use results::{HostNameScript, FoundEntry, SkippedFile};

use crate::files::Directory;
use kernels::KernelScanner;
use programs::ProgramScanner;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::plan::BootDirEntry;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const MOST_ENTRIES: usize = 60;
const LONGEST: Duration = Duration::from_secs(5);
/// Names of the top that are looked at for a Raspberry Pi's files.
const MOST_NAMES: usize = 10_000;

/// What a boot directory has for the menu, and what was left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// There is a script of the operator's, which takes the menu's place.
    pub own_script: bool,
    /// There are files that only a Raspberry Pi asks for.
    pub raspberry_pi: bool,
    pub found: Vec<FoundEntry>,
    pub skipped: Vec<SkippedFile>,
    pub host_name_scripts: Vec<HostNameScript>,
    /// What does not depend on the menu.
    pub warnings: Vec<String>,
}

/// Looks through the directory, and then through those that are served under names beside it. A directory that is not there
/// is an empty one.
pub fn scan<'a>(root: &'a Path, mounts: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Scan {
    let top = names_in(root);
    let mut scan = Scan { raspberry_pi: raspberry_pi(root, &top), ..Scan::default() };
    match own_script(root) {
        Ok(there) => scan.own_script = there,
        Err(why) => scan.warnings.push(format!("boot.ipxe {why}: the menu is shown in its place")),
    }
    let until = Instant::now() + LONGEST;
    let mounts: Vec<(&str, &Path)> = mounts.into_iter().collect();
    let hidden: Vec<&str> = mounts.iter().map(|(name, _)| *name).collect();
    for (served_as, root) in [("", root)].into_iter().chain(mounts) {
        let hidden = if served_as.is_empty() { &hidden[..] } else { &[] };
        let tree = walk::walk(root, served_as, hidden, until, &mut scan.skipped);
        let configs = bootloader_configs::read(&tree);
        for (directory, _) in &tree.directories {
            let (found, left_out) = (&mut scan.found, &mut scan.skipped);
            KernelScanner { tree: &tree, directory, configs: &configs, found, skipped: left_out }.scan();
            let (found, left_out, by_host_name) = (&mut scan.found, &mut scan.skipped, &mut scan.host_name_scripts);
            ProgramScanner { tree: &tree, directory, found, skipped: left_out, host_name_scripts: by_host_name }.scan();
        }
    }
    scan.bound();
    scan
}

impl Scan {
    pub fn entries(&self) -> Vec<BootDirEntry> {
        self.found.iter().map(|found| found.entry.clone()).collect()
    }

    /// How the script that is asked for by a host name is spelt: host names have no case.
    pub fn host_name_script(&self, asked: &str) -> Option<&str> {
        let mut paths = self.host_name_scripts.iter().map(|script| &script.path[..]);
        paths.find(|path| path.eq_ignore_ascii_case(asked))
    }

    /// What does not boot, and what was left out, in a line each; all of it is for `check`.
    pub fn summary(&self) -> Vec<String> {
        const MOST: usize = 3;
        let line = |what: &str, all: Vec<String>| {
            let (shown, more) = all.split_at(all.len().min(MOST));
            let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
            let line = format!("{what}: {}{more}; `proxydhcpd check` tells all of it", shown.join("; "));
            (!all.is_empty()).then_some(line)
        };
        let entries = self.found.iter().map(|found| &found.entry);
        let lacking = entries.filter_map(|entry| Some(format!("{}: {}", entry.title, entry.problem.as_ref()?)));
        let left_out = self.skipped.iter().map(|left| format!("{}: {}", left.path, left.reason));
        let lines = [
            line("entries of the menu do not boot as they are", lacking.collect()),
            line("left out of the menu", left_out.collect()),
        ];
        lines.into_iter().flatten().collect()
    }

    /// A menu that nobody could read is cut; what lies near the top is kept.
    fn bound(&mut self) {
        let more = self.found.split_off(self.found.len().min(MOST_ENTRIES));
        let why = format!("the menu has {MOST_ENTRIES} entries without it, and shows no more");
        self.skipped.extend(more.into_iter().map(|found| SkippedFile { path: found.entry.title, reason: why.clone() }));
        self.found.sort_by(|one, other| file_names::natural_order(&one.entry.title, &other.entry.title));
        self.skipped.sort_by(|one, other| file_names::natural_order(&one.path, &other.path));
    }
}

/// Whether there is a script of the operator's; an error is why it cannot be sent. Every machine would be led to it.
fn own_script(root: &Path) -> Result<bool, &'static str> {
    let link = || root.join("boot.ipxe").is_symlink();
    match Directory::from_path(root, false).map(|directory| directory.open("boot.ipxe")) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(Refusal::NotFound)) | Err(_) if !link() => Ok(false),
        Ok(Err(_)) if link() => Err("is a link to nothing, or out of the boot directory"),
        _ => Err("is no file that this server may read"),
    }
}

/// What the boot ROM of a Raspberry Pi asks for, in a directory of its serial number's name or at the top.
fn raspberry_pi(root: &Path, top: &[String]) -> bool {
    let is_serial = |name: &str| name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_for_pi = |name: &String| {
        ["bootcode.bin", "config.txt"].contains(&&name[..]) || (name.starts_with("start") && name.ends_with(".elf"))
    };
    top.iter().any(is_for_pi)
        || top.iter().filter(|name| is_serial(name)).any(|serial| names_in(&root.join(serial)).iter().any(is_for_pi))
}

fn names_in(directory: &Path) -> Vec<String> {
    let content = fs::read_dir(directory).into_iter().flatten().flatten();
    content.take(MOST_NAMES).filter_map(|item| item.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests;
