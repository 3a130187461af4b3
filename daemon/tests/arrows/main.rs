//! The modules of a crate depend on each other in one direction. A top module names only modules before it in the
//! lists below. Inside every directory, no modules name each other in a circle.

mod names;

use names::{Module, ModulePath, read_crate};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The top modules of the core. Each module names only modules that precede it in this list.
const CORE: &[&str] = &[
    "wire",
    "arch",
    "link",
    "bounded_cache",
    "dissect",
    "ipxe_error",
    "url",
    "arrival",
    "relay",
    "identity",
    "client",
    "plan",
    "route",
    "route6",
    "wake",
    "observations",
    "decide",
    "required_features",
    "choose",
    "shape",
    "shape6",
    "quirks",
    "reply4",
    "reply6",
    "ambiguous_identity",
    "answer",
    "file_name",
    "request",
    "claimed_identity",
    "render_context",
    "file_ticket",
    "script",
    "shim",
    "fetch",
    "report_request",
    "round_trip",
    "transfer",
    "event",
    "story",
    "capture",
    "replay",
];

/// The top modules of the daemon. Each module names only modules that precede it in this list.
const DAEMON: &[&str] = &[
    "files",
    "duid",
    "log",
    "boot_once",
    "menu_passwords",
    "shared_uuids",
    "vendors",
    "daemonize",
    "net",
    "boot_files",
    "loaders",
    "boot_dir",
    "uefi_programs",
    "settings",
    "machine_files",
    "edits",
    "heard_traffic",
    "kept_packets",
    "events",
    "story",
    "history",
    "systemd",
    "config",
    "sandbox",
    "templates",
    "site",
    "state",
    "preview",
    "explain",
    "check",
    "access",
    "api",
    "web",
    "webhooks",
    "serve",
    "cli",
    "main",
];

/// The modules of the crate for the import. Each module names only modules that precede it in this list.
const IMPORT: &[&str] = &[
    "server_info",
    "host_info",
    "file_names",
    "expression",
    "output",
    "translation",
    "program",
    "pxelinux",
    "pxelinux_dir",
    "machine_csv",
    "proxy_ini",
    "dnsmasq",
    "command_line",
    "uci",
    "isc",
    "kea",
    "detect",
];

/// The modules of the crate for readers. Each module names only modules that precede it in this list.
const READING: &[&str] =
    &["diagnostic", "suggest", "identifiers", "names", "csv", "ini", "machine_fields", "regular", "legacy"];

/// The modules of the crate for Secure Boot. Each module names only modules that precede it in this list.
const SECUREBOOT: &[&str] =
    &["asn1", "key", "pe", "text", "certificate", "sbat", "authenticode", "microsoft", "signature", "verdict"];

/// The modules of the player. Each module names only modules that precede it in this list.
const PLAYER: &[&str] = &[
    "random",
    "kinds",
    "machine",
    "failure",
    "exchange",
    "dialect4",
    "dhcp4",
    "boot_server",
    "dhcp6",
    "content",
    "tftp",
    "url",
    "http",
    "script",
    "report",
    "address_pool",
    "addresses",
    "network",
    "fetch",
    "systems",
    "play",
    "driver",
    "main",
];

#[test]
fn a_module_of_the_core_names_only_modules_before_it() {
    assert_order("../core/src", CORE);
}

#[test]
fn a_module_of_the_daemon_names_only_modules_before_it() {
    assert_order("src", DAEMON);
}

#[test]
fn a_module_of_the_crate_for_the_import_names_only_modules_before_it() {
    assert_order("../import/src", IMPORT);
}

#[test]
fn a_module_of_the_crate_for_readers_names_only_modules_before_it() {
    assert_order("../reading/src", READING);
}

#[test]
fn a_module_of_the_crate_for_secure_boot_names_only_modules_before_it() {
    assert_order("../secureboot/src", SECUREBOOT);
}

#[test]
fn a_module_of_the_player_names_only_modules_before_it() {
    assert_order("../player/src", PLAYER);
}

#[test]
fn no_modules_of_a_directory_name_each_other_in_a_circle() {
    let of_crate = |name: &str| circles(name, &read_crate(&root().join("..").join(name).join("src")));
    let circles: Vec<String> =
        ["core", "daemon", "e2e", "fuzz", "import", "player", "properties", "reading", "secureboot", "testbed"]
            .into_iter()
            .flat_map(of_crate)
            .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

/// Only the log turns events into lines.
#[test]
fn no_module_but_the_log_writes_lines() {
    let mut directories = vec![root().join("src")];
    let mut writing = BTreeSet::new();
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let text = text.replace("tracing::level_filters::LevelFilter", "");
            let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
            // `log` is the subscriber, which writes the lines to the terminal, the journal or syslog, or collects them.
            let is_log = name == "log.rs" || name.starts_with("log/");
            if !is_log && !name.starts_with("events/log/") && text.contains("tracing") {
                writing.insert(name);
            }
        }
    }
    assert!(writing.is_empty(), "{writing:?}");
}

#[test]
fn the_services_do_not_name_each_other() {
    const SERVICES: [&str; 3] = ["dhcp", "tftp", "http"];
    let modules = read_crate(&root().join("src"));
    for module in &modules {
        let [serve, service, ..] = &module.path[..] else { continue };
        if serve != "serve" || !SERVICES.contains(&service.as_str()) {
            continue;
        }
        for named in &module.named {
            let is_other = named.len() > 1 && named[0] == "serve" && named[1] != *service;
            assert!(!(is_other && SERVICES.contains(&named[1].as_str())), "{:?} names {named:?}", module.path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn assert_order(source: &str, modules: &[&str]) {
    let rank = |name: &str| modules.iter().position(|module| *module == name);
    let mut violations = Vec::new();
    let mut found = BTreeSet::new();
    for module in read_crate(&root().join(source)) {
        let Some(top) = module.path.first() else { continue };
        let own = rank(top).unwrap_or_else(|| panic!("{top} is not in the list"));
        found.insert(top.clone());
        let later = module.named.iter().filter(|named| named.first().is_some_and(|top| rank(top) > Some(own)));
        violations.extend(later.map(|named| format!("{} names {}", module.path.join("::"), named.join("::"))));
    }
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(found.len(), modules.len(), "the list names a missing module; the modules are {found:?}");
}

/// Returns the circles in each directory. The modules of a directory are its files, its subdirectories, and its module
/// file (`mod.rs`).
fn circles(crate_name: &str, modules: &[Module]) -> Vec<String> {
    let mut directories: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for module in modules {
        for named in &module.named {
            let common = module.path.iter().zip(named).take_while(|(one, other)| one == other).count();
            let in_directory = |path: &ModulePath| path.get(common).map_or("mod".to_owned(), String::clone);
            let arrows = directories.entry(module.path[..common].to_vec()).or_default();
            arrows.entry(in_directory(&module.path)).or_default().insert(in_directory(named));
        }
    }
    let name = |directory: &[String]| [&[crate_name.to_owned()], directory].concat().join("/");
    directories.iter().flat_map(|(directory, arrows)| circles_of(&name(directory), arrows)).collect()
}

/// Returns the circles of a directory: each lists the modules that reach each other.
fn circles_of(directory: &str, arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|module| (&module[..], reach(arrows, module))).collect();
    let circle = |module: &str| {
        let reach_each_other = |other: &&str| reached[other].contains(module) && reached[module].contains(other);
        let circle: Vec<&str> = reached.keys().copied().filter(reach_each_other).collect();
        format!("{directory}/{{{}}}", circle.join(", "))
    };
    reached.keys().filter(|module| reached[**module].contains(**module)).map(|module| circle(module)).collect()
}

/// Returns the modules to which arrows lead from this module.
fn reach<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        let named = arrows.get(module).into_iter().flatten().map(String::as_str);
        next.extend(named.filter(|named| reached.insert(*named)));
    }
    reached
}
