//! Checks the boot files if the boot directory exists on this host. The server refuses to start with an unusable file.
//! The import therefore omits a line with such a file, so that all other machines can still boot.

use super::super::output::LineOutcome;
use super::config::*;
use super::decide::file_with_layer;
use crate::boot_files::image::{self, Image};
use crate::loaders;
use crate::settings::DEFAULT_BOOT_DIR;
use proxydhcpd_core::arch::Arch;
use std::path::{Path, PathBuf};

/// The boot directory of the configuration, or the default one.
pub fn boot_dir(config: &DnsmasqConfig) -> PathBuf {
    config.tftp.root.as_deref().unwrap_or(DEFAULT_BOOT_DIR).into()
}

/// The name of a file, relative to the boot directory.
pub fn relative_to_boot_dir<'a>(config: &DnsmasqConfig, name: &'a str) -> &'a str {
    let root = config.tftp.root.as_deref().unwrap_or_default();
    let below = name.strip_prefix(root).filter(|rest| !root.is_empty() && rest.starts_with('/'));
    below.unwrap_or(name).trim_start_matches('/')
}

/// Removes the services whose file is missing or is a program for another architecture. Returns the outcomes of their
/// lines.
pub fn remove_unusable_services(config: &mut DnsmasqConfig) -> Vec<(LineId, LineOutcome)> {
    let root = boot_dir(config);
    let mut outcomes = Vec::new();
    if !root.is_dir() {
        return outcomes;
    }
    let services = std::mem::take(&mut config.services);
    for service in services {
        let unfit = match &service.action {
            ServiceAction::File(name, FileServer::ThisServer) if !name.contains("://") => {
                let name = file_with_layer(name);
                unfit(&root.join(relative_to_boot_dir(config, &name)), service.arch)
                    .map(|reason| unfit_outcome(&name, service.arch, &reason))
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

/// The reason why the server cannot offer the file. `None`: the server can. A text is always allowed, because iPXE runs
/// it on any architecture.
fn unfit(path: &Path, arch: Arch) -> Option<String> {
    let is_text = image::inspect(path)
        .is_ok_and(|image| matches!(image, Image::Other("a script" | "text" | "too short for a program")));
    if is_text { None } else { loaders::incompatibility(path, arch.base()) }
}
