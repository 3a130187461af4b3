//! The blocks that the tests of this directory do not run: another test does, or none does for a reason. Each block of
//! the pages is run here, or has its row in this list.

use super::blocks::{self, Block};
use super::{FOLLOWED, VERDICTS};
use std::fs;
use std::path::Path;

/// The blocks of a page in one language that contain this text, and the test that runs them.
struct Row {
    page: &'static str,
    language: &'static str,
    text: &'static str,
    by: By,
}

enum By {
    /// This test (`FILE::FUNCTION`) reads the page, and runs the blocks.
    Page(&'static str),
    /// This test runs the same commands, and reads no page.
    Commands(&'static str),
    /// None, for this reason.
    None(&'static str),
}

const fn row(page: &'static str, language: &'static str, text: &'static str, by: By) -> Row {
    Row { page, language, text, by }
}

const BUILDS: &str = "it builds for minutes, or runs other tests";
const INSTALLS: &str = "dist/packages/test and e2e/tests/boots/service.rs install the server";
const SERVICE: &str = "e2e/tests/boots/service.rs::the_service_stops_at_once_and_make_uninstall_leaves_the_boot_dir";
const API: &str = "daemon/tests/api_examples.rs::every_example_of_the_document_has_the_answer_that_it_shows";
const VALID: &str = "daemon/tests/native_config.rs::every_configuration_in_the_documentation_is_valid";
const TEMPLATES: &str = "daemon/tests/templates.rs::the_templates_of_the_documentation_are_rendered";

const ELSEWHERE: &[Row] = &[
    row("README.md", "console", "make run", By::None(BUILDS)),
    row("README.md", "console", "apt install", By::None(INSTALLS)),
    row("README.md", "console", "make install", By::Commands(SERVICE)),
    row("CONTRIBUTING.md", "sh", "cargo ", By::None(BUILDS)),
    row("docs/api.md", "console", "", By::None("it makes the token of the examples, as their test does")),
    row("docs/api.md", "sh", "", By::Page(API)),
    row("docs/api.md", "json", "", By::Page(API)),
    row("docs/boot-storms.md", "console", "", By::None("the player needs a network, and a build of minutes")),
    row(
        "docs/configuration.md",
        "toml",
        "",
        By::Page("daemon/tests/doc_examples/main.rs::every_example_of_the_configuration_is_valid_alone"),
    ),
    row("docs/fuzzing.md", "sh", "", By::None("it needs a nightly toolchain, and minutes")),
    row("docs/installing.md", "console", "", By::None(INSTALLS)),
    row("docs/installing.md", "nix", "", By::None("Nix is no part of Debian")),
    row(
        "docs/installing.md",
        "sh",
        "rc.common",
        By::Page("daemon/tests/doc_examples/main.rs::the_init_script_for_openwrt_starts_the_server"),
    ),
    row("docs/migrating-from-python.md", "console", "", By::Commands(SERVICE)),
    row(
        "docs/monitoring.md",
        "yaml",
        "",
        By::Page(
            "daemon/tests/metrics/main.rs::promtool_accepts_the_alerts_the_dashboard_and_the_scrape_configuration",
        ),
    ),
    row(
        "docs/operation.md",
        "sql",
        "",
        By::Page("daemon/tests/history.rs::every_boot_of_a_played_site_is_in_the_file_with_its_stages"),
    ),
    row("docs/templates.md", "jinja", "", By::Page(TEMPLATES)),
    // The page shows one table in three ways, so that they are no file together.
    row("docs/web.md", "toml", "", By::Page(VALID)),
    row(
        "docs/webhooks.md",
        "json",
        "",
        By::Page(
            "daemon/tests/webhooks.rs::a_boot_that_failed_has_one_call_once_its_verdict_has_settled_and_one_that_goes_on_has_none",
        ),
    ),
    row(
        "docs/webhooks.md",
        "python",
        "",
        By::Page("daemon/tests/webhooks.rs::the_receiver_in_the_docs_verifies_and_prints"),
    ),
];

/// Programs whose names begin a command. A block that only shows something has none of them.
const PROGRAMS: &[&str] = &[
    "./",
    "apt ",
    "cargo ",
    "cp ",
    "curl ",
    "dnf ",
    "journalctl ",
    "make ",
    "mkdir ",
    "openssl ",
    "podman ",
    "proxydhcpd ",
    "rm ",
    "sqlite3 ",
    "systemctl ",
    "tcpdump ",
    "umask ",
];

fn rows(block: &Block) -> impl Iterator<Item = &'static Row> {
    let is_its = |row: &&Row| row.page == block.page && row.language == block.language && block.text.contains(row.text);
    ELSEWHERE.iter().filter(is_its)
}

/// Whether another test runs the block, or none.
pub fn has_row(block: &Block) -> bool {
    rows(block).next().is_some()
}

#[test]
fn each_block_is_run_by_a_test_or_has_its_reason() {
    let blocks = blocks::all();
    assert!(blocks.len() > 150, "{} blocks", blocks.len());
    let mut errors = Vec::new();
    for block in &blocks {
        let place = format!("{}:{}", block.page, block.line);
        let page = block.page.trim_start_matches("docs/").trim_end_matches(".md");
        let is_followed = FOLLOWED.contains(&page) || page.starts_with(VERDICTS);
        match (block.language.as_str(), rows(block).count()) {
            ("", _) => errors.push(format!("{place}: a block without a language; one that only shows has `text`")),
            ("text", _) => {
                // A digit follows the name of a program where it prints its version.
                let is_command = |line: &str, program: &str| {
                    line.strip_prefix(program).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
                };
                let mut lines = block.text.lines();
                let command = lines.find(|line| PROGRAMS.iter().any(|program| is_command(line, program)));
                errors.extend(command.map(|command| format!("{place}: a test could run this: {command}")));
            }
            (_, 0) if !is_followed => errors.push(format!("{place}: no test runs it, and the list ELSEWHERE lacks it")),
            // Here, `console` marks what changes the host, or takes long.
            ("console", 0) => errors.push(format!("{place}: the list ELSEWHERE lacks it")),
            (_, 0 | 1) => {}
            (_, count) => errors.push(format!("{place}: {count} rows of the list ELSEWHERE")),
        }
    }
    for Row { page, language, text, by } in ELSEWHERE {
        let row = format!("{page}, {language}, {text:?}");
        if !blocks.iter().any(|block| block.page == *page && block.language == *language && block.text.contains(text)) {
            errors.push(format!("{row}: there is no such block"));
        }
        let (By::Page(test) | By::Commands(test)) = by else { continue };
        let (file, function) = test.split_once("::").unwrap();
        let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap_or_default();
        let name = page.rsplit('/').next().unwrap();
        let reads =
            code.contains(name) || code.contains(name.trim_end_matches(".md")) || code.contains("join(\"docs\")");
        if !code.contains(&format!("fn {function}(")) {
            errors.push(format!("{row}: there is no test {test}"));
        } else if matches!(by, By::Page(_)) && !reads {
            errors.push(format!("{row}: {file} does not read the page"));
        }
    }
    let reasons = ELSEWHERE.iter().filter(|row| matches!(row.by, By::None(reason) if !reason.is_empty())).count();
    assert!(reasons <= 8, "{reasons} blocks that no test runs: a page is for commands that work");
    assert!(errors.is_empty(), "{errors:#?}");
}
