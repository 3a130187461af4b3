//! Imports the Python daemon's `proxy.ini`. The result serves the same files to every machine. Each entry that has no
//! effect receives a note.

use super::file_names::refused_loader;
use super::host_info::HostInfo;
use super::output::{LineNote, LineOutcome, header, one_line, toml_string};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::ini::{self, IniItem};
use proxydhcpd_reading::legacy::{self, LegacyConfig, VENDOR_KEY};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

/// Converts `proxy.ini` to `proxydhcpd.toml`.
pub fn import(source: &Source, host: &HostInfo) -> Result<String, Vec<Diagnostic>> {
    let (legacy, warnings) = legacy::read(source)?;
    let items = items(source);
    let ipxe_mode = matches!(legacy.boot.ipxe, IpxeTarget::Configured(_));
    let mut notes = Vec::new();
    for (section, item) in &items {
        let line = source.line_number(item.key_span.start);
        let warning =
            warnings.iter().find(|warning| warning.location.as_ref().is_some_and(|location| location.line == line));
        let outcome = match warning {
            _ if is_refused(&legacy, section, item, ipxe_mode) => {
                Some(LineOutcome::Unsupported("this server cannot offer a file with this name".into()))
            }
            Some(warning) => {
                let help = warning.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                let reason = format!("{}{help}", warning.message);
                Some(if item.key == VENDOR_KEY {
                    LineOutcome::Unsupported(reason)
                } else {
                    LineOutcome::Changed(reason)
                })
            }
            None => without_effect(section, &item.key, ipxe_mode),
        };
        let location = format!("line {line}");
        notes.extend(outcome.map(|outcome| LineNote {
            location,
            line: format!("{} = {}", item.key, item.value),
            outcome,
        }));
    }
    Ok(header(&source.name, &attention(&legacy, host), &notes) + &body(&legacy))
}

/// Every entry with its section. An entry of `[DEFAULT]` occurs only once, although all sections inherit it.
fn items(source: &Source) -> Vec<(String, IniItem)> {
    let Ok(ini) = ini::parse(source) else { return Vec::new() };
    let mut items: Vec<(String, IniItem)> = Vec::new();
    for section in &ini.sections {
        for item in ini.items(section, source).into_iter().flatten() {
            let is_same = |(known_section, known): &(String, IniItem)| {
                known.key_span == item.key_span && (known.inherited || known_section == &section.name)
            };
            match items.iter_mut().find(|known| is_same(known)) {
                // An inherited entry belongs to the section from which the daemon reads its key.
                Some(known) if is_read_from(&section.name, &item.key) => known.0.clone_from(&section.name),
                Some(_) => {}
                None => items.push((section.name.clone(), item)),
            }
        }
    }
    items.sort_by_key(|(_, item)| item.key_span.start);
    items
}

fn is_read_from(section: &str, key: &str) -> bool {
    let is_ipxe_key = key.ends_with("_bootstrap") || key == "chainload_url" || key == "enabled";
    section == if is_ipxe_key { "ipxe" } else { "proxy" }
}

/// Whether the entry names a file that the server refuses.
fn is_refused(legacy: &LegacyConfig, section: &str, item: &IniItem, ipxe_mode: bool) -> bool {
    let key = item.key.as_str();
    let names_file = key.starts_with("filename") || key.ends_with("_bootstrap") || key == "chainload_url";
    let url = || match key == "chainload_url" && item.value.contains("://") {
        true => item.value.clone(),
        false => to_url(legacy.boot.tftpd, &item.value),
    };
    names_file && without_effect(section, key, ipxe_mode).is_none() && refused_loader(&url()).is_some()
}

/// The outcome of a valid entry that has no effect, because the daemon does not read the key from this section, or uses
/// it only in the other iPXE mode. `None`: the entry has an effect.
fn without_effect(section: &str, key: &str, ipxe_mode: bool) -> Option<LineOutcome> {
    if !is_read_from(section, key) {
        return Some(LineOutcome::Unneeded(format!("the daemon does not read it from [{section}]")));
    }
    let is_unused = match key {
        "chainload_url" => !ipxe_mode,
        key if key.starts_with("filename") => ipxe_mode,
        key if key.ends_with("_bootstrap") => !ipxe_mode,
        _ => false,
    };
    let mode = if ipxe_mode { "on" } else { "off" };
    is_unused.then(|| LineOutcome::Unneeded(format!("it has no effect while iPXE mode is {mode}")))
}

/// A note on the files that this host must send and that the boot directory lacks. Empty if no file is missing.
fn attention(legacy: &LegacyConfig, host: &HostInfo) -> Vec<String> {
    let boot = &legacy.boot;
    if !host.networks.iter().any(|(_, network)| network.address == boot.tftpd) {
        return Vec::new();
    }
    let ipxe_file = if let IpxeTarget::Configured(name) = &boot.ipxe { Some(name) } else { None };
    let loaders = boot.loaders.values().chain(&boot.default_loader).map(|loader| &loader.name);
    let names: BTreeSet<&String> = loaders.chain(ipxe_file.filter(|name| !name.contains("://"))).collect();
    let boot_dir = host.server.default_boot_dir;
    let is_there = |name: &str| Path::new(boot_dir).join(name.trim_start_matches('/')).is_file();
    let missing: Vec<&str> = names.iter().map(|name| name.as_str()).filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{} is this host, and {boot_dir} does not contain {}: put the files there, or keep the TFTP server \
         running that sends them now",
        boot.tftpd,
        missing.join(", ")
    )]
}

fn body(legacy: &LegacyConfig) -> String {
    let mut text = String::new();
    let (boot, addresses) = (&legacy.boot, &legacy.addresses);
    if let Some((interface, _)) = &addresses.interface {
        writeln!(text, "interfaces = [{}]", toml_string(interface)).ok();
    }
    if let Some((address, _)) = addresses.listen_address.as_ref().filter(|(address, _)| !address.is_unspecified()) {
        writeln!(text, "address = \"{address}\"").ok();
    }
    text.push_str("default-profile = \"firmware\"\n");
    if let IpxeTarget::Configured(name) = &boot.ipxe {
        text.push_str("\n[[rule]]\nname = \"iPXE\"\nfirmware = [\"ipxe\"]\nprofile = \"ipxe\"\n\n");
        text += &match name.contains("://") {
            true => profile("ipxe", "]", &[("script", name.clone())]),
            false => profile("ipxe", ".loaders]", &[("default", to_url(boot.tftpd, name))]),
        };
    }
    let id = |arch: &Arch| arch.info().map_or("bios", |row| row.id);
    let by_arch = boot.loaders.iter().map(|(arch, loader)| (id(arch), loader));
    let all = by_arch.chain(boot.default_loader.iter().map(|loader| ("default", loader)));
    let keys: Vec<_> = all.map(|(key, Loader { name, .. })| (key, to_url(boot.tftpd, name))).collect();
    text.push_str(
        "\n# To serve the files from this server, put them into the boot directory and remove tftp://ADDRESS/ here.\n",
    );
    text + &profile("firmware", ".loaders]", &keys)
}

/// The table of a profile with these keys. A value that the server refuses is in a comment, with the reason; a profile
/// without any other boots nothing.
fn profile(name: &str, table: &str, keys: &[(&str, String)]) -> String {
    let (mut lines, mut has_value) = (String::new(), false);
    for (key, value) in keys {
        match refused_loader(value) {
            None => {
                has_value = true;
                writeln!(lines, "{key} = {}", toml_string(value)).ok();
            }
            Some(reason) => {
                writeln!(lines, "# {key} = {}\n#   {}", toml_string(value), one_line(&reason)).ok();
            }
        }
    }
    match has_value {
        true => format!("[profile.{name}{table}\n{lines}"),
        false => format!("[profile.{name}]\nboot = \"nothing\"\n{lines}"),
    }
}

fn to_url(server: Ipv4Addr, name: &str) -> String {
    format!("tftp://{server}/{name}")
}
