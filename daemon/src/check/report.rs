//! The report of `check`: how the server would serve machines, as text and as JSON.

use super::secure_boot::CheckedProgram;
use super::{boot_dir, content, secure_boot, unread};
use crate::machine_files;
use crate::net::link::LinkFilter;
use crate::preview::Preview;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The results of `check` other than the diagnostics.
#[derive(Debug)]
pub struct CheckReport {
    /// The configuration, the interfaces and the site.
    pub context: Preview,
    /// The programs for UEFI, and whether machines with Secure Boot accept them.
    pub programs: Vec<CheckedProgram>,
    /// Other services that the boots depend on.
    pub dependencies: Vec<String>,
    /// The files that the server does not read.
    pub unread: Vec<String>,
}

impl CheckReport {
    /// The report as text.
    pub fn text(&self) -> String {
        let CheckReport { context, programs, dependencies, unread } = self;
        let menu = context.site.menu_scan().map(boot_dir::text).unwrap_or_default();
        let scripts = boot_dir::host_name_scripts(context.site.host_name_scripts());
        [served(context), menu, scripts, content::text(dependencies), unread::text(unread), secure_boot::text(programs)]
            .concat()
    }

    /// The report as JSON.
    pub fn json(&self) -> Value {
        let CheckReport { context, programs, dependencies, unread } = self;
        let plan = &context.site.plan;
        let loaders = plan.offer.loaders.iter().map(|(arch, loader)| {
            let id = arch.info().map_or("unassigned", |row| row.id);
            let secure_boot = secure_boot::json(programs, *arch);
            let has_script = plan.offer.has_ipxe_wrapper(*arch, &loader.name);
            (
                id.to_owned(),
                json!({
                    "name": loader.name, "file": loader.path, "secure_boot": secure_boot, "script_over_ipv6": has_script
                }),
            )
        });
        let (files, took) = context.site.files.machine_files;
        json!({
            "configuration": context.loaded.file,
            "interfaces": context
                .links
                .iter()
                .map(|link| json!({ "name": link.name, "address": link.address(), "ipv6": link.address6() }))
                .collect::<Vec<_>>(),
            "tftp": match plan.offer.tftp {
                Some(TftpServer::Local) => json!("local"),
                Some(TftpServer::Remote(address)) => json!(address),
                None => Value::Null
            },
            "http": plan.offer.http,
            "boot_dir": context.loaded.settings.boot_dir,
            "script": script(plan),
            "menu": boot_dir::json(context.site.menu_scan()),
            "host_name_scripts": boot_dir::host_name_scripts_json(context.site.host_name_scripts()),
            "depends_on": dependencies,
            "not_read": unread,
            "machines": { "count": plan.inventory.len(), "files": files, "seconds": took.as_secs_f64() },
            "loaders": loaders.collect::<serde_json::Map<_, _>>(),
            "local_disk": secure_boot::local_disk_json(programs),
        })
    }
}

/// The first section: what the server serves. Each line begins with a label.
fn served(context: &Preview) -> String {
    let plan = &context.site.plan;
    let loaded = &context.loaded;
    let file = match (&loaded.file, loaded.conf_d_files) {
        (Some(file), _) => file.display().to_string(),
        (None, 0) => "none (not required)".to_owned(),
        (None, _) => format!("{}/*.toml", loaded.directory.join("conf.d").display()),
    };
    let links = context.links.iter().map(|link| format!("{} ({})", link.name, addresses(link).join(", ")));
    let links: Vec<String> = links.collect();
    let links = match links.is_empty() {
        false => links.join(", "),
        true if context.filter == LinkFilter::default() => "none yet: no interface is up with an address".to_owned(),
        true => "none yet: no configured interface can be served now".to_owned(),
    };
    let tftp = match plan.offer.tftp {
        Some(TftpServer::Local) => "this server, port 69".to_owned(),
        Some(TftpServer::Remote(address)) => format!("server {address}"),
        None => "off (no loader will be offered)".to_owned(),
    };
    let http = plan.offer.http.map_or("off".to_owned(), |port| format!("this server, port {port}"));
    let machines = match plan.inventory.len() {
        0 => String::new(),
        machines => {
            let (files, duration) = context.site.files.machine_files;
            format!("machines        {}\n", machine_files::summary(machines, files, duration))
        }
    };
    let over_ipv6 = without_script(context);
    let over_ipv6 = if over_ipv6.is_empty() {
        String::new()
    } else {
        let loaders = over_ipv6.join(", ");
        format!(
            "PXE over IPv6   {loaders} cannot receive its script (signed, or iPXE from before 2023); UEFI HTTP boot \
             works (docs/ipv6.md)\n"
        )
    };
    let loaders = loaders_of_profiles(plan);
    format!(
        "configuration   {file}\ninterfaces      {links}\nTFTP            {tftp}\nHTTP            {http}\n\
         boot directory  {}\niPXE boots      {}\n{machines}{over_ipv6}\n{}{loaders}",
        context.loaded.settings.boot_dir.display(),
        script(plan),
        context.site.loader_table(),
    )
}

/// The loaders of profiles, as text. They take precedence over the site's loaders.
fn loaders_of_profiles(plan: &Plan) -> String {
    const MAX_PROFILES: usize = 20;
    let own = |profile: &&Profile| !profile.loaders.is_empty() || profile.default_loader.is_some();
    let line = |profile: &Profile| {
        let each = profile.loaders.iter().map(|(arch, loader)| format!("{} for {arch}", loader.name));
        let default_loader = profile.default_loader.iter().map(|loader| format!("{} for all others", loader.name));
        format!("{}: {}\n", profile.name, each.chain(default_loader).collect::<Vec<_>>().join(", "))
    };
    let lines: Vec<String> = plan.policy.profiles.iter().filter(own).map(line).collect();
    let (shown, more) = lines.split_at(lines.len().min(MAX_PROFILES));
    let more = if more.is_empty() { String::new() } else { format!("... and {} more\n", more.len()) };
    if shown.is_empty() { String::new() } else { format!("\nLoaders of profiles:\n{}{more}", shown.concat()) }
}

/// The site's loaders that PXE firmware starts over IPv6 without a script. Empty if the server does not serve IPv6.
fn without_script(context: &Preview) -> Vec<&str> {
    let plan = &context.site.plan;
    if !plan.offer.dhcp6.tftp || context.links.iter().all(|link| link.ipv6.is_empty()) {
        return Vec::new();
    }
    let lacks_script =
        |(arch, loader): &(&Arch, &Loader)| arch.is_efi() && !plan.offer.has_ipxe_wrapper(**arch, &loader.name);
    let mut names: Vec<&str> =
        plan.offer.loaders.iter().filter(lacks_script).map(|(_, loader)| loader.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The addresses by which the server identifies itself on this link: at most one of each family.
fn addresses(link: &Link) -> Vec<String> {
    let both = [link.address().map(IpAddr::V4), link.address6().map(IpAddr::V6)];
    both.iter().flatten().map(IpAddr::to_string).collect()
}

/// The script, menu or profile that iPXE boots, as text.
fn script(plan: &Plan) -> String {
    let default = plan.policy.default_profile.as_deref().and_then(|name| plan.profile(name));
    if let Some(profile) = default.filter(|profile| profile.boots != BootTarget::BootDir) {
        return format!("profile {}, unless a rule or the machine's entry selects another", profile.name);
    }
    match &plan.policy.ipxe {
        IpxeTarget::Builtin if plan.offer.menu.has_boot_script => "boot.ipxe of the boot directory".to_owned(),
        IpxeTarget::Builtin => match plan.offer.menu.entries.len() {
            0 => "the menu".to_owned(),
            1 => "the menu, with 1 entry from the boot directory".to_owned(),
            entries => format!("the menu, with {entries} entries from the boot directory"),
        },
        IpxeTarget::Configured(name) => name.clone(),
        IpxeTarget::AsFirmware => "the same loader as its firmware".to_owned(),
    }
}
