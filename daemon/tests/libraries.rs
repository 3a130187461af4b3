//! Tests the libraries in the program against `deny.toml`, without what `make audit` needs for it: the tool cargo-deny,
//! and the Internet.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

#[test]
fn the_program_contains_one_version_of_each_library() {
    let skipped = strings(&["bans", "skip"]);
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for Library { name, version, .. } in libraries() {
        let is_skipped = skipped.iter().any(|skip| format!("{name}@{version}").starts_with(&format!("{skip}.")));
        let known = versions.entry(name).or_default();
        if !is_skipped && !known.contains(&version) {
            known.push(version);
        }
    }
    assert!(versions.len() > 100, "{versions:?}");
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "libraries in several versions: {versions:?}");
}

#[test]
fn deny_toml_allows_the_licence_of_each_library_and_no_other() {
    let allowed = strings(&["licenses", "allow"]);
    let libraries = libraries();
    for Library { name, licence, .. } in &libraries {
        assert!(is_allowed(licence, &allowed), "{name} has the licence {licence}, which deny.toml does not allow");
    }
    for licence in &allowed {
        assert!(libraries.iter().any(|library| library.licence.contains(licence)), "no library has {licence}");
    }
}

#[test]
fn a_licence_is_allowed_if_a_choice_is_and_every_part_of_it() {
    let allowed = ["MIT", "ISC"].map(str::to_owned);
    for licence in ["MIT", "MIT/Apache-2.0", "Apache-2.0 OR MIT", "MIT AND ISC", "(MIT OR Zlib) AND ISC"] {
        assert!(is_allowed(licence, &allowed), "{licence}");
    }
    for licence in ["", "GPL-2.0", "MIT AND GPL-2.0", "(GPL-2.0 OR Zlib) AND MIT", "Zlib OR GPL-2.0"] {
        assert!(!is_allowed(licence, &allowed), "{licence}");
    }
}

struct Library {
    name: String,
    version: String,
    licence: String,
}

/// The libraries of the program and of its build, from the registry.
fn libraries() -> Vec<Library> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--package=proxydhcpd", "--edges=normal,build", "--prefix=none"]);
    let output = tree.args(["--no-dedupe", "--format={p}|{l}"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    // A line is `tokio v1.54.1|MIT`, with the path behind the version for a crate of this workspace.
    let library = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let (name, version) = package.split_once(" v")?;
        let version = version.split(' ').next()?;
        Some(Library { name: name.to_owned(), version: version.to_owned(), licence: licence.to_owned() })
    };
    lines.lines().filter(|line| !line.contains("(/")).filter_map(library).collect()
}

/// The value of a key of deny.toml, a list.
fn strings(key: &[&str; 2]) -> Vec<String> {
    let file: toml::Table = fs::read_to_string("../deny.toml").unwrap().parse().unwrap();
    let list = file[key[0]][key[1]].as_array().unwrap();
    list.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// `AND` separates what must all be allowed, `OR` or a slash the choices. Only choices are in parentheses.
fn is_allowed(licence: &str, allowed: &[String]) -> bool {
    let is_choice_allowed =
        |choice: &str| allowed.iter().any(|allowed| allowed == choice.trim_matches(['(', ')', ' ']));
    let is_part_allowed = |part: &str| part.replace('/', " OR ").split(" OR ").any(is_choice_allowed);
    let parts_are_choices = licence.contains('(') || !licence.contains(" OR ");
    if parts_are_choices {
        return licence.split(" AND ").all(is_part_allowed);
    }
    licence.split(" OR ").any(|choice| choice.split(" AND ").all(is_choice_allowed))
}
