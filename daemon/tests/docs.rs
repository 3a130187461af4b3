//! What the documentation promises is there.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every row of docs/firmware.md names a test that is there, or gives the reason why there is none.
#[test]
fn every_quirk_is_held_by_a_test_or_says_why_not() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/firmware.md")).unwrap();
    let tests = tests();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [firmware, quirk, answer, evidence, held] = cells[..] else { panic!("five cells: {row}") };
        assert!(!firmware.is_empty() && !quirk.is_empty() && !evidence.is_empty(), "{row}");
        match held.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
            Some(name) => assert!(tests.contains(name) && !answer.is_empty(), "no test {name}"),
            None => assert!(held.contains(' '), "a reason, or a test in backticks: {row}"),
        }
    }
}

/// The names of all functions of tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for place in ["core", "daemon", "e2e"] {
        collect(&Path::new(ROOT).join(place), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("out") {
            collect(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}
