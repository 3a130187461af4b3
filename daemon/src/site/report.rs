//! Reports a site in the log: its loaders, its machines and its warnings.

use super::Site;
use crate::boot_files::image;
use crate::config::Loaded;
use crate::events::Events;
use crate::loaders::{self, LoaderRow};
use proxydhcpd_core::event::What;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;

impl Site {
    /// The table of loaders, as text.
    pub fn loader_table(&self) -> String {
        loaders::table::render(&self.loader_rows())
    }

    /// The loaders by architecture, with hints for architectures that have none.
    fn loader_rows(&self) -> Vec<LoaderRow<'_>> {
        let offer = &self.plan.offer;
        if !self.files.legacy {
            return loaders::table::rows(&offer.loaders, &self.files.found, &self.files.system);
        }
        let by_arch = offer.loaders.iter().map(|(arch, loader)| (Some(*arch), loader));
        let all = by_arch.chain(offer.default_loader.iter().map(|loader| (None, loader)));
        all.map(|(arch, loader)| LoaderRow { arch, loader: Ok(loader) }).collect()
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

    /// Records the loaders, the number of machines, and the warnings.
    pub fn record(&self, events: &Events) {
        for LoaderRow { arch, loader } in &self.loader_rows() {
            let loader = loader.as_ref().map(|loader| &**loader).map_err(String::as_str);
            events.record_host(What::Loader { arch: *arch, loader });
        }
        let (files, duration) = self.files.machine_files;
        let machines = self.plan.inventory.len();
        if machines > 0 {
            events.record_host(What::MachinesRead { machines, files, duration });
        }
        let unsigned = self.unsigned();
        if !unsigned.is_empty() {
            events.record_host(What::UnsignedLoaders(&unsigned));
        }
        events.warnings(self.files.warnings.iter().map(Diagnostic::one_line));
        events.warnings(self.menu_scan().iter().flat_map(|scan| scan.summary()));
    }
}
