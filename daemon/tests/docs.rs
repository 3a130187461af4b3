//! What the documentation promises is there.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every row of docs/firmware.md names a test or a vector that is there, or gives the reason why there is none.
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
        match held.split('`').collect::<Vec<_>>()[..] {
            ["", test, ""] => assert!(tests.contains(test) && !answer.is_empty(), "no test {test}"),
            ["vector ", vector, ""] => assert!(has_vector(vector) && !answer.is_empty(), "no vector {vector}"),
            _ => assert!(held.contains(' ') && !held.contains('`'), "a reason, a test or a vector: {row}"),
        }
    }
}

/// All of these are compared (core/tests/vectors.rs).
fn has_vector(name: &str) -> bool {
    Path::new(ROOT).join(format!("core/testdata/vectors/{name}.json")).exists()
}

fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for place in ["core", "daemon", "e2e/tests"] {
        collect(&Path::new(ROOT).join(place), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            names.extend(functions_marked_as_tests(&text).chain(cases(&text)).map(str::to_owned));
        }
    }
}

fn functions_marked_as_tests(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|after| after.split_once("fn ")?.1.split_once('(')).map(|(name, _)| name)
}

/// What the list of a file of end-to-end tests names.
fn cases(text: &str) -> impl Iterator<Item = &str> {
    let list = text.split_once("\ncases![").and_then(|(_, after)| after.split_once("];"));
    list.map_or("", |(list, _)| list).split(',').map(str::trim)
}
