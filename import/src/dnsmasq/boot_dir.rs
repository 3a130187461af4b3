//! Finds the boot directory of the files that the lines name. Without `tftp-root`, dnsmasq resolves every name from the
//! root of the file system, with or without a leading `/`. In `proxydhcpd.toml`, names are relative to the boot
//! directory.

use super::super::host_info::HostInfo;
use super::super::output::LineOutcome;
use super::super::server_info::ServerInfo;
use super::config::*;
use super::decide::file_with_layer;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The result of the search for the boot directory.
#[derive(Debug, Default)]
pub struct BootDirReport {
    /// The outcomes of lines that the search determines.
    pub outcomes: Vec<(LineId, LineOutcome)>,
    /// Things to do before the server starts.
    pub action_items: Vec<String>,
    /// The files that another TFTP server sends from a directory that the import does not know.
    missing: Vec<(LineId, String)>,
}

/// Sets the boot directory if it follows from the file names or from this host. Otherwise, the report says what to do.
pub fn resolve(config: &mut DnsmasqConfig, host: &HostInfo) -> BootDirReport {
    let mut report = BootDirReport::default();
    let tftp = &config.tftp;
    if let (true, Some(line)) = (tftp.single_port, tftp.port_range_line) {
        let reason = "with tftp-single-port it has no effect, as in dnsmasq";
        report.outcomes.push((line, LineOutcome::Unneeded(reason.into())));
    }
    let local_files: Vec<(LineId, String)> = local_files(config).collect();
    match (tftp.enabled, &tftp.root) {
        (Some(line), None) => use_common_directory(config, line, &local_files, &mut report.outcomes),
        (None, _) if !local_files.is_empty() => match use_dir_of_other_server(config, &local_files, host) {
            Some(action) => report.action_items.push(action),
            None => report.missing = local_files,
        },
        _ => {}
    }
    report
}

/// If dnsmasq has no `tftp-root`, sets the boot directory to the common directory of all absolute names.
fn use_common_directory(
    config: &mut DnsmasqConfig,
    line: LineId,
    local_files: &[(LineId, String)],
    outcomes: &mut Vec<(LineId, LineOutcome)>,
) {
    let absolute = local_files.iter().filter(|(_, name)| name.starts_with('/'));
    let directory = absolute.map(|(_, name)| parent_dir(name)).reduce(common_parent);
    let directory = directory.filter(|directory| !directory.is_empty()).map(str::to_owned);
    for (line, name) in local_files.iter().filter(|(_, name)| directory.is_none() || !name.starts_with('/')) {
        let without_slash = name.trim_start_matches('/');
        let reason =
            format!("without tftp-root this was /{without_slash}; here it is {without_slash} in the boot directory");
        outcomes.push((*line, LineOutcome::Changed(reason)));
    }
    if let Some(directory) = directory {
        let reason = format!(
            "without tftp-root dnsmasq served every file of this host; the files that it names are in {directory}"
        );
        outcomes.push((line, LineOutcome::Unneeded(reason)));
        config.tftp.root = Some(directory);
    }
}

/// If dnsmasq has no `enable-tftp`, another TFTP server of this host sends the files. Sets the boot directory to the
/// directory of that server, and returns what to do. `None`: no known directory contains any of the files.
fn use_dir_of_other_server(
    config: &mut DnsmasqConfig,
    local_files: &[(LineId, String)],
    host: &HostInfo,
) -> Option<String> {
    let server = config.source_server();
    let has = |directory: &&PathBuf| {
        local_files
            .iter()
            .any(|(_, name)| directory.join(without_slash(name)).is_file() || Path::new(name).starts_with(directory))
    };
    let directories = host.tftp_dirs.iter();
    config.tftp.root = directories.clone().find(has).map(|directory| directory.display().to_string());
    let directory = config.tftp.root.as_ref()?;
    Some(format!(
        "{server} sent no files: another TFTP server of this host sends them from {directory}, which is now the boot \
         directory. Stop that server (tftpd-hpa: systemctl disable --now tftpd-hpa), because proxydhcpd sends them"
    ))
}

fn without_slash(name: &str) -> &str {
    name.trim_start_matches('/')
}

impl BootDirReport {
    /// A note on the files whose directory is not known, if the `used` lines send any of them to a machine.
    pub fn missing_files(&self, old: &str, new: &ServerInfo, used: &BTreeSet<LineId>) -> Option<String> {
        let local_files = self.missing.iter().filter(|(line, _)| used.contains(line));
        let files: BTreeSet<&str> = local_files.map(|(_, name)| without_slash(name)).collect();
        if files.is_empty() {
            return None;
        }
        let files = files.into_iter().collect::<Vec<_>>().join(", ");
        Some(format!(
            "{old} sent no files, so another TFTP server of that host did. Set `boot-dir` to its directory (in \
             Debian TFTP_DIRECTORY in /etc/default/tftpd-hpa), or put these files into {}: {files}. \
             Then stop that server, because proxydhcpd sends them",
            new.default_boot_dir
        ))
    }
}

/// The files that this server must send, each with the line that names it.
fn local_files(config: &DnsmasqConfig) -> impl Iterator<Item = (LineId, String)> {
    let of_options = config.option_servers.last().map_or(FileServer::ThisServer, |(_, server)| *server);
    let options = config.option_boots.iter().map(move |boot| (boot.line, boot.file.clone(), of_options));
    let boots = config.boots.iter().map(|boot| (boot.line, boot.file.clone(), boot.server)).chain(options);
    let services = config.services.iter().filter_map(|service| match &service.action {
        ServiceAction::File(name, server) if !name.is_empty() => Some((service.line, file_with_layer(name), *server)),
        _ => None,
    });
    let local_files =
        boots.chain(services).filter(|(_, name, server)| *server == FileServer::ThisServer && !name.contains("://"));
    local_files.map(|(line, name, _)| (line, name)).filter(|(_, name)| !name.is_empty())
}

fn parent_dir(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The deepest directory that contains both paths.
fn common_parent<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    let length: usize = same.map(|(part, _)| part.len() + 1).sum();
    &one[..length.saturating_sub(1)]
}
