//! Where the files lie that the lines name. Without `tftp-root` dnsmasq takes every name from the root of the file system,
//! with its `/` or without; here names count from the boot folder.

use super::super::written::Fate;
use super::config::*;

/// Gives the configuration a folder where its names show which was meant, and says what is to be done where they do not.
pub fn settle(config: &mut Config) -> Vec<(LineId, Fate)> {
    let tftp = &config.tftp;
    let mut fates = Vec::new();
    if let (true, Some(line)) = (tftp.single_port, tftp.range_line) {
        fates.push((line, Fate::Needless("with tftp-single-port it has no effect, nor had it in dnsmasq".into())));
    }
    if tftp.root.is_some() {
        return fates;
    }
    let names: Vec<(LineId, String)> = names(config).map(|(line, name)| (line, name.to_owned())).collect();
    let absolute = names.iter().filter(|(_, name)| name.starts_with('/'));
    let folder = absolute.map(|(_, name)| parent(name)).reduce(common);
    let folder = folder.filter(|folder| !folder.is_empty()).map(str::to_owned);
    for (line, name) in &names {
        let is_absolute = name.starts_with('/');
        let inside = name.trim_start_matches('/');
        match (tftp.enabled, &folder) {
            (Some(_), Some(_)) if is_absolute => {}
            (None, _) if !is_absolute => {}
            (Some(_), _) => {
                let why = format!("without tftp-root that was /{inside}: here it is {inside} of the boot folder");
                fates.push((*line, Fate::Lost(why)));
            }
            (None, _) => {
                let why = format!(
                    "dnsmasq served no files: here it is {inside} of the boot folder. If another server of this host goes on \
                     serving it, write tftp://, its address, and /{name}"
                );
                fates.push((*line, Fate::Lost(why)));
            }
        }
    }
    if let (Some(line), Some(folder)) = (tftp.enabled, folder) {
        let why =
            format!("without tftp-root it served every file of this machine: those that are named lie in {folder}");
        fates.push((line, Fate::Needless(why)));
        config.tftp.root = Some(folder);
    }
    fates
}

/// The files that this server has to send.
fn names(config: &Config) -> impl Iterator<Item = (LineId, &str)> {
    let boots = config.boots.iter().map(|boot| (boot.line, &boot.file, boot.server));
    let services = config.services.iter().filter_map(|service| match &service.does {
        Does::File(name, server) => Some((service.line, name, *server)),
        _ => None,
    });
    let ours = boots.chain(services).filter(|(_, name, server)| *server == Server::Ours && !name.contains("://"));
    ours.map(|(line, name, _)| (line, name.as_str())).filter(|(_, name)| !name.is_empty())
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folder that both folders lie in, or are.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    let length: usize = same.map(|(part, _)| part.len() + 1).sum();
    &one[..length.saturating_sub(1)]
}
