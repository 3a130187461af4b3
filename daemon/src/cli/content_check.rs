//! Checks the content of the offered files: kernels, initrds, scripts, and the files that scripts name.

mod arguments;
mod script;

use super::context::CliContext;
use crate::boot::content::{ContentFault, initrd, kernel};
use crate::boot::script::commands::IpxeBinary;
use crate::reading::diagnostic::Diagnostic;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, ProfileId};
use proxydhcpd_core::plan::{self, EntryTarget};
use proxydhcpd_core::url::is_url;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Limit of the octets that the check reads to find the ends of all initrds.
const MAX_READ: u64 = 2 << 30;

/// The result of the check.
#[derive(Debug, Default)]
pub struct ContentReport {
    /// Warnings about the files.
    pub diagnostics: Vec<Diagnostic>,
    /// Other services on which boots depend, each with a profile or script that needs it.
    pub dependencies: Vec<String>,
}

/// The state of the check.
struct ContentCheck<'a> {
    context: &'a CliContext,
    observations: Observations,
    /// The iPXE loaders that the site offers and whose files could be inspected, with their names.
    offered_ipxes: Vec<(String, IpxeBinary)>,
    diagnostics: Vec<Diagnostic>,
    /// The servers and clocks on which boots depend, each with the first profile or script that needs it.
    dependencies: BTreeMap<String, String>,
    inspected: BTreeSet<PathBuf>,
    /// How many octets of initrds the check may still read.
    read_budget: u64,
}

/// Checks everything that the site offers.
pub fn inspect(context: &CliContext) -> ContentReport {
    let plan = &context.site.plan;
    let loaders = plan.all_loaders().filter_map(|loader| Some((&loader.name, loader.path.as_ref()?)));
    let ipxes: BTreeMap<String, IpxeBinary> =
        loaders.filter_map(|(name, path)| Some((name.clone(), IpxeBinary::read(Path::new(path))?))).collect();
    let mut check = ContentCheck {
        context,
        observations: Observations::new(0),
        offered_ipxes: ipxes.into_iter().collect(),
        diagnostics: Vec::new(),
        dependencies: BTreeMap::new(),
        inspected: BTreeSet::new(),
        read_budget: MAX_READ,
    };
    check.check_menu();
    check.check_profiles();
    check.check_templates();
    for diagnostic in arguments::diagnostics(context) {
        if !check.diagnostics.contains(&diagnostic) {
            check.diagnostics.push(diagnostic);
        }
    }
    check.diagnostics.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let dependencies =
        check.dependencies.into_iter().map(|(what, needed_by)| format!("{what} ({needed_by})")).collect();
    ContentReport { diagnostics: check.diagnostics, dependencies }
}

impl ContentCheck<'_> {
    /// Checks the files of the boot directory that iPXE's menu offers.
    fn check_menu(&mut self) {
        let site = &self.context.site;
        match &site.plan.ipxe {
            plan::IpxeTarget::Builtin if site.plan.menu.has_boot_script => self.check_script("boot.ipxe"),
            plan::IpxeTarget::Configured(name) => self.check_configured_script(name),
            plan::IpxeTarget::Builtin | plan::IpxeTarget::AsFirmware => {}
        }
        if let (scripts, None) = site.host_name_scripts() {
            scripts.iter().for_each(|script| self.check_script(&script.path));
        }
        let Some(scan) = site.menu_scan() else { return };
        for found in &scan.found {
            match &found.entry.target {
                EntryTarget::Linux { kernel, initrds, arch, .. } => {
                    let archs = if *arch == Arch::X64 || *arch == Arch::IA32 { vec![*arch] } else { Vec::new() };
                    self.check_linux(kernel, initrds, &archs);
                }
                EntryTarget::Script { path } => self.check_script(path),
                // The scan of the directory has checked that the program is complete.
                EntryTarget::Efi { .. } => {}
            }
        }
    }

    fn check_profiles(&mut self) {
        let plan = &self.context.site.plan;
        for (id, profile) in plan.profiles.iter().enumerate() {
            match &profile.boots {
                BootTarget::Linux(Linux { kernel, initrds, .. }) => {
                    let needed_by = format!("profile {}", profile.name);
                    [kernel]
                        .into_iter()
                        .chain(initrds)
                        .filter(|name| is_url(name))
                        .for_each(|url| self.add_url_dependencies(url, &needed_by));
                    self.check_linux(kernel, initrds, &self.rule_archs(id));
                }
                BootTarget::Script(url) if is_url(url) => {
                    self.add_url_dependencies(url, &format!("profile {}", profile.name));
                    self.check_configured_script(url);
                }
                _ => {}
            }
        }
    }

    /// The architectures that rules with this profile require.
    fn rule_archs(&self, profile: ProfileId) -> Vec<Arch> {
        let rules = self.context.site.plan.rules.iter().filter(|rule| rule.profile == Some(profile) && !rule.deny);
        rules.flat_map(|rule| rule.when.archs.iter().map(|arch| arch.base())).collect()
    }

    fn check_templates(&mut self) {
        let (site, directory) = (&self.context.site, self.context.loaded.template_dir());
        let is_script = |name: &&String| {
            let of_profile = |boots: &BootTarget| matches!(boots, BootTarget::Script(script) if script == *name);
            name.ends_with(".ipxe") || site.plan.profiles.iter().any(|profile| of_profile(&profile.boots))
        };
        for name in site.plan.templates.iter().filter(is_script) {
            self.check_template(&directory.join(name));
        }
    }

    /// Checks a script that the configuration names by a URL, or by its name on the TFTP server.
    fn check_configured_script(&mut self, url_or_name: &str) {
        let site = &self.context.site;
        let name = if is_url(url_or_name) {
            site.local_name(url_or_name, &self.context.all_links)
        } else {
            Some(url_or_name.to_owned())
        };
        if let Some(name) = name.filter(|name| name.ends_with(".ipxe") && site.path(name).is_file()) {
            self.check_script(&name);
        }
    }

    /// Checks a kernel of the boot directory and its initrds. `archs` are the architectures of the machines to which
    /// the server offers the kernel.
    fn check_linux(&mut self, kernel: &str, initrds: &[String], archs: &[Arch]) {
        let is_linux = self.check_kernel(kernel, archs).is_some_and(|kernel| kernel.linux);
        for initrd in initrds {
            self.check_initrd(initrd, is_linux);
        }
    }

    fn check_kernel(&mut self, name: &str, archs: &[Arch]) -> Option<kernel::KernelInfo> {
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

    fn check_initrd(&mut self, name: &str, for_linux: bool) {
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
    fn local_file(&self, name: &str) -> Option<PathBuf> {
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

    fn warn_unreadable<T>(&mut self, path: &Path, error: &io::Error) -> Option<T> {
        self.warn(path, format!("cannot be read: {error}"), "give the user of this server permission to read it");
        None
    }

    /// Adds the services on which a URL of another server depends.
    fn add_url_dependencies(&mut self, url: &str, needed_by: &str) {
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
    fn ipxe_without_https(&self) -> Option<String> {
        let (name, ipxe) = self.offered_ipxes.iter().find(|(_, ipxe)| !ipxe.has_string("https"))?;
        let version = ipxe.version().map(|version| format!(" (iPXE {version})")).unwrap_or_default();
        Some(format!("{name}{version}"))
    }
}

/// The section of `check` that lists the dependencies. Empty if there are none.
pub fn text(dependencies: &[String]) -> String {
    if dependencies.is_empty() {
        return String::new();
    }
    format!("\nBoots also depend on:\n{}\n", dependencies.join("\n"))
}
