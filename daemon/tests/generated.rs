//! The manual pages of commands are generated from the command line's definition, and those of the configuration and
//! the example file from the table of keys. To regenerate them: `UPDATE=1 cargo test -p proxydhcpd --test generated`.

use clap::CommandFactory;
use proxydhcpd::cli::Cli;
use proxydhcpd::config::keys::render;
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
