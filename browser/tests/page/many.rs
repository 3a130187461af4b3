//! The bar for many machines, and the search among more machines than a page has.

use anyhow::{Context, Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN};
use proxydhcpd_browser::browser::Browser;
use proxydhcpd_browser::played_site::{self, PlayedSite, RULES};
use proxydhcpd_e2e::WorkDir;

cases![the_bar_waits_for_machines_and_a_profile, a_search_says_that_it_looks_at_one_page];

/// The number of buttons of the bar that a person can press.
const READY: &str = "document.querySelectorAll('[data-many] button:enabled').length";
/// The number of rows that are visible.
const SHOWN: &str = "[...document.querySelectorAll('[data-machine]')].filter((row) => row.checkVisibility()).length";

fn the_bar_waits_for_machines_and_a_profile(work: &WorkDir) -> Result<()> {
    let run = played_site::run_of(played_site::kinds(&["uefi-x64", "bios"])?, 2, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}{OPEN}{}", played_site::entries(&run, &["web1", "web2"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    site.play(&run)?;
    board.open(&browser, "/")?;
    ensure!(browser.eval(READY)? == 0, "the bar acts on no machine");
    browser.click("[name=which][value=all]")?;
    ensure!(browser.eval(READY)? == 4, "the bar does not act on all machines");
    browser.click("[name=which][value=ticked]")?;
    ensure!(browser.eval(READY)? == 0, "the bar acts on no machine");
    browser.click("[data-machine] .pick")?;
    ensure!(browser.text("document.querySelector('[data-ticked]').innerText")? == "1 ticked");
    browser.click("[data-many] [value=boot-once]")?;
    ensure!(browser.eval("document.querySelector('#bar-profile:invalid') !== null")? == true, "a profile is chosen");
    ensure!(browser.path()? == "/", "a boot without a profile leads to {}", browser.path()?);

    browser.call("document.querySelector('#bar-profile').value = 'debian'", &[])?;
    browser.click("[data-many] [value=boot-once]")?;
    browser.wait_for("document.querySelector('h1').innerText.endsWith('once on 1 machine?')")?;
    browser.click_on("Boot once")?;
    browser.wait_for("document.querySelector('[data-notice]').innerText.includes('1 machine boots debian once')")?;
    browser.check_console()
}

fn a_search_says_that_it_looks_at_one_page(work: &WorkDir) -> Result<()> {
    let run = played_site::run_of(played_site::kinds(&["bios"])?, 110, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}{OPEN}{}", played_site::entries(&run, &["web1"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    site.play(&run)?;
    board.open(&browser, "/?offset=100")?;
    let row = browser.text("document.querySelector('[data-machine] h2').innerText")?;
    board.open(&browser, "/")?;
    browser.wait_for("document.querySelectorAll('[data-machine]').length === 100")?;
    ensure!(
        browser.eval("document.querySelector('[data-part-only]').hidden")? == true,
        "the hint stands there before a search"
    );
    browser.type_into("[data-find]", &row)?;
    browser.wait_for(&format!("{SHOWN} === 0")).with_context(|| format!("{row} is on the first page"))?;
    browser.click_on("Search all")?;
    browser.wait_for(&format!("location.search.includes('search=') && {SHOWN} === 1"))?;
    ensure!(browser.text("document.querySelector('[data-machine] h2').innerText")? == row, "another machine is found");
    browser.check_console()
}
