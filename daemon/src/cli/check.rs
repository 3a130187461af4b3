//! `check`: what would be served, and what is wrong with it. Opens no port, sends nothing.

use super::content_check::ContentReport;
use super::secure_boot::CheckedProgram;
use super::context::{self, CliContext};
use super::{Check, boot_dir, boot_once_records, content_check, old_daemon, print_diagnostic, secure_boot, shared_uuids, unread};
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::keys::render;
use crate::net::port_owner::{self, Transport};
use crate::net::link::LinkFilter;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::{IpxeTarget, Loader, Plan, TftpServer};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;

/// What is said beside what is wrong.
struct Checked {
    setting: CliContext,
    rows: Vec<CheckedProgram>,
    /// What the boots need beside this server.
    depends: Vec<String>,
    unread: Vec<String>,
}

pub fn run(check: &Check, flags: &Flags) -> ExitCode {
    if let Some(word) = &check.keys {
        return keys(word);
    }
    let (told, checked, status) = match context::load(flags) {
        Ok(setting) => {
            let mut told = setting.loaded.diagnostics.clone();
            told.extend_from_slice(&setting.site.warnings);
            told.extend(setting.loaded.missing_addresses(&setting.links));
            told.extend(context::unserved_interfaces(&setting.filter));
            told.extend(ports_in_use(&setting));
            told.extend(boot_once_records::unmatched_records(&setting));
            told.extend(shared_uuids::diagnostics(&setting));
            told.extend(old_daemon::shadowing_unit(Path::new("/")));
            let (rows, wrong) = secure_boot::inspect_programs(&setting);
            told.extend(wrong);
            let ContentReport { told: wrong, depends } = content_check::inspect(&setting);
            told.extend(wrong);
            told.extend(unread::empty_directories(&setting));
            let unread = unread::files(&setting);
            (told, Some(Checked { setting, rows, depends, unread }), 0)
        }
        Err(error) => (error.0.clone(), None, error.exit_status()),
    };
    if check.json {
        let served = checked.as_ref().map(summary);
        anstream::println!("{:#}", json!({ "diagnostics": told, "served": served, "ok": status == 0 }));
    } else {
        told.iter().for_each(print_diagnostic);
        if let Some(Checked { setting, rows, depends, unread }) = &checked {
            let menu = setting.site.menu_scan().map(boot_dir::text).unwrap_or_default();
            let menu = menu + &boot_dir::host_name_scripts(setting.site.host_name_scripts());
            let more = content_check::text(depends) + &unread::text(unread);
            anstream::print!("{}{menu}{more}{}", text(setting), secure_boot::text(rows));
        }
    }
    ExitCode::from(status)
}

fn keys(word: &str) -> ExitCode {
    match render::help(word) {
        Ok(text) => {
            anstream::print!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            print_diagnostic(&Diagnostic::error(why));
            ExitCode::from(2)
        }
    }
}

/// Ports that somebody else has now. Not errors: they may be free by the time the server starts, and it does without.
fn ports_in_use(setting: &CliContext) -> Vec<Diagnostic> {
    let plan = &setting.site.plan;
    let (any, any6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    let mut ports = Vec::new();
    if setting.loaded.settings.serves_ipv4() {
        ports.push((Transport::Udp, any, 4011, "the boot server's port"));
    }
    ports.extend((plan.tftp == Some(TftpServer::Local)).then_some((Transport::Udp, any, 69, "the TFTP port")));
    ports.extend(plan.http.map(|port| (Transport::Tcp, any, port, "the HTTP port")));
    if setting.links.iter().any(|link| !link.ipv6.is_empty()) {
        ports.push((Transport::Udp, any6, 4011, "over IPv6 the boot server's port"));
        ports.extend(plan.dhcp6.tftp.then_some((Transport::Udp, any6, 69, "over IPv6 the TFTP port")));
    }
    let held = ports.into_iter().filter_map(|(transport, address, port, name)| {
        let holder = port_owner::port_owner(transport, address, port)?;
        // A running server of ours is no surprise to whoever checks its configuration.
        let ours = holder.process.as_ref().is_some_and(|process| process.name == "proxydhcpd");
        (!ours).then(|| Diagnostic::warning(format!("{name} {port} is in use: {holder} has it")))
    });
    held.collect()
}

fn text(setting: &CliContext) -> String {
    let plan = &setting.site.plan;
    let loaded = &setting.loaded;
    let file = match (&loaded.file, loaded.conf_d_files) {
        (Some(file), _) => file.display().to_string(),
        (None, 0) => "none, and none is needed".to_owned(),
        (None, _) => format!("{}/*.toml", loaded.directory.join("conf.d").display()),
    };
    let links = setting.links.iter().map(|link| format!("{} ({})", link.name, addresses(link).join(", ")));
    let links: Vec<String> = links.collect();
    let links = match links.is_empty() {
        false => links.join(", "),
        true if setting.filter == LinkFilter::default() => "none yet: no interface that is up has an address".to_owned(),
        true => "none of those that the configuration names yet".to_owned(),
    };
    let tftp = match plan.tftp {
        Some(TftpServer::Local) => "our own, port 69".to_owned(),
        Some(TftpServer::Remote(address)) => format!("at {address}"),
        None => "nobody's: no loader is offered".to_owned(),
    };
    let http = plan.http.map_or("none".to_owned(), |port| format!("our own, port {port}"));
    let machines = setting.site.machine_summary().map(|machines| format!("machines       {machines}\n")).unwrap_or_default();
    let over_ipv6 = without_script(setting);
    let over_ipv6 = if over_ipv6.is_empty() {
        String::new()
    } else {
        let loaders = over_ipv6.join(", ");
        format!(
            "PXE over IPv6  without our menu: {loaders} (signed, or iPXE of before 2023; HTTP boot shows it; docs/ipv6.md)\n"
        )
    };
    let loaders = loaders_of_profiles(plan);
    format!(
        "configuration  {file}\ninterfaces     {links}\nTFTP           {tftp}\nHTTP           {http}\nboot directory    {}\niPXE gets      {}\n{machines}{over_ipv6}\n{}{loaders}",
        setting.loaded.settings.boot_dir.display(),
        script(plan),
        setting.site.loader_table(),
    )
}

/// What goes before the site's loaders.
fn loaders_of_profiles(plan: &Plan) -> String {
    const MOST: usize = 20;
    let own = |profile: &&Profile| !profile.loaders.is_empty() || profile.default_loader.is_some();
    let line = |profile: &Profile| {
        let each = profile.loaders.iter().map(|(arch, loader)| format!("{} for {arch}", loader.name));
        let default_loader = profile.default_loader.iter().map(|loader| format!("{} for every other", loader.name));
        format!("{}: {}\n", profile.name, each.chain(default_loader).collect::<Vec<_>>().join(", "))
    };
    let lines: Vec<String> = plan.profiles.iter().filter(own).map(line).collect();
    let (shown, more) = lines.split_at(lines.len().min(MOST));
    let more = if more.is_empty() { String::new() } else { format!("and {} more\n", more.len()) };
    if shown.is_empty() {
        String::new()
    } else {
        format!("\nProfiles with loaders of their own:\n{}{more}", shown.concat())
    }
}

/// The site's loaders that PXE firmware starts by themselves over IPv6, if anything is served there.
fn without_script(setting: &CliContext) -> Vec<&str> {
    let plan = &setting.site.plan;
    if !plan.dhcp6.tftp || setting.links.iter().all(|link| link.ipv6.is_empty()) {
        return Vec::new();
    }
    let alone = |(arch, loader): &(&Arch, &Loader)| arch.is_efi() && !plan.has_ipxe_wrapper(**arch, &loader.name);
    let mut names: Vec<&str> = plan.loaders.iter().filter(alone).map(|(_, loader)| loader.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The one of each family that names us there.
fn addresses(link: &Link) -> Vec<String> {
    let both = [link.address().map(IpAddr::V4), link.address6().map(IpAddr::V6)];
    both.iter().flatten().map(IpAddr::to_string).collect()
}

fn script(plan: &Plan) -> String {
    let default = plan.profile(plan.default_profile).filter(|profile| profile.boots != BootTarget::BootDir);
    if let Some(profile) = default {
        return format!("what profile {} says, unless a rule or its entry says otherwise", profile.name);
    }
    match &plan.ipxe {
        IpxeTarget::Builtin if plan.menu.has_boot_script => "boot.ipxe of the boot directory".to_owned(),
        IpxeTarget::Builtin => match plan.menu.entries.len() {
            0 => "our menu".to_owned(),
            1 => "our menu, with one entry of the boot directory".to_owned(),
            entries => format!("our menu, with {entries} entries of the boot directory"),
        },
        IpxeTarget::Configured(name) => name.clone(),
        IpxeTarget::AsFirmware => "what its firmware gets".to_owned(),
    }
}

fn summary(Checked { setting, rows, depends, unread }: &Checked) -> Value {
    let plan = &setting.site.plan;
    let loaders = plan.loaders.iter().map(|(arch, loader)| {
        let id = arch.info().map_or("unassigned", |row| row.id);
        let secure_boot = secure_boot::json(rows, *arch);
        let with_script = plan.has_ipxe_wrapper(*arch, &loader.name);
        (
            id.to_owned(),
            json!({
                "name": loader.name, "file": loader.path, "secure_boot": secure_boot, "script_over_ipv6": with_script
            }),
        )
    });
    let (files, took) = setting.site.machine_files;
    json!({
        "configuration": setting.loaded.file,
        "interfaces": setting.links.iter().map(|link| json!({ "name": link.name, "address": link.address(), "ipv6": link.address6() })).collect::<Vec<_>>(),
        "tftp": match plan.tftp { Some(TftpServer::Local) => json!("ours"), Some(TftpServer::Remote(address)) => json!(address), None => Value::Null },
        "http": plan.http,
        "boot_dir": setting.loaded.settings.boot_dir,
        "script": script(plan),
        "menu": boot_dir::json(setting.site.menu_scan()),
        "by_host_name": boot_dir::host_name_scripts_json(setting.site.host_name_scripts()),
        "depends_on": depends,
        "not_read": unread,
        "machines": { "count": plan.machines.len(), "files": files, "seconds": took.as_secs_f64() },
        "loaders": loaders.collect::<serde_json::Map<_, _>>(),
        "local_disk": secure_boot::local_disk_json(rows),
    })
}
