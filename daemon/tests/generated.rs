//! The manual pages of commands are generated from the command line's definition, and those of the configuration and
//! the example file from the table of keys. To regenerate them: `UPDATE=1 cargo test -p proxydhcpd --test generated`.

use clap::CommandFactory;
use proxydhcpd::cli::Cli;
use proxydhcpd::settings::keys::render;
use std::fs;
use std::path::Path;

#[test]
fn the_manual_pages_match_the_command_line() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let page = |name: &'static str| {
        let verb = program.find_subcommand(name.strip_prefix("proxydhcpd-").unwrap()).unwrap();
        (verb.clone().display_name(name).name(name), name)
    };
    let verbs =
        ["proxydhcpd-check", "proxydhcpd-explain", "proxydhcpd-import", "proxydhcpd-rearm", "proxydhcpd-render"]
            .map(page);
    for (command, name) in verbs.into_iter().chain([(program.clone(), "proxydhcpd")]) {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .section("8")
            .manual("System Manager's Manual")
            .date("")
            .render(&mut page)
            .unwrap();
        compare(&directory.join(format!("{name}.8")), &page);
    }
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
