//! What `check` says of the content of what is offered: kernels, initrds, scripts, and what those name in turn.

mod arguments;
mod script;

use super::context::CliContext;
use crate::boot::content::{ContentFault, initrd, kernel};
use crate::boot::script::commands::IpxeBinary;
use crate::config::diagnostic::Diagnostic;
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

/// Octets of initrds that are read for their ends, all together.
const MOST_READ: u64 = 2 << 30;

/// What is wrong, and what else than this server the boots depend on.
#[derive(Debug, Default)]
pub struct ContentReport {
    pub told: Vec<Diagnostic>,
    pub depends: Vec<String>,
}

struct ContentCheck<'a> {
    setting: &'a CliContext,
    memory: Observations,
    /// The iPXEs that are offered and whose files say what they can.
    offered_ipxes: Vec<(String, IpxeBinary)>,
    told: Vec<Diagnostic>,
    /// A server that is needed beside us, or a clock: and who needs it first.
    depends: BTreeMap<String, String>,
    seen: BTreeSet<PathBuf>,
    may_read: u64,
}

pub fn inspect(setting: &CliContext) -> ContentReport {
    let plan = &setting.site.plan;
    let loaders = plan.all_loaders().filter_map(|loader| Some((&loader.name, loader.path.as_ref()?)));
    let ipxes: BTreeMap<String, IpxeBinary> =
        loaders.filter_map(|(name, path)| Some((name.clone(), IpxeBinary::read(Path::new(path))?))).collect();
    let mut look = ContentCheck {
        setting,
        memory: Observations::new(0),
        offered_ipxes: ipxes.into_iter().collect(),
        told: Vec::new(),
        depends: BTreeMap::new(),
        seen: BTreeSet::new(),
        may_read: MOST_READ,
    };
    look.check_menu();
    look.check_profiles();
    look.check_templates();
    for told in arguments::diagnostics(setting) {
        if !look.told.contains(&told) {
            look.told.push(told);
        }
    }
    look.told.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let depends = look.depends.into_iter().map(|(what, who)| format!("{what} ({who})")).collect();
    ContentReport { told: look.told, depends }
}

impl ContentCheck<'_> {
    /// The boot directory as iPXE is shown it.
    fn check_menu(&mut self) {
        let site = &self.setting.site;
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
                // Its wholeness was looked at when the directory was read.
                EntryTarget::Efi { .. } => {}
            }
        }
    }

    fn check_profiles(&mut self) {
        let plan = &self.setting.site.plan;
        for (id, profile) in plan.profiles.iter().enumerate() {
            match &profile.boots {
                BootTarget::Linux(Linux { kernel, initrds, .. }) => {
                    let who = format!("profile {}", profile.name);
                    [kernel].into_iter().chain(initrds).filter(|name| is_url(name)).for_each(|url| self.add_url_dependencies(url, &who));
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

    /// Architectures that rules lead to the profile, and no others.
    fn rule_archs(&self, profile: ProfileId) -> Vec<Arch> {
        let rules = self.setting.site.plan.rules.iter().filter(|rule| rule.profile == Some(profile) && !rule.deny);
        rules.flat_map(|rule| rule.when.archs.iter().map(|arch| arch.base())).collect()
    }

    fn check_templates(&mut self) {
        let (site, directory) = (&self.setting.site, self.setting.loaded.template_dir());
        let is_script = |name: &&String| {
            let of_profile = |boots: &BootTarget| matches!(boots, BootTarget::Script(script) if script == *name);
            name.ends_with(".ipxe") || site.plan.profiles.iter().any(|profile| of_profile(&profile.boots))
        };
        for name in site.plan.templates.iter().filter(is_script) {
            self.check_template(&directory.join(name));
        }
    }

    /// A script that is named by the configuration: a URL, or a name on the TFTP server.
    fn check_configured_script(&mut self, said: &str) {
        let site = &self.setting.site;
        let name = if is_url(said) { site.local_name(said, &self.setting.all) } else { Some(said.to_owned()) };
        if let Some(name) = name.filter(|name| name.ends_with(".ipxe") && site.path(name).is_file()) {
            self.check_script(&name);
        }
    }

    /// A kernel of the boot directory with its initrds. `archs`: machines that are known to be offered it.
    fn check_linux(&mut self, kernel: &str, initrds: &[String], archs: &[Arch]) {
        let is_linux = self.check_kernel(kernel, archs).is_some_and(|kernel| kernel.linux);
        for initrd in initrds {
            self.check_initrd(initrd, is_linux);
        }
    }

    fn check_kernel(&mut self, name: &str, archs: &[Arch]) -> Option<kernel::KernelInfo> {
        let path = self.local_file(name)?;
        let unpacks = self.offered_ipxes.iter().any(|(_, ipxe)| ipxe.has_string("imgextract"));
        match kernel::inspect(&path, unpacks) {
            Ok(Ok(kernel)) => {
                if let Some(why) = archs.iter().find_map(|arch| kernel.incompatibility(*arch)) {
                    self.warn(&path, &why, "offer these machines a kernel that was built for them");
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
        let Some(path) = self.local_file(name).filter(|path| !self.seen.contains(path)) else { return };
        match initrd::check(&path, for_linux, &mut self.may_read) {
            Ok(Some(fault)) => self.warn_fault(&path, &fault),
            Ok(None) => {}
            Err(error) => {
                self.warn_unreadable::<()>(&path, &error);
            }
        }
        self.seen.insert(path);
    }

    /// Where the file of this name lies, if it is one that we send as it is; that there is none is told elsewhere.
    fn local_file(&self, name: &str) -> Option<PathBuf> {
        let site = &self.setting.site;
        let name = if is_url(name) { site.local_name(name, &self.setting.all)? } else { name.to_owned() };
        let is_plain = !name.contains("{{") && !name.contains("{%");
        let path = site.path(&name);
        (is_plain && path.is_file() && site.check_servable(&name, &self.memory).is_ok()).then_some(path)
    }

    fn warn_fault(&mut self, path: &Path, ContentFault { problem: what, fix: cure }: &ContentFault) {
        self.warn(path, what, cure);
    }

    fn warn(&mut self, path: &Path, what: impl Display, cure: &str) {
        let told = Diagnostic::warning(format!("{} {what}", path.display())).help(cure);
        if !self.told.contains(&told) {
            self.told.push(told);
        }
    }

    fn warn_unreadable<T>(&mut self, path: &Path, error: &io::Error) -> Option<T> {
        self.warn(path, format!("cannot be read: {error}"), "let this server read it");
        None
    }

    /// What a URL of another server needs.
    fn add_url_dependencies(&mut self, url: &str, who: &str) {
        let Some((scheme, rest)) = url.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let host = authority.split(':').next().unwrap_or_default();
        if host.is_empty() || authority.starts_with('[') || host.contains(['$', '{']) {
            return;
        }
        let mut needs = |what: String| {
            self.depends.entry(what).or_insert_with(|| who.to_owned());
        };
        if host.parse::<IpAddr>().is_err() {
            needs(format!("a DNS server that knows {host}, and that the DHCP server names"));
        }
        if scheme == "https" {
            needs(format!(
                "the right date in each machine, and a certificate that its iPXE trusts, for https://{host}"
            ));
        }
    }

    /// An iPXE that is offered and cannot do HTTPS.
    fn ipxe_without_https(&self) -> Option<String> {
        let (name, ipxe) = self.offered_ipxes.iter().find(|(_, ipxe)| !ipxe.has_string("https"))?;
        let version = ipxe.version().map(|version| format!(" (iPXE {version})")).unwrap_or_default();
        Some(format!("{name}{version}"))
    }
}

/// What the boots need beside this server, for `check` as text.
pub fn text(depends: &[String]) -> String {
    if depends.is_empty() {
        return String::new();
    }
    format!("\nNeeded beside this server:\n{}\n", depends.join("\n"))
}
