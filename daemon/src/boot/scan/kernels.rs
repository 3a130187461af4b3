//! Kernels with their initrds and what they are told.

use super::bootloader_configs::BootloaderConfig;
use super::results::{FoundEntry, SkippedFile};
use super::layouts::{self, FoundKernel, BootProblem};
use super::file_names::{self, ParsedName};
use super::walk::{Tree, join};
use super::{cmdline, bootloader_configs, pairing};
use crate::boot::image;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::{BootDirEntry, EntryTarget};
use std::fs::File;

/// One directory.
pub struct KernelScanner<'a> {
    pub tree: &'a Tree,
    pub directory: &'a str,
    pub configs: &'a [BootloaderConfig],
    pub found: &'a mut Vec<FoundEntry>,
    pub skipped: &'a mut Vec<SkippedFile>,
}

/// What a kernel is told, and by which file.
#[derive(Default)]
struct Given {
    arguments: String,
    from: Option<String>,
    cmdline: bool,
}

impl KernelScanner<'_> {
    pub fn scan(&mut self) {
        let files = self.tree.files(self.directory);
        let is_pi = |file: &String| file == "bootcode.bin" || (file.starts_with("start") && file.ends_with(".elf"));
        // The boot ROM of a Raspberry Pi asks for these by their names; its kernel is none for iPXE.
        if files.iter().any(is_pi) {
            return;
        }
        let named: Vec<ParsedName> = files.iter().filter_map(|file| file_names::kernel_name(file)).collect();
        let kernels: Vec<(ParsedName, Arch)> = named.into_iter().filter_map(|kernel| self.kernel(kernel)).collect();
        let initrds: Vec<ParsedName> = files.iter().filter_map(|file| file_names::initrd_name(file)).collect();
        let initrds: Vec<ParsedName> = initrds.into_iter().filter(|initrd| self.is_readable(&initrd.name)).collect();
        if kernels.is_empty() {
            if let Some(initrd) = initrds.first() {
                self.leave_out(&initrd.name, "an initrd without a kernel beside it");
            }
            return;
        }
        let microcode = files.iter().filter(|file| file_names::is_microcode(file));
        let microcode: Vec<&str> = microcode.map(String::as_str).filter(|file| self.is_readable(file)).collect();
        let names: Vec<ParsedName> = kernels.iter().map(|(kernel, _)| kernel.clone()).collect();
        for (kernel, arch) in &kernels {
            let own = pairing::initrds_of(kernel, &names, &initrds);
            if own.is_empty() {
                let others = if initrds.is_empty() { "" } else { "; those beside it are another's" };
                self.leave_out(
                    &kernel.name,
                    &format!("a kernel without an initrd that is known to be its own{others}"),
                );
                continue;
            }
            let initrds: Vec<&str> = microcode.iter().copied().chain(own).collect();
            self.entry(&kernel.name, *arch, &initrds, kernels.len() == 1);
        }
    }

    fn entry(&mut self, name: &str, arch: Arch, initrds: &[&str], alone: bool) {
        let kernel = FoundKernel { tree: self.tree, directory: self.directory, name, initrds };
        let (given, lack) = match self.given(&kernel) {
            Ok(given) => {
                let lack = layouts::boot_problem(&kernel, &given.arguments);
                (given, lack)
            }
            Err((from, why)) => {
                let cure = format!("mend {from}");
                (
                    Given { from: Some(from), ..Given::default() },
                    Some(BootProblem { reason: format!("its arguments: {why}"), fix: cure }),
                )
            }
        };
        let served = |name: &str| self.tree.served_name(&join(self.directory, name));
        let directory = self.tree.served_name(self.directory);
        let title = if alone && !directory.is_empty() { directory } else { served(name) };
        let initrds = initrds.iter().map(|name| served(name)).collect();
        let (lacks, cure) = lack.map(|lack| (lack.reason, lack.fix)).unzip();
        let cmdline = given.from.as_ref().filter(|_| given.cmdline).map(|path| self.tree.path(path));
        self.found.push(FoundEntry {
            entry: BootDirEntry {
                title,
                target: EntryTarget::Linux { kernel: served(name), initrds, arguments: given.arguments, arch },
                problem: lacks,
            },
            arguments_from: given.from.map(|path| self.tree.served_name(&path)),
            cmdline,
            fix: cure,
        });
    }

    /// The file `cmdline` goes before the configurations of other loaders; of what those say the first that boots.
    fn given(&self, kernel: &FoundKernel<'_>) -> Result<Given, (String, String)> {
        match cmdline::read(self.tree, self.directory) {
            Some((from, Ok(arguments))) => return Ok(Given { arguments, from: Some(from), cmdline: true }),
            Some((from, Err(why))) => return Err((self.tree.served_name(&from), why)),
            None => {}
        }
        let said = bootloader_configs::arguments_for(self.configs, &join(self.directory, kernel.name));
        let boots = said.iter().find(|(arguments, _)| layouts::boot_problem(kernel, arguments).is_none());
        let given = boots.or(said.first());
        Ok(given.map_or_else(Given::default, |(arguments, from)| Given {
            arguments: arguments.clone(),
            from: Some((*from).to_owned()),
            cmdline: false,
        }))
    }

    /// A file that goes by a kernel's name, if it is one and can be sent: Ubuntu gives its kernels to root alone.
    fn kernel(&mut self, named: ParsedName) -> Option<(ParsedName, Arch)> {
        match image::head(&self.tree.path(&join(self.directory, &named.name))) {
            Ok((head, _)) => match image::kernel_arch(&head) {
                Some(arch) => Some((named, arch)),
                None if file_names::is_certain_kernel_name(&named.name) => {
                    self.leave_out(&named.name, "it goes by a kernel's name, and is none that iPXE could start");
                    None
                }
                None => None,
            },
            Err(error) => {
                self.leave_out(&named.name, &error.to_string());
                None
            }
        }
    }

    fn is_readable(&mut self, name: &str) -> bool {
        match File::open(self.tree.path(&join(self.directory, name))) {
            Ok(_) => true,
            Err(error) => {
                self.leave_out(name, &error.to_string());
                false
            }
        }
    }

    fn leave_out(&mut self, name: &str, why: &str) {
        let path = self.tree.served_name(&join(self.directory, name));
        self.skipped.push(SkippedFile { path, reason: why.to_owned() });
    }
}
