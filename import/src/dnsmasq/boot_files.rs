//! Checks the names of the boot files and, if the boot directory exists on this host, the files. The server refuses to
//! start with an unusable one. The import therefore omits a line with such a file, so that all other machines can still
//! boot.

use super::super::file_names::refused_loader;
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

/// The name of a file as the server's configuration has it: relative to the boot directory, or a URL.
pub fn written_name(config: &DnsmasqConfig, name: &str, server: FileServer) -> String {
    match server {
        _ if name.contains("://") => name.to_owned(),
        FileServer::Address(address) => format!("tftp://{address}/{name}"),
        FileServer::ThisServer => relative_to_boot_dir(config, name).to_owned(),
    }
}

/// Removes the settings whose file has a name that the server refuses. Returns the outcomes of their lines.
pub fn remove_refused_names(config: &mut DnsmasqConfig) -> Vec<(LineId, LineOutcome)> {
    let of_options = config.option_servers.last().map_or(FileServer::ThisServer, |(_, server)| *server);
    let refused = |name: &str, server: FileServer| match name {
        // The line names only a server.
        "" => None,
        name => refused_loader(&written_name(config, name, server)).map(LineOutcome::Unsupported),
    };
    let of_boots = config.boots.iter().map(|boot| (boot.line, refused(&boot.file, boot.server)));
    let of_options = config.option_boots.iter().map(|boot| (boot.line, refused(&boot.file, of_options)));
    let of_services = config.services.iter().map(|service| match &service.action {
        ServiceAction::File(name, server) => (service.line, refused(&file_with_layer(name), *server)),
        _ => (service.line, None),
    });
    let all = of_boots.chain(of_options).chain(of_services);
    let outcomes: Vec<_> = all.filter_map(|(line, outcome)| Some((line, outcome?))).collect();
    let is_kept = |line: LineId| outcomes.iter().all(|(refused, _)| *refused != line);
    config.boots.retain(|boot| is_kept(boot.line));
    config.option_boots.retain(|boot| is_kept(boot.line));
    config.services.retain(|service| is_kept(service.line));
    outcomes
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
