//! The modules of a crate depend on each other in one direction: a module names only modules before it in the lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The top modules of the core. Each module names only modules that precede it in this list.
const CORE: &[&str] = &[
    "wire",
    "arch",
    "link",
    "bounded_cache",
    "dissect",
    "url",
    "arrival",
    "client",
    "plan",
    "route",
    "route6",
    "observations",
    "decide",
    "required_features",
    "choose",
    "shape",
    "shape6",
    "reply4",
    "reply6",
    "quirks",
    "answer",
    "file_name",
    "request",
    "claimed_identity",
    "script",
    "shim",
    "fetch",
    "transfer",
];

/// The modules of the crate for Secure Boot. Each module names only modules that precede it in this list.
const SECUREBOOT: &[&str] =
    &["asn1", "key", "pe", "text", "certificate", "sbat", "authenticode", "microsoft", "signature", "verdict"];

/// The top modules of the daemon. Each module names only modules that precede it in this list.
const DAEMON: &[&str] = &[
    "suggest",
    "files",
    "duid",
    "log_limiter",
    "log",
    "systemd",
    "boot_once",
    "shared_uuids",
    "daemonize",
    "net",
    "boot_files",
    "loaders",
    "boot_dir",
    "uefi_programs",
    "config",
    "templates",
    "import",
    "site",
    "report",
    "state",
    "serve",
    "cli",
    "main",
];

#[test]
fn a_module_of_the_core_names_only_modules_before_it() {
    assert_order("../core/src", CORE);
}

#[test]
fn a_module_of_the_crate_for_secure_boot_names_only_modules_before_it() {
    assert_order("../secureboot/src", SECUREBOOT);
}

#[test]
fn a_module_of_the_daemon_names_only_modules_before_it() {
    assert_order("src", DAEMON);
}

#[test]
fn the_services_do_not_name_each_other() {
    const SERVICES: [&str; 3] = ["dhcp", "tftp", "http"];
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve");
    for file in rust_files(&serve) {
        let service = module_of(file.strip_prefix(&serve).unwrap());
        if !SERVICES.contains(&service.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for other in SERVICES.iter().filter(|other| **other != service) {
            let is_named = text.contains(&format!("serve::{other}")) || text.contains(&format!("super::{other}"));
            assert!(!is_named, "{} names {other}", file.display());
        }
    }
}

fn assert_order(source: &str, modules: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let mut violations = Vec::new();
    let mut found = BTreeSet::new();
    for file in rust_files(&source) {
        let module = module_of(file.strip_prefix(&source).unwrap());
        if module == "lib" {
            continue;
        }
        let rank =
            modules.iter().position(|name| *name == module).unwrap_or_else(|| panic!("{module} is not in the list"));
        found.insert(module);
        for named in named_modules(&std::fs::read_to_string(&file).unwrap()) {
            match modules.iter().position(|module| *module == named) {
                Some(other) if other <= rank => {}
                _ => violations.push(format!("{} names {named}", file.display())),
            }
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(found.len(), modules.len(), "the list names a missing module; the modules are {found:?}");
}

/// Returns the module names that follow `crate::` in this text, including those in braces.
fn named_modules(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let listed = rest.strip_prefix('{').and_then(|list| list.split_once('}'));
        let paths: Vec<&str> = listed.map_or(vec![rest], |(list, _)| list.split(',').collect());
        let word = |path: &str| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        names.extend(paths.into_iter().map(word));
    }
    names
}

fn module_of(relative: &Path) -> String {
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}
