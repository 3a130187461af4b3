//! A room names only rooms above it. What nothing holds, drifts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every room of the core, from the one that names nobody to the one that may name all.
const CORE: &[&str] = &[
    "wire", "arch", "link", "recent", "show", "url", "arrival", "client", "plan", "route", "route6", "memory",
    "decide", "needs", "choose", "shape", "shape6", "reply4", "reply6", "answer", "name", "request", "caller",
    "script", "shim", "fetch", "transfer",
];

/// The same of the daemon.
const DAEMON: &[&str] = &[
    "probable",
    "files",
    "duid",
    "journal",
    "log",
    "systemd",
    "used",
    "shared_uuids",
    "daemonize",
    "net",
    "boot",
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
fn a_room_of_the_core_names_only_rooms_above_it() {
    hold("../core/src", CORE);
}

#[test]
fn a_room_of_the_daemon_names_only_rooms_above_it() {
    hold("src", DAEMON);
}

/// The doors do not know each other.
#[test]
fn no_door_names_another() {
    const DOORS: [&str; 3] = ["dhcp", "tftp", "http"];
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve");
    for file in rust_files(&serve) {
        let door = room_of(file.strip_prefix(&serve).unwrap());
        if !DOORS.contains(&door.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for other in DOORS.iter().filter(|other| **other != door) {
            let named = text.contains(&format!("serve::{other}")) || text.contains(&format!("super::{other}"));
            assert!(!named, "{} names {other}", file.display());
        }
    }
}

fn hold(source: &str, rooms: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&source) {
        let room = room_of(file.strip_prefix(&source).unwrap());
        if room == "lib" {
            continue;
        }
        let place = rooms.iter().position(|name| *name == room).unwrap_or_else(|| panic!("{room} is not in the list"));
        seen.insert(room);
        for named in names(&std::fs::read_to_string(&file).unwrap()) {
            match rooms.iter().position(|room| *room == named) {
                Some(other) if other <= place => {}
                _ => wrong.push(format!("{} names {named}", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), rooms.len(), "the list names a room that is not there; there are {seen:?}");
}

/// The words after `crate::`, also within braces.
fn names(text: &str) -> Vec<String> {
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

fn room_of(relative: &Path) -> String {
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}
