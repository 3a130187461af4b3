//! The manual pages of commands are generated from the command line's definition, those of the configuration and the
//! example file from the table of keys, docs/firmware.md from the firmware quirks, and the list of vectors in
//! docs/protocol.md from their files. To regenerate them: `UPDATE=1 cargo test -p proxydhcpd --test generated`.

mod quirk_page;

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
    // The server's page describes `serve`, because the server runs without that word too.
    let commands = program.get_subcommands().filter(|command| command.get_name() != "serve");
    let of_command = |command: &clap::Command| {
        // clap takes names as `&'static str`.
        let name: &'static str = format!("proxydhcpd-{}", command.get_name()).leak();
        (name, command.clone().display_name(name).name(name))
    };
    let pages: BTreeMap<&str, clap::Command> =
        commands.map(of_command).chain([("proxydhcpd", program.clone())]).collect();
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
fn the_list_of_vectors_in_the_protocol_page_matches_the_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = root.join("docs/protocol.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, after) = text.split_once("<!-- vectors:").unwrap();
    let (marker, after) = after.split_once("-->\n").unwrap();
    let (_, after) = after.split_once("<!-- end -->").unwrap();
    let list = list_of_vectors(&root.join("core/testdata/vectors"));
    compare(&page, format!("{before}<!-- vectors:{marker}-->\n{list}<!-- end -->{after}").as_bytes());
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
        "{} is out of date: run `UPDATE=1 cargo test -p proxydhcpd --test generated`",
        file.display()
    );
}
