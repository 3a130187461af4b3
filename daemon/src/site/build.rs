//! Builds a site from the configuration and the files to boot.

use super::config_errors::with_text_errors;
use super::files::SiteFiles;
use super::resolve::ResolvedFiles;
use super::served_directories::ServedDirectories;
use super::{OpenPorts, Site, lint_loader_urls, lint_loaders, lint_menu, lint_rules};
use crate::boot_dir::{self, Scan};
use crate::config::unresolved::UnresolvedPlan;
use crate::config::{ConfigError, Loaded};
use crate::duid;
use crate::loaders;
use crate::loaders::distribution::Distribution;
use crate::menu_passwords::MenuPasswords;
use crate::settings::Settings;
use crate::templates::Templates;
use crate::uefi_programs::{ipxe_wrapper, local_disk};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{BootDirMenu, Ipv6Services, Offer};
use proxydhcpd_core::plan::policy::Policy;
use proxydhcpd_core::plan::profile::Profile;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Arc;

impl Site {
    /// Builds the site: searches for loaders, scans the boot directory, and resolves the plan, which it moves out of
    /// `loaded`.
    pub fn build(loaded: &mut Loaded, open: OpenPorts) -> Result<Site, ConfigError> {
        let mut diagnostics = Vec::new();
        let files = ResolvedFiles::resolve(loaded, &mut diagnostics);
        let has_no_error =
            |diagnostics: &[Diagnostic]| diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
        let Some(ResolvedFiles { directories, mut templates, profiles, plan: unresolved }) =
            files.filter(|_| has_no_error(&diagnostics) && loaded.is_valid())
        else {
            return Err(with_text_errors(loaded, diagnostics));
        };
        let UnresolvedPlan { default_profile, unknown_machine_profile, rules, machine_files, .. } = unresolved;
        let settings = &loaded.settings;
        let distribution_dirs: Vec<&Path> = loaders::DISTRIBUTION_DIRECTORIES.iter().map(Path::new).collect();
        let found = loaders::find(&settings.boot_dir, &distribution_dirs);
        let scan = scan_boot_dir(settings, &directories, &mut templates, &mut diagnostics);
        let mut unfit = Vec::new();
        let local_disks = local_disk::operator_programs(&settings.boot_dir, &mut unfit);
        diagnostics.extend(unfit.into_iter().map(Diagnostic::warning));
        let menu_passwords = menu_passwords(settings, &mut diagnostics);
        let mut files = SiteFiles {
            found,
            scan,
            system: Distribution::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()),
            directories: Arc::new(directories),
            local_disks,
            machine_files: (machine_files.file_count, machine_files.duration),
            written: machine_files.machines.clone(),
            locations: Arc::new(machine_files.locations),
            menu_passwords: Arc::new(menu_passwords),
            templates: Arc::new(templates),
            warnings: diagnostics,
            legacy: loaded.legacy.is_some(),
            offered: BTreeSet::new(),
        };
        let policy = Policy { default_profile, unknown_machine_profile, rules, ..policy(settings, profiles) };
        let duid = server_duid(settings, &mut files.warnings);
        let offer = offer(&files, duid);
        let mut plan = Plan { policy: policy.into(), offer: offer.into(), inventory: machine_files.machines };
        plan.offer_mut().ipxe_wrappers = ipxe_wrapper::wrappable_loaders(&plan);
        plan.policy_mut().rules_version = rules_version(&plan);
        if let Some(legacy) = &loaded.legacy {
            legacy.boot.apply(&mut plan);
        }
        let warnings = warnings(settings, &plan, &files);
        files.warnings.extend(warnings);
        let mut site = Site { plan, files: Arc::new(files), open };
        site.set_open_ports(open);
        Ok(site)
    }
}

/// Scans the boot directory, and compiles the command lines of its kernels.
fn scan_boot_dir(
    settings: &Settings,
    directories: &ServedDirectories,
    templates: &mut Templates,
    diagnostics: &mut Vec<Diagnostic>,
) -> Scan {
    let mut scan = boot_dir::scan(&settings.boot_dir, directories.mounts());
    for found in &mut scan.found {
        let warning = found.cmdline.as_deref().and_then(|cmdline| templates.compile_entry(&mut found.entry, cmdline));
        // A file cmdline applies to every kernel in its directory, so the same warning can occur several times.
        diagnostics.extend(warning.filter(|warning| !diagnostics.contains(warning)));
    }
    scan
}

fn menu_passwords(settings: &Settings, diagnostics: &mut Vec<Diagnostic>) -> MenuPasswords {
    let Some(path) = &settings.menu_password_file else { return MenuPasswords::default() };
    let (passwords, warnings) = MenuPasswords::read(path);
    diagnostics.extend(warnings);
    passwords
}

fn server_duid(settings: &Settings, diagnostics: &mut Vec<Diagnostic>) -> Vec<u8> {
    let (duid, problem) = duid::server_duid(&settings.state_dir);
    diagnostics.extend(problem.map(|reason| {
        Diagnostic::warning(reason)
            .help("the server derives its DUID from its network cards instead, and it may change")
    }));
    duid
}

/// The policy without rules and defaults.
fn policy(settings: &Settings, profiles: Vec<Profile>) -> Policy {
    Policy {
        http_clients: true,
        user_classes: settings.ipxe_user_classes.clone(),
        vendor_classes: settings.pxe_vendor_classes.clone(),
        relays: settings.relays.clone(),
        relayed_subnets: settings.relayed_subnets.clone(),
        loop_guard: settings.loop_guard,
        rate_limit: settings.max_requests_per_second.map(Into::into),
        profiles: profiles.into(),
        menu: settings.menu.clone(),
        stateless_dhcp6: settings.dhcp6.stateless_ipxe.then(|| settings.dhcp6.dns.clone()),
        ..Policy::default()
    }
}

/// The offer as long as no port is open.
fn offer(files: &SiteFiles, duid: Vec<u8>) -> Offer {
    Offer {
        loaders: files.found.loaders.clone(),
        menu: BootDirMenu {
            has_boot_script: files.scan.has_boot_script,
            has_host_name_scripts: !files.scan.host_name_scripts.is_empty(),
            entries: files.scan.entries(),
        },
        local_disk: local_disk::architectures(&files.local_disks),
        dialects: files.scan.dialects.clone(),
        templates: files.templates.names().clone(),
        dhcp6: Ipv6Services { duid, ..Ipv6Services::default() },
        ..Offer::default()
    }
}

/// The version of the rules. It is 0 if there are no rules.
fn rules_version(plan: &Plan) -> u32 {
    if plan.policy.rules.is_empty() {
        return 0;
    }
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(format!("{:?}", plan.policy.rules));
    hash as u32 | 1
}

/// Warns about parts of the plan that cannot work.
fn warnings(settings: &Settings, plan: &Plan, files: &SiteFiles) -> Vec<Diagnostic> {
    let path = |name: &str| files.directories.path(name);
    let hint = |arch| loaders::table::hint(arch, &files.found, &files.system);
    let mut warnings = Vec::new();
    if settings.dhcp6.stateless_ipxe && settings.dhcp6.dns.dns_servers.is_empty() {
        warnings.push(Diagnostic::warning("`stateless-ipxe` without `dns-servers`: iPXE gets no name server").help(
            "iPXE takes this server's reply instead of the DHCPv6 server's: list in `dns-servers` the name servers of \
             that one",
        ));
    }
    warnings.extend(lint_rules::unbootable_rules(plan));
    warnings.extend(lint_rules::firmware_only_rules(plan));
    warnings.extend(lint_menu::unknown_items(plan));
    warnings.extend(lint_menu::refused_default(plan));
    warnings.extend(lint_menu::locked_items(settings, &files.menu_passwords));
    warnings.extend(lint_loaders::ipxe_loops(plan));
    warnings.extend(lint_loaders::bios_loader_for_uefi(plan, path));
    let unusable = files.found.unusable.iter();
    warnings.extend(unusable.map(|unusable| Diagnostic::warning(unusable.to_string()).help(&unusable.fix)));
    warnings.extend(lint_loader_urls::unfetchable_loaders(plan, hint));
    warnings.extend(files.scan.warnings.iter().map(Diagnostic::warning));
    warnings.extend(lint_loaders::old_grubs(plan, path));
    warnings
}
