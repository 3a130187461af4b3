//! The files that this server sends, as far as the boot directory is here to look into: a line for a machine that could
//! not start its file must not keep the server from starting for all others.

use super::super::output::LineOutcome;
use super::config::*;
use super::decide::file_with_layer;
use crate::boot::image::{self, Image};
use crate::boot::loaders;
use crate::config::DEFAULT_BOOT_DIR;
use proxydhcpd_core::arch::Arch;
use std::path::{Path, PathBuf};

/// The boot directory.
pub fn boot_dir(config: &DnsmasqConfig) -> PathBuf {
    config.tftp.root.as_deref().unwrap_or(DEFAULT_BOOT_DIR).into()
}

/// The name as it counts from the boot directory.
pub fn relative_to_boot_dir<'a>(config: &DnsmasqConfig, name: &'a str) -> &'a str {
    let root = config.tftp.root.as_deref().unwrap_or_default();
    let below = name.strip_prefix(root).filter(|rest| !root.is_empty() && rest.starts_with('/'));
    below.unwrap_or(name).trim_start_matches('/')
}

/// Takes out the services whose file is not there, or is a program for other machines.
pub fn remove_unusable_services(config: &mut DnsmasqConfig) -> Vec<(LineId, LineOutcome)> {
    let root = boot_dir(config);
    let mut fates = Vec::new();
    if !root.is_dir() {
        return fates;
    }
    let services = std::mem::take(&mut config.services);
    for service in services {
        let unfit = match &service.action {
            ServiceAction::File(name, FileServer::ThisServer) if !name.contains("://") => {
                let name = file_with_layer(name);
                unfit(&root.join(relative_to_boot_dir(config, &name)), service.arch).map(|why| taken_out(&name, service.arch, &why))
            }
            _ => None,
        };
        match unfit {
            Some(fate) => fates.push((service.line, fate)),
            None => config.services.push(service),
        }
    }
    fates
}

fn taken_out(name: &str, arch: Arch, why: &str) -> LineOutcome {
    LineOutcome::Unsupported(format!("{name} cannot be offered for {arch}: {why}. Put the file there, and import again"))
}

/// A text is for an iPXE, whatever machine that runs on.
fn unfit(path: &Path, arch: Arch) -> Option<String> {
    let text = image::inspect(path)
        .is_ok_and(|image| matches!(image, Image::Other("a script" | "text" | "too short for a program")));
    if text { None } else { loaders::incompatibility(path, arch.base()) }
}
