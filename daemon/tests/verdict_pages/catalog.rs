//! The catalogue that `journalctl -x` shows: an explanation for each `MESSAGE_ID` (catalog format of systemd).

use super::rows;
use super::text::with_words;

const HEAD: &str = "\
# Explanations of proxydhcpd's warnings about failed boots, for `journalctl -x`.
# Generated from core/src/story/verdict_code.rs and docs/verdicts.toml:
# UPDATE=1 cargo test --workspace --test generated
";

/// Where the pages are.
const PAGES: &str = "https://github.com/proxydhcpd/proxydhcpd/blob/main/docs/verdicts";

/// Renders dist/systemd/proxydhcpd.catalog.
pub fn render() -> String {
    let mut catalog = HEAD.to_owned();
    for (row, facts) in rows() {
        let remedy = match row.remedy {
            "" | "{detail}" => String::new(),
            remedy => format!("{}.\n\n", with_words(remedy)),
        };
        catalog += &format!(
            "\n-- {}\nSubject: {}\nDefined-By: proxydhcpd\nSupport: https://github.com/proxydhcpd/proxydhcpd/issues\n\
             Documentation: {PAGES}/{}.md\n\n{}{}\n\nThe proof:\n{}\n\n\
             `proxydhcpd story @MAC@` shows the boots of this machine, step by step.\n",
            row.message_id,
            row.title,
            row.id,
            fill(&remedy),
            plain(facts.tell.trim()),
            plain(facts.proof.trim()),
        );
    }
    catalog
}

/// Breaks a long sentence into lines of at most 80 columns.
fn fill(text: &str) -> String {
    let mut column = 0;
    let mut filled = String::new();
    for word in text.trim_end().split(' ') {
        let length = word.chars().count();
        match column {
            0 => {}
            _ if column + length >= 80 => (filled, column) = (filled + "\n", 0),
            _ => (filled, column) = (filled + " ", column + 1),
        }
        filled += word;
        column += length;
    }
    if filled.is_empty() { filled } else { filled + "\n\n" }
}

/// Replaces each link by its text.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, (link, after))) =
        rest.split_once("](").and_then(|(before, after)| Some((before, after.split_once(')')?)))
    {
        let (before, name) = before.rsplit_once('[').expect("a link begins with a bracket");
        let page = link.trim_start_matches("../").split('#').next().unwrap_or_default();
        let page = if link.starts_with("../") { format!("docs/{page}") } else { name.to_owned() };
        plain += &format!("{before}{page}");
        rest = after;
    }
    plain + rest
}
