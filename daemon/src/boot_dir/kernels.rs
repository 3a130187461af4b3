//! Finds kernels with their initrds and their arguments.

use super::bootloader_configs::BootloaderConfig;
use super::file_names::{self, ParsedName};
use super::layouts::{self, BootProblem, FoundKernel};
use super::results::{FoundEntry, SkippedFile};
use super::walk::{Tree, join};
use super::{bootloader_configs, cmdline, pairing};
use crate::boot_files::image;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::plan::offer::{BootDirEntry, EntryTarget};
use std::fs::File;

/// The scan of one directory for kernels.
pub struct KernelScanner<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The directory in the tree.
    pub directory: &'a str,
    /// The bootloader configurations of the tree.
    pub configs: &'a [BootloaderConfig],
    /// The entries of the menu so far.
    pub found: &'a mut Vec<FoundEntry>,
    /// The skipped files so far.
    pub skipped: &'a mut Vec<SkippedFile>,
}

/// A kernel's arguments, and the file from which they were read.
#[derive(Default)]
struct Arguments {
    arguments: String,
    from: Option<String>,
    cmdline: bool,
}

impl KernelScanner<'_> {
    /// Adds an entry for each kernel that has an initrd.
    pub fn scan(&mut self) {
        let files = self.tree.files(self.directory);
        // Firmware with a dialect requests the files of this directory by name. iPXE cannot start the kernel in it.
        if Dialect::all().any(|dialect| files.iter().any(|file| (dialect.is_own_file)(file))) {
            return;
        }
        let named: Vec<ParsedName> = files.iter().filter_map(|file| file_names::kernel_name(file)).collect();
        let kernels: Vec<(ParsedName, Arch)> = named.into_iter().filter_map(|kernel| self.kernel(kernel)).collect();
        let initrds: Vec<ParsedName> = files.iter().filter_map(|file| file_names::initrd_name(file)).collect();
        let initrds: Vec<ParsedName> = initrds.into_iter().filter(|initrd| self.is_readable(&initrd.name)).collect();
        if kernels.is_empty() {
            if let Some(initrd) = initrds.first() {
                self.skip(&initrd.name, "an initrd without a kernel in its directory");
            }
            return;
        }
        let microcode = files.iter().filter(|file| file_names::is_microcode(file));
        let microcode: Vec<&str> = microcode.map(String::as_str).filter(|file| self.is_readable(file)).collect();
        let names: Vec<ParsedName> = kernels.iter().map(|(kernel, _)| kernel.clone()).collect();
        for (kernel, arch) in &kernels {
            let matching = pairing::initrds_of(kernel, &names, &initrds);
            if matching.is_empty() {
                let others = if initrds.is_empty() { "" } else { "; the initrds in its directory belong to others" };
                self.skip(&kernel.name, &format!("a kernel without a matching initrd{others}"));
                continue;
            }
            let initrds: Vec<&str> = microcode.iter().copied().chain(matching).collect();
            self.entry(&kernel.name, *arch, &initrds, kernels.len() == 1);
        }
    }

    fn entry(&mut self, name: &str, arch: Arch, initrds: &[&str], is_only_kernel: bool) {
        let kernel = FoundKernel { tree: self.tree, directory: self.directory, name, initrds };
        let (chosen, problem) = match self.choose_arguments(&kernel) {
            Ok(chosen) => {
                let problem = layouts::boot_problem(&kernel, &chosen.arguments);
                (chosen, problem)
            }
            Err((from, reason)) => {
                let fix = format!("correct {from}");
                (
                    Arguments { from: Some(from), ..Arguments::default() },
                    Some(BootProblem { reason: format!("its arguments: {reason}"), fix }),
                )
            }
        };
        let served = |name: &str| self.tree.served_name(&join(self.directory, name));
        let directory = self.tree.served_name(self.directory);
        let title = if is_only_kernel && !directory.is_empty() { directory } else { served(name) };
        let initrds = initrds.iter().map(|name| served(name)).collect();
        let (problem, fix) = problem.map(|problem| (problem.reason, problem.fix)).unzip();
        let cmdline = chosen.from.as_ref().filter(|_| chosen.cmdline).map(|path| self.tree.path(path));
        self.found.push(FoundEntry {
            entry: BootDirEntry {
                title,
                target: EntryTarget::Linux { kernel: served(name), initrds, arguments: chosen.arguments, arch },
                problem,
            },
            arguments_from: chosen.from.map(|path| self.tree.served_name(&path)),
            cmdline,
            fix,
        });
    }

    /// Returns the arguments in the file `cmdline`, if it exists. Otherwise returns the first arguments from the
    /// bootloader configurations with which the kernel boots, or just the first if no problem-free arguments exist. The
    /// error is the path of an invalid `cmdline`, and the reason.
    fn choose_arguments(&self, kernel: &FoundKernel<'_>) -> Result<Arguments, (String, String)> {
        match cmdline::read(self.tree, self.directory) {
            Some((from, Ok(arguments))) => return Ok(Arguments { arguments, from: Some(from), cmdline: true }),
            Some((from, Err(reason))) => return Err((self.tree.served_name(&from), reason)),
            None => {}
        }
        let candidates = bootloader_configs::arguments_for(self.configs, &join(self.directory, kernel.name));
        let boots = candidates.iter().find(|(arguments, _)| layouts::boot_problem(kernel, arguments).is_none());
        let chosen = boots.or(candidates.first());
        Ok(chosen.map_or_else(Arguments::default, |(arguments, from)| Arguments {
            arguments: arguments.clone(),
            from: Some((*from).to_owned()),
            cmdline: false,
        }))
    }

    /// Checks a file with the name of a kernel. Returns it with its architecture, or `None` if the file is no kernel or
    /// cannot be read: in Ubuntu, only root can read the kernels.
    fn kernel(&mut self, named: ParsedName) -> Option<(ParsedName, Arch)> {
        match image::head(&self.tree.path(&join(self.directory, &named.name))) {
            Ok((head, _)) => match image::kernel_arch(&head) {
                Some(arch) => Some((named, arch)),
                None if file_names::is_certain_kernel_name(&named.name) => {
                    self.skip(&named.name, "it has the name of a kernel, but iPXE cannot start it");
                    None
                }
                None => None,
            },
            Err(error) => {
                self.skip(&named.name, &error.to_string());
                None
            }
        }
    }

    fn is_readable(&mut self, name: &str) -> bool {
        match File::open(self.tree.path(&join(self.directory, name))) {
            Ok(_) => true,
            Err(error) => {
                self.skip(name, &error.to_string());
                false
            }
        }
    }

    fn skip(&mut self, name: &str, reason: &str) {
        let path = self.tree.served_name(&join(self.directory, name));
        self.skipped.push(SkippedFile { path, reason: reason.to_owned() });
    }
}
