//! The part of a site that only a reload changes.

use super::served_directories::ServedDirectories;
use crate::boot_dir::Scan;
use crate::loaders::FoundLoaders;
use crate::loaders::distribution::Distribution;
use crate::machine_files::MachineLocations;
use crate::menu_passwords::MenuPasswords;
use crate::templates::Templates;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::inventory::Inventory;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The files to boot, the templates, and what reading them has found.
#[derive(Clone, Debug)]
pub struct SiteFiles {
    /// The loaders that the search found, for the table of loaders.
    pub(super) found: FoundLoaders,
    /// The scan of the boot directory: the entries of the menu, and the skipped files.
    pub(super) scan: Scan,
    pub(super) system: Distribution,
    pub(super) directories: Arc<ServedDirectories>,
    /// The operator's programs that start a local disk.
    pub(super) local_disks: BTreeMap<Arch, PathBuf>,
    /// The number of files from which machines were read, and the time that reading took.
    pub machine_files: (usize, Duration),
    /// The machines that people wrote, without the entries and the boot orders of the running server.
    pub written: Inventory,
    pub(super) locations: Arc<MachineLocations>,
    /// Warnings about the configuration and the files to boot.
    pub warnings: Vec<Diagnostic>,
    /// The users who may start protected items of the menu.
    pub menu_passwords: Arc<MenuPasswords>,
    /// The compiled templates.
    pub templates: Arc<Templates>,
    /// Whether the configuration is an old proxy.ini.
    pub(super) legacy: bool,
    /// The names of the files that the server offers to machines.
    pub(super) offered: BTreeSet<String>,
}
