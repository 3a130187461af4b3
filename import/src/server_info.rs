//! Facts about the server that will read the result. The server depends on the import, and passes them to it.

use proxydhcpd_core::arch::Arch;
use std::path::Path;

/// The defaults and the checks of the server.
#[derive(Clone, Copy, Debug)]
pub struct ServerInfo {
    /// The boot directory of a configuration without `boot-dir`.
    pub default_boot_dir: &'static str,
    /// The reason why the server cannot offer this file to machines of this architecture. `None`: the server can.
    pub loader_fault: fn(&Path, Arch) -> Option<LoaderFault>,
}

/// The reason why the server cannot offer a file as a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderFault {
    /// The reason, without a full stop.
    pub reason: String,
    /// Whether the file is a text, which iPXE runs on any architecture.
    pub is_text: bool,
}
