//! Where the files lie that the lines name. Without `tftp-root` dnsmasq takes every name from the root of the file
//! system, with its `/` or without; here names count from the boot directory.

use super::super::host_info::HostInfo;
use super::super::output::LineOutcome;
use super::config::*;
use super::decide::file_with_layer;
use crate::config::DEFAULT_BOOT_DIR;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What became of the lines, and what the operator has to do before the server starts.
#[derive(Debug, Default)]
pub struct BootDirReport {
    pub outcomes: Vec<(LineId, LineOutcome)>,
    pub action_items: Vec<String>,
    /// The files of another server, whose directory is not known.
    missing: Vec<(LineId, String)>,
}

/// Gives the configuration a directory where its names or this machine show which was meant, and says what is to be done
/// where they do not.
pub fn resolve(config: &mut DnsmasqConfig, here: &HostInfo) -> BootDirReport {
    let mut settled = BootDirReport::default();
    let tftp = &config.tftp;
    if let (true, Some(line)) = (tftp.single_port, tftp.port_range_line) {
        let why = "with tftp-single-port it has no effect, nor had it in dnsmasq";
        settled.outcomes.push((line, LineOutcome::Unneeded(why.into())));
    }
    let names: Vec<(LineId, String)> = names(config).collect();
    match (tftp.enabled, &tftp.root) {
        (Some(line), None) => common_directory(config, line, &names, &mut settled.outcomes),
        (None, _) if !names.is_empty() => match of_another_server(config, &names, here) {
            Some(note) => settled.action_items.push(note),
            None => settled.missing = names,
        },
        _ => {}
    }
    settled
}

/// dnsmasq without `tftp-root`: the directory that all absolute names lie in.
fn common_directory(config: &mut DnsmasqConfig, line: LineId, names: &[(LineId, String)], fates: &mut Vec<(LineId, LineOutcome)>) {
    let absolute = names.iter().filter(|(_, name)| name.starts_with('/'));
    let directory = absolute.map(|(_, name)| parent(name)).reduce(common);
    let directory = directory.filter(|directory| !directory.is_empty()).map(str::to_owned);
    for (line, name) in names.iter().filter(|(_, name)| directory.is_none() || !name.starts_with('/')) {
        let inside = name.trim_start_matches('/');
        let why = format!("without tftp-root that was /{inside}: here it is {inside} of the boot directory");
        fates.push((*line, LineOutcome::Changed(why)));
    }
    if let Some(directory) = directory {
        let why =
            format!("without tftp-root it served every file of this machine: those that are named lie in {directory}");
        fates.push((line, LineOutcome::Unneeded(why)));
        config.tftp.root = Some(directory);
    }
}

/// dnsmasq without `enable-tftp`: the files are sent by another TFTP server of the same machine, from its directory.
fn of_another_server(config: &mut DnsmasqConfig, names: &[(LineId, String)], here: &HostInfo) -> Option<String> {
    let server = config.source_server();
    let has = |directory: &&PathBuf| {
        names.iter().any(|(_, name)| directory.join(inside(name)).is_file() || Path::new(name).starts_with(directory))
    };
    let directories = here.tftp_dirs.iter();
    config.tftp.root = directories.clone().find(has).map(|directory| directory.display().to_string());
    let directory = config.tftp.root.as_ref()?;
    Some(format!(
        "{server} sent no files itself: another TFTP server of this machine sends them from {directory}, which is the boot directory \
         now. Stop that server (tftpd-hpa: systemctl disable --now tftpd-hpa), because this one sends them"
    ))
}

fn inside(name: &str) -> &str {
    name.trim_start_matches('/')
}

impl BootDirReport {
    /// What is to be done with the files whose directory is not known, if a machine is given any by these lines.
    pub fn missing_files(&self, server: &str, used: &BTreeSet<LineId>) -> Option<String> {
        let names = self.missing.iter().filter(|(line, _)| used.contains(line));
        let files: BTreeSet<&str> = names.map(|(_, name)| inside(name)).collect();
        if files.is_empty() {
            return None;
        }
        let files = files.into_iter().collect::<Vec<_>>().join(", ");
        Some(format!(
            "{server} sent no files itself, so another TFTP server of that machine did. Set `boot-dir` to the directory that it \
             sends from (in Debian TFTP_DIRECTORY of /etc/default/tftpd-hpa), or put these files into \
             {DEFAULT_BOOT_DIR}: {files}. Then stop that server, because this one sends them"
        ))
    }
}

/// The files that this server has to send.
fn names(config: &DnsmasqConfig) -> impl Iterator<Item = (LineId, String)> {
    let of_options = config.option_servers.last().map_or(FileServer::ThisServer, |(_, server)| *server);
    let options = config.option_boots.iter().map(move |boot| (boot.line, boot.file.clone(), of_options));
    let boots = config.boots.iter().map(|boot| (boot.line, boot.file.clone(), boot.server)).chain(options);
    let services = config.services.iter().filter_map(|service| match &service.action {
        ServiceAction::File(name, server) if !name.is_empty() => Some((service.line, file_with_layer(name), *server)),
        _ => None,
    });
    let ours = boots.chain(services).filter(|(_, name, server)| *server == FileServer::ThisServer && !name.contains("://"));
    ours.map(|(line, name, _)| (line, name)).filter(|(_, name)| !name.is_empty())
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The directory that both directories lie in, or are.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    let length: usize = same.map(|(part, _)| part.len() + 1).sum();
    &one[..length.saturating_sub(1)]
}
