//! The manual pages of commands are generated from the command line's definition, those of the configuration and the
//! example file from the table of keys, docs/firmware.md from the firmware quirks, the table in docs/monitoring.md from
//! the metrics, docs/openapi.json from the types of the API, the pages in docs/verdicts and the
//! catalogue of the journal from the verdicts, and the list of vectors in docs/protocol.md from their files. To
//! regenerate them: `UPDATE=1 cargo test --workspace --test generated`.

mod quirk_page;
mod verdict_pages;

use clap::CommandFactory;
use proxydhcpd::cli::Cli;
use proxydhcpd::settings::keys::render;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn the_manual_pages_match_the_command_line() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = BTreeMap::new();
    add_pages("proxydhcpd", &program, &mut pages);
    // The server's page describes `serve`, because the server runs without that word too.
    pages.remove("proxydhcpd-serve");
    for (name, command) in &pages {
        let mut page = Vec::new();
        let manual = clap_mangen::Man::new(command.clone()).section("8").manual("System Manager's Manual").date("");
        manual.render(&mut page).unwrap();
        compare(&directory.join(format!("{name}.8")), &page);
    }
    let committed = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let committed: BTreeSet<String> = committed.filter_map(|name| Some(name.strip_suffix(".8")?.to_owned())).collect();
    assert_eq!(committed, pages.into_keys().map(str::to_owned).collect(), "each page of section 8 is of a command");
}

/// Adds the page of a command, and those of its subcommands.
fn add_pages(name: &str, command: &clap::Command, pages: &mut BTreeMap<&'static str, clap::Command>) {
    for subcommand in command.get_subcommands() {
        add_pages(&format!("{name}-{}", subcommand.get_name()), subcommand, pages);
    }
    // clap takes names as `&'static str`.
    let name: &'static str = name.to_owned().leak();
    pages.insert(name, command.clone().display_name(name).name(name));
}

#[test]
fn the_manual_page_of_the_configuration_and_the_example_file_match_the_table_of_keys() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    compare(&root.join("docs/man/proxydhcpd.toml.5"), render::man_page().as_bytes());
    compare(&root.join("dist/proxydhcpd.toml"), render::example_file().as_bytes());
}

#[test]
fn the_page_of_firmware_quirks_matches_their_rows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/firmware.md");
    compare(&page, quirk_page::render().as_bytes());
}

#[test]
fn the_committed_description_of_the_api_is_that_of_its_types() {
    let description = serde_json::to_string_pretty(&proxydhcpd::api::document()).unwrap() + "\n";
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json"), description.as_bytes());
}

#[test]
fn the_table_of_metrics_on_their_page_matches_their_rows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md");
    compare_list(&page, "metrics", &proxydhcpd::web::metrics::table::markdown());
}

#[test]
fn each_verdict_has_its_page_and_its_text_in_the_catalogue_of_the_journal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let directory = root.join("docs/verdicts");
    let pages: BTreeMap<String, String> = verdict_pages::pages().into_iter().collect();
    for (name, page) in &pages {
        compare(&directory.join(name), page.as_bytes());
    }
    let committed = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(committed.collect::<BTreeSet<_>>(), pages.into_keys().collect(), "each page is of a verdict");
    compare_list(&root.join("docs/why-did-it-not-boot.md"), "verdicts", &verdict_pages::index());
    compare(&root.join("dist/systemd/proxydhcpd.catalog"), verdict_pages::catalog::render().as_bytes());
}

/// The pages for beginners show a story as docs/verdicts.toml has it.
#[test]
fn the_stories_in_the_first_pages_are_those_of_the_verdicts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (page, id) in [("README.md", "tftp-requests-blocked"), ("docs/why-did-it-not-boot.md", "kernel-missing")] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        assert!(text.contains(&verdict_pages::story_lines(id)), "{page} does not have the story of {id}");
    }
}

#[test]
fn each_verdict_names_its_tests_and_one_of_them_stages_the_fault_end_to_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (row, facts) in verdict_pages::rows() {
        let is_staged =
            |test: &String| test.starts_with("daemon/tests/faults/") || test.starts_with("e2e/tests/boots/");
        assert!(facts.tests.iter().any(is_staged), "{}: no test stages it with the server", row.id);
        for test in &facts.tests {
            let (file, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{}: no file {file}", row.id));
            assert!(text.contains(&format!("fn {name}(")), "{}: no test {test}", row.id);
        }
    }
}

/// `journalctl` refuses a catalogue with an identifier that is not hexadecimal, or that occurs twice.
#[test]
fn the_catalogue_has_an_entry_for_each_verdict() {
    let catalog = verdict_pages::catalog::render();
    let ids: Vec<&str> = catalog.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    let expected: Vec<&str> = verdict_pages::rows().iter().map(|(row, _)| row.message_id).collect();
    assert_eq!(ids, expected);
    assert!(!catalog.contains("]("), "the catalogue has no links");
}

#[test]
fn the_list_of_vectors_in_the_protocol_page_matches_the_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = list_of_vectors(&root.join("core/testdata/vectors"));
    compare_list(&root.join("docs/protocol.md"), "vectors", &list);
}

/// Compares the list of a page that stands between the comments `<!-- NAME: ... -->` and `<!-- end -->`.
fn compare_list(page: &Path, name: &str, list: &str) {
    let text = fs::read_to_string(page).unwrap();
    let (before, after) = text.split_once(&format!("<!-- {name}:")).unwrap();
    let (marker, after) = after.split_once("-->\n").unwrap();
    let (_, after) = after.split_once("<!-- end -->").unwrap();
    compare(page, format!("{before}<!-- {name}:{marker}-->\n{list}<!-- end -->{after}").as_bytes());
}

/// Returns the number of vectors, and a table with a row for each group.
fn list_of_vectors(directory: &Path) -> String {
    let (mut groups, mut answered) = (BTreeMap::<String, Vec<String>>::new(), 0);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let vector: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let text = |field: &str| vector[field].as_str().unwrap_or_else(|| panic!("{field} of {}", file.display()));
        assert_eq!(file.file_stem().unwrap(), text("name"));
        groups.entry(text("group").to_owned()).or_default().push(format!("`{}`", text("name")));
        answered += usize::from(!vector["expected_reply"].is_null());
    }
    let rows = groups.iter().map(|(group, names)| format!("| {group} | {} |\n", names.join(" ")));
    format!(
        "`core/testdata/vectors/*.json`: {} packets, {answered} of them with an answer and {} that get none.\n\n\
         | group | vectors |\n|---|---|\n{}",
        files.len(),
        files.len() - answered,
        rows.collect::<String>()
    )
}

fn compare(file: &Path, generated: &[u8]) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file, generated).unwrap();
    }
    let committed = fs::read(file).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date: run `UPDATE=1 cargo test --workspace --test generated`",
        file.display()
    );
}
