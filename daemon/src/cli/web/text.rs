//! The text that `web` prints for people.

use crate::api::{OpenedBy, SetupLinkRecord, TokenRecord, WebStatus};
use owo_colors::OwoColorize;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fmt::Write;

/// Where the page is, and who may use it.
pub fn status_text(status: &WebStatus) -> String {
    let mut text = format!("{}\n", "page for operators".bold());
    for url in &status.urls {
        let note = if url.starts_with("http://") && !url.contains("//127.") && !url.contains("//[::1]") {
            "  plain HTTP: every host of the network can read it"
        } else {
            ""
        };
        add(&mut text, format_args!("  {url}{}", note.yellow()));
    }
    for failure in &status.failures {
        add(&mut text, format_args!("  {}", format_args!("cannot listen at {failure}").yellow()));
    }
    add(&mut text, format_args!("  {}", opened_by(status.opened_by)));
    if let Some(fingerprint) = &status.fingerprint {
        add(&mut text, format_args!("{}", "certificate".bold()));
        add(&mut text, format_args!("  SHA-256 {fingerprint}"));
    }
    add(&mut text, format_args!("{}", "users".bold()));
    let password = if status.has_password { "those who know the password" } else { "no password is set" };
    add(&mut text, format_args!("  {password}"));
    add(&mut text, format_args!("  browsers that logged in: {}", status.sessions));
    add(&mut text, format_args!("  programs with a token: {}", status.tokens));
    if !status.trusted_proxies.is_empty() {
        add(&mut text, format_args!("  users of the proxies {}", status.trusted_proxies.join(", ")));
    }
    text
}

/// The links.
pub fn link_text(link: &SetupLinkRecord) -> Result<String, Diagnostic> {
    let Some((best, others)) = link.urls.split_first() else {
        let error = Diagnostic::error("the page is at no address");
        return Err(error.help("`proxydhcpd web status` shows why, and `listen` in [web] says where it should be"));
    };
    let mut text = format!("This link lets one browser in, once, within {} minutes:\n{best}\n", link.minutes);
    if !others.is_empty() {
        add(&mut text, format_args!("It works at these addresses, too:\n{}", others.join("\n")));
    }
    Ok(text)
}

/// The tokens, one a line.
pub fn tokens_text(tokens: &[TokenRecord]) -> String {
    let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or_default();
    let line =
        |token: &TokenRecord| format!("{:width$}  {:5}  since {}\n", token.name, token.scope.as_str(), token.created);
    tokens.iter().map(line).collect()
}

fn opened_by(opened_by: OpenedBy) -> &'static str {
    match opened_by {
        OpenedBy::Configuration => "as `listen` in [web] of the configuration says",
        OpenedBy::Flag => "open to the served networks by --open-page, while this server runs",
        OpenedBy::Command => "open to the served networks; `proxydhcpd web close` closes it",
        OpenedBy::Default => "only for browsers on this host; `proxydhcpd web open` opens it to the served networks",
    }
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
