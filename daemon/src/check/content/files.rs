//! Checks kernels and initrds, and collects the findings about files.

use crate::boot_files::fault::ContentFault;
use crate::boot_files::script::commands::IpxeBinary;
use crate::boot_files::{initrd, kernel};
use crate::preview::Preview;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Limit of the octets that the check reads to find the ends of all initrds.
const MAX_READ: u64 = 2 << 30;

/// The state of the check.
pub struct ContentCheck<'a> {
    /// The configuration and the site.
    pub context: &'a Preview,
    /// Observations of a server that has just started.
    pub observations: Observations,
    /// The iPXE loaders that the site offers and whose files could be inspected, with their names.
    pub offered_ipxes: Vec<(String, IpxeBinary)>,
    /// The warnings so far.
    pub diagnostics: Vec<Diagnostic>,
    /// The servers and clocks on which boots depend, each with the first profile or script that needs it.
    pub dependencies: BTreeMap<String, String>,
    /// The files that have been inspected.
    pub inspected: BTreeSet<PathBuf>,
    /// How many octets of initrds the check may still read.
    read_budget: u64,
}

impl<'a> ContentCheck<'a> {
    /// A check that has inspected only the offered iPXE loaders.
    pub fn new(context: &'a Preview) -> Self {
        let plan = &context.site.plan;
        let loaders = plan.all_loaders().filter_map(|loader| Some((&loader.name, loader.path.as_ref()?)));
        let ipxes: BTreeMap<String, IpxeBinary> =
            loaders.filter_map(|(name, path)| Some((name.clone(), IpxeBinary::read(Path::new(path))?))).collect();
        Self {
            context,
            observations: Observations::new(0),
            offered_ipxes: ipxes.into_iter().collect(),
            diagnostics: Vec::new(),
            dependencies: BTreeMap::new(),
            inspected: BTreeSet::new(),
            read_budget: MAX_READ,
        }
    }

    /// Checks a kernel of the boot directory and its initrds. `archs` are the architectures of the machines to which
    /// the server offers the kernel.
    pub fn check_linux(&mut self, kernel: &str, initrds: &[String], archs: &[Arch]) {
        let is_linux = self.check_kernel(kernel, archs).is_some_and(|kernel| kernel.linux);
        for initrd in initrds {
            self.check_initrd(initrd, is_linux);
        }
    }

    /// Checks a kernel of the boot directory, and returns its properties.
    pub fn check_kernel(&mut self, name: &str, archs: &[Arch]) -> Option<kernel::KernelInfo> {
        let path = self.local_file(name)?;
        let can_unpack = self.offered_ipxes.iter().any(|(_, ipxe)| ipxe.has_string("imgextract"));
        match kernel::inspect(&path, can_unpack) {
            Ok(Ok(kernel)) => {
                if let Some(problem) = archs.iter().find_map(|arch| kernel.incompatibility(*arch)) {
                    self.warn(&path, &problem, "offer these machines a kernel for their architecture");
                }
                Some(kernel)
            }
            Ok(Err(fault)) => {
                self.warn_fault(&path, &fault);
                None
            }
            Err(error) => self.warn_unreadable(&path, &error),
        }
    }

    /// Checks an initrd of the boot directory. `for_linux`: the kernel that unpacks it is Linux.
    pub fn check_initrd(&mut self, name: &str, for_linux: bool) {
        let Some(path) = self.local_file(name).filter(|path| !self.inspected.contains(path)) else { return };
        match initrd::check(&path, for_linux, &mut self.read_budget) {
            Ok(Some(fault)) => self.warn_fault(&path, &fault),
            Ok(None) => {}
            Err(error) => {
                self.warn_unreadable::<()>(&path, &error);
            }
        }
        self.inspected.insert(path);
    }

    /// The path of the file with this name. `None` if the server does not send the file unchanged, or the file is
    /// missing, for which another check warns.
    pub fn local_file(&self, name: &str) -> Option<PathBuf> {
        let site = &self.context.site;
        let name = if is_url(name) { site.local_name(name, &self.context.all_links)? } else { name.to_owned() };
        let is_plain = !name.contains("{{") && !name.contains("{%");
        let path = site.path(&name);
        (is_plain && path.is_file() && site.check_servable(&name, &self.observations).is_ok()).then_some(path)
    }

    fn warn_fault(&mut self, path: &Path, ContentFault { problem, fix }: &ContentFault) {
        self.warn(path, problem, fix);
    }

    fn warn(&mut self, path: &Path, problem: impl Display, fix: &str) {
        let warning = Diagnostic::warning(format!("{} {problem}", path.display())).help(fix);
        if !self.diagnostics.contains(&warning) {
            self.diagnostics.push(warning);
        }
    }

    /// Warns of a file that cannot be read. Returns `None`.
    pub fn warn_unreadable<T>(&mut self, path: &Path, error: &io::Error) -> Option<T> {
        self.warn(path, format!("cannot be read: {error}"), "give the user of this server permission to read it");
        None
    }

    /// Adds the services on which a URL of another server depends.
    pub fn add_url_dependencies(&mut self, url: &str, needed_by: &str) {
        let Some((scheme, rest)) = url.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let host = authority.split(':').next().unwrap_or_default();
        if host.is_empty() || authority.starts_with('[') || host.contains(['$', '{']) {
            return;
        }
        let mut depend_on = |what: String| {
            self.dependencies.entry(what).or_insert_with(|| needed_by.to_owned());
        };
        if host.parse::<IpAddr>().is_err() {
            depend_on(format!("a DNS server that resolves {host}, and that the DHCP server announces"));
        }
        if scheme == "https" {
            depend_on(format!(
                "the correct date in each machine, and a certificate that its iPXE trusts, for https://{host}"
            ));
        }
    }

    /// The name and version of an offered iPXE that was built without HTTPS, if there is one.
    pub fn ipxe_without_https(&self) -> Option<String> {
        let (name, ipxe) = self.offered_ipxes.iter().find(|(_, ipxe)| !ipxe.has_string("https"))?;
        let version = ipxe.version().map(|version| format!(" (iPXE {version})")).unwrap_or_default();
        Some(format!("{name}{version}"))
    }
}
