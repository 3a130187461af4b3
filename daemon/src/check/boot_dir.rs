//! Shows the boot directory in `check`: each entry of the menu, and the files that do not become an entry.

use crate::boot_dir::{FoundEntry, HostNameScript, Scan};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::EntryTarget;
use serde_json::{Value, json};
use std::fmt::Write;

/// The section of `check` about the boot directory: the entries, and the files that do not become an entry, with one
/// path per line.
pub fn text(scan: &Scan) -> String {
    let mut text = String::new();
    if !scan.found.is_empty() {
        text.push_str("\nMenu entries:\n");
    }
    for found in &scan.found {
        writeln!(text, "{}", found.entry.title).ok();
        for (key, value) in rows(found) {
            writeln!(text, "  {key:9}  {value}").ok();
        }
    }
    if !scan.skipped.is_empty() {
        text.push_str("\nNot in the menu:\n");
    }
    for skipped in &scan.skipped {
        writeln!(text, "{}: {}", skipped.path, skipped.reason).ok();
    }
    text
}

/// The section of `check` about scripts that machines run before the menu, by their host names. Contains the reason if
/// no machine runs them. Empty if there are no such scripts.
pub fn host_name_scripts((scripts, unused_reason): (&[HostNameScript], Option<&str>)) -> String {
    let mut text = String::new();
    match unused_reason {
        _ if scripts.is_empty() => return text,
        Some(reason) => writeln!(text, "\nScripts by host name, not in use ({reason}):").ok(),
        None => {
            writeln!(text, "\nScripts by host name, run before the menu if the DHCP server assigns this name:").ok()
        }
    };
    for HostNameScript { path, host_name } in scripts {
        writeln!(text, "{path}: {host_name}").ok();
    }
    text
}

/// The scripts that machines run by their host names, as JSON.
pub fn host_name_scripts_json((scripts, unused_reason): (&[HostNameScript], Option<&str>)) -> Value {
    let scripts = scripts
        .iter()
        .map(|script| json!({ "path": script.path, "host": script.host_name, "unused_reason": unused_reason }));
    scripts.collect()
}

fn rows(found: &FoundEntry) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    match &found.entry.target {
        EntryTarget::Linux { kernel, initrds, arguments, arch } => {
            rows.push(("kernel", format!("{kernel} ({})", firmware_names(*arch))));
            rows.extend(initrds.iter().map(|initrd| ("initrd", initrd.clone())));
            let arguments = one_line(arguments);
            match &found.arguments_from {
                Some(from) => rows.push(("arguments", format!("{arguments} (from {from})").trim_start().to_owned())),
                None if !initrds.is_empty() => rows.push(("arguments", "none".to_owned())),
                None => {}
            }
        }
        EntryTarget::Script { path } => rows.push(("script", path.clone())),
        EntryTarget::Efi { path, arch } => rows.push(("program", format!("{path} ({arch})"))),
    }
    rows.extend(found.entry.problem.iter().map(|problem| ("problem", format!("this entry does not boot: {problem}"))));
    rows.extend(found.fix.iter().map(|fix| ("fix", fix.clone())));
    rows
}

/// The names of the architectures whose firmware can start a kernel of this architecture.
fn firmware_names(arch: Arch) -> String {
    match Arch::BIOS.starts_kernel_of(arch) && arch != Arch::BIOS {
        true => format!("{arch}, {}", Arch::BIOS),
        false => arch.to_string(),
    }
}

fn one_line(arguments: &str) -> String {
    arguments.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entries and the other files of the boot directory, as JSON. Null if the server shows no machine the menu.
pub fn json(scan: Option<&Scan>) -> Value {
    let Some(scan) = scan else { return Value::Null };
    let entries = scan.found.iter().map(|found| {
        let (kind, path, initrds, arguments, arch) = match &found.entry.target {
            EntryTarget::Linux { kernel, initrds, arguments, arch } => {
                ("kernel", kernel, &initrds[..], Some(one_line(arguments)), Some(*arch))
            }
            EntryTarget::Script { path } => ("script", path, &[][..], None, None),
            EntryTarget::Efi { path, arch } => ("program", path, &[][..], None, Some(*arch)),
        };
        json!({
            "title": found.entry.title, kind: path, "initrds": initrds, "arguments": arguments,
            "arguments_from": found.arguments_from, "arch": arch.and_then(Arch::info).map(|row| row.id),
            "problem": found.entry.problem, "fix": found.fix,
        })
    });
    let skipped = scan.skipped.iter().map(|skipped| json!({ "path": skipped.path, "reason": skipped.reason }));
    json!({ "entries": entries.collect::<Vec<_>>(), "skipped": skipped.collect::<Vec<_>>() })
}
