//! What becomes of a file of the boot directory.

use proxydhcpd_core::plan::BootDirEntry;
use std::path::PathBuf;

/// An entry, and what is to be said of it beside what the menu needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    pub entry: BootDirEntry,
    /// The name of the file that says the arguments.
    pub arguments_from: Option<String>,
    /// That file, where expressions count.
    pub cmdline: Option<PathBuf>,
    /// What to do about an entry that does not boot as it is.
    pub fix: Option<String>,
}

/// A script that the machine of this host name runs before the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNameScript {
    /// As it lies at the top of the boot directory.
    pub path: String,
    pub host_name: String,
}

/// A file or a directory that comes to no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    pub path: String,
    pub reason: String,
}
