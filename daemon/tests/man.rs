//! The manual pages are made from the command line's own definition. After a change of it:
//! `UPDATE=1 cargo test -p proxydhcpd --test man`.

use clap::CommandFactory;
use proxydhcpd::cli::Cli;
use std::fs;
use std::path::Path;

#[test]
fn the_manual_pages_say_what_the_command_line_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let page = |name: &'static str| {
        let verb = program.find_subcommand(name.strip_prefix("proxydhcpd-").unwrap()).unwrap();
        (verb.clone().display_name(name).name(name), name)
    };
    let verbs = ["proxydhcpd-check", "proxydhcpd-explain", "proxydhcpd-render"].map(page);
    for (command, name) in verbs.into_iter().chain([(program.clone(), "proxydhcpd")]) {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .section("8")
            .manual("System Manager's Manual")
            .date("")
            .render(&mut page)
            .unwrap();
        let file = folder.join(format!("{name}.8"));
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &page).unwrap();
        }
        let committed = fs::read(&file).unwrap_or_default();
        assert!(committed == page, "{} is not what the command line says: run with UPDATE=1", file.display());
    }
}
