//! Checks the boot files if the boot directory exists on this host. The server refuses to start with an unusable file.
//! The import therefore omits a line with such a file, so that all other machines can still boot.

use super::super::output::LineOutcome;
use super::super::server_info::ServerInfo;
use super::config::*;
use super::decide::file_with_layer;
use proxydhcpd_core::arch::Arch;
use std::path::PathBuf;

/// The boot directory of the configuration, or that of a server without a setting.
pub fn boot_dir(config: &DnsmasqConfig, server: &ServerInfo) -> PathBuf {
    config.tftp.root.as_deref().unwrap_or(server.default_boot_dir).into()
}

/// The name of a file, relative to the boot directory.
pub fn relative_to_boot_dir<'a>(config: &DnsmasqConfig, name: &'a str) -> &'a str {
    let root = config.tftp.root.as_deref().unwrap_or_default();
    let below = name.strip_prefix(root).filter(|rest| !root.is_empty() && rest.starts_with('/'));
    below.unwrap_or(name).trim_start_matches('/')
}

/// Removes the services whose file is missing or is a program for another architecture. A text is always allowed.
/// Returns the outcomes of their lines.
pub fn remove_unusable_services(config: &mut DnsmasqConfig, server: &ServerInfo) -> Vec<(LineId, LineOutcome)> {
    let root = boot_dir(config, server);
    let mut outcomes = Vec::new();
    if !root.is_dir() {
        return outcomes;
    }
    let services = std::mem::take(&mut config.services);
    for service in services {
        let unfit = match &service.action {
            ServiceAction::File(name, FileServer::ThisServer) if !name.contains("://") => {
                let name = file_with_layer(name);
                (server.loader_fault)(&root.join(relative_to_boot_dir(config, &name)), service.arch.base())
                    .filter(|fault| !fault.is_text)
                    .map(|fault| unfit_outcome(&name, service.arch, &fault.reason))
            }
            _ => None,
        };
        match unfit {
            Some(outcome) => outcomes.push((service.line, outcome)),
            None => config.services.push(service),
        }
    }
    outcomes
}

fn unfit_outcome(name: &str, arch: Arch, reason: &str) -> LineOutcome {
    LineOutcome::Unsupported(format!("{name} cannot be offered for {arch}: {reason}. Add the file, and import again"))
}
