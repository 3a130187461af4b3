//! The results of a scan: menu entries, scripts by host name, skipped files.

use proxydhcpd_core::plan::offer::BootDirEntry;
use std::path::PathBuf;

/// An entry of the menu, with details for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// The entry.
    pub entry: BootDirEntry,
    /// The name of the file that contains the kernel's arguments.
    pub arguments_from: Option<String>,
    /// The path of that file if it is a `cmdline`, which may contain template expressions.
    pub cmdline: Option<PathBuf>,
    /// How to fix the entry, if it does not boot.
    pub fix: Option<String>,
}

/// A script that the machine with this host name runs before the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNameScript {
    /// The name of the script, which is at the top of the boot directory.
    pub path: String,
    /// The host name.
    pub host_name: String,
}

/// A file or a directory without an entry in the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// The path in the boot directory.
    pub path: String,
    /// Why the menu has no entry for it.
    pub reason: String,
}
