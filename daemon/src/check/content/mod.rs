//! Checks the content of the offered files: kernels, initrds, scripts, and the files that scripts name.

mod arguments;
mod files;
mod script;

use crate::preview::Preview;
use files::ContentCheck;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::EntryTarget;
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::plan::profile::{BootTarget, Linux};
use proxydhcpd_core::plan::rule::Rule;
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Diagnostic;

/// The result of the check.
#[derive(Debug, Default)]
pub struct ContentReport {
    /// Warnings about the files.
    pub diagnostics: Vec<Diagnostic>,
    /// Other services on which boots depend, each with a profile or script that needs it.
    pub dependencies: Vec<String>,
}

/// Checks everything that the site offers.
pub fn inspect(context: &Preview) -> ContentReport {
    let mut check = ContentCheck::new(context);
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
        match &site.plan.policy.ipxe {
            IpxeTarget::Builtin if site.plan.offer.menu.has_boot_script => self.check_script("boot.ipxe"),
            IpxeTarget::Configured(name) => self.check_configured_script(name),
            IpxeTarget::Builtin | IpxeTarget::AsFirmware => {}
        }
        if let (scripts, None) = site.host_name_scripts() {
            scripts.iter().for_each(|script| self.check_script(&script.path));
        }
        let Some(scan) = site.menu_scan() else { return };
        for found in &scan.found {
            match &found.entry.target {
                EntryTarget::Linux { kernel, initrds, arch, .. } => {
                    let archs = [*arch].into_iter().filter(|arch| *arch != Arch::BIOS).collect::<Vec<_>>();
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
        for profile in plan.policy.profiles.iter() {
            match &profile.boots {
                BootTarget::Linux(Linux { kernel, initrds, .. }) => {
                    let needed_by = format!("profile {}", profile.name);
                    [kernel]
                        .into_iter()
                        .chain(initrds)
                        .filter(|name| is_url(name))
                        .for_each(|url| self.add_url_dependencies(url, &needed_by));
                    self.check_linux(kernel, initrds, &self.rule_archs(&profile.name));
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
    fn rule_archs(&self, profile: &str) -> Vec<Arch> {
        let names_it = |rule: &&Rule| rule.profile.as_deref() == Some(profile) && !rule.deny;
        let rules = self.context.site.plan.policy.rules.iter().filter(names_it);
        rules.flat_map(|rule| rule.when.archs.iter().map(|arch| arch.base())).collect()
    }

    fn check_templates(&mut self) {
        let (site, directory) = (&self.context.site, self.context.loaded.template_dir());
        let is_script = |name: &&String| {
            let of_profile = |boots: &BootTarget| matches!(boots, BootTarget::Script(script) if script == *name);
            name.ends_with(".ipxe") || site.plan.policy.profiles.iter().any(|profile| of_profile(&profile.boots))
        };
        for name in site.plan.offer.templates.iter().filter(is_script) {
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
}

/// The section of `check` that lists the dependencies. Empty if there are none.
pub fn text(dependencies: &[String]) -> String {
    if dependencies.is_empty() {
        return String::new();
    }
    format!("\nBoots also depend on:\n{}\n", dependencies.join("\n"))
}
