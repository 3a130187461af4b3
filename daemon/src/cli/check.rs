//! `check`: shows how the server would serve machines, and reports errors. Opens no port, and sends nothing.

use super::content_check::ContentReport;
use super::context::{self, CliContext};
use super::secure_boot::CheckedProgram;
use super::{
    Check, boot_dir, boot_once_records, content_check, old_daemon, print_diagnostic, secure_boot, shared_uuids, unread,
};
use crate::config::flags::Flags;
use crate::net::link::LinkFilter;
use crate::net::port_owner::{self, Transport};
use crate::reading::diagnostic::Diagnostic;
use crate::settings::keys::render;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::{IpxeTarget, Loader, Plan, TftpServer};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;

/// The results of `check` other than the diagnostics.
struct CheckReport {
    context: CliContext,
    programs: Vec<CheckedProgram>,
    /// Other services that the boots depend on.
    dependencies: Vec<String>,
    unread: Vec<String>,
}

/// Prints the report as text or JSON, or the table of keys.
pub fn run(check: &Check, flags: &Flags) -> ExitCode {
    if let Some(word) = &check.keys {
        return keys(word);
    }
    let (diagnostics, report, status) = match context::load(flags) {
        Ok(context) => {
            let mut diagnostics = context.loaded.diagnostics.clone();
            diagnostics.extend_from_slice(&context.site.warnings);
            diagnostics.extend(context.loaded.missing_addresses(&context.links));
            diagnostics.extend(context::unserved_interfaces(&context.filter));
            diagnostics.extend(ports_in_use(&context));
            diagnostics.extend(boot_once_records::unmatched_records(&context));
            diagnostics.extend(shared_uuids::diagnostics(&context));
            diagnostics.extend(old_daemon::shadowing_unit(Path::new("/")));
            let (programs, warnings) = secure_boot::inspect_programs(&context);
            diagnostics.extend(warnings);
            let ContentReport { diagnostics: warnings, dependencies } = content_check::inspect(&context);
            diagnostics.extend(warnings);
            diagnostics.extend(unread::empty_directories(&context));
            let unread = unread::files(&context);
            (diagnostics, Some(CheckReport { context, programs, dependencies, unread }), 0)
        }
        Err(error) => (error.0.clone(), None, error.exit_status()),
    };
    if check.json {
        let served = report.as_ref().map(summary);
        anstream::println!("{:#}", json!({ "diagnostics": diagnostics, "served": served, "ok": status == 0 }));
    } else {
        diagnostics.iter().for_each(print_diagnostic);
        if let Some(CheckReport { context, programs, dependencies, unread }) = &report {
            let menu = context.site.menu_scan().map(boot_dir::text).unwrap_or_default();
            let menu = menu + &boot_dir::host_name_scripts(context.site.host_name_scripts());
            let more = content_check::text(dependencies) + &unread::text(unread);
            anstream::print!("{}{menu}{more}{}", text(context), secure_boot::text(programs));
        }
    }
    ExitCode::from(status)
}

/// Prints the help for the keys that have this name or belong to this table.
fn keys(word: &str) -> ExitCode {
    match render::help(word) {
        Ok(text) => {
            anstream::print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            print_diagnostic(&Diagnostic::error(error));
            ExitCode::from(2)
        }
    }
}

/// Warns of ports that another process has bound. This is no error: the port may be free when the server starts, and
/// the server also runs without it.
fn ports_in_use(context: &CliContext) -> Vec<Diagnostic> {
    let plan = &context.site.plan;
    let (any, any6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    let mut ports = Vec::new();
    if context.loaded.settings.serves_ipv4() {
        ports.push((Transport::Udp, any, 4011, "boot server port"));
    }
    ports.extend((plan.tftp == Some(TftpServer::Local)).then_some((Transport::Udp, any, 69, "TFTP port")));
    ports.extend(plan.http.map(|port| (Transport::Tcp, any, port, "HTTP port")));
    if context.links.iter().any(|link| !link.ipv6.is_empty()) {
        ports.push((Transport::Udp, any6, 4011, "IPv6 boot server port"));
        ports.extend(plan.dhcp6.tftp.then_some((Transport::Udp, any6, 69, "IPv6 TFTP port")));
    }
    let in_use = ports.into_iter().filter_map(|(transport, address, port, name)| {
        let owner = port_owner::port_owner(transport, address, port)?;
        // No warning: proxydhcpd usually runs while an administrator checks its configuration.
        let is_proxydhcpd = owner.process.as_ref().is_some_and(|process| process.name == "proxydhcpd");
        (!is_proxydhcpd).then(|| Diagnostic::warning(format!("{name} {port} is in use by {owner}")))
    });
    in_use.collect()
}

/// The report as text. Each line begins with a label.
fn text(context: &CliContext) -> String {
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
    let tftp = match plan.tftp {
        Some(TftpServer::Local) => "this server, port 69".to_owned(),
        Some(TftpServer::Remote(address)) => format!("server {address}"),
        None => "off (no loader will be offered)".to_owned(),
    };
    let http = plan.http.map_or("off".to_owned(), |port| format!("this server, port {port}"));
    let machines =
        context.site.machine_summary().map(|machines| format!("machines        {machines}\n")).unwrap_or_default();
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
    let lines: Vec<String> = plan.profiles.iter().filter(own).map(line).collect();
    let (shown, more) = lines.split_at(lines.len().min(MAX_PROFILES));
    let more = if more.is_empty() { String::new() } else { format!("... and {} more\n", more.len()) };
    if shown.is_empty() { String::new() } else { format!("\nLoaders of profiles:\n{}{more}", shown.concat()) }
}

/// The site's loaders that PXE firmware starts over IPv6 without a script. Empty if the server does not serve IPv6.
fn without_script(context: &CliContext) -> Vec<&str> {
    let plan = &context.site.plan;
    if !plan.dhcp6.tftp || context.links.iter().all(|link| link.ipv6.is_empty()) {
        return Vec::new();
    }
    let lacks_script =
        |(arch, loader): &(&Arch, &Loader)| arch.is_efi() && !plan.has_ipxe_wrapper(**arch, &loader.name);
    let mut names: Vec<&str> =
        plan.loaders.iter().filter(lacks_script).map(|(_, loader)| loader.name.as_str()).collect();
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
    let default = plan.profile(plan.default_profile).filter(|profile| profile.boots != BootTarget::BootDir);
    if let Some(profile) = default {
        return format!("profile {}, unless a rule or the machine's entry selects another", profile.name);
    }
    match &plan.ipxe {
        IpxeTarget::Builtin if plan.menu.has_boot_script => "boot.ipxe of the boot directory".to_owned(),
        IpxeTarget::Builtin => match plan.menu.entries.len() {
            0 => "the menu".to_owned(),
            1 => "the menu, with 1 entry from the boot directory".to_owned(),
            entries => format!("the menu, with {entries} entries from the boot directory"),
        },
        IpxeTarget::Configured(name) => name.clone(),
        IpxeTarget::AsFirmware => "the same loader as its firmware".to_owned(),
    }
}

/// The report as JSON.
fn summary(CheckReport { context, programs, dependencies, unread }: &CheckReport) -> Value {
    let plan = &context.site.plan;
    let loaders = plan.loaders.iter().map(|(arch, loader)| {
        let id = arch.info().map_or("unassigned", |row| row.id);
        let secure_boot = secure_boot::json(programs, *arch);
        let has_script = plan.has_ipxe_wrapper(*arch, &loader.name);
        (
            id.to_owned(),
            json!({
                "name": loader.name, "file": loader.path, "secure_boot": secure_boot, "script_over_ipv6": has_script
            }),
        )
    });
    let (files, took) = context.site.machine_files;
    json!({
        "configuration": context.loaded.file,
        "interfaces": context
            .links
            .iter()
            .map(|link| json!({ "name": link.name, "address": link.address(), "ipv6": link.address6() }))
            .collect::<Vec<_>>(),
        "tftp": match plan.tftp {
            Some(TftpServer::Local) => json!("local"),
            Some(TftpServer::Remote(address)) => json!(address),
            None => Value::Null
        },
        "http": plan.http,
        "boot_dir": context.loaded.settings.boot_dir,
        "script": script(plan),
        "menu": boot_dir::json(context.site.menu_scan()),
        "host_name_scripts": boot_dir::host_name_scripts_json(context.site.host_name_scripts()),
        "depends_on": dependencies,
        "not_read": unread,
        "machines": { "count": plan.machines.len(), "files": files, "seconds": took.as_secs_f64() },
        "loaders": loaders.collect::<serde_json::Map<_, _>>(),
        "local_disk": secure_boot::local_disk_json(programs),
    })
}
