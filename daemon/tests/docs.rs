//! Tests that the documentation's references to tests, files and sections are valid.

mod quirk_page;

use clap::Parser;
use clap::error::ErrorKind;
use proxydhcpd::cli::Cli;
use proxydhcpd_core::quirks::{CoveredBy, QUIRKS, Quirk};
use quirk_page::{OtherQuirk, OtherQuirks, other_quirks};
use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every firmware quirk names an existing test or vector, or gives the reason for having none; and its code exists.
#[test]
fn every_quirk_names_its_code_and_its_test_or_the_reason_for_having_none() {
    let OtherQuirks { elsewhere, no_remedy } = other_quirks();
    let tests = tests();
    for Quirk { name, covered_by, .. } in QUIRKS {
        match covered_by {
            CoveredBy::Test(test) => assert!(tests.contains(*test), "{name}: no test {test}"),
            CoveredBy::Vector(vector) => assert!(has_vector(vector), "{name}: no vector {vector}"),
        }
    }
    for OtherQuirk { firmware, behaviour, reaction, code, vector, test, reason, .. } in &elsewhere {
        let quirk = format!("{firmware} {behaviour}");
        let code = code.as_ref().expect(&quirk);
        assert!(Path::new(ROOT).join(code).is_file(), "{quirk}: no file {code}");
        assert!(!reaction.is_empty() && vector.iter().chain(test).chain(reason).count() == 1, "{quirk}");
        assert!(vector.as_ref().is_none_or(|vector| has_vector(vector)), "{quirk}: no such vector");
        assert!(test.as_ref().is_none_or(|test| tests.contains(test)), "{quirk}: no such test");
    }
    for OtherQuirk { firmware, behaviour, code, vector, test, reason, .. } in &no_remedy {
        assert!(reason.is_some() && code.iter().chain(vector).chain(test).count() == 0, "{firmware} {behaviour}");
    }
    assert!(elsewhere.len() >= 60 && no_remedy.len() >= 10);
}

/// Comments and pages cite docs/protocol.md by section or experiment: `protocol.md 2.8, 5.3`, `protocol.md L:c2`.
#[test]
fn every_citation_of_the_protocol_page_leads_to_an_anchor() {
    let anchors = anchors(&read("docs/protocol.md"));
    let (mut cited, mut errors) = (0, Vec::new());
    for (path, text) in texts() {
        let prose = prose(&text);
        cited += prose.matches("protocol.md ").count();
        let unresolved = citations(&prose).into_iter().filter(|anchor| !anchors.contains(anchor));
        errors.extend(unresolved.map(|anchor| format!("{path}: {anchor}")));
        errors.extend(
            prose.contains("protocol note").then(|| format!("{path}: a document that is not in the repository")),
        );
    }
    assert!(cited >= 30, "{cited} citations");
    assert!(errors.is_empty(), "docs/protocol.md has no such anchor: {errors:#?}");
}

#[test]
fn a_citation_is_found_in_every_form() {
    let found = |text: &str| citations(&prose(text));
    assert_eq!(found("/// (protocol.md 2.8, 5.3)."), ["2.8", "5.3"]);
    assert_eq!(found("//! of protocol.md 2.3 and 2.4.\n//! 5 more"), ["2.3", "2.4"]);
    assert_eq!(found("// see protocol.md\n    // 5.2 to 5.5, 7 times"), ["5.2", "5.5", "7"]);
    assert_eq!(found("(protocol.md 9)"), ["9"]);
    assert_eq!(found("protocol.md L:c1, L:c2: the request"), ["L-c1", "L-c2"]);
    assert_eq!(found("| [L:u3] | URL:x |\n[L:u3]: protocol.md#L-u3"), ["L-u3", "L-u3", "L-u3"]);
    assert!(found("docs/protocol.md is a page").is_empty());
}

/// The references in brackets become links through the definitions at the end of the page, and each anchor is unique.
#[test]
fn every_reference_in_brackets_has_its_link() {
    for name in ["protocol", "firmware"] {
        let page = read(&format!("docs/{name}.md"));
        let defined: Vec<&str> =
            page.lines().filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.0)).collect();
        for reference in page.split('[').skip(1).filter_map(|after| Some(after.split_once(']')?.0)) {
            let needs_link = reference.starts_with("L:") || is_section(reference);
            assert!(!needs_link || defined.contains(&reference), "{name}: [{reference}]");
        }
    }
    let page = read("docs/protocol.md");
    let anchors: Vec<&str> =
        page.split("<a id=\"").skip(1).filter_map(|after| Some(after.split_once('"')?.0)).collect();
    assert_eq!(anchors.len(), BTreeSet::from_iter(&anchors).len(), "duplicate anchor");
    let numbered = page.lines().filter(|line| line.starts_with("##")).filter_map(|line| line.split(' ').nth(1));
    for number in numbered.map(|number| number.trim_end_matches('.')).filter(|number| is_section(number)) {
        assert!(anchors.contains(&number), "section {number} has no anchor");
    }
}

/// If code in backticks on a page begins with a directory of the repository, it is a path.
#[test]
fn every_file_that_a_page_names_exists() {
    let pages = texts().into_iter().filter(|(path, _)| path.ends_with(".md"));
    let mut checked = 0;
    for (page, text) in pages {
        for name in text.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')) {
            let is_path = [
                "core/",
                "daemon/",
                "import/",
                "reading/",
                "secureboot/",
                "docs/",
                "e2e/",
                "fuzz/",
                "properties/",
                "bench/",
                "testbed/",
            ]
            .iter()
            .any(|top| name.starts_with(top));
            let path = name.split_once('*').map_or(name, |(directory, _)| directory);
            assert!(!is_path || Path::new(ROOT).join(path).exists(), "{page} names {name}");
            checked += usize::from(is_path);
        }
    }
    assert!(checked >= 20, "{checked} paths");
}

/// A link to a file of the repository is relative to its page, and its anchor is a heading there, as GitHub writes it.
#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let (mut checked, mut errors) = (0, Vec::new());
    for (page, text) in texts().into_iter().filter(|(path, _)| path.ends_with(".md") && !path.contains("testdata")) {
        for target in text.split("](").skip(1).filter_map(|after| Some(after.split_once(')')?.0)) {
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            checked += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let directory = Path::new(&page).parent().unwrap();
            let path = if file.is_empty() { Path::new(&page).to_owned() } else { directory.join(file) };
            let is_anchor = || anchors_of_headings(&read(path.to_str().unwrap())).contains(anchor);
            if !Path::new(ROOT).join(&path).exists() || !anchor.is_empty() && !is_anchor() {
                errors.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(checked >= 100, "{checked} links");
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Returns the anchors of a page: those of its headings, and those that it writes.
fn anchors_of_headings(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| {
        let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
    });
    let written = page.split("<a id=\"").skip(1).filter_map(|after| Some(after.split_once('"')?.0.to_owned()));
    headings.chain(written).collect()
}

/// A command between backticks in a sentence. The test `doc_examples` runs the commands in blocks.
#[test]
fn every_command_that_a_sentence_names_is_one_of_the_program_with_its_flags() {
    let (mut checked, mut errors) = (0, Vec::new());
    for (page, text) in texts().into_iter().filter(|(path, _)| path.ends_with(".md")) {
        for command in code_in_sentences(&text).filter(|code| code.starts_with("proxydhcpd ")) {
            checked += 1;
            let parsed = Cli::try_parse_from(command.replace("HEX", "01").split_whitespace());
            let error = parsed.err().filter(|error| !is_incomplete(error.kind()));
            errors.extend(error.map(|error| format!("{page}: {error}")));
        }
    }
    assert!(checked >= 100, "{checked} commands");
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Whether a command is correct as far as it goes: a sentence may name it without its arguments.
fn is_incomplete(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand | ErrorKind::DisplayHelp)
        || error == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// The texts between backticks outside of blocks, each on one line.
fn code_in_sentences(page: &str) -> impl Iterator<Item = String> {
    let mut is_block = false;
    let is_sentence = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_block ^= is_fence;
        !is_fence && !is_block
    };
    let text = page.lines().filter(is_sentence).collect::<Vec<_>>().join(" ");
    let code: Vec<String> = text.split('`').skip(1).step_by(2).map(prose).collect();
    code.into_iter()
}

/// A test that CONTRIBUTING.md runs with `--test` is a file or a directory in daemon/tests.
#[test]
fn every_integration_test_that_contributing_runs_exists() {
    let page = read("CONTRIBUTING.md");
    let names = page.split("--test ").skip(1).map(|after| after.split(|c: char| " `\n".contains(c)).next().unwrap());
    let tests = Path::new(ROOT).join("daemon/tests");
    let missing: Vec<&str> =
        names.filter(|name| !tests.join(name).is_dir() && !tests.join(format!("{name}.rs")).is_file()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The test `generated` compares the list of vectors.
#[test]
fn every_capture_is_listed_and_every_listed_one_exists() {
    let page = read("docs/protocol.md");
    let listed: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let entries = std::fs::read_dir(Path::new(ROOT).join("core/testdata/captures")).unwrap();
    let files: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for file in &files {
        assert!(listed.contains(&file[..]), "docs/protocol.md does not list {file}");
    }
    for capture in listed.iter().filter(|name| name.ends_with(".pcap") && !name.contains('/')) {
        assert!(files.iter().any(|file| file == capture), "no capture {capture}");
    }
    for vector in page.split("[vector ").skip(1).filter_map(|after| Some(after.split_once(']')?.0)) {
        assert!(has_vector(vector), "no vector {vector}");
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

fn anchors(page: &str) -> BTreeSet<String> {
    page.split("<a id=\"").skip(1).filter_map(|after| Some(after.split_once('"')?.0.to_owned())).collect()
}

/// Whether the text is the number of a section, such as `2` or `2.8`.
fn is_section(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()))
}

/// Returns the text as one line, without comment markers.
fn prose(text: &str) -> String {
    let bare = |line: &str| line.trim().trim_start_matches(['/', '!', '#']).trim().to_owned();
    text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

/// Returns the anchors that a text cites: first the sections after the name of the page, then every `L:`.
fn citations(prose: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in prose.split("protocol.md").skip(1) {
        if let Some(anchor) = after.strip_prefix('#') {
            let end = anchor.find(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c)).unwrap_or(anchor.len());
            found.push(anchor[..end].trim_end_matches('.').to_owned());
        }
        let mut words = after.strip_prefix(' ').unwrap_or_default().split(' ').peekable();
        while let Some(word) = words.next() {
            let section = word.trim_end_matches([',', '.', ')', ';', ':']);
            if !is_section(section) {
                break;
            }
            found.push(section.to_owned());
            let continues = word.ends_with(',') || words.next_if(|word| ["and", "to"].contains(word)).is_some();
            if !continues {
                break;
            }
        }
    }
    for (at, _) in prose.match_indices("L:") {
        let before = prose[..at].chars().next_back();
        let rest = &prose[at + 2..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if before.is_none_or(|c| !c.is_alphanumeric()) && end > 0 {
            found.push(format!("L-{}", &rest[..end]));
        }
    }
    found
}

/// Returns all source texts (code with its comments, and pages), each with its path.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for top in
        ["core", "daemon", "import", "reading", "secureboot", "docs", "e2e", "properties", "fuzz", "bench", "dist"]
    {
        collect_texts(Path::new(top), &mut texts);
    }
    texts.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| (page.to_owned(), read(page))),
    );
    // This file is excluded, because it contains examples of citations.
    texts.retain(|(path, _)| path != "daemon/tests/docs.rs");
    texts
}

fn collect_texts(directory: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(Path::new(ROOT).join(directory)).unwrap().map(Result::unwrap) {
        let path = directory.join(entry.file_name());
        let name = path.to_str().unwrap().to_owned();
        if entry.file_type().unwrap().is_dir()
            && !["target", "corpus", ".cache"].iter().any(|built| name.ends_with(built))
        {
            collect_texts(&path, texts);
        } else if [".rs", ".md", ".toml", ".py"].iter().any(|ending| name.ends_with(ending)) {
            texts.push((name.clone(), read(&name)));
        }
    }
}

/// Whether this vector exists. core/tests/vectors.rs tests every vector in the directory.
fn has_vector(name: &str) -> bool {
    Path::new(ROOT).join(format!("core/testdata/vectors/{name}.json")).exists()
}

fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for place in ["core", "daemon", "import", "reading", "secureboot", "e2e/tests"] {
        collect(&Path::new(ROOT).join(place), &mut names);
    }
    names
}

fn collect(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
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

/// Returns the tests that the `cases!` list of an end-to-end test file names.
fn cases(text: &str) -> impl Iterator<Item = &str> {
    let list = text.split_once("\ncases![").and_then(|(_, after)| after.split_once("];"));
    list.map_or("", |(list, _)| list).split(',').map(str::trim)
}
