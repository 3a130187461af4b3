//! Reports a site in the log: its loaders, its machines and its warnings.

use super::Site;
use crate::boot_files::image;
use crate::config::Loaded;
use crate::events::Events;
use crate::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::event;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;

impl Site {
    /// The table of loaders, with hints for architectures that have none.
    pub fn loader_table(&self) -> String {
        if !self.files.legacy {
            return loaders::table::render(&loaders::table::rows(
                &self.plan.offer.loaders,
                &self.files.found,
                &self.files.system,
            ));
        }
        let each = |(arch, loader): (&Arch, &Loader)| format!("{:24} {}\n", arch.to_string(), loader.name);
        let default_loader =
            self.plan.offer.default_loader.iter().map(|loader| format!("{:24} {}\n", "every other", loader.name));
        self.plan.offer.loaders.iter().map(each).chain(default_loader).collect()
    }

    /// The UEFI loaders without a signature. Does not verify the signatures of other loaders: only `check` does,
    /// because it must read the whole files for that.
    fn unsigned(&self) -> Vec<&str> {
        let unsigned = |path: &str| image::is_signed(Path::new(path)).is_ok_and(|signed| signed == Some(false));
        let loaders = self.plan.offer.loaders.values().filter(|loader| loader.path.as_deref().is_some_and(unsigned));
        let mut names: Vec<_> = loaders.map(|loader| loader.name.as_str()).collect();
        // Several architectures may use the same file.
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The number of machines as text; `None` if there are none.
    pub fn machine_summary(&self) -> Option<String> {
        let count = |number, one: &str| if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") };
        let (files, duration) = self.files.machine_files;
        let machines = self.plan.inventory.len();
        (machines > 0)
            .then(|| format!("{} in {}, read in {duration:.1?}", count(machines, "machine"), count(files, "file")))
    }

    /// A hash of everything that `log` writes, to detect changes.
    pub fn report_hash(&self, loaded: &Loaded) -> u64 {
        let warnings =
            loaded.diagnostics.iter().chain(&self.files.warnings).map(Diagnostic::one_line).collect::<Vec<_>>();
        let machines = (self.plan.inventory.len(), self.files.machine_files.0);
        BuildHasherDefault::<DefaultHasher>::default().hash_one((
            self.loader_table(),
            machines,
            self.unsigned(),
            warnings,
        ))
    }

    /// Records the table of loaders, the number of machines, and the warnings.
    pub fn record(&self, events: &Events) {
        let info = |text: fmt::Arguments<'_>| events.notice(event::Severity::Info, text);
        self.loader_table().lines().for_each(|line| info(format_args!("{line}")));
        self.machine_summary().iter().for_each(|machines| info(format_args!("{machines}")));
        let unsigned = self.unsigned();
        if !unsigned.is_empty() {
            info(format_args!("not signed, which matters only with Secure Boot: {}", unsigned.join(", ")));
        }
        events.warnings(self.files.warnings.iter().map(Diagnostic::one_line));
        events.warnings(self.menu_scan().iter().flat_map(|scan| scan.summary()));
    }
}
