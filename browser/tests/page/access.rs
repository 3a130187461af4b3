//! The users of the page: links, passwords, sessions, tokens.

use anyhow::{Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN, PASSWORD};
use proxydhcpd_browser::browser::Browser;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::site::{self, Site};
use serde_json::{Value, json};

cases![sessions_begin_and_end, a_token_may_do_what_its_scope_says];

const LINES: &str = "[profile.debian]\nkernel = \"linux\"\n[machine.web1]\nmac = \"52:54:00:12:34:56\"\n";

/// Sends a request with a token and without the cookie, and returns its status.
const WITH_TOKEN: &str = "\
const [method, path, token] = arguments;
const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
const body = method === 'POST' ? JSON.stringify({ profile: 'debian', once: true }) : undefined;
return fetch(path, { method, headers, body, credentials: 'omit' }).then((response) => response.status);";

fn sessions_begin_and_end(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{LINES}{OPEN}"))?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    let shows = |text: &str| browser.wait_for(&format!("document.body.innerText.includes({text:?})"));

    board.open(&browser, "/network")?;
    ensure!(browser.path()?.starts_with("/login"), "a stranger sees {}", browser.path()?);
    shows("This page has no password yet")?;
    let link = board.link()?;
    browser.open(&board.url(&link))?;
    browser.type_into("#password", PASSWORD)?;
    browser.type_into("#again", "another one")?;
    browser.click_on("Set the password")?;
    shows("The two passwords differ.")?;
    browser.check_console_has_only(&["422"])?;
    board.log_in(&browser)?;
    browser.open(&board.url(&link))?;
    shows("This link is no longer valid")?;
    browser.check_console_has_only(&["410"])?;

    board.open(&browser, "/")?;
    browser.click_on("Log out")?;
    browser.wait_for("location.pathname === '/login'")?;
    board.open(&browser, "/network")?;
    browser.type_into("#password", "wrong horse battery")?;
    browser.click_on("Log in")?;
    shows("This password is wrong.")?;
    browser.check_console_has_only(&["403"])?;
    browser.type_into("#password", PASSWORD)?;
    browser.click_on("Log in")?;
    browser.wait_for("location.pathname === '/network'")?;

    // A new password ends the session; a page that is open leads to the login when it next asks.
    board.set_password("another horse battery")?;
    board.open(&browser, "/log")?;
    browser.wait_for("location.pathname === '/login'")?;
    browser.type_into("#password", "another horse battery")?;
    browser.click_on("Log in")?;
    browser.wait_for("location.pathname === '/log'")?;
    browser.check_console()
}

fn a_token_may_do_what_its_scope_says(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{LINES}{OPEN}"))?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.open(&browser, "/login")?;
    let status = |method: &str, path: &str, token: &str| -> Result<Value> {
        browser.call(WITH_TOKEN, &[json!(method), json!(path), json!(token)])
    };
    let add = |name: &str, scope: &str| -> Result<String> {
        Ok(board.command(&["web", "token", "add", name, "--scope", scope])?.trim().to_owned())
    };
    let (read, boot) = (add("reader", "read")?, add("booter", "boot")?);
    let order = "/api/v1/machines/web1/boot";
    for (method, path, token, expected) in [
        ("GET", "/api/v1/status", &read, 200),
        ("POST", order, &read, 403),
        ("GET", order, &read, 404),
        ("POST", order, &boot, 200),
        ("GET", order, &read, 200),
        ("GET", "/api/v1/status", &"0".repeat(64), 401),
    ] {
        let found = status(method, path, token)?;
        ensure!(found == expected, "{method} {path}: {found}, and not {expected}");
    }
    board.command(&["web", "token", "remove", "reader"])?;
    ensure!(status("GET", "/api/v1/status", &read)? == 401, "a removed token permits something");
    // A token begins no session.
    board.open(&browser, "/")?;
    ensure!(browser.path()?.starts_with("/login"), "the browser is logged in");
    browser.check_console_has_only(&["403", "404", "401"])
}
