//! The manual pages are made from the command line's own definition, that of the configuration and the example file
//! from the table of keys. After a change of them:
//! `UPDATE=1 cargo test -p proxydhcpd --test man`.

use clap::CommandFactory;
use proxydhcpd::cli::Cli;
use proxydhcpd::config::keys::render;
use std::fs;
use std::path::Path;

#[test]
fn the_manual_pages_say_what_the_command_line_does() {
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
fn the_manual_page_of_the_configuration_and_the_example_file_say_what_the_table_of_keys_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    compare(&root.join("docs/man/proxydhcpd.toml.5"), render::man_page().as_bytes());
    compare(&root.join("dist/proxydhcpd.toml"), render::example_file().as_bytes());
}

fn compare(file: &Path, made: &[u8]) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file, made).unwrap();
    }
    let committed = fs::read(file).unwrap_or_default();
    assert!(committed == made, "{} is not what the program says: run with UPDATE=1", file.display());
}
