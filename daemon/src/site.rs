//! The site: the plan, and the files that the server offers. A reload replaces the site as a whole.

mod boot_dir_menu;
mod build;
mod config_errors;
mod file_notes;
mod files;
pub mod interfaces;
mod lint_loader_urls;
mod lint_loaders;
mod lint_menu;
mod lint_rules;
mod missing_loader;
pub mod offered_files;
mod open;
mod profiles;
mod removed_machines;
mod report;
mod resolve;
mod served_directories;
#[cfg(test)]
pub mod tests;

pub use config_errors::{load, with_file_errors};
pub use files::SiteFiles;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::TftpServer;
use std::path::Path;
use std::sync::Arc;

/// The plan, and the files that a reload replaces. A clone shares both; only the offer of the plan is copied when it
/// changes.
#[derive(Clone, Debug)]
pub struct Site {
    /// The plan, by which the server decides about clients.
    pub plan: Plan,
    /// Everything that only a reload changes.
    pub files: Arc<SiteFiles>,
    /// The ports that are open.
    open: OpenPorts,
}

/// The open ports, on which the content of an offer depends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenPorts {
    /// Whether the port for TFTP over IPv4 is open.
    pub tftp: bool,
    /// Whether the port for TFTP over IPv6 is open.
    pub tftp6: bool,
    /// The port for HTTP, if one is open.
    pub http: Option<u16>,
    /// The port for syslog, if one is open.
    pub syslog: Option<u16>,
    /// Whether UDP port 4011 of the boot server is open (IPv4).
    pub boot_server: bool,
    /// Whether UDP port 4011 of the boot server is open (IPv6).
    pub boot_server6: bool,
    /// Whether relayed requests can arrive (IPv4).
    pub relays: bool,
    /// Whether relayed requests can arrive (IPv6).
    pub relays6: bool,
}

/// The UDP port to which iPXE sends its lines of syslog.
const SYSLOG_OF_IPXE: u16 = 514;

impl Site {
    /// Restricts the offers to the services whose ports are open.
    pub fn set_open_ports(&mut self, open: OpenPorts) {
        self.open = open;
        let offer = self.plan.offer_mut();
        offer.http = open.http;
        offer.receives_syslog_of_ipxe = open.syslog == Some(SYSLOG_OF_IPXE);
        offer.boot_server = open.boot_server;
        offer.ignores_relays = !open.relays;
        offer.dhcp6.boot_server = open.boot_server6;
        offer.dhcp6.ignores_relays = !open.relays6;
        // An old proxy.ini names the TFTP server itself, so the plan already has it.
        if !self.files.legacy {
            offer.tftp = open.tftp.then_some(TftpServer::Local);
            offer.dhcp6.tftp = open.tftp6;
        }
    }

    /// Whether the configuration is an old proxy.ini, which has no machines.
    pub fn is_legacy(&self) -> bool {
        self.files.legacy
    }

    /// The file and the line of the entry of this name that a person wrote; `None` if there is none. Reads the file.
    pub fn location_of(&self, name: &str) -> Option<String> {
        let position = self.files.written.iter().position(|machine| machine.name == name)?;
        Some(self.files.locations.text(position))
    }

    /// Whether a text that the server renders has the URL for reports, and so needs tokens.
    pub fn uses_report_url(&self) -> bool {
        self.files.templates.mention("report_url")
    }

    /// The path of the boot directory.
    pub fn boot_dir(&self) -> &Path {
        self.files.directories.boot_dir()
    }

    /// The directories that are served under a name, each with this name.
    pub fn mounts(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.directories.mounts()
    }
}
