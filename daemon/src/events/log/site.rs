//! Lines about a site: its loaders, its machines and its warnings.

use crate::loaders::LoaderRow;
use crate::machine_files;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::Loader;
use std::time::Duration;

/// The loader for an architecture, or how to get one. The lines of all architectures form a table.
pub fn loader(arch: Option<Arch>, loader: Result<&Loader, &str>) {
    let row = LoaderRow { arch, loader: loader.map_err(str::to_owned) };
    tracing::info!("{:17}  {}", row.arch_name(), row.loader_text());
}

/// The entries of machines.
pub fn machines_read(machines: usize, files: usize, duration: Duration) {
    tracing::info!("{}", machine_files::summary(machines, files, duration));
}

/// Loaders that firmware with Secure Boot refuses.
pub fn unsigned_loaders(names: &[&str]) {
    tracing::info!("not signed, which matters only with Secure Boot: {}", names.join(", "));
}

/// A warning about the configuration or the boot directory.
pub fn warning(text: &str) {
    tracing::warn!("{text}");
}
