//! Checks that the files exist which the plan offers from an address of this host.

use super::{OpenPorts, Site};
use crate::files::{self, path_errors};
use crate::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::choose::BOOT_SCRIPT;
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::fetch::{Fetch, Refusal, fetch};
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::offer::{EntryTarget, TftpServer};
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::plan::profile::{BootTarget, Linux};
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that the plan offers from an address of this host, with its architecture if that is known.
struct OfferedFile {
    /// The name or URL in the plan.
    source: String,
    /// The name that clients request.
    name: String,
    arch: Option<Arch>,
}

impl Site {
    /// Adds a warning for each file that is offered from an address of this host but that the server cannot send.
    /// `links`: all links of the host.
    pub fn check_offered_files(&mut self, links: &[Link]) {
        let offered_files = self.offered_files(links);
        let observations = Observations::new(0);
        let warnings: Vec<Diagnostic> =
            offered_files.iter().filter_map(|file| self.missing(file, &observations)).collect();
        let offered = self.names().chain(offered_files.into_iter().map(|file| file.name)).collect();
        let files = Arc::make_mut(&mut self.files);
        files.warnings.extend(warnings);
        files.offered = offered;
    }

    /// The normalized name of the offered file to which a requested name leads; `None` if it leads to no offered file.
    pub fn offered_name(&self, name: &[u8]) -> Option<&str> {
        let name = normalize(name).ok()?;
        let rest = ClaimedIdentity::parse(&name).map_or(&name[..], |(_, rest)| rest);
        self.files.offered.get(rest).map(String::as_str)
    }

    /// Why the server cannot send an offered file now; `None` if it can.
    pub fn refusal_of(&self, name: &str) -> Option<Refusal> {
        match self.plan.loader_path(name) {
            Some(path) => files::open_loader(path.as_ref()).err(),
            None => self.file(name).err(),
        }
    }

    /// The path of the file with this name, whether it exists or not.
    pub fn path(&self, name: &str) -> PathBuf {
        match self.plan.loader_path(name) {
            Some(path) => path.into(),
            None => self.files.directories.path(&normalize(name.as_bytes()).unwrap_or_default()),
        }
    }

    /// Checks whether the server can send a file with this name. The error is the reason why it cannot.
    pub fn check_servable(&self, name: &str, observations: &Observations) -> Result<(), Refusal> {
        let (server, client) = (IpAddr::V4(Ipv4Addr::LOCALHOST), SocketAddr::from((Ipv4Addr::LOCALHOST, 1024)));
        let request = FileRequest { protocol: Protocol::Tftp, name: name.as_bytes(), server, client, interface: "" };
        match fetch(&self.plan, observations, &request).answer? {
            Fetch::Directory { name, otherwise: None } => self.file(&name).map(drop),
            Fetch::Loader(path) => files::open_loader(path.as_ref()).map(drop),
            _ => Ok(()),
        }
    }

    /// The name that clients request from this server to fetch this URL; `None` if the URL leads to another server.
    pub fn local_name(&self, url: &str, links: &[Link]) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/')?;
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host.parse::<Ipv6Addr>().ok()?.into(), port.strip_prefix(':')),
            None => {
                let (host, port) =
                    authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
                (host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)?, port)
            }
        };
        let port: Option<u16> = port.map(str::parse).transpose().ok()?;
        let OpenPorts { tftp, tftp6, http, .. } = self.open;
        let is_local = match scheme {
            "tftp" => port.unwrap_or(69) == 69 && if host.is_ipv6() { tftp6 } else { tftp },
            "http" => http == Some(port.unwrap_or(80)),
            _ => false,
        };
        (is_local && links.iter().any(|link| link.owns(host))).then(|| decode_path(path))
    }

    /// The names of files that the server offers by default, or because the configuration names them.
    fn names(&self) -> impl Iterator<Item = String> {
        let plan = &self.plan;
        let loaders = plan.all_loaders().filter(|loader| !is_url(&loader.name)).map(|loader| loader.name.clone());
        let of_profiles = plan.policy.profiles.iter().flat_map(|profile| match &profile.boots {
            BootTarget::Linux(linux) => files(linux).filter(|name| !is_url(name)).cloned().collect(),
            _ => Vec::new(),
        });
        let of_menu = plan.offer.menu.entries.iter().flat_map(|entry| match &entry.target {
            EntryTarget::Linux { kernel, initrds, .. } => [kernel].into_iter().chain(initrds).cloned().collect(),
            EntryTarget::Script { path } | EntryTarget::Efi { path, .. } => vec![path.clone()],
        });
        let serves_tftp = self.plan.offer.tftp.is_none_or(|tftp| tftp == TftpServer::Local) || self.open.tftp;
        let script = plan.offer.menu.has_boot_script.then(|| BOOT_SCRIPT.to_owned());
        let names = loaders.filter(move |_| serves_tftp).chain(of_profiles).chain(of_menu).chain(script);
        names.filter_map(|name| normalize(name.as_bytes()).ok())
    }

    fn offered_files(&self, links: &[Link]) -> Vec<OfferedFile> {
        let plan = &self.plan;
        let of_profiles = plan.policy.profiles.iter().flat_map(|profile| &profile.loaders);
        let of_arch = plan.offer.loaders.iter().chain(of_profiles).map(|(arch, loader)| (loader, Some(*arch)));
        let default_loader =
            plan.policy.profiles.iter().flat_map(|profile| &profile.default_loader).chain(&plan.offer.default_loader);
        let loaders =
            of_arch.chain(default_loader.map(|loader| (loader, None))).filter(|(loader, _)| loader.path.is_none());
        let mut source: Vec<(&str, Option<Arch>)> = loaders.map(|(loader, arch)| (&loader.name[..], arch)).collect();
        if let IpxeTarget::Configured(name) = &plan.policy.ipxe {
            source.push((name, None));
        }
        let scripts = plan.policy.profiles.iter().filter_map(|profile| match &profile.boots {
            BootTarget::Script(url) if is_url(url) => Some((&url[..], None)),
            _ => None,
        });
        source.extend(scripts);
        let of_linux = plan.policy.profiles.iter().flat_map(|profile| match &profile.boots {
            BootTarget::Linux(linux) => files(linux).map(|name| (&name[..], None)).collect(),
            _ => Vec::new(),
        });
        // The value of an expression depends on the machine, so such a name cannot be checked.
        source.extend(of_linux.filter(|(name, _)| is_url(name) && !name.contains(['{', '$'])));
        let mut offered_files: Vec<OfferedFile> = Vec::new();
        for (source, arch) in source {
            let name = match plan.offer.tftp {
                _ if is_url(source) => self.local_name(source, links),
                // With an old proxy.ini, a name that is no URL refers to a file on the TFTP server that it names.
                Some(TftpServer::Remote(server)) if self.open.tftp && links.iter().any(|link| link.owns(server)) => {
                    Some(source.to_owned())
                }
                _ => None,
            };
            let Some(name) = name.and_then(|name| normalize(name.as_bytes()).ok()) else { continue };
            if !offered_files.iter().any(|known| known.name == name && known.arch == arch) {
                offered_files.push(OfferedFile { source: source.to_owned(), name, arch });
            }
        }
        offered_files
    }

    fn missing(
        &self,
        OfferedFile { source, name, arch }: &OfferedFile,
        observations: &Observations,
    ) -> Option<Diagnostic> {
        let path = self.path(name);
        let shown = path.display();
        match self.check_servable(name, observations) {
            Ok(()) => {
                let reason = arch.filter(|_| path.is_file()).and_then(|arch| loaders::incompatibility(&path, arch))?;
                let what = format!("{source} leads to {shown}, which {} cannot start: {reason}", arch.as_ref()?);
                Some(Diagnostic::warning(what).help("put a program for these machines there, or offer another"))
            }
            Err(refusal) => {
                let (reason, fix) = self.explain_refusal(name, refusal);
                let what = format!("{source} leads to this server, which cannot send it: {reason}");
                Some(Diagnostic::warning(what).help(fix))
            }
        }
    }

    /// Explains why the server cannot send an offered file, and how to fix that.
    pub fn explain_refusal(&self, name: &str, refusal: Refusal) -> (String, &'static str) {
        let path = self.path(name);
        let reason = path_errors::file_problem(&path);
        match refusal {
            Refusal::NotFound => (reason, "put the file there, or correct the name"),
            _ if path.is_dir() => (reason, "name a file in it"),
            _ if self.leads_out(name, &path) => {
                (reason, "copy the file into the directory, or serve its directory with [directories]")
            }
            _ => (reason, "let this server read it (chmod a+r) and enter the directories above it (chmod a+x)"),
        }
    }

    /// Whether a symbolic link leads out of the served directory. A loader is exempt, because its link may lead
    /// anywhere.
    fn leads_out(&self, name: &str, path: &Path) -> bool {
        let is_out = |real: PathBuf| !real.starts_with(self.directory_of(name));
        self.plan.loader_path(name).is_none() && path.canonicalize().is_ok_and(is_out)
    }

    /// The real path of the served directory into which a name leads.
    fn directory_of(&self, name: &str) -> PathBuf {
        let directory = self.files.directories.mounts().find(|(mount, _)| name.split('/').next() == Some(mount));
        let directory = directory.map_or_else(|| self.files.directories.path(""), |(_, path)| path.to_owned());
        directory.canonicalize().unwrap_or(directory)
    }
}

/// The names of the kernel and of the initrds.
fn files(linux: &Linux) -> impl Iterator<Item = &String> {
    [&linux.kernel].into_iter().chain(&linux.initrds)
}

/// Decodes the path of a URL into the name of a file. Removes the query and the fragment.
pub fn decode_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut octets = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = &after[2..];
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_url_is_decoded_and_has_no_query() {
        assert_eq!(decode_path("debian%20x/linux?y=1#z"), "debian x/linux");
        assert_eq!(decode_path("/efi/100%.efi"), "/efi/100%.efi");
    }
}
