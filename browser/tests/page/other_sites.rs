//! Pages of other sites in the browser of a user who has logged in.

use anyhow::{Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN, PLAIN};
use proxydhcpd_browser::browser::{Browser, Options};
use proxydhcpd_browser::foreign_site::ForeignSite;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_testbed::Host;

cases![
    a_page_of_another_site_changes_nothing_by_https,
    a_page_of_another_site_or_port_changes_nothing_by_plain_http,
    a_name_that_another_site_controls_reaches_nothing_by_https,
    a_name_that_another_site_controls_reaches_nothing_by_plain_http,
];

const LINES: &str = "[profile.debian]\nkernel = \"linux\"\n[machine.web1]\nmac = \"52:54:00:12:34:56\"\n";
const DONE: &str = "document.title === 'done'";

/// A form that sends itself.
macro_rules! form {
    ($to:expr, $fields:literal) => {
        concat!("<form method=post action='", $to, "'>", $fields, "</form><script>document.forms[0].submit()</script>")
    };
}

/// The pages: forms that send themselves, requests of a script, a frame. `TARGET` is the origin of the page.
macro_rules! pages {
    ($target:literal) => {
        &[
            ("/order", form!(concat!($target, "/machines/web1/boot"), "<input name=profile value=debian>")),
            ("/logout", form!(concat!($target, "/logout"), "")),
            ("/fetch", concat!("<script>const target = '", $target, "';", include_str!("attack.js"), "</script>")),
            ("/frame", concat!("<iframe src='", $target, "/' onload=\"document.title = 'done'\"></iframe>")),
        ]
    };
}

fn a_page_of_another_site_changes_nothing_by_https(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{LINES}{OPEN}"))?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    let attacker = Host::without_dad();
    site.segment.plug(&attacker, "eth0", &["10.77.0.66/24"]);
    let _foreign = ForeignSite::start(&attacker, "10.77.0.66:80", pages!("https://10.77.0.2:8067"));
    assert_refused(&board, &browser, "http://10.77.0.66")
}

/// The other port of the server's host is of the same site for cookies, so the browser sends them.
fn a_page_of_another_site_or_port_changes_nothing_by_plain_http(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{LINES}{PLAIN}"))?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    browser.wait_for("document.body.innerText.includes('Plain HTTP')")?;
    let attacker = Host::without_dad();
    site.segment.plug(&attacker, "eth0", &["10.77.0.66/24"]);
    let pages = pages!("http://10.77.0.2:8067");
    let _foreign = ForeignSite::start(&attacker, "10.77.0.66:80", pages);
    let _neighbour = ForeignSite::start(&site.server, "10.77.0.2:8088", pages);
    assert_refused(&board, &browser, "http://10.77.0.66")?;
    assert_refused(&board, &browser, "http://10.77.0.2:8088")
}

/// Opens each page of the foreign site, and checks that it reads nothing and changes nothing.
fn assert_refused(board: &Board<'_>, browser: &Browser<'_>, foreign: &str) -> Result<()> {
    browser.check_console()?;
    for path in ["/order", "/logout"] {
        browser.open(&format!("{foreign}{path}"))?;
        browser.wait_for("document.body.innerText.includes('the page of another site caused this request')")?;
        browser.check_console_has_only(&["403", "/favicon.ico"])?;
    }
    browser.open(&format!("{foreign}/fetch"))?;
    browser.wait_for(DONE)?;
    let read = browser.eval("window.read")?;
    let learned = read.as_array().is_none_or(|read| read.iter().any(|text| text != "refused" && text != "opaque"));
    ensure!(!learned, "the page of {foreign} has read {read}");
    browser.check_console_has_only(&["has been blocked by CORS policy", "Failed to load resource"])?;
    browser.open(&format!("{foreign}/frame"))?;
    browser.wait_for(DONE)?;
    browser.check_console_has_only(&["frame-ancestors 'none'"])?;

    board.open(browser, "/machines/web1")?;
    ensure!(browser.path()? == "/machines/web1", "the page of {foreign} has ended the session");
    let orders = "document.querySelectorAll('form[action$=\"/cancel\"]').length";
    ensure!(browser.eval(orders)? == 0, "the page of {foreign} has ordered a boot");
    browser.check_console()
}

/// The name leads to the attacker's server first, and to this one then (DNS rebinding). A page of the attacker is of
/// the same origin as the server's then.
fn a_name_that_another_site_controls_reaches_nothing_by_https(work: &WorkDir) -> Result<()> {
    assert_name_is_refused(work, OPEN, "https://evil.example:8067")
}

fn a_name_that_another_site_controls_reaches_nothing_by_plain_http(work: &WorkDir) -> Result<()> {
    assert_name_is_refused(work, PLAIN, "http://evil.example:8067")
}

fn assert_name_is_refused(work: &WorkDir, lines: &str, origin: &str) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{LINES}{lines}"))?;
    let arguments = &["--host-resolver-rules=MAP evil.example 10.77.0.2", "--disable-features=HttpsUpgrades"];
    let options = Options { arguments, ..Options::default() };
    let browser = Browser::with_options(work, &board.desk, "browser", options)?;
    board.log_in(&browser)?;
    browser.check_console()?;
    for path in ["/", "/login", "/api/v1/machines"] {
        browser.open(&format!("{origin}{path}"))?;
        browser.wait_for("document.body.innerText.includes('this server does not have that name')")?;
    }
    browser.check_console_has_only(&["421"])
}
