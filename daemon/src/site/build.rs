//! Builds a site from the configuration and the files to boot.

use super::config_errors::with_text_errors;
use super::files::SiteFiles;
use super::resolve::ResolvedFiles;
use super::{OpenPorts, Site, lint_loader_urls, lint_loaders, lint_rules};
use crate::boot_dir;
use crate::config::{ConfigError, Loaded};
use crate::duid;
use crate::loaders;
use crate::loaders::distribution::Distribution;
use crate::uefi_programs::{ipxe_wrapper, local_disk};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{BootDirMenu, Ipv6Services, Offer};
use proxydhcpd_core::plan::policy::Policy;
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
        let settings = &loaded.settings;
        let distribution_dirs: Vec<&Path> = loaders::DISTRIBUTION_DIRECTORIES.iter().map(Path::new).collect();
        let found = loaders::find(&settings.boot_dir, &distribution_dirs);
        let mut scan = boot_dir::scan(&settings.boot_dir, directories.mounts());
        for found in &mut scan.found {
            let warning =
                found.cmdline.as_deref().and_then(|cmdline| templates.compile_entry(&mut found.entry, cmdline));
            // A file cmdline applies to every kernel in its directory, so the same warning can occur several times.
            diagnostics.extend(warning.filter(|warning| !diagnostics.contains(warning)));
        }
        let mut unfit = Vec::new();
        let local_disks = local_disk::operator_programs(&settings.boot_dir, &mut unfit);
        diagnostics.extend(unfit.into_iter().map(Diagnostic::warning));
        let (duid, duid_problem) = duid::server_duid(&settings.state_dir);
        diagnostics.extend(duid_problem.map(|reason| {
            Diagnostic::warning(reason)
                .help("the server derives its DUID from its network cards instead, and it may change")
        }));
        let mut plan = Plan {
            policy: Policy {
                http_clients: true,
                user_classes: settings.ipxe_user_classes.clone(),
                vendor_classes: settings.pxe_vendor_classes.clone(),
                relays: settings.relays.clone(),
                loop_guard: settings.loop_guard,
                rate_limit: settings.max_requests_per_second.map(Into::into),
                profiles: profiles.into(),
                default_profile: unresolved.default_profile,
                unknown_machine_profile: unresolved.unknown_machine_profile,
                rules: unresolved.rules,
                stateless_dhcp6: settings.dhcp6.stateless_ipxe.then(|| settings.dhcp6.dns.clone()),
                ..Policy::default()
            }
            .into(),
            offer: Offer {
                loaders: found.loaders.clone(),
                menu: BootDirMenu {
                    has_boot_script: scan.has_boot_script,
                    has_host_name_scripts: !scan.host_name_scripts.is_empty(),
                    entries: scan.entries(),
                },
                local_disk: local_disk::architectures(&local_disks),
                dialects: scan.dialects.clone(),
                templates: templates.names().clone(),
                dhcp6: Ipv6Services { duid, ..Ipv6Services::default() },
                ..Offer::default()
            }
            .into(),
            inventory: unresolved.machine_files.machines,
        };
        plan.offer_mut().ipxe_wrappers = ipxe_wrapper::wrappable_loaders(&plan);
        plan.policy_mut().rules_version = rules_version(&plan);
        if let Some(legacy) = &loaded.legacy {
            legacy.boot.apply(&mut plan);
        }
        if settings.dhcp6.stateless_ipxe && settings.dhcp6.dns.dns_servers.is_empty() {
            diagnostics
                .push(Diagnostic::warning("`stateless-ipxe` without `dns-servers`: iPXE gets no name server").help(
                "iPXE takes this server's reply instead of the DHCPv6 server's: list in `dns-servers` the name servers \
                 of that one",
            ));
        }
        diagnostics.extend(lint_rules::unbootable_rules(&plan));
        diagnostics.extend(lint_rules::firmware_only_rules(&plan));
        diagnostics.extend(lint_loaders::ipxe_loops(&plan));
        diagnostics.extend(lint_loaders::bios_loader_for_uefi(&plan, |name| directories.path(name)));
        diagnostics.extend(
            found.unusable.iter().map(|unusable| Diagnostic::warning(unusable.to_string()).help(&unusable.fix)),
        );
        let system = Distribution::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default());
        diagnostics
            .extend(lint_loader_urls::unfetchable_loaders(&plan, |arch| loaders::table::hint(arch, &found, &system)));
        diagnostics.extend(scan.warnings.iter().map(Diagnostic::warning));
        diagnostics.extend(lint_loaders::old_grubs(&plan, |name| directories.path(name)));
        let machine_files = (unresolved.machine_files.file_count, unresolved.machine_files.duration);
        let legacy = loaded.legacy.is_some();
        let files = SiteFiles {
            found,
            scan,
            system,
            directories: Arc::new(directories),
            local_disks,
            machine_files,
            templates: Arc::new(templates),
            warnings: diagnostics,
            legacy,
            offered: BTreeSet::new(),
        };
        let mut site = Site { plan, files: Arc::new(files), open };
        site.set_open_ports(open);
        Ok(site)
    }
}

/// The version of the rules. It is 0 if there are no rules.
fn rules_version(plan: &Plan) -> u32 {
    if plan.policy.rules.is_empty() {
        return 0;
    }
    let profiles: Vec<&str> = plan.policy.profiles.iter().map(|profile| &profile.name[..]).collect();
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(format!("{:?}{profiles:?}", plan.policy.rules));
    hash as u32 | 1
}
